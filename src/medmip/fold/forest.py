"""What a forest predicts for records that its trees did not see: the out-of-bag estimate."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.bins import Bins
from medmip.fold.block import Block, hashed
from medmip.fold.draws import drawn_weights
from medmip.fold.statistic import FloatArray, IntArray, Statistic, Sum, count_with, sum_over
from medmip.fold.trees import Outcome, Tree


@dataclass(frozen=True)
class OutOfBagState:
    """A forest of trees with the values of their nodes, (m, scores) each, and their seeds."""

    bins: Bins
    outcome: Outcome
    trees: tuple[Tree, ...]
    values: tuple[FloatArray, ...]
    seeds: tuple[int, ...]

    def predictions(self, block: Block) -> tuple[FloatArray, FloatArray]:
        """Means over the trees that did not see a record, (n, scores), and how many, (n,).

        Not a number where every tree saw it.
        """
        codes = self.bins.codes(block)
        drawn = hashed(block)
        total = np.zeros((block.records, self.values[0].shape[1]))
        unseen = np.zeros(block.records)
        for tree, values, seed in self._members():
            rows = np.flatnonzero(drawn_weights(drawn, seed) == 0)
            total[rows] += values[tree.places(codes[rows])]
            unseen[rows] += 1
        with np.errstate(invalid="ignore"):
            return total / unseen[:, None], unseen

    def _members(self) -> Iterable[tuple[Tree, FloatArray, int]]:
        return zip(self.trees, self.values, self.seeds, strict=True)


@dataclass(frozen=True)
class OutOfBagClasses(Statistic):
    """Patients and records by class and by likeliest class out of the bag, (k, k)."""

    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]


@dataclass(frozen=True)
class OutOfBagNumbers(Statistic):
    """Sums over records of 1, the error squared, the outcome and its square, in steps: (4,)."""

    sums: Sum


def out_of_bag_classes(block: Block, state: OutOfBagState) -> OutOfBagClasses:
    """How trees that did not see them class the records of one block."""
    chances, unseen = state.predictions(block)
    held, size, _ = state.outcome.of(block)
    assert held is not None
    judged = unseen > 0
    cells = np.full(block.records, -1, dtype=np.int64)
    cells[judged] = held[judged] * size + chances[judged].argmax(axis=1)
    return OutOfBagClasses(
        block.cells(cells, size * size).reshape(size, size),
        np.bincount(cells[judged], minlength=size * size).reshape(size, size).astype(np.float64),
    )


def out_of_bag_numbers(block: Block, state: OutOfBagState) -> OutOfBagNumbers:
    """How far trees that did not see them are from the records of one block."""
    predicted, unseen = state.predictions(block)
    _, _, (value,) = state.outcome.of(block)
    judged = unseen > 0
    y, error = value[judged], predicted[judged, 0] - value[judged]
    terms = (np.ones_like(y), error**2, y, y**2)
    return OutOfBagNumbers(np.array([float(term.sum()) for term in terms]))
