"""What a preparation did to a cohort's records: values imputed, shifts taken out, scales."""

from collections.abc import Sequence
from typing import Annotated

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.imputation import Imputation, ImputationMethod
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.views import Format, View, chart, facts, hidden_note, shown, table, unmasked
from medmip.fold.adjustment import Scaled, Step
from medmip.fold.batches import Harmonised
from medmip.fold.cohort import Cohort
from medmip.fold.imputing import Drawn, Filled, GapState, Regressed, gaps

KnownStep = Annotated[Filled | Regressed | Harmonised | Scaled, Field(discriminator="kind")]


class Imputed(BaseModel):
    """One variable's patients with and without a value; None where hidden."""

    model_config = ConfigDict(frozen=True)

    variable: str
    observed: int | None
    missing: int | None


class Prepared(BaseModel):
    """What was done: the steps, so that a model can apply them to other records.

    Of multiple imputation there are the first imputation's steps, without the draws. imputations
    is how often values were imputed, 0 for never.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    steps: tuple[KnownStep, ...]
    imputed: tuple[Imputed, ...] = ()
    method: ImputationMethod | None = None
    imputations: int = 0
    iterations: int = 0
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:
        """A table of what was done, and tables and a picture of the parts that have figures."""
        done: list[tuple[str, object, Format]] = []
        if self.method is not None:
            done.append(("Missing values", self.method.label, "text"))
        if self.method is ImputationMethod.MULTIPLE:
            done.append(("Imputations", self.imputations, "integer"))
            done.append(("Iterations of each", self.iterations, "integer"))
        views: list[View] = [self._imputed(names)] if self.imputed else []
        for step in self.steps:
            if isinstance(step, Harmonised):
                done.append(("Harmonised between", names.variable(step.batch), "text"))
                done.append(("Variables harmonised", len(step.variables), "integer"))
                kept = ", ".join(names.variable(code) for code in step.expected.others)
                done.append(("Preserved", kept or "nothing", "text"))
                views += [_shifts(step, names, self.imputations), _picture(step, names)]
            if isinstance(step, Scaled):
                done.append(("Variables standardised", len(step.scales), "integer"))
                views.append(_scales(step, names, self.imputations))
        return [*([facts("Preparation", done)] if done else []), *views]

    def _imputed(self, names: Names) -> View:
        rows = [
            {
                "variable": names.variable(part.variable),
                "observed": shown(part.observed),
                "missing": shown(part.missing),
            }
            for part in self.imputed
        ]
        counts = [count for part in self.imputed for count in (part.observed, part.missing)]
        return table(
            "Imputed values",
            [
                ("variable", "Variable", "text"),
                ("observed", "Patients with a value", "integer"),
                ("missing", "Patients with an imputed value", "integer"),
            ],
            rows,
            hidden_note(counts, self.minimum),
        )


def told(cohort: Cohort, imputation: Imputation | None, steps: Sequence[Step]) -> Prepared:
    """What these steps do to a cohort, its counts guarded."""
    imputed: list[Imputed] = []
    if imputation is not None:
        codes = tuple(variable.code for variable in imputation.chosen(cohort.y, cohort.x))
        counts = cohort.fold(gaps, GapState(codes)).patients
        for code, row in zip(codes, np.ma.asarray(counts), strict=True):
            observed, missing = unmasked(row)
            imputed.append(Imputed(variable=code, observed=observed, missing=missing))
    multiple = imputation is not None and imputation.method is ImputationMethod.MULTIPLE
    return Prepared(
        steps=tuple(step for step in steps if not isinstance(step, Drawn)),
        imputed=tuple(imputed),
        method=None if imputation is None else imputation.method,
        imputations=0 if imputation is None else imputation.imputations if multiple else 1,
        iterations=imputation.iterations if imputation is not None and multiple else 0,
        minimum=cohort.minimum,
    )


def _shifts(step: Harmonised, names: Names, imputations: int) -> View:
    rows = [
        {
            "variable": names.variable(code),
            "batch": names.level(step.batch, batch.level),
            "records": batch.records,
            "shift": batch.shifts[index] * step.deviations[index],
            "shift_sd": batch.shifts[index],
            "ratio": batch.ratios[index],
        }
        for index, code in enumerate(step.variables)
        for batch in step.batches
    ]
    return table(
        "What ComBat took out",
        [
            ("variable", "Variable", "text"),
            ("batch", names.variable(step.batch), "text"),
            ("records", "Records", "integer"),
            ("shift", "Shift", "number"),
            ("shift_sd", "Shift in SD", "number"),
            ("ratio", "Ratio of SDs", "number"),
        ],
        rows,
        "Shifts from the mean of all batches, after what is preserved; SD: the standard deviation "
        f"pooled over batches.{_first(imputations)}",
    )


def _picture(step: Harmonised, names: Names) -> View:
    rows = [
        {
            "variable": names.variable(code),
            "batch": names.level(step.batch, batch.level),
            "shift": batch.shifts[index],
            "ratio": batch.ratios[index],
        }
        for index, code in enumerate(step.variables)
        for batch in step.batches
    ]
    order = [names.variable(code) for code in step.variables]
    zero = (
        alt.Chart(alt.Data(values=[{"zero": 0}]))
        .mark_rule(strokeDash=[4, 4], color=QUIET)
        .encode(x="zero:Q")
    )
    points = (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True, size=80, opacity=0.9)
        .encode(
            x=alt.X("shift:Q", title="Shift in standard deviations"),
            y=alt.Y("variable:N", sort=order, title=None, axis=alt.Axis(labelLimit=320)),
            color=alt.Color("batch:N", title=names.variable(step.batch)),
            tooltip=["variable:N", "batch:N", "shift:Q", "ratio:Q"],
        )
    )
    largest = max(rows, key=lambda row: abs(float(str(row["shift"]))))
    return chart(
        f"Shifts by {names.variable(step.batch)}",
        (zero + points).properties(width="container", height=alt.Step(24)),
        f"Shifts of {len(order)} variables in {len(step.batches)} batches; the largest is "
        f"{float(str(largest['shift'])):.2g} standard deviations, of {largest['variable']} in "
        f"{largest['batch']}",
        "What ComBat took out of each batch.",
    )


def _scales(step: Scaled, names: Names, imputations: int) -> View:
    return table(
        "Standardised",
        [
            ("variable", "Variable", "text"),
            ("mean", "Mean", "number"),
            ("deviation", "Std. deviation", "number"),
        ],
        [part.model_dump() | {"variable": names.variable(part.variable)} for part in step.scales],
        f"Figures of these variables are in standard deviations.{_first(imputations)}",
    )


def _first(imputations: int) -> str:
    return " Of the first imputation." if imputations > 1 else ""
