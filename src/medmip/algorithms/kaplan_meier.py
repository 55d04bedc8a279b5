"""Kaplan-Meier curves: who has not yet had an event, as time goes by, and the log-rank test."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import altair as alt
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm, level_of
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import NOMINAL, NUMERIC, many, one
from medmip.algorithms.views import (
    Chart,
    Format,
    Table,
    View,
    chart,
    facts,
    hidden_note,
    shown,
    table,
    unmasked,
)
from medmip.catalogue.variable import Variable
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.survival import FollowUp, StatusCounts, status_counts, step_counts

STEPS = 5000
"""Steps of the grid, at the most."""
Limits = Literal["log", "log-log", "plain"]


class KaplanMeierParameters(Parameters):
    """Parameters of Kaplan-Meier curves."""

    event: str = level_of(
        "x", "Event", "The level of the first variable that is the event; the others are censored."
    )
    grid: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        title="Grid",
        description="Times are rounded up to multiples of this, in the unit of time.",
    )
    limits: Limits = Field(
        "log",
        title="Limits",
        description="The scale on which confidence limits lie evenly about the curve.",
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the curves' limits."
    )


class SurvivalStep(BaseModel):
    """What happened since the step before, up to and with `time`.

    at_risk had neither event nor censoring before. Greenwood's error and the limits are None
    where nobody is left.
    """

    model_config = ConfigDict(frozen=True)

    time: float
    at_risk: int
    events: int
    censored: int
    survival: float
    std_error: float | None
    lower: float | None
    upper: float | None
    cumulative_hazard: float
    hazard_std_error: float


class SurvivalCurve(BaseModel):
    """One group's curve; level is None where there are no groups, masked counts are None.

    restricted_mean is the mean time without event up to the result's horizon.
    """

    model_config = ConfigDict(frozen=True)

    level: str | None
    n: int
    events: int | None
    censored: int | None
    median: float | None
    median_lower: float | None
    median_upper: float | None
    restricted_mean: float | None
    restricted_mean_std_error: float | None
    steps: tuple[SurvivalStep, ...]


class LogRank(BaseModel):
    """The test that all groups have the same hazard; expected events by group."""

    model_config = ConfigDict(frozen=True)

    expected: tuple[float, ...]
    chi_square: float
    df: int
    p_value: float


class KaplanMeierResult(Result):
    """Curves in the data model's order of groups; horizon is the time all of them reach.

    log_rank is None without groups, and where a count that it rests on is suppressed.
    The curve of a group is told at times between which no fewer patients than the minimum, or
    none, had the event or were censored.
    """

    time: str
    event_variable: str
    event: str
    group: str | None
    grid: float
    n: int
    excluded: int
    curves: tuple[SurvivalCurve, ...]
    log_rank: LogRank | None
    horizon: float | None
    limits: Limits
    confidence: float
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:
        labels = [self._label(curve, names) for curve in self.curves]
        views: list[View] = [
            curves_chart(
                f"{names.variable(self.time)} to "
                f"{names.variable(self.event_variable)}: "
                f"{names.level(self.event_variable, self.event)}",
                dict(zip(labels, self.curves, strict=True)),
                names.axis(self.time),
                names.variable(self.group) if self.group else None,
                self.confidence,
                self.minimum > 1,
            ),
            self._summary(labels),
        ]
        if self.log_rank is not None:
            views.append(
                facts(
                    "Log-rank test",
                    [
                        ("χ²", self.log_rank.chi_square, "number"),
                        ("Degrees of freedom", self.log_rank.df, "integer"),
                        ("p-value", self.log_rank.p_value, "pvalue"),
                    ],
                )
            )
        views.append(self._steps(labels))
        return views

    def _label(self, curve: SurvivalCurve, names: Names) -> str:
        if self.group is None or curve.level is None:
            return "All"
        return names.level(self.group, curve.level)

    def _summary(self, labels: Sequence[str]) -> Table:
        percent = f"{100 * self.confidence:g} %"
        columns: list[tuple[str, str, Format]] = [
            ("group", "Group", "text"),
            ("n", "n", "integer"),
            ("events", "Events", "integer"),
            ("censored", "Censored", "integer"),
            ("median", "Median", "number"),
            ("median_lower", f"{percent} lower", "number"),
            ("median_upper", f"{percent} upper", "number"),
        ]
        if self.log_rank is not None:
            columns.insert(4, ("expected", "Events expected", "number"))
        if self.horizon is not None:
            columns += [
                ("restricted_mean", f"Mean up to {self.horizon:g}", "number"),
                ("restricted_mean_std_error", "Std. error", "number"),
            ]
        rows = [
            curve.model_dump(exclude={"steps"})
            | {
                "group": label,
                "events": shown(curve.events, self.minimum),
                "censored": shown(curve.censored, self.minimum),
                "expected": self.log_rank.expected[index] if self.log_rank else None,
            }
            for index, (label, curve) in enumerate(zip(labels, self.curves, strict=True))
        ]
        counts = [count for curve in self.curves for count in (curve.events, curve.censored)]
        note = f"{self.n} records, {self.excluded} dropped for missing values."
        if self.group and self.log_rank is None:
            note += " The groups cannot be tested, or the test would tell a hidden number."
        return table("Groups", columns, rows, f"{note} {hidden_note(counts, self.minimum)}".strip())

    def _steps(self, labels: Sequence[str]) -> Table:
        percent = f"{100 * self.confidence:g} %"
        rows = [
            step.model_dump() | {"group": label}
            for label, curve in zip(labels, self.curves, strict=True)
            for step in curve.steps
        ]
        note = f"Times are rounded up to multiples of {self.grid:g}."
        if self.minimum > 1:
            note += (
                f" Times are joined until at least {self.minimum} patients, or none, had the "
                "event or were censored; a curve ends where fewer are left."
            )
        return table(
            "Survival by time",
            [
                ("group", "Group", "text"),
                ("time", "Time", "number"),
                ("at_risk", "At risk", "integer"),
                ("events", "Events", "integer"),
                ("censored", "Censored", "integer"),
                ("survival", "Survival", "number"),
                ("std_error", "Std. error", "number"),
                ("lower", f"{percent} lower", "number"),
                ("upper", f"{percent} upper", "number"),
                ("cumulative_hazard", "Cumulative hazard", "number"),
                ("hazard_std_error", "Std. error", "number"),
            ],
            rows,
            note,
        )


@algorithm(
    "kaplan_meier",
    label="Kaplan-Meier curves",
    question="Compare groups",
    description="The share of patients without an event as time goes by, compared by groups.",
    discloses=(
        "Curves and numbers at risk at times between which no fewer patients than the minimum had "
        "the event or were censored; median and mean times, and the log-rank test; no group below "
        "the minimum."
    ),
    y=one(NUMERIC, "Time", "To the event or to the end of follow-up."),
    x=many(NOMINAL, "Event, then group", "The group is optional.", at_least=1, at_most=2),
    parameters=KaplanMeierParameters,
)
def kaplan_meier(cohort: Cohort, parameters: KaplanMeierParameters) -> KaplanMeierResult:
    """Product-limit and Nelson-Aalen estimates by group, and the log-rank test between groups.

    Raises CannotCompute where nobody has the event, where there is a single group, or where times
    are negative or reach beyond STEPS steps of the grid.
    Source: Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data, 2nd ed., 1.4.
    """
    (time,), (event, *others) = cohort.y, cohort.x
    group = others[0] if others else None
    levels = cohort.levels[group.code] if group else ()
    start = FollowUp(
        time.code,
        event.code,
        cohort.level(event, parameters.event, "parameters.event"),
        parameters.grid,
        STEPS,
        group.code if group else None,
        max(len(levels), 1),
    )
    told = checked_status(cohort, start, levels)
    present = np.flatnonzero(told.groups)
    if group and len(present) < 2:
        raise CannotCompute(
            f"{group.code} has a single level in this cohort",
            remedy="Leave it out, or widen the filter.",
        )
    leaving = leaving_steps(cohort, start, time)[present]
    z = float(stats.norm.ppf(0.5 + parameters.confidence / 2))
    estimates = [_Estimate(part, z, parameters.limits) for part in leaving]
    status = np.ma.asarray(told.status)[present]
    ends = [
        part.told(cohort.minimum, not np.ma.is_masked(counts))
        for part, counts in zip(estimates, status, strict=True)
    ]
    horizon = min(
        int(part.place[kept[-1]]) if kept else -1
        for part, kept in zip(estimates, ends, strict=True)
    )
    curves = []
    for index, place in enumerate(present.tolist()):
        part = estimates[index]
        median, lower, upper = part.median(cohort.minimum)
        mean = part.restricted_mean(horizon) if horizon > 0 else (None, None)
        censored, events = unmasked(status[index])
        curves.append(
            SurvivalCurve(
                level=levels[place] if group else None,
                n=int(told.groups[place]),
                events=events,
                censored=censored,
                median=_scaled(median, start.grid),
                median_lower=_scaled(lower, start.grid),
                median_upper=_scaled(upper, start.grid),
                restricted_mean=_scaled(mean[0], start.grid),
                restricted_mean_std_error=_scaled(mean[1], start.grid),
                steps=part.steps(ends[index], start),
            )
        )
    return KaplanMeierResult(
        time=time.code,
        event_variable=event.code,
        event=parameters.event,
        group=group.code if group else None,
        grid=parameters.grid,
        n=int(told.groups.sum()),
        excluded=cohort.size.excluded,
        curves=tuple(curves),
        log_rank=_log_rank(leaving) if group and not np.ma.is_masked(status) else None,
        horizon=start.time_of(horizon) if horizon > 0 else None,
        limits=parameters.limits,
        confidence=parameters.confidence,
        minimum=cohort.minimum,
    )


def checked_status(cohort: Cohort, state: FollowUp, levels: Sequence[str]) -> StatusCounts:
    """Patients by group and status; raises CannotCompute where a patient has several records."""
    if cohort.size.records != cohort.size.patients:
        raise CannotCompute(
            "Some patients have several records, and a time to an event is told once",
            remedy="Filter to one visit of each patient.",
        )
    return cohort.fold(status_counts, state, cells=levels)


def leaving_steps(cohort: Cohort, state: FollowUp, time: Variable) -> IntArray:
    """Who leaves by group, status (censored first) and step, (g, 2, steps).

    Raises CannotCompute where nobody has the event, or a time is negative or beyond the grid.
    """
    counts = cohort.fold(step_counts, state)
    if int(counts.negative):
        raise CannotCompute(
            f"{time.code} is negative for some patients", remedy="Filter these times out."
        )
    late = int(counts.leaving[..., -1].sum())
    if late:
        raise CannotCompute(
            f"{time.code} reaches beyond {state.steps} steps of {state.grid:g}",
            remedy=_coarser(cohort, state, late),
        )
    if not counts.leaving[:, 1].any():
        raise CannotCompute(
            "Nobody in this cohort has the event",
            remedy="Choose another level as the event, or widen the filter.",
        )
    leaving: IntArray = counts.leaving[..., :-1]
    return leaving


def _coarser(cohort: Cohort, state: FollowUp, late: int) -> str:
    """What to do where some leave after the grid's last step."""
    wider = state
    for _ in range(60):
        if late < max(cohort.minimum, 1):
            break
        wider = replace(wider, grid=2 * wider.grid)
        late = int(cohort.fold(step_counts, wider).leaving[..., -1].sum())
    if wider is state or late >= cohort.minimum:
        return "Filter out the few longest times, or choose a coarser grid."
    return f"Choose a coarser grid, such as {wider.grid:g}."


class _Estimate:
    """The estimates of one group at every step at which somebody leaves, (k,) each.

    leaving is (2, steps), censored first; z is the normal quantile of the limits.
    """

    def __init__(self, leaving: IntArray, z: float, limits: Limits) -> None:
        self.place = np.flatnonzero(leaving.sum(axis=0))
        self.censored, self.events = leaving[:, self.place]
        gone = self.censored + self.events
        self.after = gone.sum() - np.cumsum(gone)
        self.at_risk = self.after + gone
        n, d = self.at_risk.astype(np.float64), self.events.astype(np.float64)
        self.survival = np.cumprod(1 - d / n)
        self.hazard = np.cumsum(d / n)
        self.hazard_error = np.sqrt(np.cumsum(d / n**2))
        with np.errstate(divide="ignore", invalid="ignore"):
            self.share = d / (n * (n - d))
            relative = np.where(self.survival > 0, np.sqrt(np.cumsum(self.share)), np.nan)
            self.error = self.survival * relative
            self.lower, self.upper = _limits(self.survival, relative, z, limits)

    def told(self, minimum: int, with_rest: bool) -> list[int]:
        """The indices up to which all may be told, so that no difference is a small number.

        with_rest: the group's numbers of events and censored are told too, and with them the rest.
        """
        done = np.cumsum([self.censored, self.events], axis=1)
        last = np.zeros(2, dtype=np.int64)
        ends = []
        for index in range(len(self.place)):
            rest = done[:, -1] - done[:, index] if with_rest else last[:0]
            known = np.concatenate([done[:, index] - last, rest])
            # The step at which the last few leave is a single patient's time.
            few = 1 < minimum > self.after[index]
            if not few and not ((known > 0) & (known < minimum)).any():
                ends.append(index)
                last = done[:, index]
        return ends

    def steps(self, ends: Sequence[int], state: FollowUp) -> tuple[SurvivalStep, ...]:
        """The estimates at these indices; numbers are those since the one before."""
        done = np.cumsum([self.censored, self.events], axis=1)[:, list(ends)]
        censored, events = np.diff(done, axis=1, prepend=0)
        return tuple(
            SurvivalStep(
                time=state.time_of(int(self.place[end])),
                at_risk=int(self.after[end] + events[index] + censored[index]),
                events=int(events[index]),
                censored=int(censored[index]),
                survival=float(self.survival[end]),
                std_error=_known(self.error[end]),
                lower=_known(self.lower[end]),
                upper=_known(self.upper[end]),
                cumulative_hazard=float(self.hazard[end]),
                hazard_std_error=float(self.hazard_error[end]),
            )
            for index, end in enumerate(ends)
        )

    def median(self, minimum: int) -> tuple[float | None, float | None, float | None]:
        """The steps at which the curve and its limits reach one half, where enough are at risk.

        Where the curve rests at one half, the middle of that time.
        Source: Brookmeyer & Crowley, Biometrics 38 (1982) 29-41.
        """
        held = self.at_risk >= minimum
        place = self.place[held]
        found = [_half(place, curve[held]) for curve in (self.survival, self.lower, self.upper)]
        return found[0], found[1], found[2]

    def restricted_mean(self, horizon: int) -> tuple[float, float]:
        """The area under the curve up to a step, and its standard error, in steps.

        Source: Klein & Moeschberger, Survival Analysis, 2nd ed., 4.5.
        """
        held = self.place < horizon
        width = np.diff(np.append(self.place[held], horizon))
        areas = self.survival[held] * width
        first = float(self.place[0]) if held.any() else float(horizon)
        after = np.cumsum(areas[::-1])[::-1]
        share = np.where(after > 0, self.share[held], 0.0)
        return first + float(areas.sum()), float(np.sqrt(np.sum(after**2 * share)))


def _limits(
    survival: FloatArray, relative: FloatArray, z: float, limits: Limits
) -> tuple[FloatArray, FloatArray]:
    """Confidence limits; relative is Greenwood's error as a share of the curve, (k,) each."""
    if limits == "plain":
        margin = z * survival * relative
        return np.maximum(survival - margin, 0.0), np.minimum(survival + margin, 1.0)
    if limits == "log":
        factor = np.exp(z * relative)
        return survival / factor, np.minimum(survival * factor, 1.0)
    power = np.exp(z * relative / np.abs(np.log(survival)))
    return survival**power, survival ** (1 / power)


def _half(place: IntArray, curve: FloatArray) -> float | None:
    """Where a falling curve reaches one half."""
    near = 1e-8
    low = np.flatnonzero(curve < 0.5 + near)
    if not low.size:
        return None
    first = int(low[0])
    lower = np.flatnonzero(curve < 0.5 - near)
    if curve[first] > 0.5 - near and lower.size:
        return float(place[first] + place[int(lower[0])]) / 2
    return float(place[first])


def _log_rank(leaving: IntArray) -> LogRank | None:
    """The log-rank test of groups; None where fewer than two are ever at risk of an event.

    Source: Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data, 2nd ed., 1.5.
    """
    events = leaving[:, 1].astype(np.float64)
    at_risk = leaving.sum(axis=1)[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float64)
    held = events.sum(axis=0) > 0
    events, at_risk = events[:, held], at_risk[:, held]
    n, d = at_risk.sum(axis=0), events.sum(axis=0)
    share = at_risk / n
    expected = (share * d).sum(axis=1)
    weight = d * (n - d) / np.maximum(n - 1, 1)
    variance = np.diag((share * weight).sum(axis=1)) - (share * weight) @ share.T
    tested = np.flatnonzero(expected > 0)[1:]
    if not tested.size or np.linalg.matrix_rank(variance) < tested.size:
        return None
    apart = (events.sum(axis=1) - expected)[tested]
    chi_square = float(apart @ np.linalg.solve(variance[np.ix_(tested, tested)], apart))
    return LogRank(
        expected=tuple(expected.tolist()),
        chi_square=chi_square,
        df=len(tested),
        p_value=float(stats.chi2.sf(chi_square, len(tested))),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _scaled(steps: float | None, grid: float) -> float | None:
    return None if steps is None else float(f"{steps * grid:.12g}")


_HEIGHT, _LINE = 260, 17
"""Pixels of the curves' height, and of a line of the numbers below."""


def curves_chart(
    title: str,
    curves: Mapping[str, SurvivalCurve],
    axis: str,
    group: str | None,
    confidence: float,
    joined: bool,
) -> Chart:
    """Curves by label with their confidence bands, and the numbers at risk below.

    joined: not every time at which somebody left is told, so that between times the curves fall
    along straight lines instead of in steps.
    """
    between: Literal["linear", "step-after"] = "linear" if joined else "step-after"
    last = max((part.steps[-1].time for part in curves.values() if part.steps), default=0.0)
    ticks = _ticks(last)
    points: list[dict[str, object]] = []
    numbers: list[dict[str, object]] = []
    for label, part in curves.items():
        start = {"time": 0.0, "survival": 1.0, "lower": 1.0, "upper": 1.0}
        told = [step.model_dump(include=set(start)) for step in part.steps]
        points += [row | {"group": label} for row in (start, *told)]
        numbers += _numbers(label, part, ticks, joined)
    place = 48 + _LINE
    rows = {label: _HEIGHT + place + 2 * _LINE * index for index, label in enumerate(curves)}
    height = _HEIGHT + place + 2 * _LINE * len(curves) - (0 if group else _LINE)
    order = list(curves)
    strokes = alt.Legend(title=group, symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3)
    colour = alt.Color(
        "group:N", sort=order, scale=alt.Scale(domain=order), legend=strokes if group else None
    )
    bottom = -(height - _HEIGHT) / _HEIGHT
    down = alt.Y(
        "survival:Q",
        title="Survival",
        scale=alt.Scale(domain=[bottom, 1], nice=False),
        axis=alt.Axis(
            values=[0, 0.2, 0.4, 0.6, 0.8, 1], domain=False, titleAnchor="end", format=".1f"
        ),
    )
    across = alt.X(
        "time:Q",
        title=axis,
        scale=alt.Scale(domain=[0, max(last, ticks[-1])], nice=False),
        axis=alt.Axis(values=ticks, grid=False, offset=_HEIGHT - height),
    )
    base = alt.Chart(alt.Data(values=points)).encode(x=across, color=colour)
    bands = (
        base.transform_filter("isValid(datum.lower) && isValid(datum.upper)")
        .mark_area(interpolate=between, opacity=0.16)
        .encode(y=alt.Y("lower:Q"), y2="upper:Q")
    )
    lines = base.mark_line(interpolate=between, strokeWidth=2, point=joined).encode(
        y=down,
        tooltip=[
            alt.Tooltip("group:N", title=group or "Group"),
            alt.Tooltip("time:Q", title=axis),
            alt.Tooltip("survival:Q", title="Survival", format=".4f"),
        ],
    )
    layers = lines + bands
    heading = alt.Chart(alt.Data(values=[{"words": "Number at risk"}])).mark_text(
        align="left", fontWeight="bold", fontSize=12
    )
    layers += heading.encode(x=alt.value(0), y=alt.value(_HEIGHT + place - _LINE), text="words:N")
    for label, line in rows.items():
        mine = alt.Chart(alt.Data(values=[row for row in numbers if row["group"] == label]))
        below = line + (_LINE if group else 0)
        layers += mine.mark_text(fontSize=12).encode(
            x="time:Q", y=alt.value(below), text="number:N", color=colour
        )
        if group:
            name = alt.Chart(alt.Data(values=[{"group": label}]))
            layers += name.mark_text(align="left", fontSize=12).encode(
                x=alt.value(0), y=alt.value(line), text="group:N", color=colour
            )
    words = "; ".join(
        f"{label} " + (f"median {part.median:.3g}" if part.median is not None else "no median")
        for label, part in curves.items()
    )
    return chart(
        title,
        layers.properties(width="container", height=height, view=alt.ViewBackground(stroke=None)),
        f"Survival curves of {len(curves)} group{'' if len(curves) == 1 else 's'}: {words}",
        f"Bands are {100 * confidence:g} % confidence limits."
        + (
            " Points are told, lines only join them; numbers at risk are those left after the time "
            "at which they stand."
            if joined
            else ""
        ),
    )


def _ticks(last: float) -> list[float]:
    """About six round times from 0 to the last one."""
    rough = max(last, 1e-300) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(part * power for part in (1, 2, 5, 10) if part * power >= rough)
    return [float(f"{index * step:.12g}") for index in range(int(np.ceil(last / step)) + 1)]


def _numbers(
    label: str, part: SurvivalCurve, ticks: Sequence[float], joined: bool
) -> list[dict[str, object]]:
    """The numbers at risk at each tick; where times are joined, after a time told near it."""
    times: NDArray[np.float64] = np.array([0.0, *(step.time for step in part.steps)])
    left = [part.n, *(step.at_risk - step.events - step.censored for step in part.steps)]
    reach = (ticks[1] - ticks[0]) / 2 if len(ticks) > 1 else 0.0
    rows: list[dict[str, object]] = []
    for tick in ticks:
        index = max(int(np.searchsorted(times, tick, side="right" if joined else "left")) - 1, 0)
        place = float(times[index]) if joined else tick
        if tick - place <= reach:
            rows.append({"group": label, "time": place, "number": str(left[index])})
    return rows
