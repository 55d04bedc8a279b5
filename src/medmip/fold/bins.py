"""Bins of covariates: borders that are nobody's value, and the bin of every record."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medmip.catalogue.variable import Variable
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.value_grid import Columns, Grid, grid_counts

BinArray = NDArray[np.uint8]

MOST = 128
"""Bins of a numeric variable at the most; a level of a nominal one is a bin, up to 255."""
_CELLS = 4096
_REACH = 6.0
"""Standard deviations on either side of the mean that the first grid covers."""
_LOOKS = 4
"""Grids laid at the most, each over the middle of the one before."""


@dataclass(frozen=True)
class Feature:
    """A covariate: a numeric one by its rising borders, a nominal one by its levels.

    A value belongs to the bin above the last border that is not greater; a level to its own.
    """

    variable: str
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def is_nominal(self) -> bool:
        return bool(self.levels)

    @property
    def bins(self) -> int:
        return len(self.levels) or len(self.edges) + 1

    def of(self, block: Block) -> IntArray:
        """The bin of each record, (n,); -1 where missing or of another level."""
        if not self.is_nominal:
            values = block.column(self.variable)
            found = np.searchsorted(self.edges, values, side="right").astype(np.int64)
            missing = np.isnan(values)
            if missing.any():
                found[missing] = -1
            return found
        held = block.layout.levels_of(self.variable)
        places = [self.levels.index(level) if level in self.levels else -1 for level in held]
        placed: IntArray = np.array([*places, -1], dtype=np.int64)[block.levels(self.variable)]
        return placed


@dataclass(frozen=True)
class Bins:
    """The bins of p covariates."""

    features: tuple[Feature, ...]

    @cached_property
    def width(self) -> int:
        """The bins of the covariate that has the most."""
        return max(feature.bins for feature in self.features)

    def of(self, block: Block) -> tuple[BinArray, NDArray[np.bool_]]:
        """The bins of each record, (n, p), and which records lack one, (n,)."""
        codes = np.empty((block.records, len(self.features)), dtype=np.uint8)
        lacking = np.zeros(block.records, dtype=np.bool_)
        for index, feature in enumerate(self.features):
            found = feature.of(block)
            lacking |= found < 0
            codes[:, index] = np.maximum(found, 0)
        return codes, lacking

    def codes(self, block: Block) -> BinArray:
        """The bins of each complete record, (n, p), row-major, remembered by the block."""
        known = block.remembered("bins")
        if known is not None and (known[0] is self or known[0] == self):
            return known[1]
        codes, _ = self.of(block)
        block.remember("bins", self, codes)
        return codes


def bins_of(
    cohort: Cohort,
    variables: Sequence[Variable],
    most: int,
    mean: FloatArray,
    spread: FloatArray,
) -> Bins:
    """At most `most` bins of each variable, alike in size, that hold the minimum where they can.

    mean and spread are those of the numeric variables, in their order; only the search for
    borders starts from them. A border is a border of a grid of round numbers, so it is a
    patient's own value only where that is such a number. The counts of the grid steer the search
    and are told nowhere.
    """
    numeric = tuple(variable.code for variable in variables if variable.is_numeric)
    edges = dict(zip(numeric, _edges(cohort, numeric, most, mean, spread), strict=True))
    return Bins(
        tuple(
            Feature(variable.code, edges[variable.code])
            if variable.is_numeric
            else Feature(variable.code, levels=cohort.levels[variable.code])
            for variable in variables
        )
    )


@dataclass
class _Lines:
    """One column's equal cells, by round numbers: cell i begins at (first + i) * width."""

    first: int
    width: float

    @classmethod
    def over(cls, low: float, high: float) -> "_Lines":
        width = _round_up((high - low) / (_CELLS - 2))
        return cls(math.floor(low / width), width)

    def at(self, cell: int) -> float:
        """Where a cell begins."""
        return round((self.first + cell) * self.width, _digits(self.width))


def _edges(
    cohort: Cohort, codes: tuple[str, ...], most: int, mean: FloatArray, spread: FloatArray
) -> list[tuple[float, ...]]:
    found: list[tuple[float, ...]] = [()] * len(codes)
    varying = [index for index in range(len(codes)) if spread[index] > 1e-14 * abs(mean[index])]
    lines = {
        index: _Lines.over(
            mean[index] - _REACH * spread[index], mean[index] + _REACH * spread[index]
        )
        for index in varying
    }
    for look in range(_LOOKS):
        if not varying:
            break
        grid = Grid(
            Columns(tuple(codes[index] for index in varying)),
            tuple(lines[index].at(0) for index in varying),
            tuple(1.0 / lines[index].width for index in varying),
            _CELLS,
        )
        counts = cohort.fold(grid_counts, grid).counts[:, 0]
        coarse = []
        for index, row in zip(varying, counts, strict=True):
            found[index] = _borders(row, lines[index], most, cohort.minimum)
            nearer = _nearer(row, lines[index], most)
            if nearer is not None and look + 1 < _LOOKS:
                lines[index] = nearer
                coarse.append(index)
        varying = coarse
    return found


def _borders(counts: IntArray, lines: _Lines, most: int, minimum: int) -> tuple[float, ...]:
    """Borders that divide the records of a column's cells evenly."""
    upto = np.cumsum(counts)
    filled = np.flatnonzero(counts)
    n, done = int(upto[-1]), 0
    borders: list[float] = []
    while len(borders) < most - 1:
        share = max(minimum, math.ceil((n - done) / (most - len(borders))))
        cell = int(np.searchsorted(upto, done + share))
        if n - int(upto[min(cell, _CELLS - 1)]) < minimum or cell >= filled[-1]:
            break
        done = int(upto[cell])
        following = int(filled[np.searchsorted(filled, cell, side="right")])
        borders.append(_roundest(lines.at(cell + 1), lines.at(following)))
    return tuple(borders)


def _nearer(counts: IntArray, lines: _Lines, most: int) -> _Lines | None:
    """Finer lines over the middle of the records, where a cell holds more than a bin should."""
    n = int(counts.sum())
    if counts.max() <= n / most:
        return None
    upto = np.cumsum(counts)
    low, high = (int(np.searchsorted(upto, share * n)) for share in (0.5 / most, 1 - 0.5 / most))
    if high - low > _CELLS // 4:
        return None
    return _Lines.over(lines.at(low - 1), lines.at(high + 2))


def _round_up(width: float) -> float:
    """The least of 1, 2 or 5 times a power of ten that is no less."""
    power = math.floor(math.log10(width))
    for step in (1.0, 2.0, 5.0):
        if float(f"{step:g}e{power}") >= width:
            return float(f"{step:g}e{power}")
    return float(f"1e{power + 1}")


def _digits(width: float) -> int:
    """The decimals that multiples of a round width have."""
    return -math.floor(math.log10(width) + 1e-9)


def _roundest(low: float, high: float) -> float:
    """The number with the fewest digits about the middle between two, either of them included."""
    size = max(abs(low), abs(high))
    first = -math.floor(math.log10(size)) - 1 if size > 0 else 0
    for digits in range(first, first + 18):
        middle = round((low + high) / 2, digits)
        if low <= middle <= high:
            return middle
    return low
