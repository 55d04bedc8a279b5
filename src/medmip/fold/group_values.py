"""The values of a numeric variable in the groups of a nominal one, and their sums."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over


@dataclass(frozen=True)
class GroupColumns:
    """A variable's values as a column for each of these level indices of a nominal variable.

    Without a nominal variable all values are one column. It serves a search for quantiles.
    """

    variable: str
    group: str | None
    levels: tuple[int, ...]

    def of(self, block: Block) -> FloatArray:
        """(n, levels), NaN where a record is in another group."""
        values = block.column(self.variable)
        if self.group is None:
            return values[:, None]
        codes = block.levels(self.group)
        found = np.full((block.records, len(self.levels)), np.nan, order="F")
        for index, level in enumerate(self.levels):
            np.copyto(found[:, index], values, where=codes == level)
        return found


@dataclass(frozen=True)
class GroupSumState:
    """Which k variables, in which of g groups (group None: one), sums about shift (k, g)."""

    variables: tuple[str, ...]
    group: str | None
    shift: FloatArray


@dataclass(frozen=True)
class GroupSums(Statistic):
    """Patients and records with a value, sums of x - shift and of its square, (k, g) each."""

    patients: Annotated[IntArray, count_with((1,))]
    records: Annotated[FloatArray, sum_over("patients")]
    total: Annotated[FloatArray, sum_over("patients")]
    square: Annotated[FloatArray, sum_over("patients")]

    def moments(self, shift: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Records (0 where masked), means and standard deviations, (k, g).

        Not a number where undefined or masked.
        """
        records, total, square = (
            np.ma.filled(np.ma.asarray(field), np.nan)
            for field in (self.records, self.total, self.square)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            lean = total / records
            spread = np.sqrt(np.maximum(square - total * lean, 0.0) / (records - 1.0))
        return np.nan_to_num(records), shift + lean, np.where(records > 1, spread, np.nan)


def group_sums(block: Block, state: GroupSumState) -> GroupSums:
    """Counts and sums of one block's variables by group."""
    size = state.shift.shape[1]
    patients = np.zeros(state.shift.shape, dtype=np.int64)
    records, total, square = (np.zeros(state.shift.shape) for _ in range(3))
    for index, variable in enumerate(state.variables):
        values = block.column(variable)
        present = ~np.isnan(values)
        if state.group is None:
            groups = np.where(present, 0, -1)
        else:
            groups = np.where(present, block.levels(state.group), -1)
        held = groups >= 0
        cells = groups[held]
        centred = values[held] - state.shift[index][cells]
        patients[index] = block.cells(groups, size)
        records[index] = np.bincount(cells, minlength=size)
        total[index] = np.bincount(cells, centred, minlength=size)
        square[index] = np.bincount(cells, centred * centred, minlength=size)
    return GroupSums(patients, records, total, square)
