"""Count, mean, spread and range of numeric columns, by dataset and pooled, missing values apart."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from medmip.fold.block import Block
from medmip.fold.statistic import (
    FieldKind,
    FloatArray,
    IntArray,
    Statistic,
    count_with,
    sum_over,
)
from medmip.fold.value_grid import Values, parts_of


@dataclass(frozen=True)
class ColumnState:
    """Whose k columns of values, and the origin of their sums in each part.

    The parts are the datasets, then all of them together; or that alone where datasets is 0.
    shift is (k, datasets + 1).
    """

    columns: Values
    datasets: int
    shift: FloatArray


@dataclass(frozen=True)
class ColumnSums(Statistic):
    """Patients and records with a value, sums of x - shift and of its square, (k, parts) each."""

    patients: Annotated[IntArray, count_with((1,), pooled=1)]
    records: Annotated[FloatArray, sum_over("patients")]
    total: Annotated[FloatArray, sum_over("patients")]
    square: Annotated[FloatArray, sum_over("patients")]

    def moments(self, shift: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means and standard deviations, (k, parts); not a number where undefined or masked."""
        records, total, square = (
            np.ma.filled(np.ma.asarray(field), np.nan)
            for field in (self.records, self.total, self.square)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            lean = total / records
            spread = np.sqrt(np.maximum(square - total * lean, 0.0) / (records - 1.0))
        return shift + lean, np.where(records > 1, spread, np.nan)


@dataclass(frozen=True)
class ColumnRange(Statistic):
    """Patients with a value, smallest and largest value, (k, parts) each."""

    patients: Annotated[IntArray, count_with((1,), pooled=1)]
    low: Annotated[FloatArray, FieldKind("min", extreme=True, cells="patients")]
    high: Annotated[FloatArray, FieldKind("max", extreme=True, cells="patients")]


def column_sums(block: Block, state: ColumnState) -> ColumnSums:
    """Counts and sums of one block's columns."""
    values = state.columns.of(block)
    shape = state.shift.shape
    patients = np.zeros(shape, dtype=np.int64)
    records, total, square = (np.zeros(shape) for _ in range(3))
    for part, rows in parts_of(block, state.datasets):
        for index in range(shape[0]):
            column = values[:, index] if rows is None else values[rows, index]
            centred = column - state.shift[index, part]
            amount = centred.sum()
            if np.isnan(amount):
                centred = centred[~np.isnan(centred)]
                amount = centred.sum()
            records[index, part] = centred.size
            total[index, part] = amount
            square[index, part] = np.dot(centred, centred)
            patients[index, part] = _patients(block, column, rows)
    if state.datasets:
        # A patient belongs to one dataset, so the pooled part is the sum of the others.
        step = state.shift[:, :-1] - state.shift[:, -1:]
        patients[:, -1] = patients[:, :-1].sum(axis=1)
        each, about = records[:, :-1], total[:, :-1]
        moved = square[:, :-1] + 2 * step * about + each * step**2
        square[:, -1] = moved.sum(axis=1)
        total[:, -1] = (about + each * step).sum(axis=1)
        records[:, -1] = each.sum(axis=1)
    return ColumnSums(patients, records, total, square)


def column_range(block: Block, state: ColumnState) -> ColumnRange:
    """Smallest and largest values of one block's columns; infinite where there is none."""
    values = state.columns.of(block)
    shape = state.shift.shape
    patients = np.zeros(shape, dtype=np.int64)
    low = np.full(shape, np.inf)
    high = np.full(shape, -np.inf)
    for part, rows in parts_of(block, state.datasets):
        for index in range(shape[0]):
            column = values[:, index] if rows is None else values[rows, index]
            low[index, part] = np.fmin.reduce(column, initial=np.inf)
            high[index, part] = np.fmax.reduce(column, initial=-np.inf)
            patients[index, part] = _patients(block, column, rows)
    if state.datasets:
        patients[:, -1] = patients[:, :-1].sum(axis=1)
        low[:, -1], high[:, -1] = low[:, :-1].min(axis=1), high[:, :-1].max(axis=1)
    return ColumnRange(patients, low, high)


def _patients(block: Block, column: FloatArray, rows: NDArray[np.bool_] | None) -> int:
    """How many patients have a value in a column of these rows."""
    present = ~np.isnan(column)
    if block.patient is None:
        return int(np.count_nonzero(present))
    return len(np.unique((block.patient if rows is None else block.patient[rows])[present]))
