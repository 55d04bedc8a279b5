"""The search for values of given ranks inside the cells of a grid, down to the last bit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.float_keys import KeyArray, float_keys, keyed_floats
from medmip.fold.statistic import FloatArray, IntArray, Rank, Statistic
from medmip.fold.value_grid import Grid, parts_of

_BINS = 2**17
"""Bins of each later round over all intervals."""
_LEAST, _MOST = 2**5, 2**14
"""Bins of each prefix that is searched for."""
_FAR_BINS, _FAR_MOST = 2**14, 2**11
"""The same where counts travel: one more round costs less than each peer's mask over more bins."""


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


@dataclass(frozen=True)
class _Known:
    """What a search found in a block, and what of it the last round's prefixes began."""

    intervals: Intervals
    whole: _Found
    state: SearchState
    part: _Found

    def within(self, state: SearchState) -> bool:
        """Whether every prefix of another round extends one of the last round's."""
        if state.prefixes.shape[0] != self.state.prefixes.shape[0]:
            return False
        if not np.array_equal(state.shift + state.digit, self.state.shift):
            return False
        begun = state.prefixes >> self.state.digit[:, None]
        same = begun[:, :, None] == self.state.prefixes[:, None, :]
        same &= (self.state.numbers >= 0)[:, None, :]
        return bool((same.any(axis=2) | (state.numbers < 0)).all())


_known: WeakKeyDictionary[Block, _Known] = WeakKeyDictionary()
"""What the last search found in a block that is kept in memory; saves reading it every round."""
_KEPT_SHARE = 0.25
"""A block's finds are kept up to this share of its own size, and a round's beside them."""


def bin_counts(block: Block, state: SearchState) -> BinCounts:
    """How many of one block's values fall in each bin of the prefixes searched for."""
    found, whole = _found(block, state)
    lead = found.offset >> state.shift[found.interval]
    prefix = lead >> state.digit[found.interval]
    place = (lead - (prefix << state.digit[found.interval])).astype(np.int64)
    row = np.full(len(place), -1, dtype=np.int64)
    for choice in range(state.prefixes.shape[1]):
        same = prefix == state.prefixes[found.interval, choice]
        row = np.where(same, np.maximum(row, state.numbers[found.interval, choice]), row)
    held = np.flatnonzero(row >= 0)
    part = _Found(found.interval[held], found.offset[held], found.times[held])
    if whole is not None:
        _known[block] = _Known(state.intervals, whole, state, part)
    counts = np.bincount(
        row[held] * state.bins + place[held],
        weights=part.times,
        minlength=(int(state.numbers.max()) + 1) * state.bins,
    )
    return BinCounts(counts.astype(np.int64).reshape(-1, state.bins))


def values_at(
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


def last_values(grid: Grid, columns: IntArray, cells: IntArray) -> FloatArray:
    """The largest number that falls in each cell, (n,), infinite in a grid's last one."""
    ends = float_keys(np.array([-np.inf, np.inf]))
    after = _first_key(grid, columns, np.minimum(cells + 1, grid.cells - 1), ends)
    return keyed_floats(np.where(cells == grid.cells - 1, ends[1], after - np.uint64(1)))


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
    most_bins, most_each = (_FAR_BINS, _FAR_MOST) if cohort.travels else (_BINS, _MOST)
    prefix = np.zeros(len(rank), dtype=np.uint64)
    rank = rank.copy()
    while bits.any():
        searched = np.flatnonzero(bits[interval] > 0)
        within, begun = interval[searched], prefix[searched]
        order = np.lexsort((begun, within))
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = np.diff(within[order]) > 0
        first[1:] |= begun[order][1:] != begun[order][:-1]
        number = np.empty(len(order), dtype=np.int64)
        number[order] = np.cumsum(first) - 1
        pairs = within[order][first], begun[order][first]
        room = int(np.clip(most_bins // len(pairs[0]), _LEAST, most_each))
        digit = np.minimum(bits, room.bit_length() - 1)
        bits = bits - digit
        state = _search(intervals, pairs, bits, digit)
        below = np.cumsum(cohort.fold(bin_counts, state).counts, axis=1)
        for some in np.array_split(
            np.arange(len(searched)), 1 + len(searched) * state.bins // _BINS
        ):
            ranks, rows = rank[searched[some]], below[number[some]]
            chosen = np.count_nonzero(rows <= ranks[:, None], axis=1)
            before = rows[np.arange(len(some)), chosen - 1]
            rank[searched[some]] = ranks - np.where(chosen > 0, before, 0)
            longer = prefix[searched[some]] << digit[within[some]].astype(np.uint64)
            prefix[searched[some]] = longer | chosen.astype(np.uint64)
    return prefix


def _search(
    intervals: Intervals, pairs: tuple[IntArray, KeyArray], shift: IntArray, digit: IntArray
) -> SearchState:
    """The round for these prefixes, given by ascending interval."""
    interval, prefix = pairs
    choice = np.arange(len(interval)) - np.searchsorted(interval, interval)
    prefixes = np.zeros((len(intervals.cell), int(choice.max()) + 1), dtype=np.uint64)
    numbers = np.full(prefixes.shape, -1, dtype=np.int64)
    prefixes[interval, choice], numbers[interval, choice] = prefix, np.arange(len(interval))
    return SearchState(
        intervals,
        shift.astype(np.uint64),
        digit.astype(np.uint64),
        prefixes,
        numbers,
        1 << int(digit.max()),
    )


def _found(block: Block, state: SearchState) -> tuple[_Found, _Found | None]:
    """What a round has to look at in a block, and all of the search's finds where they are kept."""
    intervals = state.intervals
    known = _known.get(block)
    if known is not None and (known.intervals is intervals or known.intervals == intervals):
        return (known.part if known.within(state) else known.whole), known.whole
    grid = intervals.grid
    values = grid.values.of(block)
    pieces = []
    for part, rows in parts_of(block, grid.datasets, grid.group):
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
        return found, found
    return found, None


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
