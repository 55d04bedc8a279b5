"""Kaplan-Meier curves against R's survival, split over sites, guarded, and without an answer."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse

TIMES = ("Survival by time", "Cumulative hazard of died", "Cumulative hazard by time")
STRICT = Policy(overlap="off")


def cohort(records: int = 300, seed: int = 5, grid: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    arm = rng.choice(["a", "b", "c"], records, p=[0.5, 0.3, 0.2])
    came = rng.exponential(np.select([arm == "a", arm == "b"], [12.0, 20.0], 30.0))
    left = rng.uniform(2, 40, records)
    time = np.ceil(np.minimum(came, left)) * grid
    status = np.where(came <= left, "died", np.where(rng.random(records) < 0.5, "moved", "well"))
    return {"time": time, "status": status, "arm": arm}


def fit(data: dict[str, Any], *, grouped: bool = True, **options: Any) -> Any:
    parameters = {"event": "died"} | options.pop("parameters", {})
    x = ["status", "arm"] if grouped else ["status"]
    return analyse("kaplan_meier", data, y=["time"], x=x, parameters=parameters, **options)


R = """
suppressMessages(library(survival))
d <- read.csv("{file}")
d$dead <- d$status == "died"
m <- survfit(Surv(time, dead) ~ arm, d, conf.type = "{limits}", conf.int = 0.9)
t <- survdiff(Surv(time, dead) ~ arm, d)
s <- summary(m, rmean = {horizon})$table
f <- function(x) paste0("[", paste(gsub("NA|NaN", "null", format(x, digits = 16)),
                                   collapse = ","), "]")
cat(f(m$strata), f(m$time), f(m$n.risk), f(m$n.event), f(m$n.censor), f(m$surv),
    f(m$std.err * m$surv), f(m$lower), f(m$upper), f(m$cumhaz), f(m$std.chaz),
    f(s[, "median"]), f(s[, 8]), f(s[, 9]), f(s[, "rmean"]), f(s[, "se(rmean)"]),
    f(c(t$chisq, t$exp)), sep = "\\n")
"""


def test_equals_statsmodels() -> None:
    data = cohort()
    ours = fit(data)
    dead = data["status"] == "died"
    for curve in ours.curves:
        mine = data["arm"] == curve.level
        theirs = SurvfuncRight(data["time"][mine], dead[mine])
        steps = [step for step in curve.steps if step.events]
        assert [step.time for step in steps] == theirs.surv_times.tolist()
        assert [step.at_risk for step in steps] == theirs.n_risk.tolist()
        assert [step.survival for step in steps] == pytest.approx(theirs.surv_prob, rel=1e-8)
    chi_square, p_value = survdiff(data["time"], dead, data["arm"])
    assert ours.log_rank.chi_square == pytest.approx(chi_square, rel=1e-8)
    assert ours.log_rank.p_value == pytest.approx(p_value, rel=1e-8)


@pytest.mark.parametrize("limits", ["log", "log-log", "plain"])
@pytest.mark.parametrize("grid", [1.0, 0.1])
def test_equals_r(need: Callable[..., str], tmp_path: Path, limits: str, grid: float) -> None:
    data = cohort(grid=grid)
    ours = fit(data, parameters={"limits": limits, "grid": grid, "confidence": 0.9})
    # In R, 7 * 0.1 and 0.7 are two times; on the grid they are one.
    pd.DataFrame(data | {"time": np.round(data["time"], 6)}).to_csv(tmp_path / "d.csv")
    script = R.format(file=tmp_path / "d.csv", limits=limits, horizon=ours.horizon)
    rscript = need("Rscript")
    done = subprocess.run([rscript, "-e", script], capture_output=True, text=True, check=True)
    strata, *columns, medians, lower, upper, means, errors, test = (
        json.loads(line) for line in done.stdout.splitlines()
    )
    assert [len(curve.steps) for curve in ours.curves] == strata
    steps = [step for curve in ours.curves for step in curve.steps]
    fields = ("time", "at_risk", "events", "censored", "survival", "std_error", "lower", "upper")
    for name, theirs in zip(
        (*fields, "cumulative_hazard", "hazard_std_error"), columns, strict=True
    ):
        mine = [getattr(step, name) for step in steps]
        # R leaves out limits that it cannot tell, where the curve is still at one too.
        pairs = [(a, b) for a, b in zip(mine, theirs, strict=True) if b is not None]
        assert len(pairs) > 50
        assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], rel=1e-8), name
    for name, theirs in (
        ("median", medians),
        ("median_lower", lower),
        ("median_upper", upper),
        ("restricted_mean", means),
        ("restricted_mean_std_error", errors),
    ):
        assert [getattr(curve, name) for curve in ours.curves] == [
            None if value is None else pytest.approx(value, rel=1e-8) for value in theirs
        ], name
    found = (ours.log_rank.chi_square, *ours.log_rank.expected)
    assert found == pytest.approx(test, rel=1e-8)


NELSON_AALEN = {
    "a": {5: 0.45944349341785845, 10: 1.0025332701210805, 20: 1.9819215848733993},
    "b": {5: 0.37233301617890546, 10: 0.5071938999759594, 20: 0.9521373460958762},
    "c": {5: 0.20133950748704849, 10: 0.35733494574055125, 20: 0.8865488504081763},
}
"""The cumulative hazard by group and time: NelsonAalenFitter of lifelines 0.30.3, whose smoothing
of ties was off."""


def test_the_cumulative_hazard_equals_lifelines() -> None:
    for curve in fit(cohort()).curves:
        for time, theirs in NELSON_AALEN[curve.level].items():
            step = [step for step in curve.steps if step.time <= time][-1]
            assert step.cumulative_hazard == pytest.approx(theirs, rel=1e-12)


def test_limits_of_the_hazard_lie_evenly_about_its_logarithm() -> None:
    data = {"time": np.array([1.0, 2, 3, 4]), "status": np.array(["lost", "died", "died", "died"])}
    (curve,) = fit(data, grouped=False, parameters={"confidence": 0.95}).curves
    first, second, *_ = curve.steps
    assert (first.cumulative_hazard, first.hazard_lower, first.hazard_upper) == (0.0, None, None)
    # One event of three: the hazard is 1/3, and so is its error.
    assert second.hazard_lower == pytest.approx(np.exp(-1.959963984540054) / 3, rel=1e-12)
    assert second.hazard_upper == pytest.approx(np.exp(1.959963984540054) / 3, rel=1e-12)


def test_a_curve_that_rests_at_one_half_has_its_median_between() -> None:
    data = {"time": np.array([1.0, 2, 3, 4]), "status": np.array(["died"] * 4)}
    (curve,) = fit(data, grouped=False).curves
    assert curve.median == 2.5
    last = curve.steps[-1]
    assert (last.survival, last.std_error, last.lower, last.upper) == (0.0, None, None, None)


def test_times_are_rounded_up_to_the_grid() -> None:
    data = {"time": np.array([0.0, 0.1, 4.9, 5.0, 5.1]), "status": np.array(["died"] * 5)}
    (curve,) = fit(data, grouped=False, parameters={"grid": 5.0}).curves
    assert [(step.time, step.events) for step in curve.steps] == [(0, 1), (5, 3), (10, 1)]


@pytest.mark.parametrize("parts", [2, 3, 10, [range(290), range(290, 297), range(297, 300)]])
def test_split_equals_pooled(parts: Any) -> None:
    data = cohort()
    if isinstance(parts, list):
        parts = [np.array(rows) for rows in parts]
    pooled, split = fit(data), fit(data, parts=parts)
    assert split.curves == pooled.curves
    assert split.log_rank == pooled.log_rank


def told(curve: Any) -> list[int]:
    """All counts of a curve, with what is left after its last step."""
    counts = [n for step in curve.steps for n in (step.at_risk, step.events, step.censored)]
    events = sum(step.events for step in curve.steps)
    censored = sum(step.censored for step in curve.steps)
    counts.append(curve.n - events - censored)
    if curve.events is not None:
        counts += [curve.events - events, curve.censored - censored]
    return counts


@pytest.mark.parametrize("seed", range(8))
def test_no_small_number_is_told_or_follows(seed: int) -> None:
    data = cohort(records=900, seed=seed)
    strict, open_ = fit(data, policy=STRICT), fit(data)
    for curve, exact in zip(strict.curves, open_.curves, strict=True):
        assert len(curve.steps) > 2
        assert [n for n in told(curve) if 0 < n < 10] == []
        known = {step.time: step for step in exact.steps}
        for step in curve.steps:
            assert step.survival == known[step.time].survival
            assert step.std_error == known[step.time].std_error
    assert strict.log_rank == open_.log_rank


def test_few_events_of_a_group_are_hidden() -> None:
    data = cohort(records=600)
    mine = np.flatnonzero((data["arm"] == "c") & (data["status"] == "died"))
    data["status"][mine[4:]] = "well"
    ours = fit(data, policy=STRICT)
    assert (ours.curves[2].events, ours.curves[2].censored) == (None, None)
    assert [n for curve in ours.curves for n in told(curve) if 0 < n < 10] == []
    assert ours.log_rank is None
    assert "hidden" in str(ours.views()[1].rows)
    assert "cannot be tested" in ours.views()[1].note


def test_of_too_few_patients_no_time_is_told() -> None:
    ours = fit(cohort(records=16), grouped=False, policy=STRICT)
    (curve,) = ours.curves
    assert curve.steps == ()
    assert (ours.horizon, curve.restricted_mean) == (None, None)
    assert "no median" in ours.views()[0].alt or curve.median is not None


def test_groups_never_at_risk_together_have_no_test() -> None:
    data = cohort(records=40)
    data["arm"] = np.where(np.arange(40) < 20, "a", "b")
    data["status"] = np.where(np.arange(40) < 20, "well", "died")
    data["time"] = np.where(np.arange(40) < 20, 1.0, 2.0 + np.arange(40) % 5)
    assert fit(data).log_rank is None


def test_a_small_group_is_refused_by_name() -> None:
    data = cohort()
    data["arm"] = np.where(np.arange(300) < 5, "few", data["arm"])
    with pytest.raises(Refused, match=r"\(few\)"):
        fit(data, policy=STRICT)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"status": np.full(300, "well", dtype="<U5")}, "Nobody"),
        ({"arm": np.full(300, "a")}, "arm has a single level"),
        ({"time": np.full(300, -1.0)}, "time is negative"),
        ({"time": np.full(300, 1e50)}, "time reaches beyond"),
    ],
)
def test_without_an_answer_it_says_why(change: dict[str, Any], message: str) -> None:
    levels = {"status": ["died", "moved", "well"]}
    with pytest.raises(CannotCompute, match=message):
        fit(cohort() | change, levels=levels)


def test_a_grid_too_fine_is_told_a_coarser_one() -> None:
    with pytest.raises(CannotCompute) as caught:
        fit(cohort(), parameters={"grid": 1e-3})
    assert caught.value.remedy == "Choose a coarser grid, such as 0.016."
    assert fit(cohort(), parameters={"grid": 0.016}).n == 300


def test_patients_of_several_records_are_turned_away() -> None:
    data = cohort() | {"subjectid": np.array([f"s{i // 2}" for i in range(300)])}
    data["visitid"] = np.array([f"v{i % 2}" for i in range(300)])
    with pytest.raises(CannotCompute, match="several records"):
        fit(data)


def test_views_show_curves_test_and_steps() -> None:
    ours = fit(cohort())
    titles = [view.title for view in ours.views()]
    assert titles == ["Survival without died", "Groups", "Log-rank test", *TIMES]
    alone = fit(cohort(), grouped=False)
    assert alone.log_rank is None
    assert [view.title for view in alone.views()][1:] == ["Groups", *TIMES]
    assert "median" in alone.views()[0].alt
