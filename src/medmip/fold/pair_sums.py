"""Two numeric variables together: by cells of a grid, by bins of one, by groups."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.equal_bins import bin_of
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over


@dataclass(frozen=True)
class Pair:
    """The variables up and across, and the nominal one that groups them, None for one group."""

    up: str
    across: str
    group: str | None
    groups: int

    def group_of(self, block: Block) -> IntArray:
        """The group of each record, (n,), -1 for none."""
        if self.group is None:
            return np.zeros(block.records, dtype=np.int64)
        return block.levels(self.group).astype(np.int64)


@dataclass(frozen=True)
class PairBinState:
    """Edges of equal bins up and across, (b + 1,) each, and the origin (up, across) of the sums."""

    pair: Pair
    up: FloatArray
    across: FloatArray
    shift: FloatArray


@dataclass(frozen=True)
class PairBins(Statistic):
    """Patients and records by bin up and bin across, (b, b), and sums by group and bin across.

    The latter are of patients, records and up's square about the shift, (g, b), and of up and
    across about it, (g, b, 2).
    """

    grid_patients: Annotated[IntArray, count_with((0, 1))]
    grid_records: Annotated[FloatArray, sum_over("grid_patients")]
    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]
    total: Annotated[FloatArray, sum_over("patients")]
    square: Annotated[FloatArray, sum_over("patients")]


@dataclass(frozen=True)
class PairSumState:
    """The origin (up, across) of the sums, (2,)."""

    pair: Pair
    shift: FloatArray


@dataclass(frozen=True)
class PairSums(Statistic):
    """By group: patients (g,), records (g,), sums (g, 2) and cross-products (g, 2, 2)."""

    patients: Annotated[IntArray, count_with((0,))]
    records: Annotated[FloatArray, sum_over("patients")]
    total: Annotated[FloatArray, sum_over("patients")]
    cross: Annotated[FloatArray, sum_over("patients")]

    def supported_parameters(self) -> int:
        return 2 * int(np.count_nonzero(self.patients))


def pair_bins(block: Block, state: PairBinState) -> PairBins:
    """Counts and sums of one block by bins; outer bins have no outer end."""
    bins, pair = len(state.across) - 1, state.pair
    shape, size = (pair.groups, bins), pair.groups * bins
    group = pair.group_of(block)
    across, up = block.column(pair.across), block.column(pair.up)
    place = bin_of(across, state.across)
    grid = bin_of(up, state.up) * bins
    grid += place
    cells = place if pair.group is None else group * bins + place
    if (group < 0).any():
        held = group >= 0
        grid[~held] = cells[~held] = -1
        up, across = up[held], across[held]
        place = cells[held]
    else:
        place = cells
    grid_patients, grid_records = _counted(block, grid, bins * bins)
    patients, records = _counted(block, cells, size)
    up = up - state.shift[0]
    sums = [
        np.bincount(place, weights, minlength=size).astype(np.float64).reshape(shape)
        for weights in (up, across - state.shift[1], up * up)
    ]
    return PairBins(
        grid_patients.reshape(bins, bins),
        grid_records.reshape(bins, bins),
        patients.reshape(shape),
        records.reshape(shape),
        np.stack(sums[:2], axis=-1),
        sums[2],
    )


def pair_sums(block: Block, state: PairSumState) -> PairSums:
    """Sums and cross-products of one block by group."""
    pair = state.pair
    group = pair.group_of(block)
    patients, records = _counted(block, group, pair.groups)
    total, cross = np.zeros((pair.groups, 2)), np.zeros((pair.groups, 2, 2))
    centred = np.stack([block.column(pair.up), block.column(pair.across)]) - state.shift[:, None]
    for index in np.flatnonzero(records):
        chosen = centred if pair.group is None else centred[:, group == index]
        total[index] = chosen.sum(axis=1)
        cross[index] = np.dot(chosen, chosen.T)
    return PairSums(patients, records, total, cross)


def _counted(block: Block, cells: IntArray, size: int) -> tuple[IntArray, FloatArray]:
    patients = block.cells(cells, size)
    if block.patient is None:
        return patients, patients.astype(np.float64)
    return patients, np.bincount(cells[cells >= 0], minlength=size).astype(np.float64)
