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
_ROUNDING = 1e-12
"""Cells narrower than this share of their place are not divided."""
_LOOKS = 5
"""Grids laid at the most, each over a cell of those before that holds too many records."""
_SEVERAL = 8
"""So many cells with records show whether a full one is of neighbours or of one value."""


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
        return block.derived("bins", self, lambda: self.of(block)[0])


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


@dataclass(frozen=True)
class _Lines:
    """Equal cells over a column, by round numbers: cell i begins at (first + i) * width."""

    first: int
    width: float

    @classmethod
    def over(cls, low: float, high: float) -> "_Lines":
        """Cells that cover this range, and at least one on either side."""
        width = _round_up((high - low) / (_CELLS - 4))
        return cls(math.floor(low / width + 1e-9) - 1, width)

    def at(self, cells: IntArray) -> FloatArray:
        """Where cells begin."""
        begins: FloatArray = np.round((self.first + cells) * self.width, _digits(self.width))
        return begins


@dataclass(frozen=True)
class _Known:
    """What is known of a column: cells from low to high, with counts of records, (c,) each."""

    low: FloatArray
    high: FloatArray
    counts: IntArray

    @classmethod
    def of(cls, counts: IntArray, lines: _Lines) -> "_Known":
        """The cells of a first grid that hold anybody."""
        filled = np.flatnonzero(counts)
        low, high = lines.at(filled), lines.at(filled + 1)
        low[filled == 0], high[filled == _CELLS - 1] = -np.inf, np.inf
        return cls(low, high, counts[filled])

    def heavy(self, most: int) -> int | None:
        """The fullest cell that holds more than a bin should and may be divided; None without one.

        A full cell that stands alone among many is of one value that many share.
        """
        full = (self.counts > self.counts.sum() / most) & np.isfinite(self.high - self.low)
        if len(self.counts) >= _SEVERAL:
            near = self.low[1:] <= self.high[:-1]
            full &= np.append(near, False) | np.insert(near, 0, False)
        # What is no wider than rounding is of one value.
        with np.errstate(invalid="ignore"):
            full &= ~(self.high - self.low <= _ROUNDING * np.abs(self.low))
        if not full.any():
            return None
        return int(np.where(full, self.counts, -1).argmax())

    def divided(self, cell: int, counts: IntArray, lines: _Lines) -> "_Known":
        """The same with the cells of a finer grid in the place of one."""
        finer = np.flatnonzero(counts)
        low, high = lines.at(finer), lines.at(finer + 1)
        inside = (low >= self.low[cell]) & (high <= self.high[cell])
        if not inside.any():
            return self
        parts = (
            (self.low, low[inside]),
            (self.high, high[inside]),
            (self.counts, counts[finer[inside]]),
        )
        return _Known(*(np.concatenate([old[:cell], new, old[cell + 1 :]]) for old, new in parts))


def _edges(
    cohort: Cohort, codes: tuple[str, ...], most: int, mean: FloatArray, spread: FloatArray
) -> list[tuple[float, ...]]:
    low, high = mean - _REACH * spread, mean + _REACH * spread
    asked = {
        index: _Lines.over(float(low[index]), float(high[index]))
        for index in range(len(codes))
        if spread[index] > 1e-14 * abs(mean[index])
    }
    known: dict[int, _Known] = {}
    cells: dict[int, int] = {}
    for _ in range(_LOOKS):
        if not asked:
            break
        grid = Grid(
            Columns(tuple(codes[index] for index in asked)),
            tuple(float(lines.at(np.array([0]))[0]) for lines in asked.values()),
            tuple(1.0 / lines.width for lines in asked.values()),
            _CELLS,
        )
        counts = cohort.fold(grid_counts, grid).counts[:, 0]
        finer: dict[int, _Lines] = {}
        for (index, lines), row in zip(asked.items(), counts, strict=True):
            if index in known:
                known[index] = known[index].divided(cells[index], row, lines)
            else:
                known[index] = _Known.of(row, lines)
            heavy = known[index].heavy(most)
            if heavy is not None:
                cells[index] = heavy
                bounds = float(known[index].low[heavy]), float(known[index].high[heavy])
                finer[index] = _Lines.over(*bounds)
        asked = finer
    return [
        _borders(known[index], most, cohort.minimum) if index in known else ()
        for index in range(len(codes))
    ]


def _borders(known: _Known, most: int, minimum: int) -> tuple[float, ...]:
    """Borders that divide the records of a column's cells evenly."""
    upto = np.cumsum(known.counts)
    n, done = int(upto[-1]), 0
    borders: list[float] = []
    while len(borders) < most - 1:
        share = max(minimum, math.ceil((n - done) / (most - len(borders))))
        cell = int(np.searchsorted(upto, done + share))
        if cell >= len(upto) - 1 or n - int(upto[cell]) < minimum:
            break
        done = int(upto[cell])
        borders.append(_roundest(float(known.high[cell]), float(known.low[cell + 1])))
    return tuple(borders)


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
