"""Count, mean and spread of numeric columns in the groups of a nominal variable."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from medmip.fold.block import Block
from medmip.fold.statistic import Cells, FloatArray, Statistic, Sum


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
class GroupMoments(Statistic):
    """Of g groups, (g,): patients, records, shift, sum and sum of squares about the shift.

    Two parts with different shifts combine by the parallel-axis rule.
    Source: Chan, Golub & LeVeque, The American Statistician 37 (1983), 242-247.
    """

    patients: Cells
    records: Sum
    shift: Sum
    total: Sum
    square: Sum

    def __add__(self, other: Self) -> Self:
        shift = np.where(self.records > 0, self.shift, other.shift)
        step = other.shift - shift
        return type(self)(
            self.patients + other.patients,
            self.records + other.records,
            shift,
            self.total + other.total + other.records * step,
            self.square + other.square + 2 * step * other.total + other.records * step**2,
        )

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
    values = block.column(state.outcome)
    codes = block.levels(state.group)
    size = len(state.levels)
    patients = np.zeros(size, dtype=np.int64)
    records, shift, total, square = (np.zeros(size) for _ in range(4))
    for index, level in enumerate(state.levels):
        rows = codes == level
        chosen = values[rows]
        if not chosen.size:
            continue
        origin = chosen.mean() if state.shift is None else state.shift[index]
        centred = chosen - origin
        patients[index] = (
            chosen.size if block.patient is None else len(np.unique(block.patient[rows]))
        )
        records[index], shift[index] = chosen.size, origin
        total[index], square[index] = centred.sum(), np.dot(centred, centred)
    return GroupMoments(patients, records, shift, total, square)
