"""The embedded default engine: DuckDB over published Parquet snapshots."""

import hashlib
import hmac
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from medmip.errors import MipError
from medmip.store.engine import PATIENT_COLUMN, BoolArray, IntArray, KeyArray, Selection, Size
from medmip.store.filters import Sql, quoted
from medmip.store.selection_sql import (
    CODE_COLUMN,
    ROW_COLUMN,
    SOURCE,
    columns,
    shares_of,
    visits_of,
    where,
)
from medmip.store.snapshots import Snapshot

LEAST_RECORDS, MOST_RECORDS, VALUES = 16_384, 131_072, 3 * 2**19
"""Records of a batch of about so many values: fewer of many columns, which take more memory, and
more of few, so that a kernel's steps are long enough for threads to work side by side."""


GROUPS = """
SELECT (dense_rank() OVER (PARTITION BY stratum ORDER BY hash) - 1) % ?
FROM (SELECT place, stratum, sha256(? || CAST(patient AS VARCHAR)) AS hash FROM {source})
ORDER BY place
"""
"""The group of each record, of a table of places, strata and patients."""
KEYS = """
SELECT CAST('0x' || substr(sha256(? || name), 1, 16) AS UBIGINT) FROM {source} ORDER BY place
"""
"""The key of each record, of a table of places and names."""


class EngineFailure(MipError):
    """The engine could not read a published snapshot."""

    title = "Published data could not be read"
    status = 500


class DuckDBEngine:
    """Scans published snapshots; one connection, a cursor for every scan.

    folder: the only directory that may be read; memory: DuckDB's memory limit, such as `1GB`;
    passing: its files are this process's memory, gone once they are read, so that nothing of them
    is kept under their names, and nothing spilled to a disk.
    """

    def __init__(
        self, folder: Path, *, memory: str = "1GB", threads: int = 2, passing: bool = False
    ) -> None:
        self._connection = duckdb.connect()
        self._lock = threading.Lock()
        quoted_folder = str(folder.resolve()).replace("'", "''")
        for setting in (
            f"SET memory_limit = '{memory}'",
            f"SET threads = {threads}",
            "SET preserve_insertion_order = true",
            # What does not fit into memory is patients' data too, and stays in their folder.
            f"SET temp_directory = '{'' if passing else f'{quoted_folder}/.spill'}'",
            f"SET enable_external_file_cache = {not passing}",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            f"SET allowed_directories = ['{quoted_folder}']",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(setting)

    def scan(self, selection: Selection) -> Iterator[tuple[int, pa.RecordBatch]]:
        for index, snapshot in enumerate(selection.snapshots):
            for query in _records(selection, snapshot):
                for batch in self._read(query, batch_size(selection)):
                    yield index, batch

    def sizes(self, selection: Selection) -> tuple[Size, ...]:
        sizes = []
        for snapshot in selection.snapshots:
            kept = where(selection, snapshot, complete=False)
            patients = f"count(DISTINCT {PATIENT_COLUMN})" if selection.longitudinal else "count(*)"
            records = "count(*)" if selection.visits is None else patients
            sql = f"SELECT {records}, {patients} FROM read_parquet(?) WHERE {kept.text}"  # noqa: S608
            row = self._read_all(Sql(sql, (str(snapshot.path), *kept.parameters)))
            sizes.append(Size(row.column(0)[0].as_py(), row.column(1)[0].as_py()))
        return tuple(sizes)

    def rows(self, selection: Selection) -> tuple[tuple[BoolArray, IntArray | None], ...]:
        rows = []
        for snapshot in selection.snapshots:
            held = np.zeros(snapshot.records, dtype=np.bool_)
            for query in _rows(selection, snapshot):
                held[self._read_all(query).column(0).to_numpy()] = True
            rows.append((held, self._patients(snapshot) if selection.longitudinal else None))
        return tuple(rows)

    def texts(self, snapshot: Snapshot, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """Columns of a snapshot as they were published, in its records' order."""
        if not names:
            return {}
        named = ", ".join(quoted(name) for name in names)
        table = self._read_all(Sql(f"SELECT {named} FROM read_parquet(?)", (str(snapshot.path),)))  # noqa: S608
        return {name: table.column(name) for name in names}

    def codes(self, selection: Selection) -> tuple[pa.ChunkedArray, ...]:
        """Of visits that are made one record: each snapshot's patients' codes, in their order."""
        codes = []
        for snapshot in selection.snapshots:
            named = _named(selection, snapshot)
            query = Sql(f"{named.text} SELECT name FROM named ORDER BY place", named.parameters)  # noqa: S608
            codes.append(self._read_all(query).column(0))
        return tuple(codes)

    def groups(self, selection: Selection, key: bytes) -> tuple[IntArray, ...]:
        partition = selection.partition
        if partition is None:
            raise ValueError("the selection is not divided into groups")
        salt = hmac.new(key, f"fold {partition.seed}".encode(), hashlib.sha256).hexdigest()
        groups = []
        for snapshot in selection.snapshots:
            dealt = _dealt(selection, snapshot)
            sql = f"{dealt.text} {GROUPS.format(source='dealt')}"
            query = Sql(sql, (*dealt.parameters, partition.folds, salt))
            column = self._read_all(query).column(0)
            groups.append(np.asarray(column.to_numpy(), dtype=np.int64))
        return tuple(groups)

    def keys(self, selection: Selection, key: bytes) -> tuple[KeyArray, ...]:
        keys = []
        for snapshot in selection.snapshots:
            salt = hmac.new(key, f"record of {snapshot.dataset}".encode(), hashlib.sha256)
            named = _named(selection, snapshot)
            sql = f"{named.text} {KEYS.format(source='named')}"
            column = self._read_all(Sql(sql, (*named.parameters, salt.hexdigest()))).column(0)
            keys.append(np.asarray(column.to_numpy(), dtype=np.uint64))
        return tuple(keys)

    def _patients(self, snapshot: Snapshot) -> IntArray:
        sql = f"SELECT {PATIENT_COLUMN} FROM read_parquet(?)"  # noqa: S608
        column = self._read_all(Sql(sql, (str(snapshot.path),))).column(0)
        return np.asarray(column.to_numpy(), dtype=np.int64)

    def _read(self, query: Sql, records: int) -> Iterator[pa.RecordBatch]:
        with self._lock:
            cursor = self._connection.cursor()
        try:
            yield from cursor.sql(query.text, params=list(query.parameters)).to_arrow_reader(
                records
            )
        except duckdb.Error as error:
            raise _scrubbed(error) from None
        finally:
            cursor.close()

    def _read_all(self, query: Sql) -> pa.Table:
        with self._lock:
            cursor = self._connection.cursor()
        try:
            return cursor.sql(query.text, params=list(query.parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise _scrubbed(error) from None
        finally:
            cursor.close()


def batch_size(selection: Selection) -> int:
    """How many records of a selection are read at once."""
    number = len(selection.numeric) + len(selection.nominal) + selection.repeated
    return min(MOST_RECORDS, max(LEAST_RECORDS, VALUES // max(number, 1)))


def _scrubbed(error: duckdb.Error) -> EngineFailure:
    """DuckDB's own messages may quote a record, so only the kind of error is told."""
    return EngineFailure(
        f"The data engine stopped with {type(error).__name__}",
        remedy="Run `mip doctor` to check the published snapshots.",
    )


def _records(selection: Selection, snapshot: Snapshot) -> Iterator[Sql]:
    """Queries of a snapshot's records, one after another, as the protocol's `scan` tells them."""
    codes = (*selection.numeric, *selection.nominal)
    if selection.visits is not None:
        named = ", ".join(f"v{index} AS {quoted(code)}" for index, code in enumerate(codes))
        sql = f"SELECT {named or '1 AS one'} FROM patient ORDER BY {PATIENT_COLUMN}"  # noqa: S608
        yield from _joined(selection, snapshot, sql)
        return
    told = columns(selection, snapshot)
    if selection.longitudinal:
        told.append(PATIENT_COLUMN)
    kept = where(selection, snapshot, complete=selection.complete)
    sql = f"SELECT {', '.join(told) or '1 AS one'} FROM read_parquet(?) WHERE {kept.text}"  # noqa: S608
    yield Sql(sql, (str(snapshot.path), *kept.parameters))


def _rows(selection: Selection, snapshot: Snapshot) -> Iterator[Sql]:
    """Queries of the row numbers of a snapshot's records that the selection keeps."""
    if selection.visits is not None:
        sql = f"SELECT {ROW_COLUMN} FROM visit SEMI JOIN patient USING ({PATIENT_COLUMN})"  # noqa: S608
        yield from _joined(selection, snapshot, sql)
        return
    kept = where(selection, snapshot, complete=selection.complete)
    sql = f"SELECT {ROW_COLUMN} FROM {SOURCE} WHERE {kept.text}"  # noqa: S608
    yield Sql(sql, (str(snapshot.path), *kept.parameters))


def _joined(selection: Selection, snapshot: Snapshot, sql: str) -> Iterator[Sql]:
    for patients in shares_of(selection, snapshot):
        joined = visits_of(selection, snapshot, patients)
        yield Sql(f"{joined.text} {sql}", joined.parameters)


def _named(selection: Selection, snapshot: Snapshot) -> Sql:
    """The table `named`, to begin a query: each record's place, and what tells it from others."""
    if selection.visits is not None:
        joined = visits_of(selection, snapshot)
        sql = (
            f", named AS (SELECT {PATIENT_COLUMN} AS place, CAST({CODE_COLUMN} AS VARCHAR) AS name "  # noqa: S608
            "FROM patient)"
        )
        return Sql(f"{joined.text}{sql}", joined.parameters)
    kept = where(selection, snapshot, complete=selection.complete)
    known = [quoted(code) for code in selection.identity if code in snapshot.variables]
    told = [f"coalesce(CAST({column} AS VARCHAR), '')" for column in known]
    name = " || '|' || ".join(told or [f"CAST({ROW_COLUMN} AS VARCHAR)"])
    sql = (
        f"WITH named AS (SELECT {ROW_COLUMN} AS place, {name} AS name "  # noqa: S608
        f"FROM {SOURCE} WHERE {kept.text})"
    )
    return Sql(sql, (str(snapshot.path), *kept.parameters))


def _dealt(selection: Selection, snapshot: Snapshot) -> Sql:
    """The table `dealt`, to begin a query: each record's place, stratum and patient."""
    partition = selection.partition
    if partition is None:
        raise ValueError("the selection is not divided into groups")
    if selection.visits is not None:
        joined = visits_of(selection, snapshot)
        codes = (*selection.numeric, *selection.nominal)
        known = partition.stratum in codes
        stratum = f"v{codes.index(str(partition.stratum))}" if known else "0"
        sql = (
            f", dealt AS (SELECT {PATIENT_COLUMN} AS place, {stratum} AS stratum, "  # noqa: S608
            f"{CODE_COLUMN} AS patient FROM patient)"
        )
        return Sql(f"{joined.text} {sql}", joined.parameters)
    kept = where(selection, snapshot, complete=selection.complete)
    known = partition.patient in snapshot.variables
    patient = quoted(partition.patient) if known else ROW_COLUMN
    stratum = "0"
    if partition.stratum is not None and partition.stratum in snapshot.variables:
        stratum = quoted(partition.stratum)
    sql = (
        f"WITH dealt AS (SELECT {ROW_COLUMN} AS place, {stratum} AS stratum, "  # noqa: S608
        f"{patient} AS patient FROM {SOURCE} WHERE {kept.text})"
    )
    return Sql(sql, (str(snapshot.path), *kept.parameters))
