"""Rubin's rules against the R package mice's figures."""

import math

import numpy as np
import pytest
from scipy import stats

from medmip.algorithms.coefficients import Coefficient
from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.linear_regression import LinearRegressionResult
from medmip.algorithms.pooled import poolable, pooled, rubin
from medmip.algorithms.registry import registry
from tests.analysis import analyse

ESTIMATES = [1.21, 1.35, 1.17, 1.42, 1.29]
ERRORS = [0.21, 0.19, 0.22, 0.20, 0.205]

# R 4.2.2, mice 3.15.0: with(mice(nhanes, m = 5, method = "norm"), lm(chl ~ age + bmi)), seed 1:
# each imputation's estimates and standard errors, and what pool() makes of them.
NHANES = {
    "(Intercept)": (
        [
            -8.57539121389943,
            -93.44358023076445,
            -59.07802931976189,
            -101.17604293038221,
            -59.52831795864859,
        ],
        [
            38.77320884187823,
            30.61489582622408,
            43.77717648143098,
            46.46924923271505,
            36.06899816157882,
        ],
        (-64.36027233069, 1563.48770073300, 1341.110649688535, 6.07599218973, 0.615813411248),
        (56.32779491831, 0.29622052620117),
    ),
    "age": (
        [
            43.06935722655840,
            63.20325256116887,
            39.63945385360540,
            51.77350100255904,
            48.81918504855007,
        ],
        [
            7.53546211046338,
            6.49686374795653,
            6.57331570368709,
            7.97795358494901,
            7.36256310791288,
        ],
        (49.30094993849, 52.01119720794, 82.949219677948, 3.97123412465, 0.755265773137),
        (12.31057516209, 0.01629661271820),
    ),
}


@pytest.mark.parametrize("term", NHANES)
def test_pooling_is_that_of_mice(term: str) -> None:
    estimates, errors, (mean, within, between, df, missing), (error, _) = NHANES[term]
    found = rubin(estimates, errors, 22.0)
    assert found.estimate == pytest.approx(mean, rel=1e-11)
    assert found.within == pytest.approx(within, rel=1e-11)
    assert found.between == pytest.approx(between, rel=1e-11)
    assert found.std_error == pytest.approx(error, rel=1e-11)
    assert found.df == pytest.approx(df, rel=1e-11)
    assert found.missing_information == pytest.approx(missing, rel=1e-11)


@pytest.mark.parametrize(
    "complete, df, missing",
    [
        (57.0, 27.4813732998007, 0.277898752099084),
        (99_997.0, 77.4175158223845, 0.246411736247186),
        (math.inf, 77.4951519350216, 0.246393199006081),
    ],
)
def test_degrees_of_freedom_are_those_of_mice(complete: float, df: float, missing: float) -> None:
    found = rubin(ESTIMATES, ERRORS, complete)
    assert found.estimate == pytest.approx(1.288, rel=1e-13)
    assert found.std_error**2 == pytest.approx(0.054509, rel=1e-13)
    assert found.df == pytest.approx(df, rel=1e-12)
    assert found.missing_information == pytest.approx(missing, rel=1e-12)


def test_imputations_that_agree_cost_nothing() -> None:
    found = rubin([2.0, 2.0, 2.0], [0.5, 0.5, 0.5], 40.0)
    assert (found.estimate, found.std_error, found.between) == (2.0, 0.5, 0.0)
    assert found.df == pytest.approx(40.0 * 41.0 / 43.0)
    assert rubin([2.0, 2.0], [0.5, 0.5], math.inf).df == math.inf
    assert rubin([1.0, 2.0], [0.0, 0.0], 10.0).missing_information == 1.0


def fits(seeds: int = 3) -> list[LinearRegressionResult]:
    rng = np.random.default_rng(0)
    data = {"a": rng.normal(size=80), "b": rng.normal(size=80), "g": rng.choice(["u", "v"], 80)}
    return [
        analyse(
            "linear_regression",
            data | {"y": data["a"] + rng.normal(size=80)},
            y=["y"],
            x=["a", "b", "g"],
        )
        for _ in range(seeds)
    ]


def test_a_table_of_coefficients_is_pooled_row_by_row() -> None:
    results = fits()
    found = pooled("Linear regression", results)
    assert [row.term for row in found.coefficients] == ["Intercept", "a", "b", "g[v]"]
    row = found.coefficients[1]
    alone = rubin(
        [part.coefficients[1].estimate for part in results],
        [part.coefficients[1].std_error for part in results],
        76.0,
    )
    assert (row.estimate, row.std_error, row.df) == (alone.estimate, alone.std_error, alone.df)
    assert row.lower < row.estimate < row.upper
    assert row.statistic == pytest.approx(row.estimate / row.std_error)
    assert (found.n, found.imputations, found.references) == (80, 3, {"g": "u"})
    titles = [view.title for view in found.views()]
    assert titles == ["Pooled coefficients", "Pooled coefficients for y", "Pooling"]


def test_p_value_and_interval_are_those_of_r() -> None:
    rows = [
        Coefficient(
            term="a",
            estimate=estimate,
            std_error=error,
            statistic=0.0,
            p_value=0.0,
            lower=0.0,
            upper=0.0,
        )
        for estimate, error in zip(ESTIMATES, ERRORS, strict=True)
    ]
    (plain, *_) = fits(1)
    results = [plain.model_copy(update={"coefficients": (row,), "df_residual": 57}) for row in rows]
    (found,) = pooled("Linear regression", results).coefficients
    assert found.p_value == pytest.approx(7.195599e-06, rel=1e-6)
    assert found.upper - found.estimate == pytest.approx(0.4786519, rel=1e-6)


def test_logarithms_are_pooled_and_then_raised() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=200)
    results = [
        analyse(
            "logistic_regression",
            {"a": a, "ill": np.where(rng.logistic(size=200) < a, "yes", "no")},
            y=["ill"],
            x=["a"],
            parameters={"positive_class": "yes", "confidence": 0.9},
        )
        for _ in range(4)
    ]
    found = pooled("Logistic regression", results)
    (row,), coefficient = found.ratios, found.coefficients[1]
    reference = stats.t(coefficient.df)
    limits = coefficient.estimate + np.array([-1, 1]) * reference.ppf(0.95) * coefficient.std_error
    assert found.ratio_of == "Odds ratio"
    assert row.term == "a"
    assert row.ratio == pytest.approx(math.exp(coefficient.estimate), rel=1e-12)
    assert [row.lower, row.upper] == pytest.approx(np.exp(limits), rel=1e-12)
    titles = [view.title for view in found.views()]
    assert titles == [
        "Pooled coefficients",
        "Pooled: odds ratio",
        "Pooled coefficients for ill",
        "Pooling",
    ]


def test_a_coefficient_that_is_no_logarithm_is_not_raised() -> None:
    found = pooled("Linear regression", fits())
    assert found.ratio_of is None
    assert not found.ratios


def test_terms_that_differ_cannot_be_pooled() -> None:
    results = fits()
    short = results[0].model_copy(update={"coefficients": results[0].coefficients[:-1]})
    with pytest.raises(CannotCompute, match="differ in the levels"):
        pooled("Linear regression", [*results, short])


def test_what_has_a_table_of_coefficients_can_be_pooled() -> None:
    able = {name for name, algorithm in registry().items() if poolable(algorithm)}
    assert {"linear_regression", "logistic_regression", "cox", "glm", "mixed_model"} <= able
    assert not able & {"pca", "describe", "kmeans", "multinomial_regression", "naive_bayes"}
