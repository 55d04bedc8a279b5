"""Linear support vector machine: the classes parted with as wide a margin as errors allow."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.coefficients import INTERCEPT, reference_note
from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.covariates import Covariates, penalised_covariates
from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    TrainedResult,
    algorithm,
    level_of,
)
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import BLUE
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.views import Format, View, chart, facts, hidden_note, shown, table, unmasked
from medmip.fold.classes import LevelState, level_counts
from medmip.fold.cohort import Cohort
from medmip.fold.descent import MAX_ROUNDS, NotMinimised, minimised
from medmip.fold.logit import ClassState, class_counts
from medmip.fold.margins import (
    REACH,
    STEP,
    ChanceState,
    MarginState,
    chance_curvature,
    decision_counts,
    margin_curvature,
)
from medmip.fold.model import LinearModel, Target
from medmip.fold.scores import ScoreState, class_scores
from medmip.fold.statistic import FloatArray


class LinearSvmParameters(Parameters):
    """Parameters of a linear support vector machine."""

    positive_class: str | None = level_of(
        "y",
        "Positive class",
        "One level against all others; without it every level against the rest.",
        optional=True,
    )
    penalty: float = Field(
        1.0,
        gt=0,
        le=1e6,
        title="C",
        description="Weight of the losses: the larger, the fewer errors and the narrower a margin.",
    )


class Weight(BaseModel):
    """A column's weight in a decision value: for one unit, and for one standard deviation."""

    model_config = ConfigDict(frozen=True)

    term: str
    weight: float
    standardised: float


class Margin(BaseModel):
    """The decision value of one level against the others: positive where the level is likelier.

    n and rest are records with the level and without. The chance of the level has the log odds
    chance_intercept + chance_slope · decision value. decisions (2, steps) are patients without and
    with the level by steps of decision values, None where suppressed.
    """

    model_config = ConfigDict(frozen=True)

    level: str
    n: int
    rest: int
    intercept: float
    weights: tuple[Weight, ...]
    objective: float
    chance_intercept: float
    chance_slope: float
    decisions: tuple[tuple[int | None, ...], tuple[int | None, ...]]


class LinearSvmResult(TrainedResult):
    """One margin of two classes, else one of each class against the rest.

    confusion (k, k) counts records by class and by the class whose chance is largest; None where
    suppressed. rounds are those of the weights and those of the chances.
    """

    outcome: str
    classes: tuple[str, ...]
    penalty: float
    n: int
    excluded: int
    references: dict[str, str]
    dropped: tuple[str, ...]
    margins: tuple[Margin, ...]
    confusion: tuple[tuple[int | None, ...], ...]
    accuracy: float | None
    rounds: tuple[int, int]
    minimum: int
    model: LinearModel

    def views(self, names: Names = CODES) -> list[View]:
        labels = [names.level(self.outcome, part) for part in self.classes]
        views = [self._bars(names), self._weights(names), self._decisions(names)]
        matrix = confusion_chart(labels, self.confusion, self.minimum)
        return [*views, self._confusion(labels), matrix, self._fit(names)]

    def _label(self, margin: Margin, names: Names) -> str:
        return names.level(self.outcome, margin.level)

    def _bars(self, names: Names) -> View:
        rows = [
            {
                "class": self._label(margin, names),
                "term": names.term(part.term),
                "weight": part.standardised,
            }
            for margin in self.margins
            for part in margin.weights
        ]
        terms = list(dict.fromkeys(str(row["term"]) for row in rows))
        classes = list(dict.fromkeys(str(row["class"]) for row in rows))
        several = len(classes) > 1
        drawing: Any = (
            alt.Chart(alt.Data(values=rows))
            .mark_bar()
            .encode(
                x=alt.X("weight:Q", title="Change of the decision value for one SD"),
                y=alt.Y("term:N", sort=terms, title=None, axis=alt.Axis(labelLimit=320)),
                yOffset=alt.YOffset("class:N", sort=classes),
                color=alt.Color("class:N", sort=classes, title="against the rest")
                if several
                else alt.value(BLUE),
                tooltip=[
                    alt.Tooltip("class:N", title="class"),
                    alt.Tooltip("term:N", title="term"),
                    alt.Tooltip("weight:Q", title="weight", format=".3f"),
                ],
            )
            .properties(width="container", height=max(24, 13 * len(classes)) * len(terms))
        )
        told = "each class" if several else classes[0]
        return chart(
            f"Weights for {names.variable(self.outcome)}: {told}",
            drawing,
            f"Standardised weights of {len(terms)} terms in the decision for {told}",
            "Bars to the right speak for the class.",
        )

    def _weights(self, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [("term", "Term", "text")]
        for index, margin in enumerate(self.margins):
            label = self._label(margin, names)
            columns.append((f"w{index}", f"{label}: weight", "number"))
            columns.append((f"s{index}", "for one SD", "number"))
        rows: list[dict[str, object]] = [
            {"term": INTERCEPT}
            | {f"w{index}": margin.intercept for index, margin in enumerate(self.margins)}
        ]
        for place, part in enumerate(self.margins[0].weights):
            row: dict[str, object] = {"term": names.term(part.term)}
            for index, margin in enumerate(self.margins):
                row[f"w{index}"] = margin.weights[place].weight
                row[f"s{index}"] = margin.weights[place].standardised
            rows.append(row)
        note = "Weights of a support vector machine have no standard errors."
        reference = reference_note(self.references, names)
        return table("Weights", columns, rows, f"{note} {reference}".strip())

    def _decisions(self, names: Names) -> View:
        rows = [
            {
                "class": self._label(margin, names),
                "group": "the class" if own else "the rest",
                "low": -REACH + STEP * (step - 1),
                "high": -REACH + STEP * step,
                "share": 100 * count / sum(part for part in counts if part is not None),
            }
            for margin in self.margins
            for own, counts in enumerate(margin.decisions)
            for step, count in enumerate(counts)
            if count is not None
        ]
        base = (
            alt.Chart(alt.Data(values=rows))
            .mark_bar(opacity=0.55)
            .encode(
                x=alt.X("low:Q", title="Decision value", bin="binned"),
                x2="high:Q",
                y=alt.Y("share:Q", title="% of the group", stack=None),
                color=alt.Color("group:N", sort=["the class", "the rest"], title=None),
                tooltip=[
                    alt.Tooltip("group:N", title="group"),
                    alt.Tooltip("low:Q", title="from", format=".2f"),
                    alt.Tooltip("share:Q", title="%", format=".1f"),
                ],
            )
        )
        drawing: Any = base.properties(width=440 if len(self.margins) == 1 else 210, height=180)
        if len(self.margins) > 1:
            drawing = drawing.facet(facet=alt.Facet("class:N", title=None), columns=3)
            drawing = drawing.resolve_scale(y="independent")
        hidden = hidden_note(
            (count for margin in self.margins for part in margin.decisions for count in part),
            self.minimum,
        )
        return chart(
            "Decision values",
            drawing,
            f"How decision values of {len(self.margins)} margins spread, by class and rest",
            "Above 0 a record is on the class's side, between -1 and 1 within the margin; the "
            "outermost bars hold all beyond. "
            + ("Bars of few patients are left out." if hidden else ""),
        )

    def _confusion(self, labels: Sequence[str]) -> View:
        columns: list[tuple[str, str, Format]] = [("level", "Class", "text")]
        columns += [(f"c{i}", f"classed as {label}", "integer") for i, label in enumerate(labels)]
        rows: list[dict[str, object]] = [
            {"level": label} | {f"c{i}": shown(count) for i, count in enumerate(row)}
            for label, row in zip(labels, self.confusion, strict=True)
        ]
        hidden = hidden_note((count for row in self.confusion for count in row), self.minimum)
        right = "" if self.accuracy is None else f"; {100 * self.accuracy:.1f} % classed rightly"
        note = (
            f"{self.n} records, {self.excluded} dropped for missing values{right}. By the largest "
            "chance, on the very records that the model was made from: new patients fare worse."
        )
        return table("Classes", columns, rows, f"{note} {hidden}".strip())

    def _fit(self, names: Names) -> View:
        lines: list[tuple[str, object, Format]] = [
            ("Observations", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("C", self.penalty, "number"),
            ("Newton rounds, weights", self.rounds[0], "integer"),
            ("Newton rounds, chances", self.rounds[1], "integer"),
        ]
        for margin in self.margins:
            label = self._label(margin, names)
            lines += [
                (f"{label}: objective", margin.objective, "number"),
                (f"{label}: log odds at decision 0", margin.chance_intercept, "number"),
                (f"{label}: log odds for one more", margin.chance_slope, "number"),
            ]
        return facts("Fit", lines, "Chances are Platt's, fitted on the training's records.")


@algorithm(
    "linear_svm",
    label="Linear support vector machine",
    question="Predict an outcome",
    description="The flat border with the widest margin between classes, and chances beside it.",
    discloses=(
        "Weights of the border over the whole cohort, and numbers of records by class and given "
        "class and by decision value; no class, no level and no margin that rests on fewer "
        "patients than the minimum."
    ),
    y=one(NOMINAL, "Class"),
    x=many(ANY, "Covariates"),
    method="a linear support vector machine",
    citations=(
        "Cortes C, Vapnik V. Support-vector networks. Machine Learning. 1995;20:273-297.",
        "Keerthi SS, DeCoste D. A modified finite Newton method for fast solution of large scale "
        "linear SVMs. Journal of Machine Learning Research. 2005;6:341-361.",
    ),
    parameters=LinearSvmParameters,
)
def linear_svm(cohort: Cohort, parameters: LinearSvmParameters) -> LinearSvmResult:
    """Least |w|² / 2 + C Σ max(0, 1 - side (z'w + b))², z standardised, the intercept b free.

    More than two classes are taken one against the rest. scikit-learn's LinearSVC comes to the same
    as its intercept_scaling grows, for it shrinks the intercept too. Raises CannotCompute where
    fewer than two classes are there, a covariate is constant, or the method does not converge.
    Sources: Fan, Chang, Hsieh, Wang & Lin, Journal of Machine Learning Research 9 (2008) 1871-1874;
    Keerthi & DeCoste, ibid. 6 (2005) 341-361; Platt, Advances in Large Margin Classifiers (1999).
    """
    (outcome,) = cohort.y
    if outcome.code in {variable.code for variable in cohort.x}:
        raise CannotCompute("The class is among its own covariates", remedy="Leave it out.")
    target, positive, sizes = _classes(cohort, parameters)
    covariates = penalised_covariates(cohort)
    k, p = len(positive), len(covariates.scale)
    start = MarginState(
        covariates.design,
        outcome.code,
        positive,
        covariates.mean,
        covariates.scale,
        np.zeros((k, p + 1)),
        parameters.penalty,
    )
    levels = [cohort.levels[outcome.code][index] for index in positive]
    n = float(covariates.n)
    counts = np.array([[n - sizes[level], sizes[level]] for level in levels])
    try:
        beta, objective, rounds = minimised(
            cohort,
            margin_curvature,
            lambda beta: replace(start, beta=beta),
            start.beta,
            np.concatenate([[0.0], np.ones(p)]),
            tuple(f"within the margin of {level}" for level in levels),
        )
        state = replace(start, beta=beta)
        lines, _, more = minimised(
            cohort,
            chance_curvature,
            lambda lines: ChanceState(state, _aims(counts), lines),
            np.column_stack([np.log((counts[:, 1] + 1) / (counts[:, 0] + 1)), np.zeros(k)]),
            np.zeros(2),
        )
    except NotMinimised:
        raise CannotCompute(
            f"The margin did not settle within {MAX_ROUNDS} rounds", remedy="Choose a smaller C."
        ) from None
    own = beta @ covariates.back.T
    model = _model(outcome.code, target, covariates, own, lines)
    decisions = cohort.fold(decision_counts, state)
    given = np.ma.asarray(cohort.fold(class_scores, ScoreState(model)).records)
    complete = not np.ma.is_masked(given)
    return LinearSvmResult(
        outcome=outcome.code,
        classes=target.classes,
        penalty=parameters.penalty,
        n=covariates.n,
        excluded=cohort.size.excluded,
        references=covariates.references,
        dropped=covariates.dropped,
        margins=tuple(
            Margin(
                level=level,
                n=int(counts[index, 1]),
                rest=int(counts[index, 0]),
                intercept=float(own[index, 0]),
                weights=tuple(
                    Weight(term=label, weight=float(weight), standardised=float(standardised))
                    for label, weight, standardised in zip(
                        covariates.design.labels, own[index, 1:], beta[index, 1:], strict=True
                    )
                ),
                objective=float(objective[index]),
                chance_intercept=float(lines[index, 0]),
                chance_slope=float(lines[index, 1]),
                decisions=(
                    tuple(unmasked(decisions.patients[index, 0])),
                    tuple(unmasked(decisions.patients[index, 1])),
                ),
            )
            for index, level in enumerate(levels)
        ),
        confusion=tuple(tuple(unmasked(row)) for row in given),
        accuracy=float(np.trace(np.asarray(given))) / n if complete else None,
        rounds=(rounds, more),
        minimum=cohort.minimum,
        model=model,
    )


def _classes(
    cohort: Cohort, parameters: LinearSvmParameters
) -> tuple[Target, tuple[int, ...], dict[str, float]]:
    """The classes, the level of each problem, and the records of every level of a problem."""
    (outcome,) = cohort.y
    levels = cohort.levels[outcome.code]
    chosen = parameters.positive_class
    if chosen is not None:
        level = cohort.level(outcome, chosen, "parameters.positive_class")
        names = (f"not {chosen}", chosen)
        counts = cohort.fold(class_counts, ClassState(outcome.code, level), cells=names)
        if not counts.records.all():
            raise CannotCompute(
                f"Every record of the cohort is {names[int(counts.records.argmax())]}",
                remedy="Choose another positive class, or widen the filter.",
            )
        return (
            Target.against_others(chosen, levels),
            (level,),
            {chosen: float(counts.records[1])},
        )
    held = cohort.fold(level_counts, LevelState(outcome.code, len(levels)), cells=levels).records
    present = np.flatnonzero(held).tolist()
    if len(present) < 2:
        raise CannotCompute(
            f"{outcome.code} has a single level in this cohort",
            remedy="Choose another outcome, or widen the filter.",
        )
    problems = present[1:] if len(present) == 2 else present
    return (
        Target.each([levels[index] for index in present]),
        tuple(problems),
        {levels[index]: float(held[index]) for index in problems},
    )


def _aims(counts: FloatArray) -> FloatArray:
    """The chances (k, 2) that records without and with a level should have; counts is (k, 2).

    Short of 0 and 1, so that a border without errors has chances too. Source: Platt (1999).
    """
    return np.column_stack([1.0 / (counts[:, 0] + 2.0), (counts[:, 1] + 1.0) / (counts[:, 1] + 2)])


def _model(
    outcome: str, target: Target, covariates: Covariates, own: FloatArray, lines: FloatArray
) -> LinearModel:
    """The log odds of each problem's level, which are linear in the covariates too."""
    return LinearModel.of(
        outcome,
        "logit" if len(own) == 1 else "one against rest",
        covariates.design,
        lines[:, 0] + lines[:, 1] * own[:, 0],
        (lines[:, 1:] * own[:, 1:]).T,
        covariates.known,
        target,
    )
