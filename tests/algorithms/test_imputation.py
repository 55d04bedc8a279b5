"""Imputation against statsmodels, scikit-learn and theory, however the records are divided."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from medmip.algorithms import imputation
from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.pooled import PooledResult
from medmip.catalogue.variable import Variable
from medmip.fold.cohort import Cohort
from medmip.fold.imputing import Conditional, Drawn
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.preparing import completions, prepared, values, variables_of
from tests.analysis import OPEN, cohort_of

N = 600
LEVELS = ("u", "v", "w")


def columns(n: int = N, seed: int = 2, share: float = 0.15) -> dict[str, Any]:
    """Covariates that go together, each with missing values, and an outcome that they make."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = 0.6 * a + 0.8 * rng.normal(size=n)
    odds = np.column_stack([np.zeros(n), 0.8 * a, -0.7 * b])
    chances = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    g = np.array(LEVELS)[(rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)]
    y = 1 + 2 * a - b + (g == "v") + rng.normal(size=n)
    data: dict[str, Any] = {
        "a": a,
        "b": b,
        "g": g.astype(object),
        "y": y,
        "dataset": rng.choice(["one", "two"], n),
        "subjectcode": np.array([f"P{index}" for index in range(n)]),
    }
    for code, gap in (("a", np.nan), ("b", np.nan), ("g", None)):
        data[code][rng.random(n) < share] = gap
    return data


def asked(method: str, **options: Any) -> dict[str, Any]:
    return {"imputation": {"method": method} | options}


def imputed(data: dict[str, Any], method: str, **options: Any) -> tuple[Cohort, Any]:
    return completions(data, asked(method, **options), y=["y"], x=["a", "b", "g"])


def placed(data: dict[str, Any], found: np.ndarray) -> np.ndarray:
    """Rows of (…, y last) in the order of the data."""
    order = np.argsort(np.argsort(data["y"]))
    sorted_rows: np.ndarray = found[np.argsort(found[:, -1])][order]
    return sorted_rows


def indices(data: dict[str, Any]) -> np.ndarray:
    """The level index of g, -1 where missing."""
    return np.array([-1 if level is None else LEVELS.index(level) for level in data["g"]])


def filled_by_hand(data: dict[str, Any]) -> np.ndarray:
    """a, b, g and y with means and the most frequent level."""
    g = indices(data)
    frequent = np.bincount(g[g >= 0]).argmax()
    return np.column_stack(
        [
            np.where(np.isnan(data["a"]), np.nanmean(data["a"]), data["a"]),
            np.where(np.isnan(data["b"]), np.nanmean(data["b"]), data["b"]),
            np.where(g < 0, frequent, g),
            data["y"],
        ]
    )


def test_means_and_most_frequent_levels_are_filled_in() -> None:
    data = columns()
    cohort, (steps,) = imputed(data, "mean")
    found = placed(data, values(cohort, ["a", "b", "g", "y"], steps))
    assert found == pytest.approx(filled_by_hand(data), rel=1e-12)


def test_regression_is_that_of_statsmodels_on_records_filled_with_means() -> None:
    data = columns()
    cohort, (steps,) = imputed(data, "regression")
    found = placed(data, values(cohort, ["a", "b", "g", "y"], steps))
    a, b, g, _ = filled_by_hand(data).T
    v, w = (g == 1).astype(float), (g == 2).astype(float)
    for index, (own, other) in enumerate(((data["a"], b), (data["b"], a))):
        known = ~np.isnan(own)
        x = sm.add_constant(np.column_stack([other, v, w]))
        expected = sm.OLS(own[known], x[known]).fit().predict(x)
        assert found[:, index] == pytest.approx(np.where(known, own, expected), rel=1e-9)
    known = indices(data) >= 0
    x = sm.add_constant(np.column_stack([a, b]))
    fit = sm.MNLogit(indices(data)[known], x[known]).fit(disp=0, method="newton", tol=1e-12)
    likeliest = np.asarray(fit.predict(x)).argmax(axis=1)
    assert np.array_equal(found[:, 2], np.where(known, indices(data), likeliest))


def conditional(
    cohort: Cohort, variable: Variable, rng: np.random.Generator | None = None
) -> tuple[Conditional, float]:
    return imputation._conditional(cohort, variable, (*cohort.x, *cohort.y), rng)


def test_conditional_models_are_those_of_statsmodels_on_the_completed_records() -> None:
    data = columns()
    cohort, (steps, *_) = imputed(data, "multiple", iterations=1)
    completed = cohort.adjusted(*steps)
    a, b, g, y = placed(data, values(completed, ["a", "b", "g", "y"])).T
    v, w = (g == 1).astype(float), (g == 2).astype(float)
    known = ~np.isnan(data["a"])
    found, deviation = conditional(completed, cohort.x[0])
    x = np.column_stack([b, v, w, y])[known]
    fit = sm.OLS(data["a"][known], sm.add_constant(x)).fit()
    weights = np.array([term.weights[0] for term in found.terms])
    centres = np.array([term.centre for term in found.terms])
    assert weights == pytest.approx(fit.params[1:], rel=1e-8)
    assert found.intercepts[0] - centres @ weights == pytest.approx(fit.params[0], rel=1e-8)
    assert deviation == pytest.approx(fit.mse_resid**0.5, rel=1e-8)
    known = indices(data) >= 0
    found, _ = conditional(completed, cohort.x[2])
    x = np.column_stack([a, b, y])[known]
    logit = sm.MNLogit(indices(data)[known], sm.add_constant(x)).fit(
        disp=0, method="newton", tol=1e-12
    )
    params = np.asarray(logit.params)
    slopes = np.array([term.weights for term in found.terms])
    centres = np.array([term.centre for term in found.terms])
    assert slopes == pytest.approx(params[1:], rel=1e-6)
    assert np.array(found.intercepts) - centres @ slopes == pytest.approx(params[0], rel=1e-6)


def test_drawn_parameters_spread_as_their_posterior_says() -> None:
    data = columns(300)
    cohort, _ = imputed(data, "mean")
    part = cohort_of(
        {code: data[code][~np.isnan(data["a"])] for code in data if code != "g"}, y=["y"], x=["a"]
    )
    rng = np.random.default_rng(1)
    draws = [conditional(part, part.x[0], rng) for _ in range(400)]
    slopes = np.array([model.terms[0].weights[0] for model, _ in draws])
    deviations = np.array([deviation for _, deviation in draws])
    kept = ~np.isnan(data["a"])
    fit = sm.OLS(data["a"][kept], sm.add_constant(data["y"][kept])).fit()
    assert slopes.mean() == pytest.approx(fit.params[1], abs=4 * fit.bse[1] / 20)
    assert slopes.std() == pytest.approx(fit.bse[1], rel=0.15)
    df = fit.df_resid
    assert (deviations**2).mean() == pytest.approx(fit.mse_resid * df / (df - 2), rel=0.03)
    assert (deviations**2).std() == pytest.approx(fit.mse_resid * (2 / df) ** 0.5, rel=0.15)
    assert cohort.size.records == 300


def test_drawn_coefficients_of_levels_spread_as_their_likelihood_says() -> None:
    data = {code: column for code, column in columns(500).items() if code in ("g", "y")}
    known = indices(data) >= 0
    data = {code: column[known] for code, column in data.items()}
    part = cohort_of(data, y=["y"], x=["g"])
    rng = np.random.default_rng(2)
    draws = np.array([conditional(part, part.x[0], rng)[0].terms[0].weights for _ in range(250)])
    fit = sm.MNLogit(indices(data), sm.add_constant(data["y"])).fit(disp=0, method="newton")
    slopes, errors = np.asarray(fit.params)[1], np.asarray(fit.bse)[1]
    assert draws.mean(axis=0) == pytest.approx(slopes, abs=4 * errors.max() / 250**0.5)
    assert draws.std(axis=0) == pytest.approx(errors, rel=0.15)


def result(data: dict[str, Any], preparation: dict[str, Any], **options: Any) -> PooledResult:
    found, _ = prepared(
        "linear_regression", data, preparation, y=["y"], x=["a", "b", "g"], **options
    )
    assert isinstance(found, PooledResult)
    return found


@pytest.mark.parametrize("method", ["regression", "multiple"])
@pytest.mark.parametrize(
    "parts", [2, 3, 10, [np.arange(9), np.arange(9, N)]], ids=["2", "3", "10", "lop-sided"]
)
def test_split_over_sites_equals_pooled(method: str, parts: Any) -> None:
    data = columns()
    whole, split = (
        prepared(
            "linear_regression",
            data,
            asked(method, imputations=2, iterations=2),
            y=["y"],
            x=["a", "b", "g"],
            parts=part,
        )[0]
        for part in (1, parts)
    )
    for one, other in zip(whole.coefficients, split.coefficients, strict=True):
        assert other.estimate == pytest.approx(one.estimate, rel=1e-9)
        assert other.std_error == pytest.approx(one.std_error, rel=1e-9)


def test_the_order_of_the_records_changes_no_draw() -> None:
    data = columns()
    mixed = np.random.default_rng(3).permutation(N)
    cohort, (first, second) = imputed(data, "multiple", imputations=2, iterations=1)
    other = {code: column[mixed] for code, column in data.items()}
    again, (same, _) = imputed(other, "multiple", imputations=2, iterations=1)
    found = placed(data, values(cohort, ["a", "b", "g", "y"], first))
    assert placed(data, values(again, ["a", "b", "g", "y"], same)) == pytest.approx(found, rel=1e-9)
    next_one = placed(data, values(cohort, ["a", "b", "g", "y"], second))
    gap = np.isnan(data["a"])
    assert np.array_equal(found[~gap, 0], next_one[~gap, 0])
    assert (found[gap, 0] != next_one[gap, 0]).all()


def test_another_seed_makes_other_draws_and_the_same_the_same() -> None:
    data = columns()
    first, again, other = (
        result(data, asked("multiple", imputations=2, iterations=1, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.coefficients[1].estimate != other.coefficients[1].estimate


def test_the_chain_goes_from_marginal_draws_through_every_variable() -> None:
    data = columns()
    _, found = imputed(data, "multiple", imputations=2, iterations=3)
    assert len(found) == 2
    drawn = [step for step in found[0] if isinstance(step, Drawn)]
    assert [step.model.variable for step in drawn] == ["a", "b", "g"] * 4
    assert all(not step.model.terms for step in drawn[:3])
    assert {term.variable for term in drawn[3].model.terms} == {"b", "g", "y"}


def simulated(seed: int, n: int = 400) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data whose a is missing the more, the greater y and b are; and the same made complete."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n)
    a = 0.5 * b + rng.normal(size=n)
    y = 1.0 + 1.0 * a + 0.5 * b + rng.normal(size=n)
    whole = {"a": a, "b": b, "y": y, "subjectcode": np.array([f"P{i}" for i in range(n)])}
    gone = rng.random(n) < 1 / (1 + np.exp(-(-0.8 + 0.9 * y)))
    return whole | {"a": np.where(gone, np.nan, a)}, whole


def test_multiple_imputation_mends_what_dropping_and_means_spoil() -> None:
    truth = np.array([1.0, 1.0, 0.5])
    errors: dict[str, list[np.ndarray]] = {"multiple": [], "dropped": [], "mean": []}
    covered, shrunk, lost = [], [], []
    for seed in range(24):
        data, whole = simulated(seed)
        options: Any = {"y": ["y"], "x": ["a", "b"]}
        found, _ = prepared(
            "linear_regression",
            data,
            asked("multiple", imputations=5, iterations=2, seed=seed),
            **options,
        )
        mean, _ = prepared("linear_regression", data, asked("mean"), **options)
        dropped, _ = prepared("linear_regression", data, {"standardise": None}, **options)
        complete, _ = prepared("linear_regression", whole, {"standardise": None}, **options)
        for name, part in (("multiple", found), ("dropped", dropped), ("mean", mean)):
            estimates = np.array([row.estimate for row in part.coefficients])
            errors[name].append(estimates - truth)
        covered.append(
            [
                row.lower <= value <= row.upper
                for row, value in zip(found.coefficients, truth, strict=True)
            ]
        )
        shrunk.append(complete.coefficients[1].std_error / found.coefficients[1].std_error)
        lost.append(found.coefficients[1].missing_information)
    bias = {name: np.abs(np.mean(rows, axis=0)) for name, rows in errors.items()}
    assert (bias["multiple"] < 0.04).all()
    assert bias["dropped"].max() > 0.15
    assert bias["mean"].max() > 0.15
    assert (np.mean(covered, axis=0) >= 0.85).all()
    assert np.mean(shrunk) < 0.9
    assert 0.2 < np.mean(lost) < 0.6


def test_logistic_regression_is_pooled_too() -> None:
    data = columns()
    data["c"] = np.where(data["y"] > np.median(data["y"]), "yes", "no")
    found, _ = prepared(
        "logistic_regression",
        data,
        asked("multiple"),
        y=["c"],
        x=["a", "b", "g"],
        parameters={"positive_class": "yes"},
    )
    assert isinstance(found, PooledResult)
    assert found.n == N
    assert [row.term for row in found.coefficients] == ["Intercept", "a", "b", "g[v]", "g[w]"]
    assert all(0 < row.missing_information < 1 for row in found.coefficients)


def test_a_variable_that_nobody_lacks_is_left_alone() -> None:
    data = columns()
    data["a"] = np.nan_to_num(data["a"])
    _, (steps, *_) = imputed(data, "multiple", iterations=1)
    assert {step.reads[0] for step in steps} == {"b", "g"}
    data["b"] = np.nan_to_num(data["b"])
    data["g"] = np.where(indices(data) < 0, "u", data["g"])
    found = result(data, asked("multiple"))
    assert [row.between for row in found.coefficients] == pytest.approx([0.0] * 5, abs=1e-28)


def test_a_variable_may_be_in_none_of_a_datasets_records() -> None:
    data = columns()
    data["a"][data["dataset"] == "one"] = np.nan
    cohort, (steps,) = imputed(data, "regression")
    assert np.isfinite(values(cohort, ["a", "b"], steps)).all()
    assert cohort.size.records == N


def test_a_longitudinal_record_draws_for_its_visit() -> None:
    data = columns(300)
    data = {code: data[code] for code in ("a", "b", "y")} | {
        "subjectid": np.repeat([f"P{index:03d}" for index in range(100)], 3),
        "visitid": np.tile(["BL", "FL1", "FL2"], 100),
    }
    data["a"][:6] = np.nan
    cohort, (steps, _) = completions(
        data, asked("multiple", imputations=2, iterations=1), y=["y"], x=["a", "b"]
    )
    found = placed(data, values(cohort, ["a", "y"], steps[:1]))
    assert len(set(found[:6, 0].tolist())) == 6


def test_the_outcome_is_imputed_where_it_is_named() -> None:
    data = columns()
    data["y"][:30] = np.nan
    cohort, _ = imputed(data, "mean")
    assert cohort.size.records == N - 30
    cohort, (steps,) = imputed(data, "regression", variables=["y", "a", "b", "g"])
    assert cohort.size.records == N
    assert np.isfinite(values(cohort, ["y"], steps)).all()


@pytest.mark.parametrize("method", ["mean", "regression", "multiple"])
def test_too_few_known_values_are_named(method: str) -> None:
    data = columns()
    data["a"] = np.where(np.arange(N) < 9, 1.0 + np.arange(N), np.nan)
    policy = Policy(overlap="off")
    with pytest.raises(CannotCompute, match="value of a "):
        prepared("linear_regression", data, asked(method), y=["y"], x=["a", "b"], policy=policy)


@pytest.mark.parametrize("method", ["regression", "multiple"])
def test_what_determines_each_other_is_named(method: str) -> None:
    data = columns()
    data["c"], data["d"] = data["y"] * 2 + 1, -4 * data["y"]
    with pytest.raises(CannotCompute, match=r"a cannot be imputed.*c, d"):
        prepared("linear_regression", data, asked(method), y=["b"], x=["a", "c", "d"])


def test_levels_that_are_told_apart_are_named() -> None:
    data = columns()
    data["b"] = np.nan_to_num(data["b"])
    data["g"] = np.where(data["b"] > 0, "v", "u").astype(object)
    data["g"][:30] = None
    with pytest.raises(CannotCompute, match=r"g cannot be imputed by regression.* b"):
        prepared("linear_regression", data, asked("regression"), y=["y"], x=["b", "g"])


def test_a_level_of_few_patients_is_refused() -> None:
    data = columns()
    data["g"] = np.where(indices(data) == 2, "u", data["g"])
    data["g"][:5] = "w"
    with pytest.raises(Refused, match=r"g\[w\]"):
        result(data, asked("mean"), policy=Policy(overlap="off"))


def test_small_numbers_of_missing_values_are_hidden() -> None:
    data = columns()
    data["a"] = np.where(np.arange(N) < 4, np.nan, np.nan_to_num(data["a"]))
    options: Any = {"y": ["y"], "x": ["a", "b", "g"]}
    _, done = prepared(
        "linear_regression", data, asked("mean"), policy=Policy(overlap="off"), **options
    )
    a, b, _ = done.imputed
    assert (a.observed, a.missing) == (None, None)
    assert b.missing == int(np.isnan(data["b"]).sum())
    _, done = prepared("linear_regression", data, asked("mean"), policy=OPEN, **options)
    assert (done.imputed[0].observed, done.imputed[0].missing) == (N - 4, 4)
    assert [view.title for view in done.views()] == ["Preparation", "Imputed values"]


def test_parts_follow_in_order() -> None:
    data = columns()
    whole = asked("regression") | {"combat": {"preserve": ["g"]}, "standardise": {}}
    cohort, (steps,) = completions(data, whole, y=["y"], x=["a", "b", "g"])
    kinds = [step.model_dump()["kind"] for step in steps]
    assert kinds == ["filled", "regressed", "harmonised", "scaled"]
    found = values(cohort, ["a", "b"], steps)
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert found.std(axis=0, ddof=1) == pytest.approx([1, 1], rel=1e-12)
    assert set(variables_of(data)) >= {"a", "b", "g", "y"}
