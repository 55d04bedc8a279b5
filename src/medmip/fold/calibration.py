"""What a fitted model predicts beside what happened, in groups of records by its predictions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.model import Model
from medmip.fold.statistic import Count, FloatArray, IntArray, Rank, Statistic, count_with, sum_over
from medmip.fold.value_grid import Values
from medmip.fold.weights import weighed


class Scatter(StrEnum):
    """How the variance about a mean mu grows with it, for a dispersion of one."""

    POISSON = "mu"
    NEGATIVE_BINOMIAL = "mu + mu² / theta"
    GAMMA = "mu²"

    def of(self, mu: FloatArray, theta: float) -> FloatArray:
        """The variance at each mean, (n,)."""
        if self is Scatter.POISSON:
            return mu
        return mu**2 if self is Scatter.GAMMA else mu + mu**2 / theta


@dataclass(frozen=True)
class Predictions(Values):
    """What a model predicts, as the values of a quantile search.

    Of a number the number itself; of classes the chance of any but the first. Records without
    weight are missing.
    """

    model: Model
    weights: str | None = None

    def all(self, block: Block) -> FloatArray:
        """What the model predicts, (n,), or of classes (n, k); remembered from look to look."""
        return block.derived("predictions", self.model, lambda: self.model.predict(block))

    def of(self, block: Block) -> FloatArray:
        found = self.all(block)
        value = found if self.model.target is None else 1.0 - found[:, 0]
        if self.weights is not None:
            value = np.where(block.column(self.weights) > 0, value, np.nan)
        return value[:, None]


@dataclass(frozen=True)
class Groups:
    """Groups of records by prediction: up to each of the ascending cuts, then beyond the last."""

    predictions: Predictions
    cuts: tuple[float, ...]
    scatter: Scatter = Scatter.POISSON
    theta: float = np.inf

    @property
    def size(self) -> int:
        return len(self.cuts) + 1

    def cells(self, block: Block) -> tuple[IntArray, int]:
        """Each record's group, or of classes its group and class as one number; how many."""
        model = self.predictions.model
        values = self.predictions.of(block)[:, 0]
        group: IntArray = np.searchsorted(np.array(self.cuts), values, side="left").astype(np.int64)
        if model.target is None:
            return group, self.size
        classes = len(model.target.classes)
        return group * classes + model.target.truth(block, model.outcome), self.size * classes


@dataclass(frozen=True)
class GroupRanks(Statistic):
    """Patients by group and class, (groups, classes), of which a number has one."""

    patients: Rank


def group_ranks(block: Block, state: Groups) -> GroupRanks:
    """The patients of one block."""
    block, _ = weighed(block, state.predictions.weights)
    cells, size = state.cells(block)
    return GroupRanks(block.cells(cells, size).reshape(state.size, -1))


@dataclass(frozen=True)
class MeanSums(Statistic):
    """By group, (groups,): patients, weights, and weighed sums of outcome and prediction.

    variance is the sum of weight times the variance that the model says, for a dispersion of one.
    """

    patients: Count
    weights: Annotated[FloatArray, sum_over("patients")]
    observed: Annotated[FloatArray, sum_over("patients")]
    expected: Annotated[FloatArray, sum_over("patients")]
    variance: Annotated[FloatArray, sum_over("patients")]


def mean_sums(block: Block, state: Groups) -> MeanSums:
    """The sums of one block."""
    model = state.predictions.model
    block, held = weighed(block, state.predictions.weights)
    weights = np.ones(block.records) if held is None else held
    group, size = state.cells(block)
    mean = state.predictions.all(block)

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(group, weights * values, minlength=size).astype(np.float64)

    return MeanSums(
        patients=block.cells(group, size),
        weights=summed(np.ones_like(mean)),
        observed=summed(block.column(model.outcome)),
        expected=summed(mean),
        variance=summed(state.scatter.of(mean, state.theta)),
    )


@dataclass(frozen=True)
class ClassSums(Statistic):
    """Patients and records by group and class, (groups, k).

    expected (groups, k, k) sums, over those of a group and class, the chances of every class.
    """

    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]
    expected: Annotated[FloatArray, sum_over("patients")]


def class_sums(block: Block, state: Groups) -> ClassSums:
    """The sums of one block."""
    chances = state.predictions.all(block)
    k = chances.shape[1]
    cells, size = state.cells(block)
    expected = np.column_stack([np.bincount(cells, part, minlength=size) for part in chances.T])
    return ClassSums(
        patients=block.cells(cells, size).reshape(-1, k),
        records=np.bincount(cells, minlength=size).astype(np.float64).reshape(-1, k),
        expected=expected.astype(np.float64).reshape(-1, k, k),
    )
