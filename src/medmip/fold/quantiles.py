"""Exact quantiles by narrowing counts: no value leaves a site, only how many lie in a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, Rank, Statistic

KeyArray = NDArray[np.uint64]

_DIGITS = (12, 11, 11, 10, 10, 10)
"""Bits of a value's key settled in each round: sign and exponent first, 64 in all."""
_WINDOWS = 512
"""Windows counted in one round at the most: bounds what travels to a few megabytes."""


class Values(Protocol):
    """Which numbers of a block; a frozen dataclass, so that it can be a kernel's state."""

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
        return block.numeric[:, indices]


@dataclass(frozen=True)
class Window:
    """The values of one column (of one dataset, or of all) whose keys begin with a prefix."""

    column: int
    dataset: int | None
    prefix: int


@dataclass(frozen=True)
class WindowState:
    """Windows to count in; settled bits of the prefix, and bits that the bins tell apart."""

    values: Values
    windows: tuple[Window, ...]
    settled: int
    digit: int


@dataclass(frozen=True)
class WindowCounts(Statistic):
    """Records in each bin of each window, (w, 2**digit)."""

    counts: Rank


def window_counts(block: Block, state: WindowState) -> WindowCounts:
    """How many of one block's values fall in each bin of each window."""
    values = state.values.of(block)
    bins = 1 << state.digit
    counts = np.zeros((len(state.windows), bins), dtype=np.int64)
    keys: dict[tuple[int, int | None], KeyArray] = {}
    shift = np.uint64(64 - state.settled - state.digit)
    for index, window in enumerate(state.windows):
        place = (window.column, window.dataset)
        if place not in keys:
            chosen = values[:, window.column]
            if window.dataset is not None:
                chosen = chosen[block.dataset == window.dataset]
            keys[place] = ordered_keys(chosen) >> shift
        digits = keys[place]
        if state.settled:
            first = np.uint64(window.prefix << state.digit)
            digits = digits - first
            digits = digits[digits < np.uint64(bins)]
        counts[index] = np.bincount(digits.view(np.int64), minlength=bins)
    return WindowCounts(counts)


def ordered_keys(values: FloatArray) -> KeyArray:
    """Unsigned integers in the order of the values, missing ones left out; -0 becomes +0."""
    present = values[~np.isnan(values)] if np.isnan(values).any() else values
    bits = (present + 0.0).view(np.int64)
    flipped = bits ^ ((bits >> np.int64(63)) | np.int64(-(2**63)))
    return flipped.view(np.uint64)


def from_key(key: int) -> float:
    """The value that has this key."""
    bits = key ^ (1 << 63) if key >> 63 else key ^ ((1 << 64) - 1)
    return float(np.uint64(bits).view(np.float64))


@dataclass(frozen=True)
class Target:
    """One column (of one dataset, or of all) and how many values it has."""

    column: int
    dataset: int | None
    records: int


def quantiles(
    cohort: Cohort, values: Values, targets: Sequence[Target], shares: Sequence[float]
) -> FloatArray:
    """The quantiles of each target, (targets, shares), by linear interpolation of ranks.

    NaN where a target has no value. The definition is number 7 of Hyndman & Fan, The American
    Statistician 50 (1996) 361-365, which R and NumPy take by default; the ranks are found
    exactly, by six rounds of counts.
    """
    wanted: dict[tuple[int, int], int] = {}
    for index, target in enumerate(targets):
        for share in shares:
            rank = share * (target.records - 1)
            for chosen in (int(np.floor(rank)), int(np.ceil(rank))):
                if target.records:
                    wanted[index, chosen] = 0
    found: dict[tuple[int, int], float] = {}
    places = list(wanted)
    per_fold = max(1, _WINDOWS // (2 * len(shares)))
    for start in range(0, len(targets), per_fold):
        group = [place for place in places if start <= place[0] < start + per_fold]
        if group:
            found |= _values_at(cohort, values, targets, group)
    result = np.full((len(targets), len(shares)), np.nan)
    for index, target in enumerate(targets):
        for position, share in enumerate(shares):
            if target.records:
                rank = share * (target.records - 1)
                low = found[index, int(np.floor(rank))]
                high = found[index, int(np.ceil(rank))]
                part = rank - np.floor(rank)
                result[index, position] = low if low == high else low + (high - low) * part
    return result


def _values_at(
    cohort: Cohort,
    values: Values,
    targets: Sequence[Target],
    places: Sequence[tuple[int, int]],
) -> dict[tuple[int, int], float]:
    """The value of each (target, rank), rank from 0."""
    prefix = dict.fromkeys(places, 0)
    rank = {place: place[1] for place in places}
    settled = 0
    for digit in _DIGITS:
        windows: dict[Window, int] = {}
        for place in places:
            target = targets[place[0]]
            windows.setdefault(Window(target.column, target.dataset, prefix[place]), len(windows))
        state = WindowState(values, tuple(windows), settled, digit)
        summed = np.cumsum(cohort.fold(window_counts, state).counts, axis=1)
        for place in places:
            target = targets[place[0]]
            below = summed[windows[Window(target.column, target.dataset, prefix[place])]]
            chosen = int(np.searchsorted(below, rank[place], side="right"))
            rank[place] -= int(below[chosen - 1]) if chosen else 0
            prefix[place] = prefix[place] << digit | chosen
        settled += digit
    return {place: from_key(prefix[place]) for place in places}
