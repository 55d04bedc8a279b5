"""What is told of trees in the end: guarded counts and sums of their leaves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.bins import Bins
from medmip.fold.block import Block
from medmip.fold.draws import weights_by_tree
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over
from medmip.fold.trees import Outcome, Tree, placed


@dataclass(frozen=True)
class LeafState:
    """Fitted trees whose leaves are counted; seeds as in SplitSearch."""

    bins: Bins
    outcome: Outcome
    trees: tuple[Tree, ...]
    seeds: tuple[int, ...] | None = None

    @property
    def most(self) -> int:
        """The nodes of the tree that has the most."""
        return max(len(tree.feature) for tree in self.trees)


@dataclass(frozen=True)
class LeafClasses(Statistic):
    """Patients and weights by tree, node and class, (trees, m, k); none where a node is no leaf."""

    patients: Annotated[IntArray, count_with(())]
    sums: Annotated[FloatArray, sum_over("patients")]

    def supported_parameters(self) -> int:
        leaves = (self.sums.sum(axis=2) > 0).sum(axis=1)
        return int(leaves.max()) * int(self.sums.shape[2] - 1)


@dataclass(frozen=True)
class LeafNumbers(Statistic):
    """Patients by tree and node, (trees, m); none where a node is no leaf.

    sums (trees, m, 3): of weights, of weighted outcomes and of their squares.
    """

    patients: Annotated[IntArray, count_with(())]
    sums: Annotated[FloatArray, sum_over("patients")]

    def supported_parameters(self) -> int:
        return int((self.patients > 0).sum(axis=1).max())


def leaf_classes(block: Block, state: LeafState) -> LeafClasses:
    """The classes of one block's records in each leaf."""
    held, classes, _ = state.outcome.of(block)
    assert held is not None
    shape = (len(state.trees), state.most, classes)
    patients, sums = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    for index, place, weights in _leaves(block, state):
        pairs, size = place * classes + held, state.most * classes
        cell = np.where(weights > 0, pairs, -1)
        patients[index] = block.cells(cell, size).reshape(shape[1:])
        sums[index] = np.bincount(pairs, weights, minlength=size).reshape(shape[1:])
    return LeafClasses(patients, sums)


def leaf_numbers(block: Block, state: LeafState) -> LeafNumbers:
    """The sums of one block's outcomes in each leaf."""
    _, _, (value,) = state.outcome.of(block)
    shape = (len(state.trees), state.most)
    patients, sums = np.zeros(shape, dtype=np.int64), np.zeros((*shape, 3))
    for index, place, weights in _leaves(block, state):
        patients[index] = block.cells(np.where(weights > 0, place, -1), state.most)
        for power, part in enumerate((weights, weights * value, weights * value * value)):
            sums[index, :, power] = np.bincount(place, part, minlength=state.most)
    return LeafNumbers(patients, sums)


def _leaves(block: Block, state: LeafState) -> Iterable[tuple[int, IntArray, FloatArray]]:
    """Each tree's number, its leaf of every record, and the records' weights."""
    codes = state.bins.codes(block)
    weighed = weights_by_tree(block, state.seeds, len(state.trees))
    for index, tree in enumerate(state.trees):
        place = placed(block, codes, tree, f"place {index}").astype(np.int64)
        yield index, place, weighed(index)
