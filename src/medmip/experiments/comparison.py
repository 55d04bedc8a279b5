"""Several analyses of one cohort: each one's answer, and all of them side by side."""

from collections.abc import Sequence
from typing import Any

import altair as alt
from altair.utils.schemapi import disable_debug_mode

from medmip.algorithms.declaration import CannotCompute, Result
from medmip.algorithms.names import Names
from medmip.algorithms.prepared import Prepared
from medmip.algorithms.validation import Measure
from medmip.algorithms.views import Format, Table, View, chart, facts, table
from medmip.errors import MipError
from medmip.experiments.experiment import Answer, ComparedAnswer, Outcome, Trouble
from medmip.experiments.plan import Plan, PlannedAnalysis
from medmip.experiments.preparation import analysed, estimator
from medmip.experiments.tuning import told_all
from medmip.experiments.validate import tuned, validated
from medmip.fold.cohort import Cohort
from medmip.privacy.guard import Refused

# Holding every part of a drawing to the schema when it is made costs more than all else of an
# answer; `mip algorithm check` holds whole charts to it.
disable_debug_mode()

_FIT = {
    "n": "Observations",
    "log_likelihood": "Log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
    "r_squared": "R²",
    "adjusted_r_squared": "Adjusted R²",
    "residual_deviance": "Residual deviance",
}
"""Figures of a fit that are compared where several analyses tell them."""
_DRAWN = 6
"""Measures that the picture of a comparison shows."""


def outcome_of(plan: Plan, cohort: Cohort) -> Outcome:
    """Runs every analysis of a plan over its cohort; raises Refused, CannotCompute, Cancelled.

    Of several, one without an answer says why, and the others go on; where none has an answer,
    the first one's reason is raised.
    """
    first, *others = plan.analyses
    if not others:
        answer, prepared = _answer(first, first.algorithm.label, plan, cohort)
        told = () if prepared is None else prepared.views(_names(plan))
        views = (*answer.views, *told)
        return Outcome(**(dict(answer) | {"views": views}), preparation=prepared)
    labels = _labels(plan.analyses)
    answers: list[Answer] = []
    reasons: list[MipError] = []
    preparation: Prepared | None = None
    for analysis, label in zip(plan.analyses, labels, strict=True):
        try:
            answer, prepared = _answer(analysis, label, plan, cohort)
            answers.append(answer)
            preparation = preparation or prepared
        except (Refused, CannotCompute) as error:
            reasons.append(error)
            problem = trouble_of(error)
            answers.append(
                Answer(label=label, data={}, views=(_no_answer(error),), problem=problem)
            )
    if len(reasons) == len(answers):
        raise reasons[0]
    compared = tuple(
        ComparedAnswer(**dict(answer), algorithm=analysis.algorithm.name)
        for analysis, answer in zip(others, answers[1:], strict=True)
    )
    side_by_side = comparison_of(answers)
    if preparation is not None:
        side_by_side += preparation.views(_names(plan))
    return Outcome(
        **dict(answers[0]),
        comparison=tuple(side_by_side),
        compared=compared,
        preparation=preparation,
    )


def comparison_of(answers: Sequence[Answer]) -> list[View]:
    """Every analysis in a row, with the measures of its validation or of its fit."""
    labels = [answer.label for answer in answers]
    measures = _measures(answers)
    names = list(dict.fromkeys(name for part in measures for name in part))
    columns: list[tuple[str, str, Format]] = [("analysis", "Analysis", "text")]
    columns += [(f"m{place}", name, "number") for place, name in enumerate(names)]
    if any(answer.problem for answer in answers):
        columns.append(("problem", "No answer", "text"))
    rows: list[dict[str, object]] = [
        {
            "analysis": label,
            "problem": answer.problem.detail if answer.problem else "",
            **{f"m{place}": part[name].value for place, name in enumerate(names) if name in part},
        }
        for label, answer, part in zip(labels, answers, measures, strict=True)
    ]
    validations = [answer.validation for answer in answers if answer.validation]
    note = "The same cohort for every analysis."
    if validations:
        note = f"{validations[0].method}, the same parts for every analysis."
    if len({validation.classes for validation in validations}) > 1:
        note += " Not all tell the same classes apart, so measures of classes differ in meaning."
    views: list[View] = [table("Comparison", columns, rows, note)]
    if validations:
        views.append(_picture(labels, measures, names))
    return views


def trouble_of(error: MipError) -> Trouble:
    """What an error tells of an analysis without an answer."""
    return Trouble(
        title=error.title,
        detail=f"{error.where}: {error.what}" if error.where else error.what,
        remedy=error.remedy,
        errors=tuple({"path": part.path, "message": part.message} for part in error.fields),
    )


def _answer(
    analysis: PlannedAnalysis, label: str, plan: Plan, cohort: Cohort
) -> tuple[Answer, Prepared | None]:
    """What one analysis finds, and what was done to the records before."""
    algorithm, parameters = analysis.algorithm, analysis.parameters
    names = _names(plan)
    known = {variable.code: variable for variable in plan.spec.variables}
    preparation = plan.preparation
    prepare = None if preparation is None else estimator(preparation, known)
    validation, tuning = None, None
    views: list[View] = []
    if plan.validation is not None and analysis.choices:
        parameters, tuning, validation = tuned(
            cohort, algorithm, analysis.choices, plan.validation, prepare
        )
        views += [*validation.views(names), *tuning.views(_titles(analysis))]
    elif plan.validation is not None:
        validation = validated(cohort, algorithm, parameters, plan.validation, prepare)
        views += validation.views(names)
    prepared: Prepared | None = None
    if preparation is None:
        result: Result = algorithm.run(cohort, parameters)
    else:
        result, prepared = analysed(cohort, algorithm, parameters, preparation, known)
    answer = Answer(
        label=label,
        data=result.model_dump(mode="json"),
        views=(*views, *result.views(names)),
        validation=validation,
        tuning=tuning,
    )
    return answer, prepared


def _names(plan: Plan) -> Names:
    """The data model's labels; of joined visits, with what was taken of them."""
    return Names.of(plan.spec.model).renamed(plan.spec.taken(plan.spec.variables))


def _labels(analyses: Sequence[PlannedAnalysis]) -> list[str]:
    """A name for each analysis; those of one algorithm are told apart by their parameters."""
    labels = [analysis.algorithm.label for analysis in analyses]
    told = [
        f"{label} ({_chosen(analysis)})" if labels.count(label) > 1 else label
        for analysis, label in zip(analyses, labels, strict=True)
    ]
    return [
        label if told.count(label) == 1 else f"{place}. {label}"
        for place, label in enumerate(told, 1)
    ]


def _chosen(analysis: PlannedAnalysis) -> str:
    """The parameters that were given, in words."""
    given = analysis.parameters.model_dump(mode="json", exclude_unset=True)
    return told_all(given, _titles(analysis)) or "as set out"


def _titles(analysis: PlannedAnalysis) -> dict[str, str]:
    fields = analysis.algorithm.parameters.model_fields
    return {name: field.title or name for name, field in fields.items()}


def _measures(answers: Sequence[Answer]) -> list[dict[str, Measure]]:
    if any(answer.validation for answer in answers):
        return [
            {measure.name: measure for measure in answer.validation.measures}
            if answer.validation
            else {}
            for answer in answers
        ]
    return [
        {
            title: Measure(name=title, value=float(answer.data[name]))
            for name, title in _FIT.items()
            if isinstance(answer.data.get(name), int | float)
        }
        for answer in answers
    ]


def _no_answer(error: MipError) -> Table:
    rows: list[tuple[str, object, Format]] = [("Reason", error.what, "text")]
    if error.remedy:
        rows.append(("Remedy", error.remedy, "text"))
    return facts(error.title, rows)


def _picture(
    labels: Sequence[str], measures: Sequence[dict[str, Measure]], names: Sequence[str]
) -> View:
    """A row of points with intervals for each measure."""
    shared = [
        name
        for name in names
        if sum(name in part and part[name].value is not None for part in measures) > 1
    ][:_DRAWN]
    rows: list[dict[str, Any]] = [
        {
            "analysis": label,
            "measure": name,
            "value": part[name].value,
            "lower": part[name].lower,
            "upper": part[name].upper,
        }
        for label, part in zip(labels, measures, strict=True)
        for name in shared
        if name in part and part[name].value is not None
    ]
    axis = alt.Y("analysis:N", title=None, sort=list(labels), axis=alt.Axis(labelLimit=340))
    base = alt.Chart().encode(y=axis, color=alt.value("#3b6ea5"))
    value = alt.X("value:Q", title=None, scale=alt.Scale(zero=False))
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=value, tooltip=["analysis:N", "measure:N", alt.Tooltip("value:Q", format=".4g")]
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x=alt.X("lower:Q"), x2="upper:Q")
    drawing = (
        alt.layer(intervals, points, data=alt.Data(values=rows))
        .properties(width=190)
        .facet(facet=alt.Facet("measure:N", title=None, sort=shared), columns=2)
        .resolve_scale(x="independent")
    )
    return chart(
        "Measures side by side",
        drawing,
        f"{', '.join(shared)} of {len(labels)} analyses",
        "Points with 95 % intervals where a measure has one.",
    )
