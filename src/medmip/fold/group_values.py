"""Sums of numeric variables in the groups of a nominal one, missing values apart."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over

_NEAR = 30.0
"""Standard deviations of a mean from zero: squares about zero then lose three digits of 16."""


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
    groups = (
        np.zeros(block.records, dtype=np.int64)
        if state.group is None
        else block.levels(state.group).astype(np.int64)
    )
    whole = bool((groups >= 0).all())
    everyone: tuple[IntArray, IntArray] | None = None
    for index, variable in enumerate(state.variables):
        values = block.column(variable)
        if whole and not np.isnan(values.sum()):
            cells, held = groups, values
            if everyone is None:
                everyone = block.cells(groups, size), np.bincount(groups, minlength=size)
            patients[index], records[index] = everyone
        else:
            chosen = np.where(np.isnan(values), -1, groups)
            patients[index] = block.cells(chosen, size)
            place = np.flatnonzero(chosen >= 0)
            cells, held = chosen[place], values[place]
            records[index] = np.bincount(cells, minlength=size)
        shift = state.shift[index]
        centred = held - shift.take(cells) if shift.any() else held
        total[index] = np.bincount(cells, centred, minlength=size)
        square[index] = np.bincount(cells, centred * centred, minlength=size)
    return GroupSums(patients, records, total, square)


def grouped_sums(
    cohort: Cohort, variables: tuple[str, ...], group: str | None, groups: int
) -> tuple[GroupSums, tuple[FloatArray, FloatArray, FloatArray]]:
    """The sums of variables in the groups of a nominal one, and their moments, (k, g) each.

    They are taken about zero, and once more about the means where these are so many standard
    deviations from zero that squares would lose digits of the spread.
    """
    shift = np.zeros((len(variables), groups))
    sums = cohort.fold(group_sums, GroupSumState(variables, group, shift))
    records, mean, sd = sums.moments(shift)
    with np.errstate(invalid="ignore"):
        near = (np.abs(mean) <= _NEAR * sd) | (records == 0)
    if not near.all():
        shift = np.nan_to_num(mean, posinf=0.0, neginf=0.0)
        sums = cohort.fold(group_sums, GroupSumState(variables, group, shift))
        records, mean, sd = sums.moments(shift)
    return sums, (records, mean, sd)
