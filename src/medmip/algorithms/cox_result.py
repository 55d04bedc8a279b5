"""What a Cox regression tells: hazard ratios, tests, baseline, and their pictures."""

from collections.abc import Sequence

import altair as alt
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.coefficients import (
    Coefficient,
    coefficient_table,
    forest_plot,
    reference_note,
)
from medmip.algorithms.curves import Curve, curve_views
from medmip.algorithms.declaration import Result
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.views import (
    Chart,
    Format,
    View,
    chart,
    facts,
    hidden_note,
    shown,
    table,
)


class HazardRatio(BaseModel):
    """The factor by which one unit of a covariate multiplies the hazard."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    ratio: float
    lower: float
    upper: float


class ModelTest(BaseModel):
    """A test that no covariate matters."""

    model_config = ConfigDict(frozen=True)

    test: str
    chi_square: float
    df: int
    p_value: float


class ProportionTest(BaseModel):
    """The test that a term's coefficients are the same at all times."""

    model_config = ConfigDict(frozen=True)

    term: str
    chi_square: float
    df: int
    p_value: float


class BaselineStep(BaseModel):
    """The cumulative hazard, and the share without event, where every covariate is at its centre.

    The centre is a number's mean and a level's reference.
    """

    model_config = ConfigDict(frozen=True)

    time: float
    cumulative_hazard: float
    survival: float


class CoxResult(Result):
    """A fitted model of log hazard = log h0(t) + x'b, with ties by Efron's rule.

    times is the number of different times of events that the fit tells apart; concordance is by
    scores rounded to bins, None where no two patients can be compared. proportional tests each
    term's coefficients, and last all of them, against a change with the share of patients that had
    the event before; it is empty where too few times are told apart.
    """

    time: str
    event_variable: str
    event: str
    grid: float
    n: int
    events: int | None
    excluded: int
    coefficients: tuple[Coefficient, ...]
    hazard_ratios: tuple[HazardRatio, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    log_likelihood: float
    null_log_likelihood: float
    aic: float
    tests: tuple[ModelTest, ...]
    proportional: tuple[ProportionTest, ...]
    concordance: float | None
    baseline: tuple[BaselineStep, ...]
    times: int
    iterations: int
    confidence: float
    minimum: int
    curves: tuple[Curve, ...] = ()

    @property
    def ratio(self) -> str | None:
        return "Hazard ratio"

    def views(self, names: Names = CODES) -> list[View]:
        percent = f"{100 * self.confidence:g} %"
        event = names.level(self.event_variable, self.event)
        fit: list[tuple[str, object, Format]] = [
            ("Observations", self.n, "integer"),
            ("Events", shown(self.events), "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Times told apart", self.times, "integer"),
            ("Log-likelihood", self.log_likelihood, "number"),
            ("Log-likelihood without covariates", self.null_log_likelihood, "number"),
            ("AIC", self.aic, "number"),
            ("Concordance", self.concordance, "number"),
            ("Newton iterations", self.iterations, "integer"),
        ]
        note = f"Times are rounded up to multiples of {self.grid:g}; ties by Efron's rule."
        if self.minimum > 1:
            note += f" Times are joined until at least {self.minimum} patients had the event."
        hidden = hidden_note([self.events], self.minimum)
        return [
            table(
                "Hazard ratios",
                [
                    ("term", "Term", "text"),
                    ("ratio", "Hazard ratio", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                [
                    part.model_dump() | {"term": names.term(part.term)}
                    for part in self.hazard_ratios
                ],
                reference_note(self.references, names),
            ),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Hazard ratios of {event}",
                "Hazard ratio for one unit",
                names,
                ratio=True,
            ),
            coefficient_table(self.coefficients, self.confidence, "z", names, ""),
            *curve_views(self.curves, self.confidence, "Hazard ratio", names, ratio=True),
            table(
                "Tests of the model",
                [
                    ("test", "Test", "text"),
                    ("chi_square", "χ²", "number"),
                    ("df", "df", "integer"),
                    ("p_value", "p-value", "pvalue"),
                ],
                [part.model_dump() for part in self.tests],
            ),
            *self._proportional(names),
            facts("Fit", fit, f"{note} {hidden}".strip()),
            _baseline_chart(self.baseline, event, names.axis(self.time), self.minimum > 1),
        ]

    def _proportional(self, names: Names) -> list[View]:
        if not self.proportional:
            return []
        return [
            table(
                "Tests of proportional hazards",
                [
                    ("term", "Term", "text"),
                    ("chi_square", "χ²", "number"),
                    ("df", "df", "integer"),
                    ("p_value", "p-value", "pvalue"),
                ],
                [row.model_dump() | {"term": names.term(row.term)} for row in self.proportional],
                "A small p-value: the hazard ratio changes with time.",
            )
        ]


def _baseline_chart(baseline: Sequence[BaselineStep], event: str, axis: str, joined: bool) -> Chart:
    values = [{"time": 0.0, "survival": 1.0}]
    values += [{"time": step.time, "survival": step.survival} for step in baseline]
    drawing = (
        alt.Chart(alt.Data(values=values))
        .mark_line(interpolate="linear" if joined else "step-after", strokeWidth=2, point=joined)
        .encode(
            x=alt.X("time:Q", title=axis),
            y=alt.Y("survival:Q", title="Survival", scale=alt.Scale(domain=[0, 1])),
            tooltip=[
                alt.Tooltip("time:Q", title=axis),
                alt.Tooltip("survival:Q", title="Survival", format=".4f"),
            ],
        )
        .properties(width="container", height=260)
    )
    words = f"{values[-1]['survival']:.3g} at {values[-1]['time']:.4g}"
    return chart(
        f"Baseline survival without {event}",
        drawing,
        f"Baseline survival, falling to {words}",
        "Numeric covariates at their means, levels at their references.",
    )
