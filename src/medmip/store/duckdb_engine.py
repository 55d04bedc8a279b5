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
from medmip.store.filters import Sql, compile_filter
from medmip.store.snapshots import Snapshot

LEAST_RECORDS, MOST_RECORDS = 16_384, 131_072
"""Records of a batch: fewer of many columns, so that they stay in the processor's cache, and more
of few, so that a kernel's steps are long enough for threads to work side by side."""


class EngineFailure(MipError):
    """The engine could not read a published snapshot."""

    title = "Published data could not be read"
    status = 500


class DuckDBEngine:
    """Scans published snapshots; one connection, a cursor for every scan.

    folder: the only directory that may be read; memory: DuckDB's memory limit, such as `1GB`.
    """

    def __init__(self, folder: Path, *, memory: str = "1GB", threads: int = 2) -> None:
        self._connection = duckdb.connect()
        self._lock = threading.Lock()
        quoted = str(folder.resolve()).replace("'", "''")
        for setting in (
            f"SET memory_limit = '{memory}'",
            f"SET threads = {threads}",
            "SET preserve_insertion_order = true",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            f"SET allowed_directories = ['{quoted}']",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(setting)

    def scan(self, selection: Selection) -> Iterator[tuple[int, pa.RecordBatch]]:
        for index, snapshot in enumerate(selection.snapshots):
            columns = [_numeric(code, snapshot) for code in selection.numeric]
            columns += [
                _nominal(code, selection.levels[code], snapshot) for code in selection.nominal
            ]
            if selection.longitudinal:
                columns.append(_quoted(PATIENT_COLUMN))
            if not columns:
                columns.append("1 AS one")
            where = _where(selection, snapshot, complete=selection.complete)
            sql = f"SELECT {', '.join(columns)} FROM read_parquet(?) WHERE {where.text}"  # noqa: S608
            records = max(LEAST_RECORDS, MOST_RECORDS // len(columns))
            for batch in self._read(sql, [str(snapshot.path), *where.parameters], records):
                yield index, batch

    def sizes(self, selection: Selection) -> tuple[Size, ...]:
        sizes = []
        for snapshot in selection.snapshots:
            where = _where(selection, snapshot, complete=False)
            patients = f"count(DISTINCT {PATIENT_COLUMN})" if selection.longitudinal else "count(*)"
            sql = f"SELECT count(*), {patients} FROM read_parquet(?) WHERE {where.text}"  # noqa: S608
            row = self._read_all(sql, [str(snapshot.path), *where.parameters])
            sizes.append(Size(row.column(0)[0].as_py(), row.column(1)[0].as_py()))
        return tuple(sizes)

    def rows(self, selection: Selection) -> tuple[tuple[BoolArray, IntArray | None], ...]:
        rows = []
        for snapshot in selection.snapshots:
            where = _where(selection, snapshot, complete=selection.complete)
            sql = (
                "SELECT file_row_number "  # noqa: S608
                f"FROM read_parquet(?, file_row_number = true) WHERE {where.text}"
            )
            table = self._read_all(sql, [str(snapshot.path), *where.parameters])
            held = np.zeros(snapshot.records, dtype=np.bool_)
            held[table.column(0).to_numpy()] = True
            rows.append((held, self._patients(snapshot) if selection.longitudinal else None))
        return tuple(rows)

    def texts(self, snapshot: Snapshot, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """Columns of a snapshot as they were published, in its records' order."""
        if not columns:
            return {}
        named = ", ".join(_quoted(column) for column in columns)
        table = self._read_all(f"SELECT {named} FROM read_parquet(?)", [str(snapshot.path)])  # noqa: S608
        return {column: table.column(column) for column in columns}

    def groups(self, selection: Selection, key: bytes) -> tuple[IntArray, ...]:
        partition = selection.partition
        if partition is None:
            raise ValueError("the selection is not divided into groups")
        groups = []
        for snapshot in selection.snapshots:
            where = _where(selection, snapshot, complete=selection.complete)
            known = partition.patient in snapshot.variables
            patient = _quoted(partition.patient) if known else "file_row_number"
            stratum = "0"
            if partition.stratum is not None and partition.stratum in snapshot.variables:
                stratum = _quoted(partition.stratum)
            sql = (
                "SELECT (dense_rank() OVER (PARTITION BY stratum ORDER BY dealt) - 1) % ? "  # noqa: S608
                f"FROM (SELECT file_row_number, {stratum} AS stratum, "
                f"sha256(? || CAST({patient} AS VARCHAR)) AS dealt "
                f"FROM read_parquet(?, file_row_number = true) WHERE {where.text}) "
                "ORDER BY file_row_number"
            )
            salt = hmac.new(key, f"fold {partition.seed}".encode(), hashlib.sha256).hexdigest()
            given = [partition.folds, salt, str(snapshot.path), *where.parameters]
            column = self._read_all(sql, given).column(0)
            groups.append(np.asarray(column.to_numpy(), dtype=np.int64))
        return tuple(groups)

    def keys(self, selection: Selection, key: bytes) -> tuple[KeyArray, ...]:
        keys = []
        for snapshot in selection.snapshots:
            where = _where(selection, snapshot, complete=selection.complete)
            known = [_quoted(code) for code in selection.identity if code in snapshot.variables]
            told = [f"coalesce(CAST({column} AS VARCHAR), '')" for column in known]
            named = " || '|' || ".join(told or ["CAST(file_row_number AS VARCHAR)"])
            sql = (
                f"SELECT CAST('0x' || substr(sha256(? || {named}), 1, 16) AS UBIGINT) "  # noqa: S608
                f"FROM read_parquet(?, file_row_number = true) WHERE {where.text} "
                "ORDER BY file_row_number"
            )
            salt = hmac.new(key, f"record of {snapshot.dataset}".encode(), hashlib.sha256)
            given = [salt.hexdigest(), str(snapshot.path), *where.parameters]
            column = self._read_all(sql, given).column(0)
            keys.append(np.asarray(column.to_numpy(), dtype=np.uint64))
        return tuple(keys)

    def _patients(self, snapshot: Snapshot) -> IntArray:
        sql = f"SELECT {_quoted(PATIENT_COLUMN)} FROM read_parquet(?)"  # noqa: S608
        column = self._read_all(sql, [str(snapshot.path)]).column(0)
        return np.asarray(column.to_numpy(), dtype=np.int64)

    def _read(self, sql: str, parameters: list[object], records: int) -> Iterator[pa.RecordBatch]:
        with self._lock:
            cursor = self._connection.cursor()
        try:
            yield from cursor.sql(sql, params=parameters).to_arrow_reader(records)
        except duckdb.Error as error:
            raise _scrubbed(error) from None
        finally:
            cursor.close()

    def _read_all(self, sql: str, parameters: list[object]) -> pa.Table:
        with self._lock:
            cursor = self._connection.cursor()
        try:
            return cursor.sql(sql, params=parameters).to_arrow_table()
        except duckdb.Error as error:
            raise _scrubbed(error) from None
        finally:
            cursor.close()


def _scrubbed(error: duckdb.Error) -> EngineFailure:
    """DuckDB's own messages may quote a record, so only the kind of error is told."""
    return EngineFailure(
        f"The data engine stopped with {type(error).__name__}",
        remedy="Run `mip doctor` to check the published snapshots.",
    )


def _where(selection: Selection, snapshot: Snapshot, *, complete: bool) -> Sql:
    present = set(snapshot.variables)
    clauses, parameters = ["true"], list[object]()
    if selection.filter is not None:
        compiled = compile_filter(selection.filter, present)
        clauses.append(compiled.text)
        parameters += compiled.parameters
    if complete:
        for code in selection.required:
            if code == "dataset":
                continue
            clauses.append(f"{_quoted(code)} IS NOT NULL" if code in present else "false")
    return Sql(" AND ".join(clauses), tuple(parameters))


def _numeric(code: str, snapshot: Snapshot) -> str:
    source = _quoted(code) if code in snapshot.variables else "NULL"
    return f"CAST({source} AS DOUBLE) AS {_quoted(code)}"


def _nominal(code: str, levels: tuple[str, ...], snapshot: Snapshot) -> str:
    if code == "dataset":
        index = levels.index(snapshot.dataset) if snapshot.dataset in levels else -1
        return f"CAST({index} AS INTEGER) AS {_quoted(code)}"
    if code not in snapshot.variables:
        return f"CAST(NULL AS INTEGER) AS {_quoted(code)}"
    members = ", ".join("'" + level.replace("'", "''") + "'" for level in levels)
    return (
        f"CAST(enum_code(CAST({_quoted(code)} AS ENUM({members}))) AS INTEGER) AS {_quoted(code)}"
    )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
