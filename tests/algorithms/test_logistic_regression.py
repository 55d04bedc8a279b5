"""Logistic regression against statsmodels and R, split over sites, and where it has no answer."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from tests.analysis import analyse

X = ("a", "b", "g")


def cohort(records: int = 400, seed: int = 1) -> dict[str, Any]:
    """Two numeric covariates, one of them far from zero, three groups, three outcomes."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=records), 1e6 + 5 * rng.normal(size=records)
    group = np.array(["p", "q", "r"])[rng.integers(0, 3, records)]
    eta = 0.8 * a - 0.2 * (b - 1e6) + 0.7 * (group == "q") - 0.3
    y = np.where(rng.random(records) < 1 / (1 + np.exp(-eta)), "yes", "no")
    y = np.where((y == "no") & (rng.random(records) < 0.3), "unsure", y)
    return {"a": a, "b": b, "g": group, "y": y}


def reference(data: dict[str, Any]) -> Any:
    design = [data["a"], data["b"] - 1e6, data["g"] == "q", data["g"] == "r"]
    design = sm.add_constant(np.column_stack(design).astype(float))
    return sm.Logit((data["y"] == "yes").astype(float), design).fit(disp=0, tol=1e-14)


def fit(data: dict[str, Any], x: Any = X, **options: Any) -> Any:
    options.setdefault("parameters", {"positive_class": "yes"})
    return analyse("logistic_regression", data, y=["y"], x=x, **options)


def test_equals_statsmodels() -> None:
    data = cohort()
    ours, theirs = fit(data), reference(data)

    # The intercept is at b = 0, a million from the data; the others do not depend on the origin.
    assert [row.term for row in ours.coefficients] == ["Intercept", "a", "b", "g[q]", "g[r]"]
    rows = ours.coefficients[1:]
    assert [row.estimate for row in rows] == pytest.approx(theirs.params[1:], rel=1e-6)
    assert [row.std_error for row in rows] == pytest.approx(theirs.bse[1:], rel=1e-6)
    assert [row.statistic for row in rows] == pytest.approx(theirs.tvalues[1:], rel=1e-6)
    assert [row.p_value for row in rows] == pytest.approx(theirs.pvalues[1:], rel=1e-6)
    limits = theirs.conf_int()[1:]
    assert [(row.lower, row.upper) for row in rows] == [
        pytest.approx(tuple(pair), rel=1e-6) for pair in limits
    ]
    assert [part.ratio for part in ours.odds_ratios] == pytest.approx(
        np.exp(theirs.params[1:]), rel=1e-6
    )
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-9)
    assert ours.null_log_likelihood == pytest.approx(theirs.llnull, rel=1e-9)
    assert ours.aic == pytest.approx(theirs.aic, rel=1e-9)
    assert ours.bic == pytest.approx(theirs.bic, rel=1e-9)
    assert ours.r_squared_mcfadden == pytest.approx(theirs.prsquared, rel=1e-8)
    assert ours.likelihood_ratio_p_value == pytest.approx(theirs.llr_pvalue, rel=1e-6)
    assert (ours.df_model, ours.df_residual) == (theirs.df_model, theirs.df_resid)


def test_deviance_residuals_equal_statsmodels() -> None:
    data = cohort()
    ours = fit(data).deviance_residuals
    design = sm.add_constant(
        np.column_stack([data["a"], data["b"] - 1e6, data["g"] == "q", data["g"] == "r"]).astype(
            float
        )
    )
    theirs = sm.GLM((data["y"] == "yes").astype(float), design, family=sm.families.Binomial()).fit(
        tol=1e-12
    )
    expected = np.quantile(theirs.resid_deviance, [0, 0.25, 0.5, 0.75, 1])

    found = [ours.minimum, ours.q1, ours.median, ours.q3, ours.maximum]
    assert found == pytest.approx(expected, rel=1e-6)


def test_equals_r(need: Callable[..., str], tmp_path: Path) -> None:
    data = cohort()
    file = tmp_path / "d.csv"
    rows = zip(data["a"], data["b"], data["g"], data["y"], strict=True)
    text = "".join(
        f"{a!r},{b!r},{g},{y}\n" for a, b, g, y in ((*map(float, r[:2]), *r[2:]) for r in rows)
    )
    file.write_text("a,b,g,y\n" + text)
    script = f"""d <- read.csv("{file}"); d$b <- d$b - 1e6
m <- glm(I(y == "yes") ~ a * g + b, binomial, d, control = list(epsilon = 1e-14))
s <- summary(m)
cat(sprintf("%.15g", c(coef(s)[-1, 1], coef(s)[-1, 2], s$deviance, s$null.deviance, s$aic)))"""
    out = subprocess.run(
        [need("Rscript"), "-e", script], capture_output=True, text=True, check=True
    ).stdout
    theirs = [float(part) for part in out.split()]

    parameters = {"positive_class": "yes", "interactions": [["a", "g"]]}
    ours = fit(data, x=("a", "g", "b"), parameters=parameters)
    # R puts a:g last as well.
    terms = {row.term: row for row in ours.coefficients}
    order = ["a", "g[q]", "g[r]", "b", "a:g[q]", "a:g[r]"]
    assert [terms[name].estimate for name in order] == pytest.approx(theirs[:6], rel=1e-6)
    assert [terms[name].std_error for name in order] == pytest.approx(theirs[6:12], rel=1e-6)
    found = [ours.residual_deviance, ours.null_deviance, ours.aic]
    assert found == pytest.approx(theirs[12:], rel=1e-9)


@pytest.mark.parametrize("parts", [2, 3, 10, [range(3), range(3, 3), range(3, 400)]])
def test_federated_equals_pooled(parts: Any) -> None:
    data = cohort()
    parts = parts if isinstance(parts, int) else [np.array(rows, dtype=int) for rows in parts]
    pooled, federated = fit(data), fit(data, parts=parts)

    for one, other in zip(pooled.coefficients[1:], federated.coefficients[1:], strict=True):
        assert other.estimate == pytest.approx(one.estimate, rel=1e-9)
        assert other.std_error == pytest.approx(one.std_error, rel=1e-9)
    assert federated.log_likelihood == pytest.approx(pooled.log_likelihood, rel=1e-12)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_order_and_split_of_records_change_nothing(seed: int, parts: int) -> None:
    data = cohort(120)
    data["b"] = data["b"] - 1e6
    shuffled = np.random.default_rng(seed).permutation(120)
    moved = {code: np.asarray(values)[shuffled] for code, values in data.items()}
    one, other = fit(data), fit(moved, parts=parts)

    first = np.array([[row.estimate, row.std_error] for row in one.coefficients])
    second = np.array([[row.estimate, row.std_error] for row in other.coefficients])
    assert second == pytest.approx(first, rel=1e-11, abs=1e-13)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-12)


def test_one_class_only_is_named() -> None:
    data = cohort() | {"y": np.array(["yes"] * 400)}
    with pytest.raises(CannotCompute, match="Every record of the cohort is yes"):
        fit(data)


def test_unknown_class_is_refused() -> None:
    with pytest.raises(RequestError, match="positive_class"):
        fit(cohort(), parameters={"positive_class": "perhaps"})


def test_constant_covariate_is_named() -> None:
    with pytest.raises(CannotCompute, match="constant: b"):
        fit(cohort() | {"b": np.full(400, 7.0)})


def test_collinear_covariates_are_named() -> None:
    data = cohort()
    data["c"] = 2 * data["a"] + 1
    with pytest.raises(CannotCompute, match="determine each other: a, c"):
        fit(data, x=("a", "b", "c"))


def test_fewer_records_than_coefficients() -> None:
    rng = np.random.default_rng(3)
    data: dict[str, Any] = {code: rng.normal(size=4) for code in "abcd"}
    data["y"] = np.array(["yes", "no", "yes", "no"])
    with pytest.raises(CannotCompute, match="5 coefficients cannot be estimated from 4 records"):
        fit(data, x=tuple("abcd"))


def test_perfect_separation_is_named() -> None:
    data = cohort()
    data["y"] = np.where(data["a"] > 0.1, "yes", "no")
    with pytest.raises(CannotCompute, match=r"(?m)tell the classes apart.*: a$"):
        fit(data)


@pytest.mark.parametrize("rare", [4, 40])
def test_quasi_separation_by_one_level_is_named(rare: int) -> None:
    data = cohort(2000)
    group = data["g"].copy()
    group[np.flatnonzero(data["y"] == "yes")[:rare]] = "s"
    with pytest.raises(CannotCompute, match=r"(?m)tell the classes apart.*: g\[s\]$"):
        fit(data | {"g": group})


def test_all_but_separated_has_its_large_estimate() -> None:
    data = cohort()
    data["y"] = np.where(data["a"] > 0.1, "yes", "no")
    data["y"][np.argmax(data["a"])] = "no"
    data["y"][np.argmin(data["a"])] = "yes"
    assert fit(data, x=("a",)).coefficients[1].estimate > 1
