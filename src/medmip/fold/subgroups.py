"""How many patients a conjunction of levels describes, with and without the target."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.statistic import FloatArray, IntArray, Rank, Statistic, count_with, sum_over

LONGEST = 3
"""The most conditions of a conjunction."""
Terms = tuple[tuple[int, int], ...]
"""A conjunction: pairs of a variable's place and a level's index, by ascending place."""


@dataclass(frozen=True)
class SearchState:
    """The target's variable and level, and the variables whose combinations are counted.

    levels are, of each variable, the indices of the levels that are counted; the others are one
    cell, the last. sets are combinations of variables' places, each ascending.
    """

    outcome: str
    target: int
    variables: tuple[str, ...]
    levels: tuple[tuple[int, ...], ...]
    sets: tuple[tuple[int, ...], ...]

    def shape(self, places: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one combination's table: each variable's cells, then rest and target."""
        return (*(len(self.levels[place]) + 1 for place in places), 2)

    def tables(self, counts: IntArray) -> list[IntArray]:
        """The table of each combination, without the last cells, from all of their cells."""
        sizes = [math.prod(self.shape(places)) for places in self.sets]
        parts = np.split(counts, np.cumsum(sizes)[:-1])
        return [
            part.reshape(self.shape(places))[tuple(slice(-1) for _ in places)]
            for places, part in zip(self.sets, parts, strict=True)
        ]


@dataclass(frozen=True)
class SearchCounts(Statistic):
    """Records and patients of every table's cells, one table after another.

    They say which conjunctions are worth telling; what is told of those is counted anew, as
    SubgroupCounts.
    """

    records: Rank
    patients: Rank


@dataclass(frozen=True)
class SubgroupState:
    """Conjunctions of one length that may be told, and combinations of as many variables.

    sizes are the numbers of all of each variable's levels.
    """

    outcome: str
    target: int
    variables: tuple[str, ...]
    sizes: tuple[int, ...]
    sets: tuple[tuple[int, ...], ...]
    rules: tuple[Terms, ...]

    @property
    def length(self) -> int:
        """The number of conditions, and of variables in a combination."""
        return len(self.sets[0])


@dataclass(frozen=True)
class SubgroupCounts(Statistic):
    """What may be told of s combinations of variables and of r conjunctions, of one length.

    tables (s, L, L, L, 2): patients by the variables' levels, without and with the target; rules
    (r, 2, 2, 2, 2): patients by whether each condition holds, without and with the target;
    records (r, 2, 2, 2, 2): the same of records. An axis beyond the length has size 1. Tables are
    audited with their totals over levels, which shorter combinations release; totals over the
    target are released nowhere but with both of its cells.
    """

    tables: Annotated[IntArray, count_with((1, 2, 3))]
    rules: Annotated[IntArray, count_with(())]
    records: Annotated[FloatArray, sum_over("rules")]


def search_counts(block: Block, state: SearchState) -> SearchCounts:
    """The cells of every combination's table in one block."""
    held = (block.levels(state.outcome) == state.target).astype(np.int64)
    columns = []
    for variable, levels in zip(state.variables, state.levels, strict=True):
        place = np.full(len(block.layout.levels_of(variable)) + 1, len(levels), dtype=np.int64)
        place[list(levels)] = np.arange(len(levels))
        columns.append(place[block.levels(variable)])
    records, patients = [], []
    for places in state.sets:
        shape = state.shape(places)
        size = math.prod(shape)
        cells = np.zeros(block.records, dtype=np.int64)
        for index in places:
            cells = cells * (len(state.levels[index]) + 1) + columns[index]
        cells = cells * 2 + held
        counted = np.bincount(cells, minlength=size)
        records.append(counted)
        patients.append(counted if block.patient is None else block.cells(cells, size))
    return SearchCounts(np.concatenate(records), np.concatenate(patients))


def subgroup_counts(block: Block, state: SubgroupState) -> SubgroupCounts:
    """What may be told of conjunctions and of their variables' combinations, in one block."""
    held = (block.levels(state.outcome) == state.target).astype(np.int64)
    codes = [block.levels(variable).astype(np.int64) for variable in state.variables]
    wide = tuple(max(state.sizes) if axis < state.length else 1 for axis in range(LONGEST))
    pair = tuple(2 if axis < state.length else 1 for axis in range(LONGEST))
    tables = []
    for places in state.sets:
        cells = _cells([codes[place] for place in places], held, wide)
        tables.append(block.cells(cells, 2 * math.prod(wide)).reshape(*wide, 2))
    rules, records = [], []
    for rule in state.rules:
        holds = [(codes[place] == level).astype(np.int64) for place, level in rule]
        cells = _cells(holds, held, pair)
        size = 2 * math.prod(pair)
        rules.append(block.cells(cells, size).reshape(*pair, 2))
        records.append(np.bincount(cells, minlength=size).astype(np.float64).reshape(*pair, 2))
    return SubgroupCounts(
        np.stack(tables),
        np.array(rules, dtype=np.int64).reshape(-1, *pair, 2),
        np.array(records).reshape(-1, *pair, 2),
    )


def _cells(codes: list[IntArray], held: IntArray, sizes: tuple[int, ...]) -> IntArray:
    """Each record's cell in a table of axes of these sizes and one of the target, (n,)."""
    cells = np.zeros(len(held), dtype=np.int64)
    for axis, size in enumerate(sizes):
        cells = cells * size + (codes[axis] if axis < len(codes) else 0)
    return cells * 2 + held
