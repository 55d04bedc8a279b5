"""The search for subgroups: every conjunction that enough patients meet, and which may be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.subgroups import (
    SearchState,
    SubgroupState,
    Terms,
    search_counts,
    subgroup_counts,
)

MOST_CELLS = 1_000_000
"""Cells of all tables that one round may count: what a site sends stays below 16 MB."""
Places = tuple[int, ...]
"""A combination of variables, by their places."""
BoolArray = NDArray[np.bool_]


class Quality(StrEnum):
    """What subgroups are ranked by; a share is that of the target."""

    WRACC = "wracc"
    LIFT = "lift"
    CHI_SQUARED = "chi_squared"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Quality.WRACC: "Weighted relative accuracy: coverage times the gain in the share",
            Quality.LIFT: "Lift: the share over that of the cohort",
            Quality.CHI_SQUARED: "χ²: how far the share is from that outside, either way",
        }[self]

    @property
    def none(self) -> float:
        """The quality of a subgroup that has the cohort's share."""
        return 1.0 if self is Quality.LIFT else 0.0

    def of(self, n: IntArray, target: IntArray, whole: int, positive: int) -> FloatArray:
        """The quality of subgroups of n records, target of them with the target.

        whole records, positive of them with the target, are in the cohort. Not a number where a
        subgroup is empty or everybody.
        Source: Lavrač, Flach & Zupan, ILP 1999, 174-185 (WRAcc); Klösgen, Advances in Knowledge
        Discovery and Data Mining (1996) 249-271.
        """
        apart = target * whole - n * positive
        with np.errstate(divide="ignore", invalid="ignore"):
            match self:
                case Quality.WRACC:
                    found = apart / float(whole) ** 2
                case Quality.LIFT:
                    found = target * whole / (n.astype(float) * positive)
                case Quality.CHI_SQUARED:
                    spread = n.astype(float) * (whole - n) * positive * (whole - positive)
                    found = whole * apart.astype(float) ** 2 / spread
        return np.asarray(found)


@dataclass(frozen=True)
class Candidate:
    """A conjunction; tellable is False where a cell is known to be too small."""

    terms: Terms
    quality: float
    tellable: bool


@dataclass
class Search:
    """All conjunctions of the levels of different variables, by ever more conditions.

    A level that everybody has is no condition. A conjunction that few patients meet has none
    within it that many meet. whole records, positive of them with the target, are in the cohort;
    searched counts the conjunctions.
    """

    cohort: Cohort
    target: int
    whole: int
    positive: int
    quality: Quality
    coverage: float
    searched: int = 0

    def found(self, depth: int, *, improving: bool) -> list[Candidate]:
        """Those better than the cohort, the best first.

        improving leaves out those no better than one of their parts. Raises CannotCompute where
        there are too many.
        """
        found: list[Candidate] = []
        codes = tuple(variable.code for variable in self.cohort.x)
        levels = tuple(tuple(range(len(self.cohort.levels[code]))) for code in codes)
        best: dict[Places, FloatArray] = {}
        sets: list[Places] = [(place,) for place in range(len(codes))]
        for length in range(1, depth + 1):
            outcome = self.cohort.y[0].code
            state = SearchState(outcome, self.target, codes, levels, tuple(sets))
            self._check_size(state, length)
            counted = self.cohort.fold(search_counts, state)
            tables = zip(
                sets, state.tables(counted.records), state.tables(counted.patients), strict=True
            )
            met: dict[Places, BoolArray] = {}
            for places, records, patients in tables:
                part = _best_part(best, places, records.shape[:-1])
                enough, tellable, quality = self._judged(records, patients)
                best[places], met[places] = np.maximum(quality, part), enough
                better = enough & (quality > self.quality.none)
                if improving:
                    better &= quality > part
                for cell in map(tuple, np.argwhere(better).tolist()):
                    terms = tuple(
                        (place, levels[place][index])
                        for place, index in zip(places, cell, strict=True)
                    )
                    found.append(Candidate(terms, float(quality[cell]), bool(tellable[cell])))
            if length == 1:
                # From here on only the levels that enough patients have are counted.
                levels = tuple(
                    tuple(np.flatnonzero(met[(place,)]).tolist()) for place in range(len(codes))
                )
                best = {places: best[places][list(levels[places[0]])] for places in sets}
            some = {places for places in sets if met[places].any()}
            sets = [
                places
                for places in combinations(range(len(codes)), length + 1)
                if some.issuperset(combinations(places, length))
            ]
            if not sets:
                break
        return sorted(found, key=lambda one: (-one.quality, len(one.terms), one.terms))

    def _judged(
        self, records: IntArray, patients: IntArray
    ) -> tuple[BoolArray, BoolArray, FloatArray]:
        """Of a table (..., 2): whether enough meet each cell, if it may be told, its quality."""
        minimum = self.cohort.minimum
        n = records.sum(axis=-1)
        enough = (patients.sum(axis=-1) >= minimum) & (n >= self.coverage * self.whole)
        enough &= n < self.whole
        apart = self.whole - n >= minimum
        self.searched += int(np.count_nonzero(enough & apart))
        outside = np.array([self.whole - self.positive, self.positive]) - records
        tellable = apart.copy()
        for cells in (patients, outside):
            tellable &= ((cells == 0) | (cells >= minimum)).all(axis=-1)
        quality = self.quality.of(n, records[..., 1], self.whole, self.positive)
        return enough, tellable, np.where(enough & apart, quality, -np.inf)

    def _check_size(self, state: SearchState, length: int) -> None:
        cells = sum(prod(state.shape(places)) for places in state.sets)
        if cells > MOST_CELLS:
            raise CannotCompute(
                f"Conjunctions of {length} conditions need {cells:,} counts, more than "
                f"{MOST_CELLS:,}",
                remedy="Choose fewer variables or conditions, or a larger least coverage.",
            )


def told(
    cohort: Cohort, target: int, found: Sequence[Candidate], most: int
) -> tuple[list[tuple[Terms, FloatArray]], int]:
    """The best conjunctions that may be told, with their records without and with the target, (2,).

    The records are counted anew, through the guard: a conjunction may be told where none of its
    cells is masked, who meets some of its conditions and not others, and none of it and its parts
    among the other levels of the same variables. Also tells how many better ones may not be told.
    """
    chosen: list[tuple[Terms, FloatArray]] = []
    shown: dict[Places, BoolArray] = {}
    withheld, start = 0, 0
    while len(chosen) < most and start < len(found):
        batch = found[start : start + max(2 * most, 20)]
        start += len(batch)
        rules = _counted(cohort, target, [one.terms for one in batch if one.tellable], shown)
        for one in batch:
            if len(chosen) == most:
                break
            counts = rules.get(one.terms)
            if counts is None or not _is_open(one.terms, shown):
                withheld += 1
            else:
                chosen.append((one.terms, counts))
    return chosen, withheld


def _best_part(
    best: dict[Places, FloatArray], places: Places, shape: tuple[int, ...]
) -> FloatArray:
    """The best quality among the parts of each conjunction of a table, of the table's shape."""
    found = np.full(shape, -np.inf)
    if len(places) == 1:
        return found
    for axis in range(len(places)):
        part = best[places[:axis] + places[axis + 1 :]]
        found = np.maximum(found, np.expand_dims(part, axis))
    return found


def _counted(
    cohort: Cohort, target: int, rules: Sequence[Terms], shown: dict[Places, BoolArray]
) -> dict[Terms, FloatArray]:
    """The records (2,) of conjunctions none of whose cells is masked.

    shown is given the table of every combination of variables that they and their parts are of.
    """
    needed = {
        tuple(place for place, _ in part)
        for terms in rules
        for length in range(1, len(terms) + 1)
        for part in combinations(terms, length)
    }
    counted: dict[Terms, FloatArray] = {}
    codes = tuple(variable.code for variable in cohort.x)
    sizes = tuple(len(cohort.levels[code]) for code in codes)
    for length in sorted({len(places) for places in needed}):
        sets = tuple(sorted(places for places in needed if len(places) == length))
        mine = tuple(terms for terms in rules if len(terms) == length)
        state = SubgroupState(cohort.y[0].code, target, codes, sizes, sets, mine)
        total = cohort.fold(subgroup_counts, state)
        for places, cells in zip(sets, np.ma.getmaskarray(total.tables), strict=True):
            shown[places] = ~cells
        for terms, cells in zip(mine, np.ma.asarray(total.records), strict=True):
            if not np.ma.is_masked(cells):
                inside = (*(1 if axis < length else 0 for axis in range(cells.ndim - 1)),)
                counted[terms] = np.asarray(cells[inside], dtype=np.float64)
    return counted


def _is_open(terms: Terms, shown: dict[Places, BoolArray]) -> bool:
    """Whether no cell of a conjunction and of its parts is masked among its siblings."""
    for length in range(1, len(terms) + 1):
        for part in combinations(terms, length):
            table_of = shown[tuple(place for place, _ in part)]
            cell = tuple(level for _, level in part)
            if not table_of[cell + (0,) * (table_of.ndim - 1 - length)].all():
                return False
    return True
