"""Kaplan-Meier curves: who has not yet had an event, as time goes by, and the log-rank test."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm, level_of
from medmip.algorithms.follow_up import STEPS, checked_status, leaving_steps
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import NOMINAL, NUMERIC, many, one
from medmip.algorithms.survival_curves import (
    SurvivalCurve,
    curves_chart,
    hazard_chart,
    told_steps,
)
from medmip.algorithms.views import (
    Format,
    Table,
    View,
    facts,
    hidden_note,
    shown,
    table,
    unmasked,
)
from medmip.fold.cohort import Cohort
from medmip.fold.product_limit import Limits, ProductLimit, log_rank
from medmip.fold.statistic import IntArray
from medmip.fold.survival import FollowUp


class KaplanMeierParameters(Parameters):
    """Parameters of Kaplan-Meier curves."""

    event: str = level_of(
        "event_status", "Event", "The level that is the event; patients at others are censored."
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
        event = names.level(self.event_variable, self.event)
        drawn = (
            dict(zip(labels, self.curves, strict=True)),
            names.axis(self.time),
            names.variable(self.group) if self.group else None,
            self.confidence,
            self.minimum > 1,
        )
        views: list[View] = [
            curves_chart(
                f"Survival without {event}",
                *drawn,
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
        return [
            *views,
            self._steps(labels),
            hazard_chart(f"Cumulative hazard of {event}", *drawn),
            self._hazards(labels),
        ]

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
                "events": shown(curve.events),
                "censored": shown(curve.censored),
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
            ],
            self._rows(labels),
            note,
        )

    def _hazards(self, labels: Sequence[str]) -> Table:
        percent = f"{100 * self.confidence:g} %"
        return table(
            "Cumulative hazard by time",
            [
                ("group", "Group", "text"),
                ("time", "Time", "number"),
                ("cumulative_hazard", "Cumulative hazard", "number"),
                ("hazard_std_error", "Std. error", "number"),
                ("hazard_lower", f"{percent} lower", "number"),
                ("hazard_upper", f"{percent} upper", "number"),
            ],
            self._rows(labels),
        )

    def _rows(self, labels: Sequence[str]) -> list[dict[str, object]]:
        return [
            step.model_dump() | {"group": label}
            for label, curve in zip(labels, self.curves, strict=True)
            for step in curve.steps
        ]


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
    y=one(NUMERIC, "Event time", "To the event or to the end of follow-up."),
    x=(
        one(NOMINAL, "Event status", "Tells who had the event and who was censored."),
        many(NOMINAL, "Groups", "Whose curves are compared.", at_least=0, at_most=1),
    ),
    method="Kaplan-Meier curves",
    citations=(
        "Kaplan EL, Meier P. Nonparametric estimation from incomplete observations. Journal of "
        "the American Statistical Association. 1958;53:457-481.",
    ),
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
    estimates = [ProductLimit(part, z, parameters.limits) for part in leaving]
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
                steps=told_steps(part, ends[index], start),
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
        log_rank=_tested(leaving) if group and not np.ma.is_masked(status) else None,
        horizon=start.time_of(horizon) if horizon > 0 else None,
        limits=parameters.limits,
        confidence=parameters.confidence,
        minimum=cohort.minimum,
    )


def _scaled(steps: float | None, grid: float) -> float | None:
    return None if steps is None else float(f"{steps * grid:.12g}")


def _tested(leaving: IntArray) -> LogRank | None:
    found = log_rank(leaving)
    if found is None:
        return None
    return LogRank(
        expected=tuple(found.expected.tolist()),
        chi_square=found.chi_square,
        df=found.df,
        p_value=float(stats.chi2.sf(found.chi_square, found.df)),
    )
