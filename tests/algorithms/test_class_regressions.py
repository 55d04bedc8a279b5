"""Multinomial and ordinal regression against statsmodels and R, split, and without an answer."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse, cohort_of

LEVELS = {"y": ("none", "mild", "severe")}


def cohort(records: int = 500, seed: int = 5, offset: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    age = rng.normal(70, 8, records) + offset
    volume = rng.normal(3, 0.5, records)
    sex = rng.choice(["F", "M"], records)
    eta = 0.08 * (age - offset - 70) - 1.1 * (volume - 3) + 0.4 * (sex == "M")
    place = eta + rng.logistic(size=records)
    y = np.where(place < -0.5, "none", np.where(place < 1.0, "mild", "severe"))
    return {"age": age, "volume": volume, "sex": sex, "y": y}


def fit(name: str, data: dict[str, Any], **options: Any) -> Any:
    return analyse(
        name,
        data,
        y=["y"],
        x=["age", "volume", "sex"],
        levels=LEVELS | {"sex": ("F", "M")},
        **options,
    )


def design(data: dict[str, Any]) -> Any:
    columns = [data["age"], data["volume"], (data["sex"] == "M").astype(float)]
    return sm.add_constant(np.column_stack(columns))


def test_multinomial_equals_statsmodels() -> None:
    data = cohort()
    place = pd.Categorical(data["y"], LEVELS["y"]).codes
    theirs = sm.MNLogit(place, design(data)).fit(method="newton", tol=1e-14, disp=False)
    ours = fit("multinomial_regression", data)
    assert ours.reference == "none"
    assert [part.level for part in ours.classes] == ["mild", "severe"]
    for index, part in enumerate(ours.classes):
        rows = part.coefficients
        assert [row.estimate for row in rows] == pytest.approx(theirs.params[:, index], rel=1e-7)
        assert [row.std_error for row in rows] == pytest.approx(theirs.bse[:, index], rel=1e-7)
        assert [row.p_value for row in rows] == pytest.approx(theirs.pvalues[:, index], rel=1e-6)
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)
    assert ours.null_deviance == pytest.approx(-2 * theirs.llnull, rel=1e-10)
    assert ours.likelihood_ratio_p_value == pytest.approx(theirs.llr_pvalue, rel=1e-6)
    assert ours.aic == pytest.approx(theirs.aic, rel=1e-10)
    assert ours.bic == pytest.approx(theirs.bic, rel=1e-10)
    assert ours.r_squared_mcfadden == pytest.approx(theirs.prsquared, rel=1e-9)


def test_another_reference_turns_the_signs() -> None:
    data = cohort()
    first = fit("multinomial_regression", data)
    other = fit("multinomial_regression", data, parameters={"reference": "severe"})
    assert other.reference == "severe"
    assert [part.level for part in other.classes] == ["none", "mild"]
    mine = [row.estimate for row in other.classes[0].coefficients]
    assert mine == pytest.approx([-row.estimate for row in first.classes[1].coefficients], rel=1e-7)
    with pytest.raises(RequestError, match="no such level"):
        fit("multinomial_regression", data, parameters={"reference": "worst"})


def test_two_classes_are_a_logistic_regression() -> None:
    data = cohort()
    data["y"] = np.where(data["y"] == "none", "none", "mild")
    ours = fit("multinomial_regression", data)
    logistic = fit("logistic_regression", data, parameters={"positive_class": "mild"})
    (only,) = ours.classes
    for one, two in zip(only.coefficients, logistic.coefficients, strict=True):
        assert one.estimate == pytest.approx(two.estimate, rel=1e-7)
        assert one.std_error == pytest.approx(two.std_error, rel=1e-7)
    ordinal = fit("ordinal_regression", data)
    for one, two in zip(ordinal.coefficients, logistic.coefficients[1:], strict=True):
        assert one.estimate == pytest.approx(two.estimate, rel=1e-7)
        assert one.std_error == pytest.approx(two.std_error, rel=1e-7)
    assert ordinal.thresholds[0].estimate == pytest.approx(
        -logistic.coefficients[0].estimate, rel=1e-7
    )


R = """
suppressMessages(library(MASS))
d <- read.csv("{file}", stringsAsFactors = TRUE)
d$y <- factor(d$y, levels = c("none", "mild", "severe"), ordered = TRUE)
m <- polr(y ~ age + volume + sex, d, Hess = TRUE, control = list(reltol = 1e-16, maxit = 1000))
s <- summary(m)$coefficients
cat(format(c(s[, 1], s[, 2], m$deviance, AIC(m)), digits = 16))
"""


def test_ordinal_equals_r(need: Callable[..., str], tmp_path: Path) -> None:
    rscript = need("Rscript")
    data = cohort()
    file = tmp_path / "d.csv"
    pd.DataFrame(data).to_csv(file, index=False, float_format="%.17g")
    out = subprocess.run(
        [rscript, "-e", R.format(file=file)], capture_output=True, text=True, check=True
    ).stdout
    numbers = [float(part) for part in out.split()]
    ours = fit("ordinal_regression", data)
    found = [*(row.estimate for row in ours.coefficients)]
    found += [row.estimate for row in ours.thresholds]
    errors = [*(row.std_error for row in ours.coefficients)]
    errors += [row.std_error for row in ours.thresholds]
    # polr stops where its search by numeric gradients does, so the likelihood is the sharper proof.
    assert found == pytest.approx(numbers[:5], rel=2e-4)
    assert errors == pytest.approx(numbers[5:10], rel=2e-3)
    assert ours.residual_deviance == pytest.approx(numbers[10], rel=1e-8)
    assert ours.residual_deviance <= numbers[10] + 1e-9
    assert ours.aic == pytest.approx(numbers[11], rel=1e-8)


def test_ordinal_has_the_greatest_likelihood_and_its_curvature() -> None:
    """The estimate and its errors by differences of the likelihood, written down anew here."""
    data = cohort(records=300)
    ours = fit("ordinal_regression", data)
    x = design(data)[:, 1:]
    place = pd.Categorical(data["y"], LEVELS["y"]).codes

    def likelihood(beta: Any) -> float:
        cuts = np.concatenate([[-np.inf], beta[3:], [np.inf]])
        upto = [1 / (1 + np.exp(-(cut - x @ beta[:3]))) for cut in cuts]
        chance = np.choose(place + 1, upto) - np.choose(place, upto)
        return float(np.log(chance).sum())

    beta = np.array(
        [row.estimate for row in ours.coefficients] + [row.estimate for row in ours.thresholds]
    )
    errors = np.array(
        [row.std_error for row in ours.coefficients] + [row.std_error for row in ours.thresholds]
    )
    assert likelihood(beta) == pytest.approx(ours.log_likelihood, rel=1e-12)
    step = np.diag(errors * 1e-2)
    hessian = np.array(
        [
            [
                likelihood(beta + a + b)
                - likelihood(beta + a - b)
                - likelihood(beta - a + b)
                + likelihood(beta - a - b)
                for b in step
            ]
            for a in step
        ]
    ) / (4 * np.outer(errors * 1e-2, errors * 1e-2))
    gradient = [likelihood(beta + a) - likelihood(beta - a) for a in step * 1e-2]
    assert gradient == pytest.approx([0.0] * 5, abs=1e-9)
    assert np.sqrt(np.diag(np.linalg.inv(-hessian))) == pytest.approx(errors, rel=1e-3)


@pytest.mark.parametrize("name", ["multinomial_regression", "ordinal_regression"])
@pytest.mark.parametrize("parts", [2, 10, [range(3), range(3, 500)]], ids=["2", "10", "lopsided"])
def test_split_equals_pooled(name: str, parts: Any) -> None:
    data = cohort(offset=1e4)
    chosen = parts if isinstance(parts, int) else [np.array(part) for part in parts]
    pooled, split = fit(name, data), fit(name, data, parts=chosen)
    assert split.log_likelihood == pytest.approx(pooled.log_likelihood, rel=1e-10)
    mine = split.model.terms
    for one, two in zip(mine, pooled.model.terms, strict=True):
        assert one.weights == pytest.approx(two.weights, rel=1e-7)


@pytest.mark.parametrize("name", ["multinomial_regression", "ordinal_regression"])
def test_predictions_are_the_shares_that_were_there(name: str) -> None:
    """The score equations of the intercepts: mean predicted chances are the classes' shares."""
    data = cohort()
    ours = fit(name, data)
    cohort_ = cohort_of(data, y=["y"], x=["age", "volume", "sex"], levels=LEVELS)
    transport: Any = cohort_.transport
    chances = np.vstack(
        [
            ours.model.predict(block)
            for member in transport.members
            for block in member.part.blocks()
        ]
    )
    assert chances.sum(axis=1) == pytest.approx(np.ones(500), rel=1e-12)
    if name == "multinomial_regression":
        shares = [np.mean(data["y"] == level) for level in LEVELS["y"]]
        assert chances.mean(axis=0) == pytest.approx(shares, rel=1e-7)
    else:
        assert chances.min() > 0


@pytest.mark.parametrize("name", ["multinomial_regression", "ordinal_regression"])
def test_without_an_answer(name: str) -> None:
    data = cohort()
    with pytest.raises(CannotCompute, match="single level"):
        fit(name, data | {"y": np.full(500, "mild")})
    with pytest.raises(CannotCompute, match="constant: volume"):
        fit(name, data | {"volume": np.full(500, 3.0)})
    with pytest.raises(CannotCompute, match="determine each other"):
        fit(name, data | {"volume": 2 * data["age"]})
    apart = np.select([data["y"] == "none", data["y"] == "mild"], [0.0, 10.0], 20.0)
    with pytest.raises(CannotCompute, match="volume"):
        fit(name, data | {"volume": apart + data["volume"]})
    few = {key: values[:6] for key, values in data.items()}
    with pytest.raises(CannotCompute, match="cannot be estimated from 6"):
        fit("multinomial_regression", few)


@pytest.mark.parametrize("name", ["multinomial_regression", "ordinal_regression"])
def test_a_small_class_is_refused(name: str) -> None:
    data = cohort()
    data["y"][data["y"] == "severe"] = "mild"
    data["y"][:4] = "severe"
    with pytest.raises(Refused, match="severe"):
        fit(name, data, policy=Policy(overlap="off"))


def test_views_name_every_class() -> None:
    data = cohort()
    titles = [view.title for view in fit("multinomial_regression", data).views()]
    assert titles == [
        "Coefficients for y", "mild against none", "severe against none",
        "Calibration by group of chances", "Calibration", "Fit",
    ]  # fmt: skip
    views = fit("ordinal_regression", data).views()
    assert [row["between"] for row in views[3].rows] == ["none | mild", "mild | severe"]
