"""Exact quantiles by narrowing counts: no value leaves a site, only how many lie in an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.float_keys import KeyArray, float_keys, keyed_floats
from medmip.fold.statistic import FloatArray, IntArray, Rank, Statistic

_CELLS = 2**20
"""Cells of the first round over all columns and datasets, at the most: a few megabytes travel."""
_BINS = 2**17
"""Bins of each later round over all intervals."""
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
class Columns:
    """The values of numeric variables."""

    variables: tuple[str, ...]

    def of(self, block: Block) -> FloatArray:
        if self.variables == block.layout.numeric:
            return block.numeric
        indices = [block.layout.numeric.index(code) for code in self.variables]
        chosen: FloatArray = np.asfortranarray(block.numeric[:, indices])
        return chosen


@dataclass(frozen=True)
class Grid:
    """Equal cells over each column: cell (value - origin) * scale, the outer ones without end.

    origin and scale are (k,). datasets is the number of datasets told apart, 0 where pooled.
    """

    values: Values
    origin: tuple[float, ...]
    scale: tuple[float, ...]
    cells: int
    datasets: int = 0

    def cell_of(self, column: int | IntArray, values: FloatArray) -> IntArray:
        """The cell of each value, (n,), of one column or of a column each; a missing one's is 0.

        Rounded as it is, this never falls where values rise, which is all that exactness needs.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            place = values - self._origins[column]
            place *= self._scales[column]
        np.fmax(place, 0.0, out=place)
        np.fmin(place, self.cells - 1.0, out=place)
        return place.astype(np.int64)

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


@dataclass(frozen=True)
class Intervals:
    """The b cells of a grid that hold wanted values; column, part, cell, first key: (b,) each.

    part is a dataset's index, or grid.datasets for all of them together.
    """

    grid: Grid
    column: tuple[int, ...]
    part: tuple[int, ...]
    cell: tuple[int, ...]
    first: tuple[int, ...]

    @cached_property
    def tables(self) -> dict[tuple[int, int], NDArray[np.int32]]:
        """For each column and part with an interval, the interval of each cell, -1 for none."""
        found: dict[tuple[int, int], NDArray[np.int32]] = {}
        places = zip(self.column, self.part, self.cell, strict=True)
        for index, (column, part, cell) in enumerate(places):
            table = found.setdefault((column, part), np.full(self.grid.cells, -1, dtype=np.int32))
            table[cell] = index
        return found

    @cached_property
    def first_keys(self) -> KeyArray:
        return np.array(self.first, dtype=np.uint64)


@dataclass(frozen=True)
class SearchState:
    """One round of the search inside intervals.

    The offset of a value's key in interval i is cut after `shift[i]` low bits and, above them,
    `digit[i]` bits that the round tells apart; what remains is compared with `prefixes[i]`,
    (b, w), the prefixes searched for; numbers, (b, w), is their order, -1 for none.
    """

    intervals: Intervals
    shift: KeyArray
    digit: KeyArray
    prefixes: KeyArray
    numbers: IntArray
    bins: int


@dataclass(frozen=True)
class BinCounts(Statistic):
    """Records in each bin of each prefix searched for, (prefixes, bins)."""

    counts: Rank


@dataclass(frozen=True)
class _Found:
    """A block's different values in intervals: interval, key offset and how often, (m,) each."""

    interval: NDArray[np.int32]
    offset: KeyArray
    times: FloatArray


_known: WeakKeyDictionary[Block, tuple[Intervals, _Found]] = WeakKeyDictionary()
"""What the last search found in a block that is kept in memory; saves reading it every round."""
_KEPT_SHARE = 0.25
"""A block's finds are kept up to this share of its own size."""


def grid_counts(block: Block, grid: Grid) -> GridCounts:
    """How many of one block's values fall in each cell."""
    values = grid.values.of(block)
    counts = np.zeros((values.shape[1], max(grid.datasets, 1), grid.cells), dtype=np.int64)
    for part, rows in _parts(block, grid.datasets):
        for column in range(values.shape[1]):
            chosen = values[:, column] if rows is None else values[rows, column]
            counts[column, part] = np.bincount(grid.cell_of(column, chosen), minlength=grid.cells)
            counts[column, part, 0] -= chosen.size - np.count_nonzero(chosen == chosen)
    return GridCounts(counts)


def bin_counts(block: Block, state: SearchState) -> BinCounts:
    """How many of one block's values fall in each bin of the prefixes searched for."""
    found = _found(block, state.intervals)
    lead = found.offset >> state.shift[found.interval]
    prefix = lead >> state.digit[found.interval]
    place = (lead - (prefix << state.digit[found.interval])).astype(np.int64)
    row = np.full(len(place), -1, dtype=np.int64)
    for choice in range(state.prefixes.shape[1]):
        same = prefix == state.prefixes[found.interval, choice]
        row = np.where(same, np.maximum(row, state.numbers[found.interval, choice]), row)
    held = row >= 0
    counts = np.bincount(
        row[held] * state.bins + place[held],
        weights=found.times[held],
        minlength=(int(state.numbers.max()) + 1) * state.bins,
    )
    return BinCounts(counts.astype(np.int64).reshape(-1, state.bins))


def quantiles(
    cohort: Cohort,
    values: Values,
    shares: Sequence[float],
    *,
    center: FloatArray,
    spread: FloatArray,
    datasets: int = 0,
    wanted: NDArray[np.bool_] | None = None,
) -> FloatArray:
    """Quantiles of k columns at these shares, (k, datasets + 1, shares), the last part pooled.

    center and spread (k,), about the mean and standard deviation, only make the search fast.
    wanted, (k, datasets + 1), leaves parts out. NaN where a part has no value or is left out.
    The definition is number 7 of Hyndman & Fan, The American Statistician 50 (1996) 361-365,
    as in R and NumPy; the values at the ranks that it interpolates are found to the last bit.
    """
    grid = _grid(values, shares, center, spread, datasets)
    counts = cohort.fold(grid_counts, grid).counts
    if datasets:
        counts = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    records = counts.sum(axis=2)
    asked = (records > 0) if wanted is None else (records > 0) & wanted
    result = np.full((*asked.shape, len(shares)), np.nan)
    if not asked.any():
        return result

    columns, parts = np.nonzero(asked)
    position = (records[columns, parts] - 1)[:, None] * np.asarray(shares)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, (records[columns, parts] - 1)[:, None])
    found = _values_at(cohort, grid, counts, columns, parts, np.stack([low, high], axis=-1))
    result[columns, parts] = _between(found[..., 0], found[..., 1], position - low)
    return result


def _grid(
    values: Values,
    shares: Sequence[float],
    center: FloatArray,
    spread: FloatArray,
    datasets: int,
) -> Grid:
    # A quantile lies within sqrt(p / (1 - p)) standard deviations of the mean (Cantelli).
    odds = [max(share, 1 - share) / max(min(share, 1 - share), 1e-9) for share in shares]
    reach = min(_REACH, 1.01 * float(np.sqrt(max(odds))))
    room = _CELLS // (len(center) * max(datasets, 1))
    cells = 1 << int(np.clip(room, 2**8, 2**12)).bit_length() - 1
    with np.errstate(all="ignore"):
        width = 2 * reach * spread / cells
        scale = np.where((width > 0) & np.isfinite(1 / width) & np.isfinite(center), 1 / width, 0)
        origin = np.where(scale > 0, center - reach * spread, 0.0)
    return Grid(values, tuple(origin.tolist()), tuple(scale.tolist()), cells, datasets)


def _values_at(
    cohort: Cohort,
    grid: Grid,
    counts: IntArray,
    columns: IntArray,
    parts: IntArray,
    ranks: IntArray,
) -> FloatArray:
    """The values at ranks (t, ...), from 0, of t targets given by column and part."""
    within = np.empty(ranks.shape, dtype=np.int64)
    number = np.empty(ranks.shape, dtype=np.int64)
    places: dict[tuple[int, int, int], int] = {}
    for index, (column, part) in enumerate(zip(columns.tolist(), parts.tolist(), strict=True)):
        below = np.cumsum(counts[column, part])
        cells = np.searchsorted(below, ranks[index], side="right")
        within[index] = ranks[index] - np.where(cells > 0, below[cells - 1], 0)
        number[index] = [
            [places.setdefault((column, part, cell), len(places)) for cell in line]
            for line in cells.tolist()
        ]
    column, part, cell = (tuple(axis) for axis in zip(*places, strict=True))
    first, bits = _keys_of(grid, column, cell)
    intervals = Intervals(grid, column, part, cell, tuple(first.tolist()))
    keys = first[number] + _offsets(
        cohort, intervals, bits, number.ravel(), within.ravel()
    ).reshape(number.shape)
    return keyed_floats(keys)


def _keys_of(grid: Grid, columns: Sequence[int], cells: Sequence[int]) -> tuple[KeyArray, IntArray]:
    """The first key of each cell, and how many bits tell its keys apart."""
    ends = float_keys(np.array([-np.inf, np.inf]))
    column, cell = np.array(columns), np.array(cells)
    last = cell == grid.cells - 1
    first = _first_key(grid, column, cell, ends)
    after = _first_key(grid, column, np.minimum(cell + 1, grid.cells - 1), ends)
    span = np.where(last, ends[1], after - np.uint64(1)) - first
    return first, np.array([int(width).bit_length() for width in span.tolist()])


def _first_key(grid: Grid, columns: IntArray, cells: IntArray, ends: KeyArray) -> KeyArray:
    """The smallest key whose value is in a cell or beyond it, by bisection."""
    low, high = (np.full(len(columns), end, dtype=np.uint64) for end in ends)
    while (low < high).any():
        middle = low + (high - low) // np.uint64(2)
        reached = grid.cell_of(columns, keyed_floats(middle)) >= cells
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + np.uint64(1), high))
    return low


def _offsets(
    cohort: Cohort, intervals: Intervals, bits: IntArray, interval: IntArray, rank: IntArray
) -> KeyArray:
    """The key offset of the value of each rank, (r,), within its interval."""
    prefix = np.zeros(len(rank), dtype=np.uint64)
    rank = rank.copy()
    while bits.any():
        searched = np.flatnonzero(bits[interval] > 0)
        pairs = sorted({(int(interval[i]), int(prefix[i])) for i in searched})
        order = {pair: number for number, pair in enumerate(pairs)}
        digit = np.minimum(bits, int(np.clip(_BINS // len(pairs), 2**6, 2**14)).bit_length() - 1)
        bits = bits - digit
        state = _search(intervals, pairs, bits, digit)
        below = np.cumsum(cohort.fold(bin_counts, state).counts, axis=1)
        for i in searched.tolist():
            row = below[order[int(interval[i]), int(prefix[i])]]
            chosen = int(np.searchsorted(row, rank[i], side="right"))
            rank[i] -= int(row[chosen - 1]) if chosen else 0
            prefix[i] = int(prefix[i]) << int(digit[interval[i]]) | chosen
    return prefix


def _search(
    intervals: Intervals, pairs: Sequence[tuple[int, int]], shift: IntArray, digit: IntArray
) -> SearchState:
    by_interval: dict[int, list[tuple[int, int]]] = {}
    for number, (interval, prefix) in enumerate(pairs):
        by_interval.setdefault(interval, []).append((prefix, number))
    width = max(len(held) for held in by_interval.values())
    prefixes = np.zeros((len(intervals.cell), width), dtype=np.uint64)
    numbers = np.full(prefixes.shape, -1, dtype=np.int64)
    for interval, held in by_interval.items():
        for choice, (prefix, number) in enumerate(held):
            prefixes[interval, choice], numbers[interval, choice] = prefix, number
    return SearchState(
        intervals,
        shift.astype(np.uint64),
        digit.astype(np.uint64),
        prefixes,
        numbers,
        1 << int(digit.max()),
    )


def _found(block: Block, intervals: Intervals) -> _Found:
    known = _known.get(block)
    if known is not None and (known[0] is intervals or known[0] == intervals):
        return known[1]
    grid = intervals.grid
    values = grid.values.of(block)
    pieces = []
    for part, rows in _parts(block, grid.datasets):
        for column in range(values.shape[1]):
            looked = [
                intervals.tables[column, kind]
                for kind in dict.fromkeys((part, grid.datasets))
                if (column, kind) in intervals.tables
            ]
            if looked:
                chosen = values[:, column] if rows is None else values[rows, column]
                pieces += _different(grid, column, chosen, looked)
    interval = np.concatenate([piece[0] for piece in pieces] or [np.empty(0, dtype=np.int32)])
    keys = float_keys(np.concatenate([piece[1] for piece in pieces] or [np.empty(0)]))
    times = np.concatenate([piece[2] for piece in pieces] or [np.empty(0)])
    found = _Found(interval, keys - intervals.first_keys[interval], times)
    if interval.nbytes + keys.nbytes + times.nbytes <= _KEPT_SHARE * block.nbytes:
        _known[block] = (intervals, found)
    return found


def _different(
    grid: Grid, column: int, values: FloatArray, tables: Sequence[NDArray[np.int32]]
) -> list[tuple[NDArray[np.int32], FloatArray, FloatArray]]:
    """The different values in each table's intervals: interval, value, how often."""
    marked = tables[0] >= 0
    for table in tables[1:]:
        marked = marked | (table >= 0)
    chosen = values[np.flatnonzero(marked.take(grid.cell_of(column, values)))]
    chosen = np.sort(chosen[~np.isnan(chosen)])
    if not chosen.size:
        return []
    starts = np.flatnonzero(np.concatenate([[True], chosen[1:] != chosen[:-1]]))
    different = chosen[starts]
    times = np.diff(np.append(starts, chosen.size)).astype(np.float64)
    cells = grid.cell_of(column, different)
    pieces = []
    for table in tables:
        interval = table[cells]
        held = interval >= 0
        pieces.append((interval[held], different[held], times[held]))
    return pieces


def _parts(block: Block, datasets: int) -> list[tuple[int, NDArray[np.bool_] | None]]:
    """Each dataset that a block has records of, and which they are, None for all."""
    if not datasets:
        return [(0, None)]
    present = np.unique(block.dataset).tolist()
    if len(present) == 1:
        return [(present[0], None)]
    return [(part, block.dataset == part) for part in present]


def _between(low: FloatArray, high: FloatArray, part: FloatArray) -> FloatArray:
    """Linear interpolation, from the nearer end, as NumPy does; of huge values without overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        step = high - low
        near = np.where(part < 0.5, low + step * part, high - step * (1 - part))
        far = low * (1 - part) + high * part
    return np.where(low == high, low, np.where(np.isfinite(step), near, far))
