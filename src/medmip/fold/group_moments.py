"""Count, mean and spread of numeric columns in the groups of a nominal variable."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from medmip.fold.block import Block
from medmip.fold.shifted import Origin, Shifted
from medmip.fold.statistic import Cells, FloatArray, IntArray, Shift, Statistic, Sum


@dataclass(frozen=True)
class GroupState:
    """A numeric outcome and the levels to group by.

    levels are the level indices of the grouping variable, in the order of the groups; shift
    (g,) is the origin of each group's sums, None leaves each block its own means.
    """

    outcome: str
    group: str
    levels: tuple[int, ...]
    shift: FloatArray | None = None


@dataclass(frozen=True)
class GroupMoments(Shifted):
    """Of g groups, (g,): patients, records, shift, sum and sum of squares about the shift."""

    patients: Cells
    records: Sum
    shift: Shift
    total: Sum
    square: Sum

    def __add__(self, other: Self) -> Self:
        # A group that is empty here keeps the other part's shift, and so its digits.
        shift = np.where(self.records > 0, self.shift, other.shift)
        return Statistic.__add__(self.about(shift), other.about(shift))

    def origin(self) -> Origin:
        return Origin(self.records, self.records * self.shift + self.total)

    def about(self, shift: FloatArray) -> Self:
        step = self.shift - shift
        total = self.total + self.records * step
        square = self.square + 2 * step * self.total + self.records * step**2
        return replace(self, shift=shift, total=total, square=square)

    def supported_parameters(self) -> int:
        return int(np.count_nonzero(self.patients))

    @property
    def mean(self) -> FloatArray:
        """Group means, (g,); not a number where a group is empty."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean: FloatArray = self.shift + self.total / self.records
        return mean

    @property
    def scatter(self) -> FloatArray:
        """Sums of squares about the group means, (g,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            lean = np.where(self.records > 0, self.total**2 / self.records, 0.0)
        scatter: FloatArray = np.maximum(self.square - lean, 0.0)
        return scatter


def group_moments(block: Block, state: GroupState) -> GroupMoments:
    """The moments of one block's outcome by group; records of other levels do not count."""
    size = len(state.levels)
    codes = block.levels(state.group)
    groups = np.full(max(int(codes.max(initial=-1)), *state.levels) + 2, -1)
    groups[list(state.levels)] = np.arange(size)
    return _moments(block, state.outcome, groups[codes], size, state.shift)


@dataclass(frozen=True)
class CrossedState:
    """A numeric outcome, and two nominal variables with their numbers of levels."""

    outcome: str
    first: str
    second: str
    levels: tuple[int, int]


def crossed_moments(block: Block, state: CrossedState) -> GroupMoments:
    """The moments of one block's outcome by pair of levels, first x second, row-major."""
    down, across = block.levels(state.first), block.levels(state.second)
    cells = np.where(
        (down < 0) | (across < 0), -1, down.astype(np.int64) * state.levels[1] + across
    )
    return _moments(block, state.outcome, cells, state.levels[0] * state.levels[1], None)


def _moments(
    block: Block, outcome: str, groups: IntArray, size: int, shift: FloatArray | None
) -> GroupMoments:
    """Moments by group; groups is (n,), -1 for no group."""
    values, held, chosen = block.column(outcome), groups, groups >= 0
    if not chosen.all():
        values, held = values[chosen], groups[chosen]
    records = np.bincount(held, minlength=size).astype(np.float64)
    if shift is None:
        sums = np.bincount(held, values, minlength=size)
        shift = np.divide(sums, records, out=np.zeros(size), where=records > 0)
    else:
        shift = np.where(records > 0, shift, 0.0)
    centred = values - shift[held]
    total: FloatArray = np.bincount(held, centred, minlength=size).astype(np.float64)
    square: FloatArray = np.bincount(held, centred * centred, minlength=size).astype(np.float64)
    return GroupMoments(block.cells(groups, size), records, shift, total, square)
