"""Times to an event on a grid: who leaves when, and the sums over risk sets of a Cox model."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.statistic import (
    Cells,
    IntArray,
    Rank,
    Statistic,
    count_with,
)

_STEADY = 1e-9
"""A time this share beyond a multiple of the grid is that multiple: decimals round in binary."""


@dataclass(frozen=True)
class FollowUp:
    """Times to an event or to censoring, coarsened up to multiples of grid.

    event is the variable that tells, by its level of index `level`, that the event came; other
    levels are censored. Step k is the time k grid, k = 0 … steps - 1; what is later is step
    `steps`. group is None for one group, groups the number of levels.
    """

    time: str
    event: str
    level: int
    grid: float
    steps: int
    group: str | None = None
    groups: int = 1

    def step_of(self, block: Block) -> IntArray:
        """The step at which each record leaves, (n,)."""
        with np.errstate(over="ignore"):
            place = np.ceil(block.column(self.time) / self.grid * (1.0 - _STEADY))
        step: IntArray = np.clip(place, 0, self.steps).astype(np.int64)
        return step

    def came(self, block: Block) -> IntArray:
        """1 where the event came, 0 where censored, (n,)."""
        came: IntArray = (block.levels(self.event) == self.level).astype(np.int64)
        return came

    def group_of(self, block: Block) -> IntArray:
        """The group of each record, (n,)."""
        if self.group is None:
            return np.zeros(block.records, dtype=np.int64)
        group: IntArray = block.levels(self.group).astype(np.int64)
        return group

    def time_of(self, step: int) -> float:
        """The time of a step, as people write it."""
        return float(f"{step * self.grid:.12g}")


@dataclass(frozen=True)
class StatusCounts(Statistic):
    """Patients by group (g,); by group and status, censored first, (g, 2)."""

    groups: Cells
    status: Annotated[IntArray, count_with((0, 1))]

    def supported_parameters(self) -> int:
        return int(np.count_nonzero(self.groups))


@dataclass(frozen=True)
class StepCounts(Statistic):
    """Who leaves by group, status (censored first) and step, (g, 2, steps + 1).

    negative () counts times below zero.
    """

    leaving: Rank
    negative: Rank


def status_counts(block: Block, state: FollowUp) -> StatusCounts:
    """The patients of one block by group and status."""
    group = state.group_of(block)
    status = block.cells(2 * group + state.came(block), 2 * state.groups)
    return StatusCounts(block.cells(group, state.groups), status.reshape(state.groups, 2))


def step_counts(block: Block, state: FollowUp) -> StepCounts:
    """How many of one block leave at each step."""
    shape = (state.groups, 2, state.steps + 1)
    cell = 2 * state.group_of(block) + state.came(block)
    cell = cell * shape[2] + state.step_of(block)
    leaving = np.bincount(cell, minlength=shape[0] * 2 * shape[2]).astype(np.int64)
    negative = np.count_nonzero(block.column(state.time) < 0)
    return StepCounts(leaving.reshape(shape), np.array(negative))
