"""Ridge, lasso and elastic net against scikit-learn, split over sites, and without an answer."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

from medmip.algorithms.declaration import CannotCompute
from tests.analysis import analyse

NAMES = list("abcdef")


def cohort(records: int = 300, seed: int = 11, offset: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=records)
    data = {
        name: offset + (index + 1) * (rng.normal(size=records) + 0.7 * common)
        for index, name in enumerate(NAMES)
    }
    y = 2 * data["a"] - 0.5 * data["c"] + rng.normal(size=records)
    return data | {"y": y}


def fit(data: dict[str, Any], **options: Any) -> Any:
    return analyse("elastic_net", data, y=["y"], x=NAMES, **options)


def standardised(data: dict[str, Any]) -> tuple[Any, Any]:
    x = np.column_stack([data[name] for name in NAMES])
    return (x - x.mean(axis=0)) / x.std(axis=0), x.std(axis=0)


@pytest.mark.parametrize("mixing", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("penalty", [0.02, 0.3, 1.5])
def test_equals_scikit_learn(mixing: float, penalty: float) -> None:
    data = cohort()
    z, scale = standardised(data)
    theirs = ElasticNet(alpha=penalty, l1_ratio=mixing, tol=1e-14, max_iter=100_000).fit(
        z, data["y"]
    )
    ours = fit(data, parameters={"mixing": mixing, "penalty": penalty})
    found = np.array([row.standardised for row in ours.coefficients])
    assert found == pytest.approx(theirs.coef_, rel=1e-6, abs=1e-9)
    slopes = np.array([row.estimate for row in ours.coefficients])
    assert slopes == pytest.approx(theirs.coef_ / scale, rel=1e-6, abs=1e-9)
    assert ours.r_squared == pytest.approx(theirs.score(z, data["y"]), rel=1e-8)
    assert ours.kept == np.count_nonzero(theirs.coef_)
    means = np.array([data[name].mean() for name in NAMES])
    assert ours.intercept == pytest.approx(data["y"].mean() - means @ slopes)


def test_ridge_equals_scikit_learn() -> None:
    data = cohort()
    z, _ = standardised(data)
    theirs = Ridge(alpha=0.4 * len(z)).fit(z, data["y"])
    ours = fit(data, parameters={"mixing": 0.0, "penalty": 0.4})
    found = [row.standardised for row in ours.coefficients]
    assert found == pytest.approx(theirs.coef_, rel=1e-8)


def test_a_vanishing_penalty_is_least_squares() -> None:
    data = cohort()
    x = np.column_stack([data[name] for name in NAMES])
    theirs = LinearRegression().fit(x, data["y"])
    ours = fit(data, parameters={"penalty": 1e-9})
    assert [row.estimate for row in ours.coefficients] == pytest.approx(theirs.coef_, rel=1e-6)


def test_the_path_starts_where_the_last_covariate_drops_out() -> None:
    path = fit(cohort()).path
    assert path[0].kept == 0
    assert path[1].kept >= 1
    assert [step.r_squared for step in path] == sorted(step.r_squared for step in path)


def test_the_least_bic_keeps_what_made_the_outcome() -> None:
    ours = fit(cohort(records=3000))
    kept = {row.term for row in ours.coefficients if abs(row.standardised) > 0.1}
    assert kept == {"a", "c"}
    least = min(ours.path, key=lambda step: step.bic)
    assert ours.penalty == least.penalty
    picture = next(view for view in ours.views() if view.title.startswith("Choice of the penalty"))
    assert f"least at {least.penalty:.3g}, where {least.kept} covariates" in picture.alt


@pytest.mark.parametrize("parts", [2, 10])
def test_split_equals_pooled(parts: int) -> None:
    pooled, split = (fit(cohort(offset=1e5), parts=count) for count in (1, parts))
    for one, other in zip(pooled.coefficients, split.coefficients, strict=True):
        assert other.standardised == pytest.approx(one.standardised, rel=1e-8, abs=1e-10)


def test_collinear_covariates_are_no_obstacle_with_ridge() -> None:
    data = cohort()
    ours = fit(data | {"b": 2 * data["a"]}, parameters={"mixing": 0.5, "penalty": 0.1})
    a, b = ours.coefficients[0].standardised, ours.coefficients[1].standardised
    assert a == pytest.approx(b, rel=1e-6)


def test_constant_variables_are_named() -> None:
    data = cohort()
    with pytest.raises(CannotCompute, match="constant: b"):
        fit(data | {"b": np.ones(300)})
    with pytest.raises(CannotCompute, match="constant: y"):
        fit(data | {"y": np.ones(300)})
