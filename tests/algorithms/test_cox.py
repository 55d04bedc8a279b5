"""Cox regression against R's survival and statsmodels, split over sites, and without an answer."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.hazard_regression import PHReg

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.cox import (
    RiskState,
    RiskSums,
    _by_pair,
    _by_span,
    concordance,
    risk_sums,
    spans_of,
)
from medmip.fold.survival import FollowUp, step_counts
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse
from tests.blocks import cohort_over

STRICT = Policy(overlap="off")


def cohort(
    records: int = 400, seed: int = 6, offset: float = 0.0, grid: float = 1.0
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    age = rng.normal(70, 8, records)
    dose = rng.exponential(1.0, records)
    arm = rng.choice(["a", "b", "c"], records, p=[0.5, 0.3, 0.2])
    risk = 0.04 * (age - 70) - 0.5 * dose + 0.7 * (arm == "b") - 0.3 * (arm == "c")
    came = 30 * rng.exponential(np.exp(-risk))
    left = rng.uniform(5, 90, records)
    time = np.ceil(np.minimum(came, left)) * grid
    status = np.where(came <= left, "died", np.where(rng.random(records) < 0.5, "moved", "well"))
    return {"time": time, "status": status, "age": age + offset, "dose": dose, "arm": arm}


def fit(data: dict[str, Any], x: tuple[str, ...] = ("age", "dose", "arm"), **options: Any) -> Any:
    parameters = {"event": "died"} | options.pop("parameters", {})
    return analyse("cox", data, y=["time"], x=["status", *x], parameters=parameters, **options)


R = """
suppressMessages(library(survival))
d <- read.csv("{file}")
m <- coxph(Surv(time, status == "died") ~ {formula}, d,
           control = coxph.control(eps = 1e-14, iter.max = 100))
s <- summary(m, conf.int = 0.9)
b <- basehaz(m)
b <- b[b$time %in% d$time[d$status == "died"], ]
f <- function(x) paste0("[", paste(format(x, digits = 16), collapse = ","), "]")
cat(f(s$coefficients[, c(1, 3, 4, 5)]), f(s$conf.int[, c(1, 3, 4)]), f(m$loglik),
    f(c(s$logtest[1], m$wald.test, m$score)), f(b$time), f(b$hazard),
    f(s$concordance[1]), f(cox.zph(m)$table[, c(1, 2)]), sep = "\\n")
"""


@pytest.mark.parametrize("grid", [1.0, 0.25])
@pytest.mark.parametrize("interactions", [(), (("age", "arm"),)])
def test_equals_r(
    need: Callable[..., str], tmp_path: Path, grid: float, interactions: tuple[tuple[str, ...], ...]
) -> None:
    data = cohort(grid=grid)
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False, float_format="%.17g")
    formula = "age + dose + arm" + (" + age:arm" if interactions else "")
    script = R.format(file=tmp_path / "d.csv", formula=formula)
    rscript = need("Rscript")
    done = subprocess.run([rscript, "-e", script], capture_output=True, text=True, check=True)
    table, ratios, likelihoods, tests, times, hazard, agreement, drift = (
        json.loads(line) for line in done.stdout.splitlines()
    )
    parameters = {"grid": grid, "interactions": interactions, "confidence": 0.9}
    ours = fit(data, parameters=parameters)

    rows = ours.coefficients
    estimates, errors, values, p_values = np.array(table).reshape(4, -1)
    assert [row.estimate for row in rows] == pytest.approx(estimates, rel=1e-6)
    assert [row.std_error for row in rows] == pytest.approx(errors, rel=1e-6)
    assert [row.statistic for row in rows] == pytest.approx(values, rel=1e-6)
    assert [row.p_value for row in rows] == pytest.approx(p_values, rel=1e-5)
    found = [[getattr(row, name) for row in ours.hazard_ratios] for name in ("ratio", "lower")]
    found.append([row.upper for row in ours.hazard_ratios])
    assert np.array(found) == pytest.approx(np.array(ratios).reshape(3, -1), rel=1e-6)
    assert (ours.null_log_likelihood, ours.log_likelihood) == pytest.approx(likelihoods, rel=1e-8)
    assert [test.chi_square for test in ours.tests] == pytest.approx(tests, rel=1e-6)
    assert [step.time for step in ours.baseline] == times
    found = [step.cumulative_hazard for step in ours.baseline]
    assert found == pytest.approx(hazard, rel=1e-6)
    found = [row.chi_square for row in ours.proportional] + [row.df for row in ours.proportional]
    assert found == pytest.approx(drift, rel=1e-6)
    # Scores are told apart by bins only.
    assert ours.concordance == pytest.approx(agreement[0], abs=2e-4)


def test_equals_statsmodels() -> None:
    data = cohort()
    x = np.column_stack([data["age"], data["dose"], data["arm"] == "b", data["arm"] == "c"])
    dead = (data["status"] == "died").astype(float)
    theirs = PHReg(data["time"], x.astype(float), dead, ties="efron").fit(disp=0)
    ours = fit(data)
    assert [row.estimate for row in ours.coefficients] == pytest.approx(theirs.params, rel=1e-6)
    assert [row.std_error for row in ours.coefficients] == pytest.approx(theirs.bse, rel=1e-6)
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-9)


@pytest.mark.parametrize("parts", [2, 3, 10, [range(380), range(380, 399), range(399, 400)]])
def test_split_equals_pooled(parts: Any) -> None:
    data = cohort()
    if isinstance(parts, list):
        parts = [np.array(rows) for rows in parts]
    pooled, split = fit(data), fit(data, parts=parts)
    for one, other in zip(pooled.coefficients, split.coefficients, strict=True):
        assert other.estimate == pytest.approx(one.estimate, rel=1e-9)
        assert other.std_error == pytest.approx(one.std_error, rel=1e-9)
    assert split.log_likelihood == pytest.approx(pooled.log_likelihood, rel=1e-12)
    found = [step.survival for step in split.baseline]
    assert found == pytest.approx([step.survival for step in pooled.baseline], rel=1e-9)
    assert split.concordance == pytest.approx(pooled.concordance, abs=1e-6)


def test_a_large_offset_takes_no_digits() -> None:
    plain, moved = fit(cohort()), fit(cohort(offset=1e7))
    estimates = [[row.estimate for row in result.coefficients] for result in (plain, moved)]
    assert estimates[1] == pytest.approx(estimates[0], rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_joined_times_tell_nearly_the_same(seed: int) -> None:
    data = cohort(records=3000, seed=seed)
    exact, joined = fit(data), fit(data, policy=STRICT)
    assert joined.times < exact.times
    for one, other in zip(exact.coefficients, joined.coefficients, strict=True):
        assert abs(other.estimate - one.estimate) < 0.25 * one.std_error
        assert other.std_error == pytest.approx(one.std_error, rel=0.02)


def test_the_baseline_is_told_where_many_had_the_event() -> None:
    data = cohort(records=1000)
    ours = fit(data, policy=STRICT)
    died = np.sort(data["time"][data["status"] == "died"])
    ends = [step.time for step in ours.baseline]
    assert len(ends) > 10
    counts = np.diff(np.searchsorted(died, ends, side="right"), prepend=0)
    assert counts.min() >= 10
    assert int((data["time"] > ends[-1]).sum()) >= 10


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 119), max_size=8))
def test_records_in_any_order_and_blocks_give_the_same_sums(seed: int, cuts: list[int]) -> None:
    data = cohort(records=120, seed=seed)
    order = np.random.default_rng(seed).permutation(120)
    beta = np.array([0.3, -0.4])

    def folded(chosen: Any, cuts: list[int]) -> RiskSums:
        numbers = {code: data[code][chosen] for code in ("time", "age", "dose")}
        died = (data["status"][chosen] == "died").astype(int)
        whole = cohort_over(
            numbers,
            y=["time"],
            x=["age", "dose"],
            codes={"status": (died, ("well", "died"))},
            cuts=cuts,
        )
        follow_up = FollowUp("time", "status", 1, 1.0, 100)
        leaving = whole.fold(step_counts, follow_up).leaving[0, :, :-1]
        spans, ends = spans_of(leaving[1], 1)
        design = whole.design(whole.x)
        shift, scale = np.array([70.0, 1.0]), np.array([8.0, 1.0])
        state = RiskState(follow_up, spans, len(ends), design, shift, scale, beta)
        return whole.fold(risk_sums, state)

    one, other = folded(np.arange(120), []), folded(order, cuts)
    assert np.array_equal(one.patients, other.patients)
    for name in ("weight", "first", "second", "plain"):
        found = getattr(other, name)
        assert found == pytest.approx(getattr(one, name), rel=1e-12, abs=1e-12), name


@given(st.lists(st.integers(0, 6), min_size=3, max_size=40), st.integers(1, 12))
@settings(max_examples=200)
def test_spans_hold_the_minimum_and_begin_with_an_event(events: list[int], minimum: int) -> None:
    counts = np.array(events)
    if counts.sum() < minimum:
        return
    spans, ends = spans_of(counts, minimum)
    held = np.bincount(spans[spans >= 0], counts[spans >= 0])
    assert held.min() >= minimum
    assert held.sum() == counts.sum()
    assert len(ends) == len(held)
    for span, end in enumerate(ends.tolist()):
        places = np.flatnonzero(spans == span)
        assert counts[places[0]] > 0
        assert end == places[counts[places] > 0][-1]
    if minimum == 1:
        assert len(ends) == np.count_nonzero(counts)


def test_concordance_counts_pairs() -> None:
    rng = np.random.default_rng(2)
    leaving = rng.integers(0, 3, (2, 6, 4))
    people = [
        (status, step, score)
        for status, step, score in np.ndindex(*leaving.shape)
        for _ in range(leaving[status, step, score])
    ]
    right = pairs = 0.0
    for came, step, score in people:
        for other, later, lower in people:
            if came and (later > step or (later == step and not other)):
                pairs += 1
                right += 1.0 if lower < score else 0.5 * (lower == score)
    assert concordance(leaving) == pytest.approx(right / pairs, rel=1e-12)


def test_an_infinite_estimate_is_named() -> None:
    data = cohort()
    data["mark"] = np.where((data["status"] == "died") | (np.arange(400) % 2 == 0), "yes", "no")
    with pytest.raises(CannotCompute, match=r"no finite estimate exists: mark"):
        fit(data, ("age", "mark"))
    order = cohort() | {"order": -cohort()["time"]}
    order["status"] = np.full(400, "died")
    with pytest.raises(CannotCompute, match="no finite estimate exists: order"):
        fit(order, ("order",))


def test_covariates_that_do_not_vary_among_those_at_risk_are_named() -> None:
    data = cohort()
    early = np.argsort(data["time"], kind="stable")[:20]
    data["status"][early] = "well"
    data["mark"] = np.zeros(400)
    data["mark"][early] = 1.0
    data["status"][data["time"] <= data["time"][early].max()] = "well"
    with pytest.raises(CannotCompute, match=r"do not vary among those at risk.*: mark"):
        fit(data, ("age", "mark"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"status": np.full(400, "well")}, "Nobody"),
        ({"dose": np.ones(400)}, "constant: dose"),
        ({"dose": 2 * cohort()["age"]}, r"age, dose|dose, age"),
        ({"time": np.full(400, -1.0)}, "time is negative"),
        ({"time": np.full(400, 1e50)}, "time reaches beyond"),
        ({"status": np.array(["died"] * 3 + ["well"] * 397)}, "so few events"),
    ],
)
def test_without_an_answer_it_says_why(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(cohort() | change, levels={"status": ["died", "moved", "well"], "arm": ["a", "b", "c"]})


def test_covariates_of_one_level_have_no_answer() -> None:
    with pytest.raises(CannotCompute, match="No covariate"):
        fit(cohort() | {"arm": np.full(400, "a")}, ("arm",))


def test_too_many_times_are_told_a_coarser_grid() -> None:
    data = cohort(records=2500)
    rng = np.random.default_rng(1)
    data["time"] = data["time"] - rng.random(2500)
    with pytest.raises(CannotCompute, match="more than 1000 different times") as caught:
        fit(data, parameters={"grid": 0.02})
    assert caught.value.remedy is not None
    coarser = float(caught.value.remedy.split()[-1].rstrip("."))
    assert fit(data, parameters={"grid": coarser}).times <= 1000


def test_few_events_and_small_levels_are_not_told() -> None:
    data = cohort()
    few = data | {"status": np.array(["died"] * 8 + ["well"] * 392)}
    with pytest.raises(CannotCompute, match="Fewer than 10 patients"):
        fit(few, ("age",), policy=STRICT)
    data["arm"] = np.where(np.arange(400) < 4, "few", data["arm"])
    with pytest.raises(Refused, match=r"arm\[few\]"):
        fit(data, policy=STRICT)
    data = cohort()
    data["status"][:] = "died"
    data["status"][:6] = "well"
    ours = fit(data, policy=STRICT)
    assert ours.events is None
    assert "hidden" in str(ours.views()[5].rows)


def test_views_show_ratios_tests_and_the_baseline() -> None:
    titles = [view.title for view in fit(cohort()).views()]
    assert titles == [
        "Hazard ratios",
        "Hazard ratios of died",
        "Coefficients",
        "Tests of the model",
        "Tests of proportional hazards",
        "Fit",
        "Baseline survival without died",
    ]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 7), records=st.integers(1, 60))
def test_sums_by_span_equal_sums_by_pair(seed: int, size: int, records: int) -> None:
    rng = np.random.default_rng(seed)
    z, weights = rng.normal(size=(3, records)), rng.exponential(size=records)
    span = rng.integers(-1, size, records)
    came = (rng.random(records) < 0.5) & (span >= 0)
    ways = (_by_span, _by_pair)
    one, other = (way(z, weights, span, came, size) for way in ways)
    for ours, theirs in zip(one, other, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)
