"""Logistic and Poisson elastic nets: optimality, glmnet, scikit-learn, sites, and no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, xlogy
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.fold.shrinkage import Penalty, quadratic_minimum
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.test_elastic_net import NAMES, cohort, standardised
from tests.analysis import analyse

OUTCOMES = {"binomial": "yes", "poisson": "count"}


def sample(records: int = 300, **options: Any) -> dict[str, Any]:
    """The linear cohort with a class and a count besides."""
    data = cohort(records, **options)
    rng = np.random.default_rng(5)
    offset = options.get("offset", 0.0)
    a, c = data["a"] - offset, data["c"] - offset
    chance = 1 / (1 + np.exp(-(0.4 * a - 0.2 * c)))
    held = rng.random(records) < chance
    return data | {
        "yes": np.where(held, "yes", "no"),
        "count": rng.poisson(np.exp(0.3 + 0.25 * a - 0.1 * c)).astype(float),
    }


def fit(family: str, data: dict[str, Any] | None = None, x: Any = NAMES, **options: Any) -> Any:
    asked = {"family": family} | options.pop("parameters", {})
    found = data or sample()
    return analyse("elastic_net", found, y=[OUTCOMES[family]], x=x, parameters=asked, **options)


def slopes(found: Any) -> Any:
    return np.array([row.standardised for row in found.coefficients])


def mean_of(family: str, lean: Any) -> Any:
    return expit(lean) if family == "binomial" else np.exp(lean)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("mixing", [1.0, 0.5, 0.0])
def test_every_fit_of_the_path_is_optimal(family: str, mixing: float) -> None:
    data = sample()
    z, scale = standardised(data)
    y = (data["yes"] == "yes").astype(float) if family == "binomial" else data["count"]
    for penalty in (0.001, 0.03, 0.2):
        found = fit(family, data, parameters={"mixing": mixing, "penalty": penalty})
        beta = slopes(found)
        means = np.array([data[name].mean() for name in NAMES])
        lean = found.intercept + means @ (beta / scale) + z @ beta
        apart = (mean_of(family, lean) - y) / len(y)
        pull = z.T @ apart + penalty * (1 - mixing) * beta
        assert abs(apart.sum()) < 1e-8
        held = beta != 0
        assert pull[held] == pytest.approx(-penalty * mixing * np.sign(beta[held]), abs=1e-8)
        assert (np.abs(pull[~held]) <= penalty * mixing + 1e-8).all()


# R 4.2 with glmnet 4.1-6, thresh = 1e-22, lambda = 0.05: intercept, slopes, share of deviance.
GLMNET = [
    ("binomial", 1.0,
     [0.048350107553866, 0.273699722627086, 0, -0.111844497315003, 0, 0, 0], 0.0873361330288),
    ("binomial", 0.5,
     [0.0497974701096458, 0.3588978950573, -0.0179013225413665, -0.1352341783649959, 0, 0, 0],
     0.10141559423),
    ("poisson", 1.0,
     [0.27031384906977862, 0.19971578881681645, 0, -0.08894091545090088, 0, 0,
      0.00542936350830492], 0.173559111992),
    ("poisson", 0.5,
     [0.2607133598909509, 0.21128035170109224, 0, -0.09438739815928267, 0, 0,
      0.00799432824930534], 0.176742621147),
]  # fmt: skip


@pytest.mark.parametrize("family, mixing, estimates, explained", GLMNET)
def test_equals_glmnet(family: str, mixing: float, estimates: Any, explained: float) -> None:
    found = fit(family, parameters={"mixing": mixing, "penalty": 0.05})
    ours = [found.intercept, *(row.estimate for row in found.coefficients)]
    assert ours == pytest.approx(estimates, rel=1e-6, abs=1e-9)
    assert found.r_squared == pytest.approx(explained, rel=1e-7)
    assert found.kept == np.count_nonzero(estimates[1:])


@pytest.mark.parametrize("mixing", [1.0, 0.4])
def test_logistic_equals_scikit_learn(mixing: float) -> None:
    data = sample()
    z, _ = standardised(data)
    strength = 1 / (0.05 * len(z))
    theirs = LogisticRegression(
        C=strength, l1_ratio=mixing, solver="saga", tol=1e-13, max_iter=200_000
    ).fit(z, data["yes"])
    found = fit("binomial", data, parameters={"mixing": mixing, "penalty": 0.05})
    assert slopes(found) == pytest.approx(theirs.coef_[0], rel=1e-6, abs=1e-8)


def test_poisson_ridge_equals_scikit_learn() -> None:
    data = sample()
    z, _ = standardised(data)
    theirs = PoissonRegressor(alpha=0.3, solver="newton-cholesky", tol=1e-12).fit(z, data["count"])
    found = fit("poisson", data, parameters={"mixing": 0.0, "penalty": 0.3})
    assert slopes(found) == pytest.approx(theirs.coef_, rel=1e-8)


@pytest.mark.parametrize("family, other", [("binomial", "logistic_regression"), ("poisson", "glm")])
def test_a_vanishing_penalty_is_the_unshrunken_fit(family: str, other: str) -> None:
    data = sample()
    asked = {"positive_class": "yes"} if family == "binomial" else {}
    plain = analyse(other, data, y=[OUTCOMES[family]], x=NAMES, parameters=asked)
    found = fit(family, data, parameters={"penalty": 1e-12})
    expected = [row.estimate for row in plain.coefficients]
    ours = [found.intercept, *(row.estimate for row in found.coefficients)]
    assert ours == pytest.approx(expected, rel=1e-6)
    assert found.deviance == pytest.approx(plain.residual_deviance, rel=1e-9)
    assert found.null_deviance == pytest.approx(plain.null_deviance, rel=1e-9)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("parts", [2, 3, 10, [np.arange(4), np.arange(4, 300)]], ids=str)
def test_split_equals_pooled(family: str, parts: Any) -> None:
    data = sample(offset=1e4)
    pooled, split = (fit(family, data, parts=count) for count in (1, parts))
    assert split.penalty == pytest.approx(pooled.penalty, rel=1e-9)
    assert slopes(split) == pytest.approx(slopes(pooled), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_the_path_starts_where_the_last_covariate_drops_out(family: str) -> None:
    found = fit(family)
    assert found.path[0].kept == 0
    assert found.path[1].kept >= 1
    assert [step.r_squared for step in found.path] == sorted(s.r_squared for s in found.path)
    assert found.penalty == min(found.path, key=lambda step: step.bic).penalty


def test_the_least_bic_keeps_what_made_the_outcome() -> None:
    for family in OUTCOMES:
        found = fit(family, sample(records=4000))
        kept = {row.term for row in found.coefficients if abs(row.standardised) > 0.1}
        assert kept == {"a", "c"}


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_the_model_predicts_what_was_fitted(family: str) -> None:
    data = sample()
    found = fit(family, data, parameters={"penalty": 0.02})
    lean = found.intercept + sum(data[row.term] * row.estimate for row in found.coefficients)
    assert found.model.link == {"binomial": "logit", "poisson": "log"}[family]
    assert found.model.intercepts == (found.intercept,)
    count = data["count"]
    deviance = {
        "binomial": -2 * np.log(np.where(data["yes"] == "yes", expit(lean), expit(-lean))).sum(),
        "poisson": 2 * np.sum(xlogy(count, count) - count * lean - count + np.exp(lean)),
    }  # fmt: skip
    assert found.deviance == pytest.approx(deviance[family], rel=1e-9)


def test_a_nominal_outcome_is_binomial_without_being_asked() -> None:
    data = sample()
    found = analyse("elastic_net", data, y=["yes"], x=NAMES)
    assert (found.family, found.positive_class) == ("binomial", "yes")
    assert found.model.target.classes == ("no", "yes")
    other = analyse("elastic_net", data, y=["yes"], x=NAMES, parameters={"positive_class": "no"})
    assert slopes(other) == pytest.approx(-slopes(found), rel=1e-6, abs=1e-9)
    titles = [column.label for column in found.views()[0].columns]
    assert titles[-1] == "Odds ratio"


def test_separated_classes_have_a_shrunken_answer() -> None:
    data = sample()
    data["yes"] = np.where(data["a"] > 0, "yes", "no")
    found = fit("binomial", data, parameters={"penalty": 0.01})
    assert np.isfinite(slopes(found)).all()
    assert found.coefficients[0].standardised > 1


def test_levels_and_collinear_covariates_are_taken() -> None:
    data = sample()
    data |= {"b": 2 * data["a"], "g": np.where(data["c"] > 0, "high", "low")}
    asked = {"mixing": 0.5, "penalty": 0.05}
    for family in OUTCOMES:
        found = fit(family, data, x=[*NAMES, "g"], parameters=asked)
        assert slopes(found)[0] == pytest.approx(slopes(found)[1], rel=1e-6)
        assert found.references == {"g": "high"}


def test_what_has_no_answer_is_said() -> None:
    data = sample()
    with pytest.raises(CannotCompute, match="constant: b"):
        fit("binomial", data | {"b": np.ones(300)})
    with pytest.raises(CannotCompute, match="Every record"):
        fit("binomial", data | {"yes": np.full(300, "yes")}, levels={"yes": ["no", "yes"]})
    with pytest.raises(CannotCompute, match="not zero or more"):
        fit("poisson", data | {"count": data["count"] - 1})
    with pytest.raises(CannotCompute, match="zero everywhere"):
        fit("poisson", data | {"count": np.zeros(300)})


def test_outcome_and_distribution_must_agree() -> None:
    data = sample()
    data["three"] = np.array(["k", "l", "m"])[np.arange(300) % 3]
    for outcome, asked in (
        ("yes", {"family": "poisson"}),
        ("count", {"family": "binomial"}),
        ("count", {"positive_class": "yes"}),
        ("three", {}),
    ):
        with pytest.raises(RequestError, match="parameters"):
            analyse("elastic_net", data, y=[outcome], x=NAMES, parameters=asked)


def test_a_small_class_is_refused() -> None:
    data = sample()
    data["yes"] = np.where(np.arange(300) < 4, "yes", "no")
    with pytest.raises(Refused, match="yes"):
        fit("binomial", data, policy=Policy(overlap="off"))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(1, 6),
    mixing=st.sampled_from([1.0, 0.7, 0.2]),
    strength=st.floats(1e-4, 3.0),
    free=st.booleans(),
)
def test_a_quadratic_minimum_is_optimal(
    seed: int, size: int, mixing: float, strength: float, free: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(size + 3, size))
    square, pull = rows.T @ rows / len(rows), rng.normal(size=size)
    penalty = Penalty(strength, mixing, free)
    found = quadratic_minimum(square, pull, penalty, rng.normal(size=size))
    assert penalty.violation(square @ found - pull, found) < 1e-9
