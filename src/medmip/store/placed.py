"""Datasets that are analysed where they live: where that is, and what is known of them here.

A register stands for each version: a Parquet file with a row for each record, in the order in
which the database is asked for them, of the patient's pseudonym, a keyed digest of the record's
contents and `__patient`. The place is kept in the file's metadata, so that its hash vouches for
both. No value of a record is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.store.errors import StoreError, UnknownDataset
from medmip.store.postgres_table import Column
from medmip.store.snapshots import Datasets, Snapshot
from medmip.store.sql_session import literal, quoted

CONTENTS = "__contents"
"""The register's column of digests."""
_KEY = b"mip.place"
_NUMBERS = ("int2", "int4", "int8", "numeric", "float8")


class PlacedColumn(BaseModel):
    """How a variable's cells are read from a column: what its import would make of them.

    kind is the column's type; missing are the texts that mean a missing value; blanks around a
    trimmed cell do not count; a number above cap, where there is one, is told as cap.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    numeric: bool
    trimmed: bool = False
    missing: tuple[str, ...] = ()
    cap: float | None = None

    @property
    def sql(self) -> str:
        """The cell: a number as DOUBLE PRECISION, anything else as text."""
        if self.numeric:
            number = f"nullif({quoted(self.name)}::float8, 'NaN')"
            if self.kind == "float4":
                # By its text, as 0.1 of four bytes is another number in eight.
                number = f"nullif({quoted(self.name)}, 'NaN')::text::float8"
            if self.cap is None:
                return number
            return f"CASE WHEN {number} > {self.cap!r} THEN {self.cap!r} ELSE {number} END"
        cell = Column(self.name, self.kind, "").text
        if self.trimmed:
            cell = f"nullif(btrim({cell}, E' \\t'), '')"
        codes = ", ".join(literal(code) for code in self.missing)
        return f"CASE WHEN {cell} IN ({codes}) THEN NULL ELSE {cell} END" if codes else cell

    @property
    def suits(self) -> bool:
        """Whether the column's type is one that numbers, where they are needed, are read from."""
        return not self.numeric or self.kind in (*_NUMBERS, "float4")


class PlacedTable(BaseModel):
    """A table that rows in place are made of, and its columns that they are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    table: str
    columns: tuple[str, ...]

    @property
    def shown(self) -> str:
        return f"{self.namespace}.{self.table}"

    @property
    def sql(self) -> str:
        """The query of those columns."""
        named = ", ".join(quoted(name) for name in dict.fromkeys(self.columns))
        return f"SELECT {named} FROM {quoted(self.namespace)}.{quoted(self.table)}"  # noqa: S608


class Place(BaseModel):
    """A table or view of a source, and each variable's column there.

    Of rows that a mapping makes, query makes them, of the tables named besides, and columns are
    those of the query. patient and visit are the variables that records are put in order by;
    visits are the visit's levels in their order. records and fingerprint tell the contents of the
    columns apart from any other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    namespace: str
    table: str
    columns: Mapping[str, PlacedColumn]
    patient: str
    visit: str | None = None
    visits: tuple[str, ...] = ()
    records: int = 0
    fingerprint: str = ""
    query: str = ""
    tables: tuple[PlacedTable, ...] = ()

    @property
    def shown(self) -> str:
        return ", ".join(table.shown for table in self.read)

    @property
    def read(self) -> tuple[PlacedTable, ...]:
        """What is read, which tells whether anything has changed."""
        names = tuple(column.name for column in self.columns.values())
        return self.tables or (
            PlacedTable(namespace=self.namespace, table=self.table, columns=names),
        )

    @property
    def sql(self) -> str:
        """What stands after FROM."""
        if self.query:
            return f"({self.query}) AS mapped"
        return f"{quoted(self.namespace)}.{quoted(self.table)}"


@dataclass(frozen=True)
class Placed(Snapshot):
    """A version of a dataset whose records are in a database; path is that of its register."""

    place: Place | None = None

    @property
    def there(self) -> Place:
        """The place, which every one of these has."""
        assert self.place is not None
        return self.place

    @classmethod
    def of(cls, register: Snapshot) -> Self:
        """The version whose register was published; raises StoreError where it is damaged."""
        try:
            metadata = pq.read_schema(register.path).metadata or {}
            place = Place.model_validate_json(metadata[_KEY])
        except (OSError, KeyError, pa.ArrowException, ValidationError):
            raise StoreError(
                f"The register of {register.dataset} is missing or damaged.",
                where=str(register.path),
                remedy="Restore the folder in_place from a backup, or publish the source again.",
            ) from None
        held = {field.name: getattr(register, field.name) for field in fields(Snapshot)}
        found = cls(**held, place=place)
        return replace(found, variables=("dataset", *place.columns))


def write_register(rows: pa.Table, place: Place, file: Path) -> None:
    """Write the register of a place; rows are as the module says."""
    named = rows.replace_schema_metadata({_KEY: place.model_dump_json().encode()})
    pq.write_table(named, file, compression="zstd")


def registers(home: Home) -> Datasets:
    """The registers of a home's placed datasets, as versions of datasets."""
    return Datasets(home, home.in_place)


class Listing(Protocol):
    """Datasets that can be analysed."""

    def list(self, model: str | None = None) -> list[Snapshot]:
        """The current version of every dataset, of one model or of all, by model and name."""


class Holdings:
    """All that can be analysed on a home: what is published, and what is analysed in place."""

    def __init__(self, home: Home) -> None:
        self._published = Datasets(home)
        self._registers = registers(home)

    def list(self, model: str | None = None) -> list[Snapshot]:
        """The current version of every dataset, of one model or of all, by model and name."""
        published = self._published.list(model)
        taken = {(snapshot.model, snapshot.dataset) for snapshot in published}
        placed = [
            Placed.of(register)
            for register in self._registers.list(model)
            if (register.model, register.dataset) not in taken
        ]
        return sorted([*published, *placed], key=lambda one: (one.model, one.dataset))

    def current(self, model: str, dataset: str) -> Snapshot:
        """The version that analyses see; raises UnknownDataset."""
        try:
            return self._published.current(model, dataset)
        except UnknownDataset:
            return Placed.of(self._registers.current(model, dataset))


def refuse_placed(home: Home, model: str, dataset: str) -> None:
    """Raises Conflict where a dataset is analysed in place, so that it cannot be published too."""
    if any(one.dataset == dataset for one in registers(home).list(model)):
        raise Conflict(
            f"{model} {dataset} is analysed in the hospital's database.",
            remedy=f"First: mip source withdraw {model} {dataset}",
        )
