"""Linear mixed models against statsmodels and R's nlme, split, and without an answer."""

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
from tests.analysis import analyse

PATIENTS = 150


def cohort(seed: int = 8, offset: float = 0.0, slopes: float = 0.4) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    visits = rng.integers(1, 6, PATIENTS)
    patient = np.repeat(np.arange(PATIENTS), visits)
    records = len(patient)
    time = np.concatenate([np.arange(number) + rng.normal(0, 0.1, number) for number in visits])
    sex = np.repeat(rng.choice(["F", "M"], PATIENTS), visits)
    age = np.repeat(rng.normal(70, 7, PATIENTS), visits) + offset
    own = rng.normal(0, 1.2, PATIENTS)[patient]
    drift = rng.normal(0, slopes, PATIENTS)[patient]
    y = 20 - 0.1 * (age - offset) + 0.5 * (sex == "M") + (drift - 0.7) * time + own
    return {
        "subjectid": np.array([f"P{index:04d}" for index in patient]),
        "visitid": np.array([f"V{index:04d}" for index in range(records)]),
        "time": time,
        "age": age,
        "sex": sex,
        "y": y + rng.normal(0, 0.8, records),
    }


def fit(data: dict[str, Any], **options: Any) -> Any:
    return analyse("mixed_model", data, y=["y"], x=["time", "age", "sex"], **options)


@pytest.mark.parametrize("slope", [None, "time"])
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_equals_statsmodels(slope: str | None, method: str) -> None:
    data = cohort()
    frame = pd.DataFrame(data)
    design = sm.add_constant(
        np.column_stack([data["time"], data["age"], (data["sex"] == "M").astype(float)])
    )
    random = np.ones((len(frame), 1)) if slope is None else design[:, :2]
    theirs = sm.MixedLM(data["y"], design, groups=data["subjectid"], exog_re=random).fit(
        reml=method == "reml", method="bfgs", gtol=1e-9, maxiter=2000
    )
    ours = fit(data, parameters={"slope": slope, "method": method})
    assert ours.n == len(frame)
    assert ours.patients == PATIENTS
    # statsmodels rests where its own search does; the likelihoods tell whose is the greater.
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-8)
    assert ours.log_likelihood >= theirs.llf - 1e-7
    assert [row.estimate for row in ours.coefficients] == pytest.approx(theirs.fe_params, rel=1e-4)
    if slope is None:
        # With a slope statsmodels takes them from a joint Hessian; nlme, below, has ours.
        errors = [row.std_error for row in ours.coefficients]
        assert errors == pytest.approx(theirs.bse_fe, rel=1e-4)
    assert ours.residual_variance == pytest.approx(theirs.scale, rel=1e-3)
    assert ours.intercept_variance == pytest.approx(theirs.cov_re[0, 0], rel=1e-3)
    if slope is not None:
        assert ours.slope_variance == pytest.approx(theirs.cov_re[1, 1], rel=1e-3)


R = """
suppressMessages(library(nlme))
d <- read.csv("{file}", stringsAsFactors = TRUE)
m <- lme(y ~ time + age + sex, d, random = ~ {random} | subjectid, method = "{method}",
         control = lmeControl(tolerance = 1e-12, msTol = 1e-14, niterEM = 200, maxIter = 500,
                              msMaxIter = 500, opt = "nlminb", returnObject = TRUE))
v <- VarCorr(m)
cat(format(c(fixef(m), sqrt(diag(vcov(m))), as.numeric(logLik(m)), m$sigma^2,
             getVarCov(m)[1, 1], if ({two}) c(getVarCov(m)[2, 2], cov2cor(getVarCov(m))[1, 2])),
           digits = 16))
"""


@pytest.mark.parametrize("slope", [None, "time"])
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_equals_r(need: Callable[..., str], tmp_path: Path, slope: str | None, method: str) -> None:
    rscript = need("Rscript")
    data = cohort()
    file = tmp_path / "d.csv"
    pd.DataFrame(data).to_csv(file, index=False, float_format="%.17g")
    random, two = ("1 + time", "TRUE") if slope else ("1", "FALSE")
    script = R.format(file=file, random=random, two=two, method=method)
    out = subprocess.run([rscript, "-e", script], capture_output=True, text=True, check=True)
    numbers = [float(part) for part in out.stdout.split()]
    ours = fit(data, parameters={"slope": slope, "method": method.lower()})
    found = [row.estimate for row in ours.coefficients]
    found += [row.std_error for row in ours.coefficients]
    assert found == pytest.approx(numbers[:8], rel=1e-6)
    assert ours.log_likelihood == pytest.approx(numbers[8], rel=1e-9)
    assert ours.residual_variance == pytest.approx(numbers[9], rel=1e-5)
    assert ours.intercept_variance == pytest.approx(numbers[10], rel=1e-5)
    if slope is not None:
        assert [ours.slope_variance, ours.correlation] == pytest.approx(numbers[11:], rel=1e-5)


@pytest.mark.parametrize("parts", [2, 3, 10])
@pytest.mark.parametrize("slope", [None, "time"])
def test_split_equals_pooled(parts: int, slope: str | None) -> None:
    data = cohort(offset=1e5)
    patient = np.unique(data["subjectid"], return_inverse=True)[1]
    rows = [np.flatnonzero(patient % parts == index) for index in range(parts)]
    pooled = fit(data, parameters={"slope": slope})
    split = fit(data, parameters={"slope": slope}, parts=rows)
    assert split.log_likelihood == pytest.approx(pooled.log_likelihood, rel=1e-9)
    for one, two in zip(split.coefficients[1:], pooled.coefficients[1:], strict=True):
        assert one.estimate == pytest.approx(two.estimate, rel=1e-7)
        assert one.std_error == pytest.approx(two.std_error, rel=1e-7)
    assert split.intercept_variance == pytest.approx(pooled.intercept_variance, rel=1e-7)


def test_no_difference_between_patients_is_said() -> None:
    data = cohort()
    rng = np.random.default_rng(2)
    data["y"] = rng.normal(size=len(data["y"]))
    ours = fit(data)
    if ours.intercept_variance < 1e-6:
        assert ours.likelihood_ratio_p_value == pytest.approx(1.0, abs=0.5)
    assert ours.likelihood_ratio < 4
    assert ours.likelihood_ratio_p_value > 0.02


def test_the_likelihood_ratio_compares_with_least_squares() -> None:
    data = cohort()
    ours = fit(data, parameters={"method": "ml"})
    linear = analyse("linear_regression", data, y=["y"], x=["time", "age", "sex"])
    ratio = 2 * (ours.log_likelihood - linear.log_likelihood)
    assert ours.likelihood_ratio == pytest.approx(ratio, rel=1e-9)
    assert ours.likelihood_ratio_p_value < 1e-6


def test_without_an_answer() -> None:
    data = cohort()
    alone = np.unique(data["subjectid"], return_index=True)[1]
    with pytest.raises(CannotCompute, match="single record"):
        fit({key: values[alone] for key, values in data.items()})
    with pytest.raises(CannotCompute, match="outcome y is constant"):
        fit(data | {"y": np.full(len(data["y"]), 3.0)})
    with pytest.raises(CannotCompute, match="constant: age"):
        fit(data | {"age": np.full(len(data["y"]), 3.0)})
    with pytest.raises(RequestError, match="no numeric covariate"):
        fit(data, parameters={"slope": "sex"})


def test_patients_are_counted_not_records() -> None:
    data = cohort()
    few = np.isin(data["subjectid"], [f"P{index:04d}" for index in range(9)])
    with pytest.raises(Refused, match="fewer than 10"):
        fit({key: values[few] for key, values in data.items()}, policy=Policy(overlap="off"))


def test_views() -> None:
    ours = fit(cohort(), parameters={"slope": "time"})
    titles = [view.title for view in ours.views()]
    assert titles == ["Coefficients", "Fixed effects on y", "Variances", "Fit"]
    assert len(ours.views()[2].rows) == 4


def test_no_patient_is_in_the_result() -> None:
    data = cohort()
    told = fit(data, parameters={"slope": "time"}).model_dump_json()
    for code in ("y", "time", "age"):
        planted = {f"{value:.10f}"[:-1] for value in data[code].tolist()}
        assert [value for value in planted if value in told] == []
    assert [patient for patient in data["subjectid"].tolist() if patient in told] == []
