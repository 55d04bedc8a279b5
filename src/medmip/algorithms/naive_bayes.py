"""Naive Bayes: which class a patient belongs to, by numeric and nominal variables alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import softmax

from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.declaration import CannotCompute, Parameters, TrainedResult, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.references import ELEMENTS
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.views import (
    Format,
    View,
    facts,
    hidden_note,
    shown,
    table,
    unmasked,
)
from medmip.catalogue.variable import Variable
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_sums
from medmip.fold.model import Model, Target
from medmip.fold.scores import ScoreState, class_scores
from medmip.fold.statistic import (
    Cells,
    FloatArray,
    Statistic,
    Sum,
)
from medmip.fold.value_grid import Columns


class NaiveBayesParameters(Parameters):
    """Parameters of naive Bayes."""

    alpha: float = Field(
        1.0,
        ge=0,
        le=1000,
        title="Smoothing",
        description="Records added to every level of a nominal variable in every class.",
    )
    var_smoothing: float = Field(
        1e-9,
        ge=0,
        le=1,
        title="Variance floor",
        description="Share of the largest variance that is added to every variance.",
    )


class ClassModel(BaseModel):
    """One class: its records, prior, each numeric variable's mean and variance, level chances."""

    model_config = ConfigDict(frozen=True)

    level: str
    n: int
    prior: float
    means: tuple[float, ...]
    variances: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    chances: tuple[tuple[float, ...], ...]


class NaiveBayesModel(Model):
    """Normal and multinomial laws by class, in the target's order.

    prior (k,); means and variances (k, p) of the numeric variables; chances (k, levels) of each
    nominal variable, whose levels are those of training.
    """

    kind: Literal["naive_bayes"] = "naive_bayes"
    prior: tuple[float, ...]
    numeric: tuple[str, ...]
    means: tuple[tuple[float, ...], ...]
    variances: tuple[tuple[float, ...], ...]
    nominal: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    chances: tuple[tuple[tuple[float, ...], ...], ...]

    @property
    def variables(self) -> tuple[str, ...]:
        return (*self.numeric, *self.nominal)

    def predict(self, block: Block) -> FloatArray:
        score = np.tile(np.log(self.prior), (block.records, 1))
        means, variances = np.array(self.means), np.array(self.variances)
        for index, code in enumerate(self.numeric):
            mean, variance = means[:, index], variances[:, index]
            apart = (block.column(code)[:, None] - mean) ** 2 / variance
            score -= 0.5 * (np.log(2 * np.pi * variance) + apart)
        for code, levels, chances in zip(self.nominal, self.levels, self.chances, strict=True):
            # A row for every level that the data have, and one for a missing value.
            held = block.layout.levels_of(code)
            table_of = np.full((len(held) + 1, len(self.prior)), np.nan)
            with np.errstate(divide="ignore"):
                for level, logs in zip(levels, np.log(np.array(chances).T), strict=True):
                    if level in held:
                        table_of[held.index(level)] = logs
            score += table_of[block.levels(code)]
        with np.errstate(invalid="ignore"):
            likely: FloatArray = softmax(score, axis=1)
        return likely


class NaiveBayesResult(TrainedResult):
    """The classes in the data model's order, and how the cohort itself is classed.

    confusion (k, k) counts records by class and by the class that the model gives them; None
    where suppressed. variances have the denominator n; variance_floor is added to each.
    """

    outcome: str
    numeric: tuple[str, ...]
    nominal: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    classes: tuple[ClassModel, ...]
    variance_floor: float
    n: int
    excluded: int
    confusion: tuple[tuple[int | None, ...], ...]
    predicted: tuple[int | None, ...]
    correct: int | None
    accuracy: float | None
    minimum: int
    model: NaiveBayesModel

    def views(self, names: Names = CODES) -> list[View]:
        labels = [names.level(self.outcome, part.level) for part in self.classes]
        views: list[View] = [self._confusion(labels)]
        if self.accuracy is not None:
            views.append(
                facts(
                    "Agreement",
                    [
                        ("Records", self.n, "integer"),
                        ("Dropped for missing values", self.excluded, "integer"),
                        ("Classed rightly", self.correct, "integer"),
                        ("Accuracy", self.accuracy, "number"),
                    ],
                    "On the very records that the model was made from: new patients fare worse.",
                )
            )
        views.append(confusion_chart(labels, self.confusion, self.minimum))
        if self.numeric:
            views.append(self._means(labels, names))
        views += [
            self._chances(index, code, labels, names) for index, code in enumerate(self.nominal)
        ]
        return views

    def _confusion(self, labels: Sequence[str]) -> View:
        columns: list[tuple[str, str, Format]] = [
            ("level", "Class", "text"),
            ("n", "n", "integer"),
            ("prior", "Prior", "number"),
        ]
        columns += [(f"c{i}", f"classed as {label}", "integer") for i, label in enumerate(labels)]
        rows = [
            {"level": label, "n": part.n, "prior": part.prior}
            | {f"c{i}": shown(count) for i, count in enumerate(counts)}
            for label, part, counts in zip(labels, self.classes, self.confusion, strict=True)
        ]
        flat = (count for row in self.confusion for count in row)
        return table("Classes", columns, rows, hidden_note(flat, self.minimum))

    def _means(self, labels: Sequence[str], names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [("variable", "Variable", "text")]
        for i, label in enumerate(labels):
            columns += [(f"m{i}", f"{label}: mean", "number"), (f"s{i}", "SD", "number")]
        rows = []
        for j, code in enumerate(self.numeric):
            row: dict[str, object] = {"variable": names.variable(code)}
            for i, part in enumerate(self.classes):
                row |= {f"m{i}": part.means[j], f"s{i}": part.variances[j] ** 0.5}
            rows.append(row)
        return table("Means by class", columns, rows)

    def _chances(self, index: int, code: str, labels: Sequence[str], names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [("level", names.variable(code), "text")]
        columns += [(f"c{i}", f"{label}, %", "number") for i, label in enumerate(labels)]
        rows = [
            {"level": names.level(code, level)}
            | {f"c{i}": 100 * part.chances[index][j] for i, part in enumerate(self.classes)}
            for j, level in enumerate(self.levels[index])
        ]
        return table(f"Chances of {names.variable(code)} by class", columns, rows)


@dataclass(frozen=True)
class ClassState:
    """The outcome with its number of levels, and the covariates; shift (p,) of numeric ones."""

    outcome: str
    classes: int
    numeric: tuple[str, ...]
    nominal: tuple[str, ...]
    levels: tuple[int, ...]
    shift: FloatArray


@dataclass(frozen=True)
class ClassSums(Statistic):
    """Patients and records by class (k,); sums (k, p) of x - shift and of its square.

    cells are the patients, and counts the records, of every class and level, (k, sum of levels).
    """

    patients: Cells
    records: Sum
    total: Sum
    square: Sum
    cells: Cells
    counts: Sum


def class_sums(block: Block, state: ClassState) -> ClassSums:
    """The sums of one block by class."""
    held, k = block.levels(state.outcome), state.classes
    records = np.bincount(held, minlength=k).astype(np.float64)
    total, square = np.zeros((k, len(state.numeric))), np.zeros((k, len(state.numeric)))
    for index, code in enumerate(state.numeric):
        centred = block.column(code) - state.shift[index]
        total[:, index] = np.bincount(held, centred, minlength=k)
        square[:, index] = np.bincount(held, centred * centred, minlength=k)
    cells = [np.zeros((k, 0), dtype=np.int64)]
    counts = [np.zeros((k, 0))]
    for code, number in zip(state.nominal, state.levels, strict=True):
        pairs = held.astype(np.int64) * number + block.levels(code)
        cells.append(block.cells(pairs, k * number).reshape(k, number))
        counts.append(np.bincount(pairs, minlength=k * number).reshape(k, number).astype(float))
    return ClassSums(
        block.cells(held, k), records, total, square, np.hstack(cells), np.hstack(counts)
    )


@algorithm(
    "naive_bayes",
    label="Naive Bayes",
    question="Predict an outcome",
    description="The class a patient most likely belongs to, each variable taken on its own.",
    discloses=(
        "Means, variances and shares of levels by class, and numbers of records by class and "
        "given class; no class, and no level in a class, that fewer patients than the minimum have."
    ),
    y=one(NOMINAL, "Class"),
    x=many(ANY, "Variables"),
    method="a naive Bayes classifier",
    citations=(ELEMENTS,),
    parameters=NaiveBayesParameters,
)
def naive_bayes(cohort: Cohort, parameters: NaiveBayesParameters) -> NaiveBayesResult:
    """Normal numeric and multinomial nominal variables, independent within a class.

    Raises CannotCompute where fewer than two classes are there or no numeric variable varies.
    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., 6.6.3.
    """
    (outcome,) = cohort.y
    if outcome.code in {variable.code for variable in cohort.x}:
        raise CannotCompute("The class is among its own variables")
    numeric = [variable for variable in cohort.x if variable.is_numeric]
    nominal = [variable for variable in cohort.x if not variable.is_numeric]
    shift, overall = _spread(cohort, numeric)
    names = cohort.levels[outcome.code]
    levels = [cohort.levels[variable.code] for variable in nominal]
    codes = [tuple(variable.code for variable in part) for part in (numeric, nominal)]
    folded = cohort.fold(
        class_sums,
        ClassState(outcome.code, len(names), codes[0], codes[1], tuple(map(len, levels)), shift),
        cells=names,
    )
    present = np.flatnonzero(folded.records > 0)
    if len(present) < 2:
        raise CannotCompute(
            f"{outcome.code} has a single level in this cohort",
            remedy="Choose another outcome, or widen the filter.",
        )
    n = folded.records[present]
    lean = folded.total[present] / n[:, None]
    variance = np.maximum(folded.square[present] / n[:, None] - lean**2, 0.0)
    floor = parameters.var_smoothing * float(overall.max(initial=0.0))
    if numeric and not (variance + floor > 0).all():
        raise CannotCompute(
            "A variable does not vary within a class",
            remedy="Leave it out, or raise the variance floor.",
        )
    parts = np.split(folded.counts[present], np.cumsum([len(part) for part in levels])[:-1], axis=1)
    counts = parts if nominal else []
    chances = [_chances(part, parameters.alpha) for part in counts]
    chosen = [names[place] for place in present]
    model = NaiveBayesModel(
        outcome=outcome.code,
        target=Target.each(chosen),
        prior=tuple((n / n.sum()).tolist()),
        numeric=codes[0],
        means=tuple(tuple(row) for row in (shift + lean).tolist()),
        variances=tuple(tuple(row) for row in (variance + floor).tolist()),
        nominal=codes[1],
        levels=tuple(levels),
        chances=tuple(tuple(tuple(row) for row in part.tolist()) for part in chances),
    )
    given = np.ma.asarray(cohort.fold(class_scores, ScoreState(model)).records)
    complete = not np.ma.is_masked(given)
    correct = int(np.trace(np.asarray(given))) if complete else None
    return NaiveBayesResult(
        outcome=outcome.code,
        numeric=codes[0],
        nominal=codes[1],
        levels=tuple(levels),
        classes=tuple(
            ClassModel(
                level=names[place],
                n=int(n[index]),
                prior=float(n[index] / n.sum()),
                means=tuple((shift + lean[index]).tolist()),
                variances=tuple(variance[index].tolist()),
                counts=tuple(tuple(part[index].astype(int).tolist()) for part in counts),
                chances=tuple(tuple(part[index].tolist()) for part in chances),
            )
            for index, place in enumerate(present)
        ),
        variance_floor=floor,
        n=int(n.sum()),
        excluded=cohort.size.excluded,
        confusion=tuple(tuple(unmasked(row)) for row in given),
        predicted=tuple(
            int(np.asarray(given)[:, index].sum()) if complete else None
            for index in range(len(present))
        ),
        correct=correct,
        accuracy=None if correct is None else correct / float(n.sum()),
        minimum=cohort.minimum,
        model=model,
    )


def _spread(cohort: Cohort, numeric: Sequence[Variable]) -> tuple[FloatArray, FloatArray]:
    """The means and variances of numeric variables over the cohort, (p,) each."""
    if not numeric:
        return np.zeros(0), np.zeros(0)
    columns = Columns(tuple(variable.code for variable in numeric))
    zero = np.zeros((len(numeric), 1))
    near, _ = cohort.fold(column_sums, ColumnState(columns, 0, zero)).moments(zero)
    again = cohort.fold(column_sums, ColumnState(columns, 0, near))
    mean, _ = again.moments(near)
    records = np.asarray(again.records)
    lean = np.asarray(again.total) / records
    variance = np.maximum(np.asarray(again.square) / records - lean**2, 0.0)
    return mean[:, 0], variance[:, 0]


def _chances(counts: FloatArray, alpha: float) -> FloatArray:
    smoothed = counts + alpha
    chances: FloatArray = smoothed / smoothed.sum(axis=1, keepdims=True)
    return chances
