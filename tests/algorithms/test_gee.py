"""Generalised estimating equations against statsmodels and R's geepack, split, and unanswerable."""

import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from statsmodels.genmod.cov_struct import CovStruct

from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.fold.gee import Family, GeeState, Structure, gee_sums
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse
from tests.blocks import cohort_over

PATIENTS = 150
FAMILIES = {
    "gaussian": sm.families.Gaussian(),
    "binomial": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
}
OUTCOMES = {"gaussian": "y", "binomial": "case", "poisson": "count"}


def cohort(seed: int = 8, offset: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    visits = rng.integers(1, 6, PATIENTS)
    patient = np.repeat(np.arange(PATIENTS), visits)
    records = len(patient)
    time = np.concatenate([np.arange(number) + rng.normal(0, 0.1, number) for number in visits])
    sex = np.repeat(rng.choice(["F", "M"], PATIENTS), visits)
    age = np.repeat(rng.normal(70, 7, PATIENTS), visits) + offset
    own = rng.normal(0, 0.9, PATIENTS)[patient]
    lean = 0.04 * (age - offset - 70) + 0.5 * (sex == "M") - 0.2 * time + own
    return {
        "subjectid": np.array([f"P{index:04d}" for index in patient]),
        "visitid": np.array([f"V{index:04d}" for index in range(records)]),
        "time": time,
        "age": age,
        "sex": sex,
        "y": 20 + lean + rng.normal(0, 0.8, records),
        "case": np.where(rng.random(records) < expit(lean), "yes", "no"),
        "count": rng.poisson(np.exp(0.8 + 0.4 * lean)).astype(float),
    }


def fit(data: dict[str, Any], family: str = "gaussian", **options: Any) -> Any:
    parameters = {"family": family} | options.pop("parameters", {})
    if family == "binomial":
        parameters["positive_class"] = "yes"
    x = options.pop("x", ["time", "age", "sex"])
    return analyse("gee", data, y=[OUTCOMES[family]], x=x, parameters=parameters, **options)


def design(data: dict[str, Any]) -> Any:
    return sm.add_constant(
        np.column_stack([data["time"], data["age"], (data["sex"] == "M").astype(float)])
    )


def outcome(data: dict[str, Any], family: str) -> Any:
    return (data["case"] == "yes").astype(float) if family == "binomial" else data[OUTCOMES[family]]


def fixed(correlation: float) -> Any:
    """A first-order autoregressive correlation that is given, not estimated."""

    def matrix(self: Any, means: Any, index: int) -> tuple[Any, bool]:
        del self, index
        places = np.arange(len(means))
        return correlation ** np.abs(places[:, None] - places), True

    told = {"update": lambda *_: None, "covariance_matrix": matrix}
    return type("Fixed", (CovStruct,), told)()


def theirs(data: dict[str, Any], family: str, structure: Any) -> Any:
    model = sm.GEE(
        outcome(data, family),
        design(data),
        groups=data["subjectid"],
        family=FAMILIES[family],
        cov_struct=structure,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(ctol=1e-12, maxiter=500)


def equals(ours: Any, fitted: Any) -> None:
    assert [row.estimate for row in ours.coefficients] == pytest.approx(fitted.params, rel=1e-7)
    assert [row.std_error for row in ours.coefficients] == pytest.approx(fitted.bse, rel=1e-7)
    assert [row.p_value for row in ours.coefficients] == pytest.approx(fitted.pvalues, rel=1e-6)
    limits = [(row.lower, row.upper) for row in ours.coefficients]
    assert np.array(limits) == pytest.approx(fitted.conf_int(), rel=1e-6)
    naive = fitted.standard_errors("naive")
    if ours.family is not Family.GAUSSIAN:
        # statsmodels takes the scale of these families to be one.
        naive = naive * np.sqrt(ours.scale)
    assert ours.model_std_errors == pytest.approx(naive, rel=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("structure", ["independence", "exchangeable"])
def test_equals_statsmodels(family: str, structure: str) -> None:
    data = cohort()
    ours = fit(data, family, parameters={"structure": structure})
    exchangeable = structure == "exchangeable"
    working = sm.cov_struct.Exchangeable() if exchangeable else sm.cov_struct.Independence()
    fitted = theirs(data, family, working)
    equals(ours, fitted)
    assert (ours.n, ours.patients) == (len(data["y"]), PATIENTS)
    if exchangeable:
        assert ours.correlation == pytest.approx(fitted.cov_struct.dep_params, rel=1e-7)
    else:
        assert ours.correlation is None
    residual = outcome(data, family) - fitted.fittedvalues
    variance = FAMILIES[family].variance(fitted.fittedvalues)
    scale = (residual**2 / variance).sum() / (len(residual) - 4)
    assert ours.scale == pytest.approx(scale, rel=1e-7)
    test = fitted.wald_test(np.eye(4)[1:], scalar=True)
    assert (ours.wald, ours.wald_df) == (pytest.approx(test.statistic, rel=1e-6), 3)
    assert ours.wald_p_value == pytest.approx(test.pvalue, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_autoregressive_equals_statsmodels_at_the_correlation_of_the_moments(family: str) -> None:
    data = cohort()
    ours = fit(data, family, parameters={"structure": "autoregressive"})
    fitted = theirs(data, family, fixed(ours.correlation))
    equals(ours, fitted)
    mean = fitted.fittedvalues
    residual = (outcome(data, family) - mean) / np.sqrt(FAMILIES[family].variance(mean))
    same = data["subjectid"][1:] == data["subjectid"][:-1]
    products = (residual[1:] * residual[:-1])[same].sum()
    scale = (residual**2).sum() / (len(residual) - 4)
    assert ours.correlation == pytest.approx(products / (same.sum() - 4) / scale, rel=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_criteria_are_pans(family: str) -> None:
    data = cohort()
    ours = fit(data, family)
    fitted = theirs(data, family, sm.cov_struct.Exchangeable())
    y, mean = outcome(data, family), fitted.fittedvalues
    match family:
        case "gaussian":
            quasi = -((y - mean) ** 2).sum() / 2
        case "binomial":
            quasi = (y * np.log(mean) + (1 - y) * np.log1p(-mean)).sum()
        case _:
            quasi = (y * np.log(mean) - mean).sum()
    x = design(data)
    alone = (x * FAMILIES[family].variance(mean)[:, None]).T @ x / ours.scale
    cic = np.trace(alone @ fitted.cov_params())
    assert ours.quasi_likelihood == pytest.approx(quasi, rel=1e-8)
    assert ours.cic == pytest.approx(cic, rel=1e-6)
    assert ours.qic == pytest.approx(-2 * quasi + 2 * cic, rel=1e-7)
    assert ours.qicu == pytest.approx(-2 * quasi + 2 * 4, rel=1e-8)


R = """
suppressMessages(library(geepack))
d <- read.csv("{file}", stringsAsFactors = TRUE)
d$case <- as.numeric(d$case == "yes")
m <- geeglm({outcome} ~ time + age + sex, id = as.integer(subjectid), data = d,
            family = {family}, corstr = "independence")
s <- summary(m)$coefficients
q <- QIC(m)
cat(format(c(s[, 1], s[, 2], q["Quasi Lik"], q["CIC"], m$geese$gamma), digits = 16))
"""


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_r(need: Callable[..., str], tmp_path: Path, family: str) -> None:
    rscript = need("Rscript")
    probe = subprocess.run([rscript, "-e", "library(geepack)"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("needs R's geepack")
    data = cohort()
    file = tmp_path / "d.csv"
    pd.DataFrame(data).to_csv(file, index=False, float_format="%.17g")
    script = R.format(file=file, outcome=OUTCOMES[family], family=family)
    out = subprocess.run([rscript, "-e", script], capture_output=True, text=True, check=True)
    numbers = [float(part) for part in out.stdout.split()]
    ours = fit(data, family, parameters={"structure": "independence"})
    found = [row.estimate for row in ours.coefficients]
    found += [row.std_error for row in ours.coefficients]
    assert found == pytest.approx(numbers[:8], rel=1e-6)
    assert ours.quasi_likelihood == pytest.approx(numbers[8], rel=1e-8)
    # geepack divides Pearson's χ² by the records, we by the degrees of freedom.
    assert ours.scale * (ours.n - 4) / ours.n == pytest.approx(numbers[10], rel=1e-6)
    assert ours.cic * ours.scale == pytest.approx(numbers[9] * numbers[10], rel=1e-5)


@pytest.mark.parametrize("parts", [2, 3, 10, "lop-sided"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("structure", list(Structure))
def test_split_equals_pooled(parts: int | str, family: str, structure: str) -> None:
    data = cohort(offset=1e5)
    patient = np.unique(data["subjectid"], return_inverse=True)[1]
    if isinstance(parts, int):
        rows = [np.flatnonzero(patient % parts == index) for index in range(parts)]
    else:
        rows = [np.flatnonzero(patient < 2), np.flatnonzero(patient >= 2)]
    pooled = fit(data, family, parameters={"structure": structure})
    split = fit(data, family, parameters={"structure": structure}, parts=rows)
    for one, two in zip(split.coefficients, pooled.coefficients, strict=True):
        assert one.estimate == pytest.approx(two.estimate, rel=1e-9)
        assert one.std_error == pytest.approx(two.std_error, rel=1e-9)
    assert (split.correlation or 0.0) == pytest.approx(pooled.correlation or 0.0, rel=1e-9)
    assert split.qic == pytest.approx(pooled.qic, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, 39)), st.sampled_from(list(Structure)))
def test_blocks_in_any_split_add_up(cuts: set[int], structure: Structure) -> None:
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(40), rng.integers(1, 5, 40))
    x, y = rng.normal(size=(2, len(patient)))
    starts = np.searchsorted(patient, sorted(cuts))

    def summed(where: Any) -> Any:
        held = cohort_over({"x": x, "y": y}, y=["y"], x=["x"], patient=patient, cuts=where)
        state = GeeState(
            held.design(held.x), "y", None, 0.3, Family.GAUSSIAN, structure,
            np.array([0.1]), np.array([1.2]), np.array([0.2, -0.4]), 0.35,
        )  # fmt: skip
        return held.fold(gee_sums, state)

    whole, parted = summed(()), summed(starts.tolist())
    for name in ("score", "information", "independent", "meat", "pearson", "products", "pairs"):
        one, two = getattr(whole, name), getattr(parted, name)
        assert np.allclose(one, two, rtol=1e-12, atol=1e-12), name


def test_the_family_is_that_of_the_outcome() -> None:
    data = cohort()
    plain = analyse("gee", data, y=["y"], x=["age"])
    assert (plain.family, plain.positive_class) == (Family.GAUSSIAN, None)
    case = analyse("gee", data, y=["case"], x=["age"], parameters={"positive_class": "no"})
    assert (case.family, case.positive_class) == (Family.BINOMIAL, "no")
    assert case.effects[0].ratio == pytest.approx(np.exp(case.coefficients[1].estimate))
    with pytest.raises(RequestError, match="family: case is nominal"):
        analyse("gee", data, y=["case"], x=["age"], parameters={"family": "poisson"})
    with pytest.raises(RequestError, match="family: y is numeric"):
        analyse("gee", data, y=["y"], x=["age"], parameters={"family": "binomial"})
    last = analyse("gee", data, y=["case"], x=["age"])
    assert last.positive_class == "yes"
    assert last.coefficients[1].estimate == pytest.approx(-case.coefficients[1].estimate)
    with pytest.raises(RequestError, match="positive_class: case has no such level"):
        analyse("gee", data, y=["case"], x=["age"], parameters={"positive_class": "perhaps"})


def test_the_model_predicts_the_mean() -> None:
    data = cohort()
    for family in FAMILIES:
        ours = fit(data, family)
        estimates = np.array([row.estimate for row in ours.coefficients])
        terms = [ours.model.intercepts[0], *(term.weights[0] for term in ours.model.terms)]
        assert terms == pytest.approx(estimates)
        assert ours.model.link == {"gaussian": "identity", "binomial": "logit"}.get(family, "log")
    assert fit(data, "binomial").model.target.classes == ("no", "yes")


def test_without_an_answer() -> None:
    data = cohort()
    records = len(data["y"])
    alone = np.unique(data["subjectid"], return_index=True)[1]
    with pytest.raises(CannotCompute, match="single record"):
        fit({key: values[alone] for key, values in data.items()})
    with pytest.raises(CannotCompute, match="outcome y is constant"):
        fit(data | {"y": np.full(records, 3.0)})
    with pytest.raises(CannotCompute, match="constant: age"):
        fit(data | {"age": np.full(records, 3.0)})
    with pytest.raises(CannotCompute, match="without error"):
        fit(data | {"y": 2 * data["age"] + 1})
    with pytest.raises(CannotCompute, match=r"tell the classes apart.*: age"):
        fit(data | {"case": np.where(data["age"] > 70, "yes", "no")}, "binomial")
    with pytest.raises(CannotCompute, match="Every record of the cohort is not yes"):
        fit(data | {"case": np.full(records, "no")}, "binomial", levels={"case": ("no", "yes")})
    with pytest.raises(CannotCompute, match="not zero or more"):
        fit(data | {"count": data["count"] - 1}, "poisson")
    with pytest.raises(CannotCompute, match="zero everywhere"):
        fit(data | {"count": np.zeros(records)}, "poisson")
    few = np.isin(data["subjectid"], ["P0002", "P0003", "P0005"])
    with pytest.raises(CannotCompute, match="from 3 patients"):
        fit({key: values[few] for key, values in data.items()})


def test_a_correlation_that_cannot_be_is_said() -> None:
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(60), np.where(np.arange(60) < 50, 2, 12))
    sign = np.concatenate([np.tile([1.0, -1.0], 50), np.tile([1.0, -1.0], 60)])
    data = {
        "subjectid": np.array([f"P{index:03d}" for index in patient]),
        "time": rng.normal(size=len(patient)),
        "y": np.where(patient < 50, 20.0, 0.1) * sign + rng.normal(0, 0.1, len(patient)),
    }
    with pytest.raises(CannotCompute, match="cannot have"):
        fit(data, x=["time"])
    assert fit(data, x=["time"], parameters={"structure": "independence"}).patients == 60


def test_patients_are_counted_not_records() -> None:
    data = cohort()
    few = np.isin(data["subjectid"], [f"P{index:04d}" for index in range(9)])
    with pytest.raises(Refused, match="fewer than 10"):
        fit({key: values[few] for key, values in data.items()}, policy=Policy(overlap="off"))
    rare = np.isin(data["subjectid"], [f"P{index:04d}" for index in range(5)])
    data["case"] = np.where(rare, "yes", "no")
    with pytest.raises(Refused, match=r"fewer than 10 patients \(yes\)"):
        fit(data, "binomial", policy=Policy(overlap="off"))


def test_views() -> None:
    titles = [view.title for view in fit(cohort()).views()]
    assert titles == ["Coefficients", "Coefficients for y", "Standard errors", "Fit"]
    titles = [view.title for view in fit(cohort(), "binomial").views()]
    assert titles[1:3] == ["Coefficients for case: yes", "Odds ratios"]


def test_no_patient_is_in_the_result() -> None:
    data = cohort()
    told = fit(data).model_dump_json()
    for code in ("y", "time", "age"):
        planted = {f"{value:.10f}"[:-1] for value in data[code].tolist()}
        assert [value for value in planted if value in told] == []
    assert [patient for patient in data["subjectid"].tolist() if patient in told] == []
