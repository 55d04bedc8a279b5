"""Counts of values in equal cells: the first look of a search for quantiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medmip.fold.block import Block
from medmip.fold.statistic import FloatArray, IntArray, Rank, Statistic

_CELLS = 2**20
"""Cells of the first round over all columns and datasets, at the most: a few megabytes travel."""
_TILE = 2**14
"""Records whose cells are found together, so that they stay in the processor's cache."""
_REACH = 6.0
"""Standard deviations on either side that the first round's grid covers, at the most."""


class Values(Protocol):
    """Which numbers of a block: a frozen, hashable dataclass, so that a state can hold it.

    Rounds find a value again only if it has the same bits in each, so `of` must not depend on
    how records are cut into blocks (sums of products by BLAS do).
    """

    def of(self, block: Block) -> FloatArray:
        """(n, k), NaN where missing."""


@dataclass(frozen=True)
class Columns(Values):
    """The values of numeric variables; missing where weights, if given, are not positive."""

    variables: tuple[str, ...]
    weights: str | None = None

    def of(self, block: Block) -> FloatArray:
        if self.variables == block.layout.numeric and self.weights is None:
            return block.numeric
        indices = [block.layout.numeric.index(code) for code in self.variables]
        chosen: FloatArray = np.asfortranarray(block.numeric[:, indices])
        if self.weights is not None:
            chosen[~(block.column(self.weights) > 0)] = np.nan
        return chosen


@dataclass(frozen=True)
class Grid:
    """Equal cells over each column: cell (value - origin) * scale, the outer ones without end.

    origin and scale are (k,). datasets is the number of datasets told apart, 0 where pooled; where
    group names a nominal variable, its levels are told apart in their place.
    """

    values: Values
    origin: tuple[float, ...]
    scale: tuple[float, ...]
    cells: int
    datasets: int = 0
    group: str | None = None

    def cell_of(self, column: int | IntArray, values: FloatArray) -> IntArray:
        """The cell of each value, (n,), of one column or of a column each; a missing one's is 0.

        Rounded as it is, this never falls where values rise, which is all that exactness needs.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            place = values - self._origins[column]
            place *= self._scales[column]
            np.clip(place, 0.0, self.cells - 1.0, out=place)
            cells: IntArray = place.astype(np.int64)
        # Whatever number the platform makes of a missing value, none is above the last cell.
        return np.maximum(cells, 0, out=cells)

    @cached_property
    def _origins(self) -> FloatArray:
        return np.array(self.origin)

    @cached_property
    def _scales(self) -> FloatArray:
        return np.array(self.scale)


@dataclass(frozen=True)
class GridCounts(Statistic):
    """Records in each cell, (k, max(datasets, 1), cells)."""

    counts: Rank


def grid_counts(block: Block, grid: Grid) -> GridCounts:
    """How many of one block's values fall in each cell."""
    values = grid.values.of(block)
    parts = max(grid.datasets, 1)
    counts = np.zeros((values.shape[1], parts, grid.cells), dtype=np.int64)
    first = _first_cells(block, grid)
    # A missing group's values fall beyond the last part.
    size = (parts + 1) * grid.cells
    for start in range(0, block.records, _TILE):
        rows = slice(start, start + _TILE)
        for column in range(values.shape[1]):
            held = values[rows, column]
            cells = grid.cell_of(column, held)
            if isinstance(first, int):
                cells += first
            else:
                cells += first[rows]
            found = np.bincount(cells, minlength=size)
            missing = np.isnan(held)
            if missing.any():
                found -= np.bincount(cells[missing], minlength=size)
            counts[column] += found[: -grid.cells].reshape(parts, grid.cells)
    return GridCounts(counts)


def _first_cells(block: Block, grid: Grid) -> IntArray | int:
    """Where the cells of each record's part begin, (n,), or those of all; beyond all for none."""
    if not grid.datasets:
        return 0
    codes = block.dataset if grid.group is None else block.levels(grid.group)
    part = int(codes[0]) if len(codes) else -1
    if part >= 0 and (codes == part).all():
        return part * grid.cells
    return np.where(codes < 0, grid.datasets, codes).astype(np.int64) * grid.cells


def grid_for(
    values: Values,
    shares: Sequence[float],
    center: FloatArray,
    spread: FloatArray,
    datasets: int,
    group: str | None = None,
) -> Grid:
    """The grid in which to look for quantiles at these shares; center and spread are (k,)."""
    # A quantile lies within sqrt(p / (1 - p)) standard deviations of the mean (Cantelli).
    odds = [max(share, 1 - share) / max(min(share, 1 - share), 1e-9) for share in shares]
    reach = min(_REACH, 1.01 * float(np.sqrt(max(odds))))
    room = _CELLS // (len(center) * max(datasets, 1))
    cells = 1 << int(np.clip(room, 2**8, 2**12)).bit_length() - 1
    with np.errstate(all="ignore"):
        width = 2 * reach * spread / cells
        scale = np.where((width > 0) & np.isfinite(1 / width) & np.isfinite(center), 1 / width, 0)
        origin = np.where(scale > 0, center - reach * spread, 0.0)
    return Grid(values, tuple(origin.tolist()), tuple(scale.tolist()), cells, datasets, group)


def parts_of(
    block: Block, datasets: int, group: str | None = None
) -> list[tuple[int, NDArray[np.bool_] | None]]:
    """Each dataset, or level of a group, that a block has, and which records, None for all."""
    if not datasets:
        return [(0, None)]
    codes = block.dataset if group is None else block.levels(group)
    present = np.flatnonzero(np.bincount(codes + 1, minlength=1)) - 1
    if len(present) == 1 and present[0] >= 0:
        return [(int(present[0]), None)]
    return [(part, codes == part) for part in present.tolist() if part >= 0]
