"""The one small protocol behind which records are scanned, wherever they live."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medmip.store.filters import Filter
from medmip.store.snapshots import Snapshot
from medmip.store.visits import Visits

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
KeyArray = NDArray[np.uint64]

PATIENT_COLUMN = "__patient"


@dataclass(frozen=True, slots=True)
class Partition:
    """How a cohort's patients are divided into groups, all records of a patient into the same.

    folds is the number of groups, 0 where each dataset is a group; seed chooses among divisions;
    stratum is a nominal variable whose levels each group gets its share of (where a patient has
    one record); patient is the variable that tells patients apart.
    """

    folds: int
    seed: int
    patient: str
    stratum: str | None = None


@dataclass(frozen=True)
class Selection:
    """Which records and columns of which snapshots.

    numeric and nominal are the variable codes to read; levels gives the level codes of each
    nominal one; complete drops records where any of them is missing, but for those in gaps;
    longitudinal says that a patient may have several records; visits, if any, makes one of them,
    of those that the filter keeps and before gaps are looked for; identity names the columns that
    records are told apart by, where each is to have a key; adjustable says that the records will
    be prepared, so that there is to be room for a changed copy of them.
    """

    model: str
    snapshots: tuple[Snapshot, ...]
    numeric: tuple[str, ...]
    nominal: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]] = field(hash=False)
    filter: Filter | None = None
    complete: bool = True
    longitudinal: bool = False
    partition: Partition | None = None
    visits: Visits | None = None
    gaps: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    adjustable: bool = False

    @property
    def repeated(self) -> bool:
        """Whether a patient may have several of the selection's records."""
        return self.longitudinal and self.visits is None

    def key(self) -> str:
        """A name for this selection that is equal only for equal records and columns."""
        rules = self.filter.model_dump_json() if self.filter else ""
        snapshots = ",".join(f"{snapshot.dataset}={snapshot.hash}" for snapshot in self.snapshots)
        columns = f"{','.join(self.numeric)}|{','.join(self.nominal)}"
        named = f"{self.model}|{snapshots}|{columns}|{self.complete}|{rules}|{self.partition}"
        prepared = (self.visits, self.gaps, self.identity, self.adjustable)
        return f"{named}|{prepared}" if any(prepared) else named

    @property
    def required(self) -> tuple[str, ...]:
        """The variables that a record is dropped for missing."""
        chosen = (*self.numeric, *self.nominal) if self.complete else ()
        return tuple(code for code in chosen if code not in self.gaps)

    def whole(self) -> "Selection":
        """The same records before any is dropped for a missing value, without columns."""
        bare = replace(self, numeric=(), nominal=(), complete=False, partition=None, gaps=())
        return replace(bare.unprepared(), visits=None)

    def unprepared(self) -> "Selection":
        """The same records, however they are changed afterwards."""
        return replace(self, identity=(), adjustable=False)


@dataclass(frozen=True, slots=True)
class Size:
    """How many records and patients one snapshot contributes."""

    records: int
    patients: int


class Engine(Protocol):
    """A source of records."""

    def scan(self, selection: Selection) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Record batches with the index of the snapshot they come from, snapshot after snapshot.

        Columns: each numeric variable as DOUBLE, each nominal as INTEGER level index, both null
        where missing, then `__patient` where the selection is repeated, ascending. Where visits
        are made one record, records come in the patients' order.
        """

    def sizes(self, selection: Selection) -> tuple[Size, ...]:
        """Records and patients of each snapshot that the filter keeps, missing values or not.

        Where visits are made one record, both are numbers of patients.
        """

    def rows(self, selection: Selection) -> tuple[tuple[BoolArray, IntArray | None], ...]:
        """For each snapshot, which of its records the selection keeps, and their patient numbers.

        The first array is (records,) bool over the whole snapshot; the second (records,), or
        None where every record is a patient of its own. Where visits are made one record, these
        are all the records of the snapshot that the filter keeps of the patients kept.
        """

    def groups(self, selection: Selection, key: bytes) -> tuple[IntArray, ...]:
        """For each snapshot, the group of each record that the selection keeps, (kept,).

        Patients are put in the order of a hash of key, seed and their code, and dealt out.
        """

    def keys(self, selection: Selection, key: bytes) -> tuple[KeyArray, ...]:
        """For each snapshot, a number of 64 bits for each record that the selection keeps, (kept,).

        It is a hash of key, dataset and the record's values of the identity columns, and so the
        same whichever other records are there.
        """
