"""Poisson, negative binomial and gamma regression against statsmodels and R."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from medmip.algorithms.declaration import CannotCompute
from tests.analysis import analyse

FAMILIES = ("poisson", "negative binomial", "gamma")


def cohort(family: str, records: int = 400, seed: int = 4, offset: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    age = rng.normal(70, 8, records) + offset
    dose = rng.exponential(2.0, records)
    sex = rng.choice(["F", "M"], records)
    mu = np.exp(0.3 + 0.02 * (age - offset - 70) + 0.25 * dose - 0.4 * (sex == "M"))
    if family == "poisson":
        y = rng.poisson(mu)
    elif family == "negative binomial":
        y = rng.poisson(mu * rng.gamma(1.7, 1 / 1.7, records))
    else:
        y = rng.gamma(2.0, mu / 2.0)
    return {"age": age, "dose": dose, "sex": sex, "y": y.astype(float)}


def fit(family: str, data: dict[str, Any], **options: Any) -> Any:
    parameters = {"family": family} | options.pop("parameters", {})
    return analyse("glm", data, y=["y"], x=["age", "dose", "sex"], parameters=parameters, **options)


def design(data: dict[str, Any]) -> Any:
    columns = [data["age"], data["dose"], (data["sex"] == "M").astype(float)]
    return sm.add_constant(np.column_stack(columns))


@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_equals_statsmodels(family: str) -> None:
    data = cohort(family)
    known = {
        "poisson": sm.families.Poisson(),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
    }[family]
    theirs = sm.GLM(data["y"], design(data), family=known).fit(tol=1e-14, maxiter=200)
    ours = fit(family, data)
    assert [row.estimate for row in ours.coefficients] == pytest.approx(theirs.params, rel=1e-6)
    assert [row.std_error for row in ours.coefficients] == pytest.approx(theirs.bse, rel=1e-6)
    assert ours.residual_deviance == pytest.approx(theirs.deviance, rel=1e-8)
    assert ours.null_deviance == pytest.approx(theirs.null_deviance, rel=1e-8)
    assert ours.pearson == pytest.approx(theirs.pearson_chi2, rel=1e-7)
    assert (ours.df_model, ours.df_residual) == (theirs.df_model, theirs.df_resid)
    if family == "poisson":
        assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-9)


R = """
suppressMessages(library(MASS))
d <- read.csv("{file}", stringsAsFactors = TRUE)
m <- {call}
s <- summary(m)
f <- function(x) paste0("[", paste(format(x, digits = 16), collapse = ","), "]")
cat(f(s$coefficients[, 1]), f(s$coefficients[, 2]), f(s$coefficients[, 4]),
    f(c(m$null.deviance, m$deviance, AIC(m), {extra})), sep = "\\n")
"""
CONTROL = "control = glm.control(epsilon = 1e-14, maxit = 200)"
CALLS = {
    "poisson": f"glm(y ~ age + dose + sex, poisson, d, {CONTROL})",
    "gamma": f'glm(y ~ age + dose + sex, Gamma("log"), d, {CONTROL})',
    "negative binomial": f"glm.nb(y ~ age + dose + sex, d, {CONTROL})",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_r(need: Callable[..., str], tmp_path: Path, family: str) -> None:
    data = cohort(family)
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False, float_format="%.17g")
    extra = "m$theta, m$SE.theta" if family == "negative binomial" else "0, 0"
    script = R.format(file=tmp_path / "d.csv", call=CALLS[family], extra=extra)
    rscript = need("Rscript")
    done = subprocess.run([rscript, "-e", script], capture_output=True, text=True, check=True)
    estimates, errors, p_values, figures = (json.loads(line) for line in done.stdout.splitlines())
    ours = fit(family, data)
    assert [row.estimate for row in ours.coefficients] == pytest.approx(estimates, rel=1e-6)
    assert [row.std_error for row in ours.coefficients] == pytest.approx(errors, rel=1e-6)
    assert [row.p_value for row in ours.coefficients] == pytest.approx(p_values, rel=1e-5)
    null, residual, aic, theta, error = figures
    found = (ours.null_deviance, ours.residual_deviance, ours.aic)
    assert found == pytest.approx((null, residual, aic), rel=1e-6)
    if family == "negative binomial":
        assert ours.theta == pytest.approx(theta, rel=1e-6)
        assert ours.theta_std_error == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("parts", [2, 10])
def test_split_equals_pooled(family: str, parts: int) -> None:
    data = cohort(family)
    pooled, split = fit(family, data), fit(family, data, parts=parts)
    for one, other in zip(pooled.coefficients, split.coefficients, strict=True):
        assert other.estimate == pytest.approx(one.estimate, rel=1e-9)
        assert other.std_error == pytest.approx(one.std_error, rel=1e-9)
    assert split.aic == pytest.approx(pooled.aic, rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_large_offset_of_a_covariate_takes_no_digits(family: str) -> None:
    plain, moved = fit(family, cohort(family)), fit(family, cohort(family, offset=1e7))
    slopes = [[row.estimate for row in result.coefficients[1:]] for result in (plain, moved)]
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_outcomes_outside_the_range_have_no_answer(family: str) -> None:
    data = cohort(family)
    data["y"][3] = -1.0
    with pytest.raises(CannotCompute, match="y has values that are not"):
        fit(family, data)
    with pytest.raises(CannotCompute):
        fit(family, data | {"y": np.zeros(400)})


def test_counts_without_excess_are_told_to_be_poisson() -> None:
    data = cohort("poisson")
    data["y"] = np.round(np.exp(0.3 + 0.02 * (data["age"] - 70)))
    with pytest.raises(CannotCompute, match="Poisson's law"):
        fit("negative binomial", data)


def test_excess_is_told_to_who_chose_poisson() -> None:
    data = cohort("negative binomial")
    assert "negative binomial" in fit("poisson", data).views()[-1].note
    assert fit("negative binomial", data).views()[-1].note == ""


def test_collinear_and_constant_covariates_are_named() -> None:
    data = cohort("poisson")
    with pytest.raises(CannotCompute, match=r"age, dose|dose, age"):
        fit("poisson", data | {"dose": 2 * data["age"]})
    with pytest.raises(CannotCompute, match="constant: dose"):
        fit("poisson", data | {"dose": np.ones(400)})
