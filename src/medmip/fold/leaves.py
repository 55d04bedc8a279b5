"""What is told of trees in the end: guarded counts and sums of their leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.bins import Bins
from medmip.fold.block import Block
from medmip.fold.draws import weights_by_tree
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over
from medmip.fold.trees import ClassOutcome, Outcome, Tree, node_sums, placed


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
    outcome = state.outcome
    assert isinstance(outcome, ClassOutcome)
    classes = outcome.channels

    def summed(place: IntArray, weights: FloatArray, nodes: int) -> FloatArray:
        size = nodes * classes
        pairs = place * classes + outcome.held(block)
        patients = block.cells(np.where(weights > 0, pairs, -1), size)
        sums = np.bincount(pairs, weights, minlength=size)
        return np.stack([patients, sums], axis=-1).reshape(nodes, classes, 2)

    found = _by_node(block, state, (classes, 2), summed)
    return LeafClasses(found[..., 0].astype(np.int64), found[..., 1])


def leaf_numbers(block: Block, state: LeafState) -> LeafNumbers:
    """The sums of one block's outcomes in each leaf."""

    def summed(place: IntArray, weights: FloatArray, nodes: int) -> FloatArray:
        _, _, (value,) = state.outcome.of(block)
        parts = (weights, weights * value, weights * value * value)
        patients = block.cells(np.where(weights > 0, place, -1), nodes)
        return np.column_stack([patients, *(np.bincount(place, p, minlength=nodes) for p in parts)])

    found = _by_node(block, state, (4,), summed)
    return LeafNumbers(found[..., 0].astype(np.int64), found[..., 1:])


def _by_node(
    block: Block,
    state: LeafState,
    shape: tuple[int, ...],
    summed: Callable[[IntArray, FloatArray, int], FloatArray],
) -> FloatArray:
    """The sums of each tree's nodes, (trees, m, *shape), from records' leaves and weights."""
    codes = state.bins.codes(block)
    weighed = weights_by_tree(block, state.seeds, len(state.trees))
    found = np.zeros((len(state.trees), state.most, *shape))
    for index, tree in enumerate(state.trees):
        nodes = len(tree.feature)

        def made(index: int = index, tree: Tree = tree, nodes: int = nodes) -> FloatArray:
            place = placed(block, codes, tree, f"place {index}").astype(np.int64)
            return summed(place, weighed(index), nodes)

        key = (state.outcome, None if state.seeds is None else state.seeds[index])
        found[index, :nodes] = node_sums(block, f"leaves {index}", key, tree, made)
    return found
