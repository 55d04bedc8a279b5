"""How the values of one variable lie: present, quartiles, outliers, and how they have moved."""

import numpy as np

from medmip.catalogue.variable import Variable
from medmip.quality.columns import Columns, FloatArray
from medmip.quality.report import VariableQuality, number

BINS = 10
_CONSISTENT = 1.4826
"""Makes the median absolute deviation of normal values their standard deviation."""
_LEAST_SHARE = 1e-4
"""Stands for an empty bin's share in the logarithm of the population stability index."""


def variable_quality(
    here: Columns, former: Columns | None, variable: Variable, robust_z: float, minimum: int
) -> VariableQuality:
    """One variable of a snapshot, compared with the former version where that has it too."""
    code = variable.code
    before = former if former is not None and code in former.names else None
    known = VariableQuality(code=code, label=variable.label, present=round(here.present(code), 6))
    if variable.is_numeric:
        values = _filled(here.numbers(code))
        if len(values) < minimum:
            return known
        far = outliers(values, robust_z)
        told = number(far, minimum)
        quartiles = np.quantile(values, [0.25, 0.5, 0.75]).round(6)
        update: dict[str, object] = {
            "quartiles": tuple(float(value) for value in quartiles),
            "outliers": told,
            "outlier_share": round(told.share_of / len(values), 6),
        }
        if before is not None and len(old := _filled(before.numbers(code))) >= minimum:
            update |= {"psi": round(psi_of_numbers(old, values), 6), "moved": _moved(old, values)}
        return known.model_copy(update=update)
    if not variable.is_nominal or not variable.levels:
        return known
    counts = here.levels(code)
    told_levels = {level: number(counts.get(level, 0), minimum) for level in variable.levels}
    update = {"levels": told_levels}
    if before is not None:
        old_counts = before.levels(code)
        update["psi"] = round(
            psi(
                np.array([old_counts.get(level, 0) for level in variable.levels], float),
                np.array([counts.get(level, 0) for level in variable.levels], float),
            ),
            6,
        )
    return known.model_copy(update=update)


def outliers(values: FloatArray, robust_z: float) -> int:
    """How many values lie further from the median than robust_z robust standard deviations.

    Where more than half of the values are the same, there is no such deviation and no outlier.
    """
    middle = np.median(values)
    spread = _CONSISTENT * np.median(np.abs(values - middle))
    if spread == 0:
        return 0
    return int((np.abs(values - middle) > robust_z * spread).sum())


def psi_of_numbers(old: FloatArray, new: FloatArray) -> float:
    """The population stability index over the former version's tenths."""
    edges = np.unique(np.quantile(old, np.linspace(0, 1, BINS + 1)[1:-1]))
    size = len(edges) + 1
    counts = [
        np.bincount(np.searchsorted(edges, values, side="left"), minlength=size).astype(float)
        for values in (old, new)
    ]
    return psi(counts[0], counts[1])


def psi(old: FloatArray, new: FloatArray) -> float:
    """Σ (q - p) ln(q / p) over bins, p and q the former and the present shares.

    Source: Siddiqi, Credit Risk Scorecards (2006), ch. 6; below 0.1 little, above 0.25 much.
    """
    if not old.sum() or not new.sum():
        return 0.0
    p = np.maximum(old / old.sum(), _LEAST_SHARE)
    q = np.maximum(new / new.sum(), _LEAST_SHARE)
    return float(np.sum((q - p) * np.log(q / p)))


def _moved(old: FloatArray, new: FloatArray) -> float | None:
    spread = float(old.std())
    return round(float(new.mean() - old.mean()) / spread, 6) if spread else None


def _filled(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]
