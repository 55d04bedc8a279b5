"""Records prepared before an analysis, beside statsmodels and NumPy."""

from typing import Any

import numpy as np
import statsmodels.api as sm

from benchmarks.references.comparison import (
    CLOSED,
    ITERATED,
    LEVELS,
    Comparison,
    Pair,
    coefficients,
)
from tests.algorithms.preparing import prepared


def _prepared(data: dict[str, Any], preparation: dict[str, Any], **roles: Any) -> list[float]:
    """The coefficients of a linear regression on prepared records."""
    done, _ = prepared("linear_regression", data, preparation, levels=LEVELS, **roles)
    return coefficients(done.coefficients)


def _imputation(data: dict[str, Any]) -> Pair:
    gone = np.random.default_rng(6).random(600) < 0.2
    holed = data | {"volume": np.where(gone, np.nan, data["volume"])}
    found = _prepared(
        holed, {"imputation": {"method": "regression"}}, y=["cortex"], x=["age", "volume", "sex"]
    )
    others = sm.add_constant(np.column_stack([data["age"], data["sex"] == "M"]).astype(float))
    guessed = sm.OLS(data["volume"][~gone], others[~gone]).fit().predict(others)
    volume = np.where(gone, guessed, data["volume"])
    x = np.column_stack([others[:, :2], volume, others[:, 2]])
    theirs = sm.OLS(data["cortex"], x).fit()
    return found, [*theirs.params, *theirs.bse]


def _combat(data: dict[str, Any]) -> Pair:
    site = np.random.default_rng(7).choice(["a", "b", "c"], 600, p=[0.5, 0.3, 0.2])
    moved = data | {"dataset": site, "volume": data["volume"] * np.where(site == "b", 1.4, 1.0)}
    found = _prepared(moved, {"combat": {"preserve": ["age"]}}, y=["cortex"], x=["volume", "age"])
    y = np.column_stack([moved["volume"], moved["cortex"]])
    held = [site == name for name in ("a", "b", "c")]
    design = np.column_stack([*held, moved["age"]]).astype(float)
    fitted = np.linalg.lstsq(design, y, rcond=None)[0]
    expected = np.mean(held, axis=1) @ fitted[:3] + moved["age"][:, None] * fitted[3]
    deviation = np.sqrt(((y - design @ fitted) ** 2).mean(axis=0))
    scores = (y - expected) / deviation
    for rows in held:
        own = scores[rows]
        n, shift, scale = len(own), own.mean(axis=0), own.var(axis=0, ddof=1)
        spread, shape = shift.var(ddof=1), 2 + scale.mean() ** 2 / scale.var(ddof=1)
        g, d = shift, scale
        for _ in range(500):
            g = (n * spread * shift + d * shift.mean()) / (n * spread + d)
            squares = ((own - g) ** 2).sum(axis=0)
            d = (scale.mean() * (shape - 1) + squares / 2) / (n / 2 + shape - 1)
        scores[rows] = (own - g) / np.sqrt(d)
    volume, cortex = (scores * deviation + expected).T
    theirs = sm.OLS(cortex, sm.add_constant(np.column_stack([volume, moved["age"]]))).fit()
    return found, [*theirs.params, *theirs.bse]


COMPARISONS = (
    Comparison(
        "preparation",
        "linear_regression",
        "b, SE after imputation",
        "statsmodels",
        CLOSED,
        _imputation,
    ),
    Comparison(
        "preparation",
        "linear_regression",
        "b, SE after ComBat",
        "NumPy, statsmodels",
        ITERATED,
        _combat,
    ),
)
