"""Ranks by counts: bins that hold many patients each, and how many of a group lie in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medmip.catalogue.variable import Variable
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments
from medmip.fold.quantiles import quantiles
from medmip.fold.statistic import Cells, FloatArray, IntArray, Rank, Statistic, Sum
from medmip.fold.value_grid import Columns

_MOST = 400
_LEAST = 8
"""Bins of a variable, at the most and at the least."""

Borders = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class RankState:
    """Variables with the borders of their bins, and by which nominal variable they are grouped.

    levels (g,) are the indices of the groups' levels; group is None where there is one group.
    """

    variables: tuple[str, ...]
    borders: Borders
    group: str | None = None
    levels: tuple[int, ...] = (0,)

    @property
    def bins(self) -> int:
        """Bins of the variable that has the most."""
        return max(len(borders) for borders in self.borders) + 1

    def bin_of(self, index: int, block: Block) -> IntArray:
        """The bin of each record's value of a variable: borders belong to the bin below."""
        values = block.column(self.variables[index])
        found: IntArray = np.searchsorted(self.borders[index], values, side="left").astype(np.int64)
        return found


@dataclass(frozen=True)
class RankCounts(Statistic):
    """Patients of each group (g,); records by variable, group and bin, (k, g, bins)."""

    patients: Cells
    counts: Rank


@dataclass(frozen=True)
class RankProducts(Statistic):
    """Records (); sums of products of k variables' ranks about their mean, (k, k)."""

    records: Sum
    cross: Sum

    def supported_parameters(self) -> int:
        return len(self.cross)


@dataclass(frozen=True)
class RankScores:
    """The bins, and the score of every bin, (k, bins)."""

    state: RankState
    scores: FloatArray


def rank_borders(cohort: Cohort, variables: Sequence[Variable]) -> Borders:
    """Borders of bins: quantiles so far apart that each bin holds the minimum of patients.

    A value that many records share is a border itself, so that its ties are told from others.
    """
    design = cohort.design(variables)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = float(folded.records)
    bins = int(np.clip(n // cohort.minimum, _LEAST, _MOST))
    spread = np.sqrt(np.diag(folded.scatter) / n)
    codes = tuple(variable.code for variable in variables)
    found = quantiles(
        cohort,
        Columns(codes),
        tuple((np.arange(1, bins) / bins).tolist()),
        center=folded.mean,
        spread=np.where(spread > 0, spread, 1.0),
    )
    return tuple(tuple(np.unique(row[0]).tolist()) for row in found)


def rank_counts(block: Block, state: RankState) -> RankCounts:
    """How many records of one block lie in each bin."""
    groups = len(state.levels)
    place = np.zeros(block.records, dtype=np.int64)
    if state.group is not None:
        held = block.levels(state.group)
        place[:] = -1
        for index, level in enumerate(state.levels):
            place[held == level] = index
    chosen = place >= 0
    counts = np.zeros((len(state.variables), groups, state.bins), dtype=np.int64)
    for index in range(len(state.variables)):
        cells = place[chosen] * state.bins + state.bin_of(index, block)[chosen]
        found = np.bincount(cells, minlength=groups * state.bins)
        counts[index] = found.reshape(groups, state.bins)
    return RankCounts(block.cells(place, groups), counts)


def rank_products(block: Block, state: RankScores) -> RankProducts:
    """Products of one block's scores."""
    ranks = np.stack(
        [
            state.scores[index][state.state.bin_of(index, block)]
            for index in range(len(state.scores))
        ]
    )
    return RankProducts(np.array(float(block.records)), np.dot(ranks, ranks.T))


def mid_ranks(counts: IntArray) -> FloatArray:
    """The mean rank of the records in each bin, from their numbers, (bins,)."""
    ranks: FloatArray = np.cumsum(counts) - (counts - 1) / 2.0
    return ranks
