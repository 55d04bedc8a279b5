"""Weights, offsets and exposures against R; a record of weight zero is as if it were not there."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.registry import find
from medmip.errors import RequestError
from medmip.fold.block import Block, Layout
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.analysis import analyse

RECORDS = 400


def cohort() -> dict[str, Any]:
    rng = np.random.default_rng(11)
    age, dose = rng.normal(70, 8, RECORDS), rng.exponential(2.0, RECORDS)
    sex = rng.choice(["F", "M"], RECORDS)
    eta = 0.05 * (age - 70) + 0.2 * dose - 0.4 * (sex == "M")
    years = rng.uniform(0.5, 6.0, RECORDS)
    weight = np.round(rng.gamma(2.0, 0.7, RECORDS), 3)
    weight[rng.random(RECORDS) < 0.1] = 0.0
    return {
        "age": age,
        "dose": dose,
        "sex": sex,
        "w": weight,
        "times": rng.integers(0, 4, RECORDS).astype(float),
        "o": 0.3 * rng.normal(size=RECORDS),
        "years": years,
        "y": 1 + eta + rng.normal(0, 1 / np.sqrt(weight + 0.3)),
        "count": rng.poisson(years * np.exp(eta) * rng.gamma(1.5, 1 / 1.5, RECORDS)).astype(float),
        "amount": rng.gamma(2.0, years * np.exp(eta) / 2.0) + 1e-3,
        "died": np.where(rng.random(RECORDS) < 1 / (1 + np.exp(-eta)), "yes", "no"),
    }


OUTCOMES = {
    "linear_regression": ("y", {}),
    "logistic_regression": ("died", {"positive_class": "yes"}),
    "poisson": ("count", {"family": "poisson"}),
    "gamma": ("amount", {"family": "gamma"}),
    "negative binomial": ("count", {"family": "negative binomial"}),
}


def fit(name: str, data: dict[str, Any], asked: dict[str, Any], **options: Any) -> Any:
    outcome, fixed = OUTCOMES[name]
    named = [asked[key] for key in ("weights", "offset", "exposure") if key in asked]
    return analyse(
        name if name in ("linear_regression", "logistic_regression") else "glm",
        data,
        y=[outcome],
        x=["age", "dose", "sex", *named],
        parameters=fixed | asked,
        **options,
    )


R = """
suppressMessages(library(MASS))
d <- read.csv("{file}", stringsAsFactors = TRUE)
d$died <- as.numeric(d$died == "yes")
m <- {call}
s <- summary(m)
f <- function(x) cat(paste(format(as.numeric(x), digits = 17), collapse = ","), "\\n")
f(s$coefficients[, 1]); f(s$coefficients[, 2]); f(s$coefficients[, 4])
f(c(logLik(m), AIC(m), df.residual(m), {extra}))
"""
GLM = "s$deviance, s$null.deviance"
CONTROL = "control = glm.control(epsilon = 1e-14, maxit = 200)"
TERMS = "age + dose + sex"


@pytest.fixture
def by_r(need: Callable[..., str], tmp_path: Path) -> Callable[..., list[np.ndarray]]:
    rscript = need("Rscript")

    def run(data: dict[str, Any], call: str, extra: str) -> list[np.ndarray]:
        file = tmp_path / "data.csv"
        pd.DataFrame(data).to_csv(file, index=False, float_format="%.17g")
        text = R.format(file=file, call=call, extra=extra)
        done = subprocess.run([rscript, "-e", text], capture_output=True, text=True, check=True)
        return [np.array(line.split(","), dtype=float) for line in done.stdout.splitlines()]

    return run


@pytest.mark.parametrize(
    "name, call, asked, extra",
    [
        (
            "linear_regression",
            f"lm(y ~ {TERMS}, d, weights = w)",
            {"weights": "w"},
            "s$sigma, s$r.squared, s$adj.r.squared, s$fstatistic[1], "
            "quantile(s$residuals[d$w > 0], .25)",
        ),
        (
            "logistic_regression",
            f"glm(died ~ {TERMS}, binomial, d, weights = times, {CONTROL})",
            {"weights": "times"},
            GLM,
        ),
        (
            "logistic_regression",
            f"glm(died ~ {TERMS}, binomial, d, offset = o, {CONTROL})",
            {"offset": "o"},
            GLM,
        ),
        (
            "logistic_regression",
            f"glm(died ~ {TERMS}, binomial, d, weights = times, offset = o, {CONTROL})",
            {"weights": "times", "offset": "o"},
            GLM,
        ),
        (
            "poisson",
            f"glm(count ~ {TERMS}, poisson, d, weights = w, offset = log(years), {CONTROL})",
            {"weights": "w", "exposure": "years"},
            GLM,
        ),
        (
            "poisson",
            f"glm(count ~ {TERMS}, poisson, d, offset = o, {CONTROL})",
            {"offset": "o"},
            GLM,
        ),
        (
            "gamma",
            f'glm(amount ~ {TERMS}, Gamma("log"), d, weights = w, offset = log(years), {CONTROL})',
            {"weights": "w", "exposure": "years"},
            GLM,
        ),
        (
            "negative binomial",
            f"glm.nb(count ~ {TERMS} + offset(log(years)), d, weights = w, {CONTROL})",
            {"weights": "w", "exposure": "years"},
            GLM + ", m$theta, m$SE.theta",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_equals_r(name: str, call: str, asked: dict[str, Any], extra: str, by_r: Any) -> None:
    data = cohort()
    found = fit(name, data, asked, parts=3)
    estimates, errors, p_values, rest = by_r(data, call, extra)
    rel = 1e-8 if name == "linear_regression" else 1e-6
    rows = found.coefficients
    assert [row.estimate for row in rows] == pytest.approx(estimates, rel=rel)
    assert [row.std_error for row in rows] == pytest.approx(errors, rel=rel)
    assert [row.p_value for row in rows] == pytest.approx(p_values, rel=1e-6)
    assert found.aic == pytest.approx(rest[1], rel=1e-8)
    assert found.df_residual == rest[2]
    if name == "linear_regression":
        ours = [found.log_likelihood, found.residual_std_error, found.r_squared]
        assert ours == pytest.approx([rest[0], *rest[3:5]], rel=1e-8)
        assert found.r_squared_adjusted == pytest.approx(rest[5], rel=1e-8)
        assert found.f_statistic == pytest.approx(rest[6], rel=1e-8)
        assert found.residuals.q1 == pytest.approx(rest[7], rel=1e-8)
    else:
        assert found.residual_deviance == pytest.approx(rest[3], rel=1e-8)
        assert found.null_deviance == pytest.approx(rest[4], rel=1e-8)
    if name == "negative binomial":
        assert [found.theta, found.theta_std_error] == pytest.approx(rest[5:7].tolist(), rel=1e-6)


ASKED = {
    "linear_regression": {"weights": "w"},
    "logistic_regression": {"weights": "w", "offset": "o"},
    "poisson": {"weights": "w", "exposure": "years"},
    "gamma": {"weights": "w", "exposure": "years"},
    "negative binomial": {"weights": "w", "exposure": "years"},
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("parts", splits(RECORDS)[1:], ids=lambda parts: str(parts)[:6])
def test_federated_equals_pooled(name: str, parts: Any) -> None:
    data = cohort()
    whole, split = (fit(name, data, ASKED[name], parts=way) for way in (1, parts))
    rel = 1e-9
    for one, other in zip(whole.coefficients, split.coefficients, strict=True):
        assert other.estimate == pytest.approx(one.estimate, rel=rel)
        assert other.std_error == pytest.approx(one.std_error, rel=rel)
    assert split.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-9)
    assert split.weighing.effective == pytest.approx(whole.weighing.effective, rel=1e-12)


@pytest.mark.parametrize("name", ASKED)
def test_weight_of_zero_is_as_no_record(name: str) -> None:
    data = cohort()
    held = data["w"] > 0
    # Values that would tear any sum must not be looked at.
    for code in ("age", "dose", "y"):
        data[code] = np.where(held, data[code], 1e9)
    alone = {code: values[held] for code, values in data.items()}
    whole, less = (fit(name, part, ASKED[name]) for part in (data, alone))
    for one, other in zip(whole.coefficients, less.coefficients, strict=True):
        assert one.estimate == pytest.approx(other.estimate, rel=1e-9)
        assert one.std_error == pytest.approx(other.std_error, rel=1e-9)
    for key in ("n", "df_residual", "aic", "bic", "log_likelihood"):
        assert getattr(whole, key) == pytest.approx(getattr(less, key), rel=1e-9)
    assert whole.weighing.without == RECORDS - held.sum()
    assert less.weighing.without == 0


@pytest.mark.parametrize("name", ["linear_regression", "logistic_regression", "poisson"])
def test_weights_of_one_change_nothing(name: str) -> None:
    data = cohort() | {"w": np.ones(RECORDS)}
    plain = fit(name, data, {})
    same = fit(name, data, {"weights": "w"})
    assert [row.estimate for row in same.coefficients] == pytest.approx(
        [row.estimate for row in plain.coefficients], rel=1e-10
    )
    assert same.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-12)
    assert same.weighing.effective == RECORDS


@pytest.mark.parametrize("errors", ["robust", "by patient"])
def test_robust_errors_take_weights(errors: str) -> None:
    data = cohort()
    found = fit("linear_regression", data, {"weights": "w", "errors": errors})
    held = data["w"] > 0
    x = np.column_stack([np.ones(RECORDS), data["age"], data["dose"], data["sex"] == "M"])[held]
    y, w = data["y"][held], data["w"][held]
    bread = np.linalg.inv(x.T @ (x * w[:, None]))
    e = y - x @ (bread @ (x.T @ (w * y)))
    hat = w * np.einsum("ij,jk,ik->i", x, bread, x)
    n, p = x.shape
    score = x * (w * e / (1 - hat if errors == "robust" else 1))[:, None]
    factor = 1 if errors == "robust" else n / (n - 1) * (n - 1) / (n - p)
    expected = np.sqrt(np.diag(bread @ score.T @ score @ bread) * factor)
    assert [row.std_error for row in found.coefficients] == pytest.approx(expected, rel=1e-8)


def test_nearly_collinear_covariates_keep_their_digits_under_weights() -> None:
    data = cohort()
    data["twin"] = data["age"] + 1e-5 * data["dose"] ** 2
    found = analyse(
        "linear_regression",
        data,
        y=["y"],
        x=["age", "twin", "w"],
        parameters={"weights": "w"},
        parts=3,
    )
    held = data["w"] > 0
    root = np.sqrt(data["w"][held])
    x = np.column_stack([np.ones(held.sum()), data["age"][held], 1e-5 * data["dose"][held] ** 2])
    scale = np.array([1.0, 1.0, 1e-5])
    b = np.linalg.lstsq(x / scale * root[:, None], data["y"][held] * root, rcond=None)[0] / scale
    assert found.coefficients[2].estimate == pytest.approx(b[2], rel=1e-8)
    assert found.coefficients[1].estimate == pytest.approx(b[1] - b[2], rel=1e-8)


def test_curves_leave_out_what_has_no_weight() -> None:
    data = cohort()
    held = data["w"] > 0
    data["age"] = np.where(held, data["age"], 1e6)
    asked = {"weights": "w", "splines": ["age"]}
    whole = fit("linear_regression", data, asked)
    less = fit("linear_regression", {code: part[held] for code, part in data.items()}, asked)
    assert whole.curves[0].knots == less.curves[0].knots
    assert whole.curves[0].nonlinear.statistic == pytest.approx(
        less.curves[0].nonlinear.statistic, rel=1e-8
    )


@pytest.mark.parametrize("name", ["poisson", "logistic_regression"])
def test_model_adds_the_offset(name: str) -> None:
    data = cohort()
    asked = {"exposure": "years"} if name == "poisson" else {"offset": "o"}
    found = fit(name, data, asked)
    (code,) = asked.values()
    assert code in found.model.variables
    rows = {row.term: row.estimate for row in found.coefficients}
    eta = rows["Intercept"] + rows["age"] * data["age"] + rows["dose"] * data["dose"]
    eta = eta + rows["sex[M]"] * (data["sex"] == "M")
    expected = (
        np.exp(eta) * data["years"] if name == "poisson" else 1 / (1 + np.exp(-(eta + data["o"])))
    )
    record = Block(
        Layout(("age", "dose", code), ("sex",), (("F", "M"),)),
        np.asfortranarray(np.column_stack([data["age"], data["dose"], data[code]])),
        (data["sex"] == "M").astype(np.int32)[:, None],
        np.zeros(RECORDS, dtype=np.int32),
        None,
    )
    predicted = found.model.predict(record)
    predicted = predicted if name == "poisson" else predicted[:, 1]
    assert predicted == pytest.approx(expected, rel=1e-9)


def test_negative_weights_have_no_answer() -> None:
    data = cohort() | {"w": np.linspace(-1, 1, RECORDS)}
    with pytest.raises(CannotCompute, match="Some weights are negative: w"):
        fit("linear_regression", data, {"weights": "w"})


def test_weights_all_zero_have_no_answer() -> None:
    data = cohort() | {"w": np.zeros(RECORDS)}
    with pytest.raises(CannotCompute, match="Every weight is zero: w"):
        fit("linear_regression", data, {"weights": "w"})


def test_few_heavy_records_have_no_answer() -> None:
    data = cohort()
    data["w"] = np.where(np.arange(RECORDS) < 5, 1.0, 1e-9)
    with pytest.raises(CannotCompute, match="fewer than 10"):
        fit("linear_regression", data, {"weights": "w"}, policy=Policy(overlap="off"))


@pytest.mark.parametrize("few", ["without", "with"])
@pytest.mark.parametrize("name", ["linear_regression", "logistic_regression", "poisson"])
def test_few_patients_of_zero_or_of_some_weight_are_refused(name: str, few: str) -> None:
    data = cohort()
    data["w"] = (np.arange(RECORDS) >= 5).astype(float)
    if few == "with":
        data["w"] = 1 - data["w"]
    policy = Policy(overlap="off", patients_per_parameter=0)
    with pytest.raises(Refused, match=f"{few} w"):
        fit(name, data, {"weights": "w"}, policy=policy)


@pytest.mark.parametrize("name", ["linear_regression", "logistic_regression", "poisson"])
def test_patients_without_weight_support_no_parameter(name: str) -> None:
    data = cohort()
    data["w"] = (np.arange(RECORDS) < 14).astype(float)
    policy = Policy(overlap="off", patients_per_parameter=5, minimum_cell=2)
    with pytest.raises(Refused, match="the cohort has 14"):
        fit(name, data, {"weights": "w"}, policy=policy)


def test_site_without_any_weight_adds_nothing() -> None:
    data = cohort()
    rows = np.arange(RECORDS)
    data["w"] = (rows < 300).astype(float)
    policy = Policy(overlap="off")
    found = fit("poisson", data, {"weights": "w"}, policy=policy, parts=[rows[:300], rows[300:]])
    alone = {code: values[:300] for code, values in data.items()}
    expected = fit("poisson", alone, {}, policy=policy)
    assert [row.estimate for row in found.coefficients] == pytest.approx(
        [row.estimate for row in expected.coefficients], rel=1e-8
    )


def test_level_is_small_by_those_who_have_weight() -> None:
    data = cohort()
    rare = np.arange(RECORDS) < 30
    data["sex"] = np.where(rare, "M", "F")
    data["w"] = np.where(np.arange(RECORDS) < 25, 0.0, 1.0)
    with pytest.raises(Refused, match=r"sex\[M\]"):
        fit("linear_regression", data, {"weights": "w"}, policy=Policy(overlap="off"))


def test_exposure_must_be_positive() -> None:
    data = cohort()
    data["years"][0] = 0.0
    with pytest.raises(CannotCompute, match="years is not positive everywhere"):
        fit("poisson", data, {"exposure": "years"})


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"weights": "sex"}, "weights: sex is no numeric covariate"),
        ({"weights": "w", "splines": ["w"]}, "w has another part"),
        ({"weights": "w", "interactions": [["w", "age"]]}, "w has another part"),
        ({"weights": "w", "offset": "w"}, "w has another part"),
        ({"offset": "o", "exposure": "years"}, "there is an offset already"),
    ],
)
def test_wrong_names_are_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        fit("poisson", cohort(), asked)


def test_weights_alone_are_no_covariate() -> None:
    with pytest.raises(RequestError, match="No covariate is left"):
        analyse("linear_regression", cohort(), y=["y"], x=["w"], parameters={"weights": "w"})


def test_form_offers_the_variables() -> None:
    schema = find("glm").parameters.model_json_schema()["properties"]
    assert {schema[name]["variable_of"] for name in ("weights", "offset", "exposure")} == {
        "covariates"
    }
    assert {schema[name]["variables_of"] for name in ("polynomials", "splines")} == {"covariates"}
