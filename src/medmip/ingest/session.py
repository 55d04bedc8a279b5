"""One hardened DuckDB of an import: bounded memory, no network, no word of its errors."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import duckdb
import pyarrow as pa

from medmip.ingest.errors import IngestError, QueryError
from medmip.ingest.work import disk_full
from medmip.store.sql_session import literal

__all__ = ["THREADS", "Session", "literal"]

_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\?""")
"""A parameter's place, or a text or name, within which there is none."""
_ENGINE_ERRORS: dict[str, type[duckdb.Error]] = {
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "IO Error": duckdb.IOException,
    "INTERRUPT Error": duckdb.InterruptException,
}
THREADS = 2
"""More threads hold more row groups in memory while writing."""


class EngineStopped(IngestError):
    """The engine met what it cannot do; kind is its error's name, as its words may quote a row."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"The reading engine stopped with {kind}.")
        self.kind = kind


class Session:
    """DuckDB that reads and writes below the given folders only; raises IngestError, scrubbed."""

    def __init__(self, work: Path, memory: str, also: Sequence[Path] = ()) -> None:
        self.work = work
        self._connection = duckdb.connect()
        folders = ", ".join(literal(str(folder.resolve())) for folder in (work, *also))
        for setting in (
            f"SET memory_limit = '{memory}'",
            f"SET threads = {THREADS}",
            f"SET temp_directory = {literal(str(work / 'spill'))}",
            "SET preserve_insertion_order = true",
            "SET enable_progress_bar = false",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            f"SET allowed_directories = [{folders}]",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(setting)

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Do one statement; nothing comes back."""
        with _scrubbed():
            self._connection.execute(sql, list(parameters))

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of a query that has few."""
        with _scrubbed():
            return self._connection.execute(sql, list(parameters)).fetchall()

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The whole answer of a query, by columns."""
        with _scrubbed():
            return self._connection.sql(sql, params=list(parameters)).to_arrow_table()

    def batches(
        self, sql: str, rows: int, parameters: Sequence[object] = ()
    ) -> Iterator[pa.RecordBatch]:
        """The answer of a query in its own order, at most so many rows at a time; first none.

        The engine hands out rows as it goes only of a query without parameters, so that each is
        put into a variable.
        """
        names = [f"parameter{place}" for place in range(len(parameters))]
        left = iter(names)
        named = _PARAMETER.sub(
            lambda found: f"getvariable('{next(left)}')" if found[0] == "?" else found[0], sql
        )
        with _scrubbed():
            for name, value in zip(names, parameters, strict=True):
                self._connection.execute(f"SET VARIABLE {name} = ?", [value])
            try:
                reader = self._connection.sql(named).to_arrow_reader(rows)
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)
                yield from reader
            except (pa.ArrowException, OSError) as error:
                # What Arrow hands on of the engine's error is its text alone.
                kind = str(error).partition(":")[0]
                raise _ENGINE_ERRORS.get(kind, duckdb.Error)(kind) from None
            finally:
                for name in names:
                    self._connection.execute(f"RESET VARIABLE {name}")

    def number(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """The only value of a query, a whole number; NULL is 0."""
        return int(str(self.rows(sql, parameters)[0][0] or 0))

    def select(
        self, sql: str, limit: int, seconds: float
    ) -> tuple[list[str], list[tuple[object, ...]]]:
        """The names and first rows of a person's own query; raises IngestError, scrubbed.

        What does not fit the tables is told as the engine says it: it has read no row by then.
        """
        timer = Timer(seconds, self._connection.interrupt)
        timer.start()
        try:
            with _scrubbed():
                result = self._connection.execute(sql)
                return [column[0] for column in result.description], result.fetchmany(limit)
        except duckdb.InterruptException:
            raise QueryError(
                f"The query took longer than {seconds:g} seconds and was stopped.",
                remedy="Ask for less, or allow more with --seconds.",
            ) from None
        finally:
            timer.cancel()

    def unbound(self, sql: str) -> str | None:
        """Why a query does not fit its columns, None where it does; no row is read for it."""
        try:
            self._connection.execute(f"EXPLAIN {sql}")
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            return str(error).partition("\n")[0]
        except duckdb.Error as error:
            return f"({type(error).__name__})"
        return None

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _scrubbed() -> Iterator[None]:
    """DuckDB's own messages may quote a patient's row, so only the kind of error is told."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise IngestError(
            "The file needs more memory or disk than it was given.",
            remedy="Free space in the home folder, or split the file.",
        ) from None
    except duckdb.IOException:
        raise disk_full() from None
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise EngineStopped(type(error).__name__) from None
