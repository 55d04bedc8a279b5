"""Classes of patients who look alike: counted once in SQL, then rolled up as values get coarser."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medmip.anonymise.hierarchy import Codes, Hierarchy
from medmip.anonymise.lattice import Node
from medmip.anonymise.settings import Sensitive

BoolArray: TypeAlias = NDArray[np.bool_]
DENSE = 1 << 24
"""Cells up to which counting by position beats sorting."""
KEPT = 8_000_000
"""Numbers held of tables that were rolled up, 64 MB: the nearest saves most of the work."""


@dataclass(frozen=True)
class Quasi:
    """A quasi-identifier of a table: its steps, and the class of each row's value at each."""

    hierarchy: Hierarchy
    steps: tuple[Codes, ...]
    losses: NDArray[np.float64]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(int(codes.max()) + 1 if codes.size else 1 for codes in self.steps)


@dataclass(frozen=True)
class SensitiveColumn:
    """A sensitive variable: what is asked of it, its values' order, and each value's records.

    ordered says that its values are numbers, in their order, so that distances count.
    """

    rule: Sensitive
    ordered: bool
    totals: Codes


@dataclass(frozen=True)
class Cells:
    """Distinct rows: the class of each quasi-identifier, each sensitive value, the patient.

    (rows,) each; records is how many records a row stands for. patient is None where every
    record is a patient of its own.
    """

    quasi: tuple[Codes, ...]
    sensitive: tuple[Codes, ...]
    patient: Codes | None
    records: Codes


@dataclass(frozen=True)
class Classes:
    """Each class's patients and records, which of them break a rule, and each cell's class."""

    patients: Codes
    records: Codes
    broken: BoolArray
    of_cell: Codes


@dataclass
class Roller:
    """Rolls the cells of a table up to any node, from the nearest that was rolled before."""

    quasi: Sequence[Quasi]
    sensitive: Sequence[SensitiveColumn]
    base: Cells
    k: int
    _rolled: dict[Node, Cells] = field(default_factory=dict)
    _held: int = 0

    def __post_init__(self) -> None:
        bottom = (0,) * len(self.quasi)
        self._rolled[bottom] = self._joined(self.base, self._sizes(bottom))

    def classes(self, node: Node) -> Classes:
        """The classes at a node, none of them left out yet."""
        cells = self._at(node)
        if cells.sensitive or cells.patient is not None:
            return self._measured(cells, self._sizes(node))
        of_cell = np.arange(len(cells.records))
        return Classes(cells.records, cells.records, cells.records < self.k, of_cell)

    def base_classes(self, node: Node) -> Classes:
        """The same, of_cell telling the class of each cell of the base."""
        codes = [part.steps[step][own] for part, step, own in self._parts(node)]
        cells = Cells(tuple(codes), self.base.sensitive, self.base.patient, self.base.records)
        return self._measured(cells, self._sizes(node))

    def _parts(self, node: Node) -> list[tuple[Quasi, int, Codes]]:
        return list(zip(self.quasi, node, self.base.quasi, strict=True))

    def _sizes(self, node: Node) -> list[int]:
        return [part.sizes[step] for part, step in zip(self.quasi, node, strict=True)]

    def _at(self, node: Node) -> Cells:
        if node in self._rolled:
            return self._rolled[node]
        below = min(
            (
                known
                for known in self._rolled
                if all(a <= b for a, b in zip(known, node, strict=True))
            ),
            key=lambda known: len(self._rolled[known].records),
        )
        rolled = self._rolled[below]
        codes = tuple(
            own if low == high else _between(part, low, high)[own]
            for part, low, high, own in zip(self.quasi, below, node, rolled.quasi, strict=True)
        )
        cells = self._joined(
            Cells(codes, rolled.sensitive, rolled.patient, rolled.records), self._sizes(node)
        )
        held = len(cells.records) * (2 + len(cells.quasi) + len(cells.sensitive))
        if len(cells.records) <= 0.7 * len(rolled.records) and self._held + held <= KEPT:
            self._rolled[node] = cells
            self._held += held
        return cells

    def _joined(self, cells: Cells, sizes: Sequence[int]) -> Cells:
        """Equal rows made one."""
        columns = [*cells.quasi, *cells.sensitive]
        widths = [*sizes, *(len(column.totals) for column in self.sensitive)]
        if cells.patient is not None:
            columns.append(cells.patient)
            widths.append(int(cells.patient.max()) + 1)
        keys, space = _keys(columns, widths)
        if space <= DENSE:
            sums = np.bincount(keys, weights=cells.records)
            kept = np.flatnonzero(sums)
            records = sums[kept].astype(np.int64)
            parts = list(np.unravel_index(kept, widths)) if widths else []
        else:
            _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
            records = np.bincount(inverse, weights=cells.records).astype(np.int64)
            parts = [column[first] for column in columns]
        quasi = tuple(np.asarray(part, dtype=np.int64) for part in parts[: len(cells.quasi)])
        rest = [np.asarray(part, dtype=np.int64) for part in parts[len(cells.quasi) :]]
        patient = rest.pop() if cells.patient is not None else None
        return Cells(quasi, tuple(rest), patient, records)

    def _measured(self, cells: Cells, sizes: Sequence[int]) -> Classes:
        keys, space = _keys(cells.quasi, sizes)
        if space <= DENSE:
            present = np.bincount(keys, minlength=space) > 0
            numbers = np.cumsum(present) - 1
            of_cell = numbers[keys]
            count = int(present.sum())
        else:
            _, of_cell = np.unique(keys, return_inverse=True)
            count = int(of_cell.max()) + 1
        records = np.bincount(of_cell, weights=cells.records, minlength=count).astype(np.int64)
        patients = records
        if cells.patient is not None:
            pairs = np.unique(of_cell * (int(cells.patient.max()) + 1) + cells.patient)
            patients = np.bincount(pairs // (int(cells.patient.max()) + 1), minlength=count)
        broken = patients < self.k
        for column, values in zip(self.sensitive, cells.sensitive, strict=True):
            broken |= breaks(column, of_cell, values, cells.records, count)
        return Classes(np.asarray(patients, dtype=np.int64), records, broken, of_cell)


def breaks(
    column: SensitiveColumn, of_cell: Codes, values: Codes, records: Codes, count: int
) -> BoolArray:
    """Which classes break what is asked of a sensitive variable, (count,)."""
    broken = np.zeros(count, dtype=np.bool_)
    if column.rule.distinct is not None:
        broken |= distinct(of_cell, values, len(column.totals), count) < column.rule.distinct
    if column.rule.closeness is not None:
        far = distances(column, of_cell, values, records, count)
        broken |= far > column.rule.closeness + 1e-12
    return broken


def distinct(of_cell: Codes, values: Codes, size: int, count: int) -> Codes:
    """The number of different values in each class, (count,)."""
    if count * size <= 4 * DENSE:
        seen = np.zeros(count * size, dtype=np.bool_)
        seen[of_cell * size + values] = True
        return np.asarray(seen.reshape(count, size).sum(axis=1), dtype=np.int64)
    pairs = np.unique(of_cell * size + values)
    return np.bincount(pairs // size, minlength=count)


def distances(
    column: SensitiveColumn, of_cell: Codes, values: Codes, records: Codes, count: int
) -> NDArray[np.float64]:
    """The earth mover's distance of each class's values from the whole dataset's, (count,).

    Between levels every distance is 1; between numbers it is their difference in rank, over the
    number of values less one. Source: Li, Li, Venkatasubramanian, t-closeness, ICDE 2007.
    """
    size = len(column.totals)
    whole = column.totals / column.totals.sum()
    found = np.empty(count)
    order = np.argsort(of_cell, kind="stable")
    step = max(1, DENSE // (4 * size))
    ends = np.searchsorted(of_cell[order], np.arange(0, count + step, step))
    for index, start in enumerate(range(0, count, step)):
        rows = order[ends[index] : ends[index + 1]]
        wide = min(step, count - start)
        key = (of_cell[rows] - start) * size + values[rows]
        table = np.bincount(key, weights=records[rows], minlength=wide * size)
        table = table.reshape(wide, size)
        apart = table / table.sum(axis=1, keepdims=True) - whole
        if column.ordered:
            far = np.abs(np.cumsum(apart, axis=1)).sum(axis=1) / max(1, size - 1)
        else:
            far = np.abs(apart).sum(axis=1) / 2
        found[start : start + wide] = far
    return found


def coded(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Each cell's number among the distinct values, missing included, and those values."""
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary


def _between(part: Quasi, low: int, high: int) -> Codes:
    """For each class of a step, its class at a higher one."""
    between = np.zeros(part.sizes[low], dtype=np.int64)
    between[part.steps[low]] = part.steps[high]
    return between


def _keys(columns: Sequence[Codes], sizes: Sequence[int]) -> tuple[Codes, int]:
    """One number for each row, equal where the rows are; and how many there may be."""
    keys = np.zeros(len(columns[0]) if columns else 0, dtype=np.int64)
    space = 1
    for column, size in zip(columns, sizes, strict=True):
        if space > (1 << 62) // size:
            values, keys = np.unique(keys, return_inverse=True)
            space = len(values)
        keys = keys * size + column
        space *= size
    return keys, space
