"""Ranks by counts: bins that hold many patients each, and how many of a group lie in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medmip.catalogue.variable import Variable
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments
from medmip.fold.products import products
from medmip.fold.quantiles import quantiles
from medmip.fold.scratch import scratch
from medmip.fold.statistic import Cells, FloatArray, IntArray, Rank, Statistic, Sum
from medmip.fold.value_grid import Columns, Grid, grid_counts, grid_for
from medmip.fold.value_search import last_values, values_at

_MANY = 2**15
"""Records from which on borders need not be quantiles to the last bit."""
_MOST = 400
_LEAST = 8
"""Bins of a variable, at the most and at the least."""
_CELLS = 2**14
"""Cells of the grid by which a value's bin is found."""

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
        return self._steps[index].bin_of(block.column(self.variables[index]))

    @cached_property
    def _steps(self) -> tuple["_Steps", ...]:
        return tuple(_Steps.of(np.array(borders)) for borders in self.borders)


@dataclass(frozen=True)
class _Steps:
    """Borders (b,) with a grid of equal cells over them, in most of which no border lies.

    below (cells,) is the number of borders in earlier cells; -1 where the cell itself has some,
    so that its values are looked up among the borders.
    """

    borders: FloatArray
    scale: float
    below: IntArray

    @classmethod
    def of(cls, borders: FloatArray) -> "_Steps":
        with np.errstate(all="ignore"):
            width = float(borders[-1] - borders[0]) if len(borders) else 0.0
            scale = (_CELLS - 2) / width if width > 0 else 0.0
        steps = cls(borders, scale if np.isfinite(scale) else 0.0, np.empty(0, dtype=np.int64))
        if not steps.scale:
            return steps
        held = np.bincount(steps._cell(borders), minlength=_CELLS)
        return replace(steps, below=np.where(held > 0, -1, np.cumsum(held)))

    def bin_of(self, values: FloatArray) -> IntArray:
        """How many borders are below each value, (n,)."""
        if not self.scale:
            return np.searchsorted(self.borders, values, side="left").astype(np.int64)
        found: IntArray = self.below.take(self._cell(values))
        near = np.flatnonzero(found < 0)
        found[near] = np.searchsorted(self.borders, values[near], side="left")
        return found

    def _cell(self, values: FloatArray) -> IntArray:
        # Rounded as it is, this never falls where values rise, which is all that is needed.
        with np.errstate(over="ignore"):
            place = values - self.borders[0]
            place *= self.scale
            place += 1.0
        np.clip(place, 0.0, _CELLS - 1.0, out=place)
        cells: IntArray = place.astype(np.int64)
        return cells


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
    Of many records a border is the end of a fine grid's cell about the quantile, unless the cell
    holds as many records as a bin.
    """
    design = cohort.design(variables)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = float(folded.records)
    bins = int(np.clip(n // cohort.minimum, _LEAST, _MOST))
    spread = np.sqrt(np.diag(folded.scatter) / n)
    spread = np.where(spread > 0, spread, 1.0)
    values = Columns(tuple(variable.code for variable in variables))
    shares = (np.arange(1, bins) / bins).tolist()
    if n < _MANY:
        found = quantiles(cohort, values, shares, center=folded.mean, spread=spread)
        return tuple(tuple(np.unique(row[0]).tolist()) for row in found)
    grid = grid_for(values, shares, folded.mean, spread, 0)
    return _borders(cohort, grid, cohort.fold(grid_counts, grid).counts, bins)


def _borders(cohort: Cohort, grid: Grid, counts: IntArray, bins: int) -> Borders:
    """The borders of each column by its counts (k, 1, cells)."""
    upto = np.cumsum(counts[:, 0], axis=1)
    ranks = [np.arange(1, bins) * int(row[-1]) // bins for row in upto]
    # The value of a rank lies in the first cell by whose end more records have come.
    cells = [np.searchsorted(row, at, side="right") for row, at in zip(upto, ranks, strict=True)]
    column = np.repeat(np.arange(len(upto)), bins - 1)
    cell, rank = np.concatenate(cells), np.concatenate(ranks)
    heavy = counts[column, 0, cell] * bins >= upto[column, -1]
    border = np.empty(len(cell))
    border[~heavy] = last_values(grid, column[~heavy], cell[~heavy])
    if heavy.any():
        part = np.zeros(int(heavy.sum()), dtype=np.int64)
        sought = rank[heavy][:, None, None]
        border[heavy] = values_at(cohort, grid, counts, column[heavy], part, sought)[:, 0, 0]
    # So many records are not above a border at the least and, of ties, at the most.
    least, most = np.where(heavy, rank + 1, upto[column, cell]), upto[column, cell]
    return tuple(
        _apart(
            int(upto[index, -1]), cohort.minimum, border[held], least[held], most[held], heavy[held]
        )
        for index in range(len(upto))
        for held in [column == index]
    )


def _apart(
    n: int,
    minimum: int,
    border: FloatArray,
    least: IntArray,
    most: IntArray,
    exact: NDArray[np.bool_],
) -> tuple[float, ...]:
    """Rising borders; between exact ones, which stay, others that leave the minimum in a bin."""
    kept: list[tuple[float, int, bool]] = []
    rows = (part.tolist() for part in (border, least, most, exact))
    for value, low, high, stays in zip(*rows, strict=True):
        if kept and value <= kept[-1][0]:
            continue
        if stays and kept and not kept[-1][2] and low - kept[-1][1] < minimum:
            kept.pop()
        if stays or low - (kept[-1][1] if kept else 0) >= minimum:
            kept.append((value, high, stays))
    while kept and not kept[-1][2] and n - kept[-1][1] < minimum:
        kept.pop()
    return tuple(value for value, _, _ in kept)


def rank_counts(block: Block, state: RankState) -> RankCounts:
    """How many records of one block lie in each bin."""
    groups = len(state.levels)
    place = np.zeros(block.records, dtype=np.int64)
    if state.group is not None:
        held = block.levels(state.group)
        place[:] = -1
        for index, level in enumerate(state.levels):
            place[held == level] = index
    chosen = None if (place >= 0).all() else np.flatnonzero(place >= 0)
    start = (place if chosen is None else place[chosen]) * state.bins
    counts = np.zeros((len(state.variables), groups, state.bins), dtype=np.int64)
    for index in range(len(state.variables)):
        cells = state.bin_of(index, block)
        cells = start + (cells if chosen is None else cells[chosen])
        found = np.bincount(cells, minlength=groups * state.bins)
        counts[index] = found.reshape(groups, state.bins)
    return RankCounts(block.cells(place, groups), counts)


def rank_products(block: Block, state: RankScores) -> RankProducts:
    """Products of one block's scores."""
    ranks = scratch(len(state.scores), block.records)
    for index, scores in enumerate(state.scores):
        scores.take(state.state.bin_of(index, block), out=ranks[index], mode="clip")
    return RankProducts(np.array(float(block.records)), products(ranks))


def mid_ranks(counts: IntArray) -> FloatArray:
    """The mean rank of the records in each bin, from their numbers, (bins,)."""
    ranks: FloatArray = np.cumsum(counts) - (counts - 1) / 2.0
    return ranks
