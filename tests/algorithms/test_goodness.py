"""Hosmer & Lemeshow's test and the calibration belt against the same made with statsmodels."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate, stats
from scipy.special import expit, logit

from medmip.algorithms.goodness import below
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.analysis import analyse

RECORDS = 900


def cohort(bend: float = 0.5, records: int = RECORDS) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=records), rng.normal(size=records)
    eta = 0.3 + 0.9 * a - 0.5 * b + bend * a**2
    died = np.where(rng.random(records) < expit(eta), "yes", "no")
    return {"a": a, "b": b, "died": died, "w": rng.integers(0, 3, records).astype(float)}


def fit(data: dict[str, Any], more: dict[str, Any] | None = None, **options: Any) -> Any:
    more = more or {}
    named = [value for key, value in more.items() if key in ("weights", "offset")]
    asked = {"positive_class": "yes"} | more
    return analyse(
        "logistic_regression", data, y=["died"], x=["a", "b", *named], parameters=asked, **options
    )


def by_statsmodels(data: dict[str, Any]) -> tuple[Any, Any]:
    design = sm.add_constant(np.column_stack([data["a"], data["b"]]))
    y = (data["died"] == "yes").astype(float)
    return y, sm.Logit(y, design).fit(disp=0, tol=1e-14)


@pytest.mark.parametrize("parts", splits(RECORDS), ids=lambda parts: str(parts)[:6])
def test_hosmer_lemeshow_equals_the_formula(parts: Any) -> None:
    data = cohort()
    found = fit(data, parts=parts).calibration
    y, theirs = by_statsmodels(data)
    chance = theirs.predict()
    cuts = np.quantile(chance, np.linspace(0.1, 0.9, 9))
    group = np.searchsorted(cuts, chance, side="left")
    observed = np.bincount(group, y, minlength=10)
    expected = np.bincount(group, chance, minlength=10)
    records = np.bincount(group, minlength=10)
    assert [part.records for part in found.groups] == records.tolist()
    assert [part.observed for part in found.groups] == observed.tolist()
    assert [part.expected for part in found.groups] == pytest.approx(expected.tolist(), rel=1e-7)
    value = ((observed - expected) ** 2 / (expected * (1 - expected / records))).sum()
    assert found.chi_square == pytest.approx(value, rel=1e-6)
    assert found.df == 8
    assert found.p_value == pytest.approx(stats.chi2.sf(value, 8), rel=1e-6)


@pytest.mark.parametrize("bend", [0.0, 0.5])
def test_belt_equals_a_regression_on_powers(bend: float) -> None:
    data = cohort(bend)
    found = fit(data, parts=3).calibration.belt
    y, theirs = by_statsmodels(data)
    t = logit(theirs.predict())
    fits = {
        degree: sm.Logit(y, np.vander(t, degree + 1, increasing=True)).fit(disp=0, tol=1e-14)
        for degree in (1, 2, 3, 4)
    }
    degree = 2
    while degree < 4 and 2 * (fits[degree + 1].llf - fits[degree].llf) > stats.chi2.ppf(0.95, 1):
        degree += 1
    assert found.degree == degree
    ratio = 2 * (fits[degree].llf - theirs.llf)
    assert found.chi_square == pytest.approx(ratio, rel=1e-6, abs=1e-9)
    assert found.p_value == pytest.approx(1 - below(ratio, degree), rel=1e-5)
    chances = np.array([point.chance for point in found.points])
    rows = np.vander(logit(chances), degree + 1, increasing=True)
    middle = rows @ fits[degree].params
    errors = np.sqrt(np.einsum("ij,jk,ik->i", rows, fits[degree].cov_params(), rows))
    if degree == 2:
        by = np.sqrt(stats.chi2.ppf(0.95, 1)) * errors
        upper = [point.upper_95 for point in found.points]
        assert upper == pytest.approx(expit(middle + by).tolist(), rel=1e-6)
        by = np.sqrt(stats.chi2.ppf(0.8, 1)) * errors
        lower = [point.lower_80 for point in found.points]
        assert lower == pytest.approx(expit(middle - by).tolist(), rel=1e-6)


def test_bent_truth_is_found_out_and_straight_truth_is_not() -> None:
    straight, bent = (fit(cohort(bend)).calibration for bend in (0.0, 0.5))
    assert bent.p_value < 0.05
    assert bent.belt.p_value < 0.01
    assert straight.p_value > 0.05
    assert straight.belt.p_value > 0.05
    outside = [
        point for point in bent.belt.points if not point.lower_95 <= point.chance <= point.upper_95
    ]
    assert outside


def test_law_of_a_chosen_degree() -> None:
    step = stats.chi2.ppf(0.95, 1)
    assert below(3.0, 2) == pytest.approx(stats.chi2.cdf(3.0, 1), rel=1e-12)
    assert below(step, 3) == 0.0
    for value in (4.5, 6.0, 9.0, 15.0):
        expected = integrate.quad(
            lambda x, value=value: stats.chi2.pdf(x, 1) * stats.chi2.cdf(value - x, 1),
            step,
            value,
            epsabs=1e-12,
        )[0]
        assert below(value, 3) == pytest.approx(expected / 0.05, rel=1e-7)
    rng = np.random.default_rng(1)
    large = stats.chi2.isf(rng.uniform(0, 0.05, (2, 400_000)), 1).sum(axis=0)
    drawn = large + rng.chisquare(1, 400_000)
    for value in (9.0, 12.0, 20.0):
        assert below(value, 4) == pytest.approx((drawn <= value).mean(), abs=4e-3)


def test_each_class_of_a_group_is_large_or_empty() -> None:
    data = cohort(records=300)
    data["died"] = np.where(
        np.random.default_rng(2).random(300) < expit(-2.0 + 1.5 * data["a"]), "yes", "no"
    )
    closed = fit(data, policy=Policy(overlap="off")).calibration
    free = fit(data).calibration
    assert len(closed.groups) < len(free.groups) == 10
    for group in closed.groups:
        for cell in (group.observed, group.records - group.observed):
            assert cell == 0 or cell >= 10
    assert sum(group.records for group in closed.groups) == 300
    assert sum(group.observed for group in closed.groups) == (data["died"] == "yes").sum()
    low = [group.expected / group.records for group in closed.groups]
    assert low == sorted(low)


def test_groups_are_joined_until_no_site_hides_one() -> None:
    policy = Policy(overlap="off")
    found = fit(cohort(), policy=policy, parts=5).calibration
    assert 2 < len(found.groups) < len(fit(cohort(), policy=policy).calibration.groups)
    assert sum(group.records for group in found.groups) == RECORDS
    expected = sum(group.expected for group in found.groups)
    assert expected == pytest.approx(sum(group.observed for group in found.groups), rel=1e-6)


def test_few_patients_of_a_class_leave_no_groups() -> None:
    data = cohort(records=200)
    data["died"] = np.where(np.arange(200) < 12, "yes", "no")
    found = fit(data, policy=Policy(overlap="off")).calibration
    assert found is None or found.chi_square is None


def test_few_different_chances_make_fewer_groups() -> None:
    data = cohort()
    data["a"] = np.round(np.clip(data["a"], -1, 1))
    data["b"] = np.zeros(RECORDS)
    data["b"][::2] = 1.0
    found = fit(data).calibration
    assert 2 < len(found.groups) <= 6
    assert sum(group.records for group in found.groups) == RECORDS


@pytest.mark.parametrize(
    "more, why",
    [({"penalty": "firth"}, "Firth's penalty"), ({"offset": "w"}, "with an offset"), ({}, None)],
    ids=str,
)
def test_where_a_belt_would_mean_nothing_the_result_says_why(
    more: dict[str, Any], why: str | None
) -> None:
    result = fit(cohort(), more)
    found = result.calibration
    assert found.chi_square is not None
    assert (found.belt is not None) == (why is None)
    titles = {view.title: view for view in result.views()}
    if why is None:
        assert found.belt_left_out is None
        assert "Calibration belt" in titles
    else:
        assert why in found.belt_left_out
        assert why in titles["Calibration"].note


def test_a_weight_counts_a_record_as_often() -> None:
    data = cohort()
    found = fit(data, {"weights": "w"}, parts=3).calibration
    often = data["w"].astype(int)
    copied = {code: np.repeat(values, often) for code, values in data.items()}
    y, theirs = by_statsmodels(copied)
    t = logit(theirs.predict())
    powers = np.vander(t, found.belt.degree + 1, increasing=True)
    ratio = 2 * (sm.Logit(y, powers).fit(disp=0, tol=1e-14).llf - theirs.llf)
    assert found.belt.chi_square == pytest.approx(ratio, rel=1e-6)
    chance, held = theirs.predict(), often > 0
    first = np.concatenate([[0], np.cumsum(often[held])[:-1]])
    cuts = np.quantile(chance[first], np.linspace(0.1, 0.9, 9))
    group = np.searchsorted(cuts, chance, side="left")
    observed, expected, records = (
        np.bincount(group, part, minlength=10) for part in (y, chance, np.ones(len(y)))
    )
    assert [part.records for part in found.groups] == records.tolist()
    assert [part.observed for part in found.groups] == observed.tolist()
    assert [part.expected for part in found.groups] == pytest.approx(expected.tolist(), rel=1e-7)
    value = ((observed - expected) ** 2 / (expected * (1 - expected / records))).sum()
    assert found.chi_square == pytest.approx(value, rel=1e-6)


def test_no_calibration_where_it_is_not_wanted() -> None:
    assert fit(cohort(), {"calibration": False}).calibration is None


def test_view_shows_groups_and_belt() -> None:
    views = {view.title: view for view in fit(cohort()).views()}
    table = views["Calibration by group of risk"]
    assert len(table.rows) == 10
    assert "Hosmer-Lemeshow" in table.note
    assert "degree" in views["Calibration belt"].note
    assert "Observed by predicted chance" in views["Calibration belt"].alt
