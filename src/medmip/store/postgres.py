"""An existing PostgreSQL that is only read: one transaction, one moment, rows in Arrow batches."""

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions, dbapi

from medmip.errors import MipError

T = TypeVar("T")

OLDEST = 150000
_KEPT = 2
_FIRST = 32
_BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SETTINGS = {
    # The same table is the same text whoever the server speaks to.
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
}
_TIMES = ("statement_timeout", "idle_in_transaction_session_timeout")
"""A reader that is gone must not keep the hospital's tables from being cleaned either."""
_TIME_OUT, _NOT_ALLOWED = "57014", "42501"
_CUT = ("08", "57P")


class SourceFailure(MipError):
    """A hospital's database did not answer, or not in time."""

    title: ClassVar[str] = "The hospital's database could not be read"
    status: ClassVar[int] = 503


@dataclass(frozen=True)
class Address:
    """Where a database is, by whom it is read, and how long one statement may take.

    name is what messages call it; conninfo may hold a password.
    """

    name: str
    conninfo: str = field(repr=False)
    seconds: int = 600


class Moment:
    """One moment of a database: what others write meanwhile is not seen."""

    def __init__(self, address: Address, connection: dbapi.Connection) -> None:
        self._address = address
        self._connection = connection
        self._cursors = 0

    def table(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The whole answer of a query that has few rows; `$1` is the first parameter."""
        with self._statement() as cursor:
            return self._done(lambda: _answer(cursor, sql, parameters))

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Do a statement that answers nothing."""
        with self._statement() as cursor:
            self._done(lambda: cursor.execute(sql, tuple(parameters) or None))

    def batches(
        self,
        sql: str,
        parameters: Sequence[object] = (),
        records: int = 16_384,
        most_bytes: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query by a server-side cursor, so many at once; none of no rows.

        Where most_bytes is given, a batch of wide rows has fewer, so that it is about so large.
        """
        self._cursors += 1
        name = f"mip_{self._cursors}"
        self.run(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", parameters)
        number = records if most_bytes is None else min(records, _FIRST)
        with self._statement() as cursor:
            while True:
                rows = self._fetched(cursor, f"FETCH FORWARD {number} FROM {name}")
                yield from rows.combine_chunks().to_batches()
                if rows.num_rows < number:
                    break
                if most_bytes is not None:
                    fit = most_bytes * rows.num_rows // max(rows.nbytes, 1)
                    number = max(1, min(records, fit, 4 * number))
        self.run(f"CLOSE {name}")

    def _fetched(self, cursor: dbapi.Cursor, fetch: str) -> pa.Table:
        return self._done(lambda: _answer(cursor, fetch, ()))

    @contextmanager
    def _statement(self) -> Iterator[dbapi.Cursor]:
        with self._connection.cursor() as cursor:
            # COPY, the driver's own way, takes no parameters and knows no FETCH.
            cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: "false"})
            yield cursor

    def _done(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except (adbc_driver_manager.Error, pa.ArrowException) as error:
            raise _scrubbed(self._address, error) from None


class Idle:
    """Connections that nobody uses for the moment, for whoever reads the same database next.

    To make one costs some 50 ms, as the driver learns the server's types. A few are kept.
    """

    def __init__(self) -> None:
        self._held: dict[str, list[dbapi.Connection]] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._held)

    def taken(self, conninfo: str) -> dbapi.Connection | None:
        """One of these, no longer idle; None where there is none."""
        with self._lock:
            held = self._held.get(conninfo)
            return held.pop() if held else None

    def given(self, conninfo: str, connection: dbapi.Connection) -> None:
        """Keep a sound connection without a transaction, or close it where there are enough."""
        with self._lock:
            held = self._held.setdefault(conninfo, [])
            if len(held) < _KEPT:
                held.append(connection)
                return
        connection.close()


def _close_all(held: dict[str, list[dbapi.Connection]]) -> None:
    for connections in held.values():
        for connection in connections:
            connection.close()


@contextmanager
def moment(address: Address, idle: Idle | None = None) -> Iterator[Moment]:
    """A read-only transaction that sees one moment of a database; raises SourceFailure.

    Nothing is made there, temporary tables neither: the server refuses every write.
    """
    idle = idle or Idle()
    connection, found = _begun(address, idle)
    sound = False
    try:
        yield found
        sound = True
    finally:
        try:
            found.run("ROLLBACK")
        except SourceFailure:
            # A connection that was cut has no transaction left to end.
            sound = False
        if sound:
            idle.given(address.conninfo, connection)
        else:
            connection.close()


def _begun(address: Address, idle: Idle) -> tuple[dbapi.Connection, Moment]:
    while (connection := idle.taken(address.conninfo)) is not None:
        try:
            return connection, _begin(address, connection)
        except SourceFailure:
            # The server was restarted meanwhile, or let its idle connections go.
            connection.close()
    try:
        connection = dbapi.connect(address.conninfo, autocommit=True)
    except adbc_driver_manager.Error as error:
        raise SourceFailure(
            f"The database of {address.name} cannot be reached, or does not let MIP in: "
            f"{_reason(error)}",
            remedy=f"Is it running, and is [sources.{address.name}] of mip.toml right?",
        ) from None
    try:
        return connection, _begin(address, connection)
    except BaseException:
        connection.close()
        raise


def _answer(cursor: dbapi.Cursor, sql: str, parameters: Sequence[object]) -> pa.Table:
    cursor.execute(sql, tuple(parameters) or None)
    table = cursor.fetch_arrow_table()
    # Of a database without an encoding, bytes come that are no text.
    table.validate(full=True)
    return table


def _begin(address: Address, connection: dbapi.Connection) -> Moment:
    """Begin a transaction, and set what holds for it; raises SourceFailure of an old server."""
    found = Moment(address, connection)
    found.run(_BEGIN)
    settings = _SETTINGS | dict.fromkeys(_TIMES, f"{address.seconds}s")
    told = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    row = found.table(f"SELECT current_setting('server_version_num')::int, {told}")
    if row.column(0)[0].as_py() < OLDEST:
        raise SourceFailure(
            f"The database of {address.name} is a PostgreSQL older than 15.",
            remedy="Read from a newer one, or export files.",
        )
    return found


def _reason(error: adbc_driver_manager.Error) -> str:
    """Why a connection was not made; no statement was sent, so that no row can be quoted."""
    lines = str(error).removeprefix("IO: [libpq] Failed to connect: ").strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _scrubbed(address: Address, error: Exception) -> SourceFailure:
    """PostgreSQL's own messages may quote a row, so only the kind of error is told."""
    state = getattr(error, "sqlstate", None)
    if state == _TIME_OUT:
        return SourceFailure(
            f"A statement in the database of {address.name} took longer than "
            f"{address.seconds} seconds and was stopped.",
            remedy=f"Allow more by `seconds` in [sources.{address.name}] of mip.toml, or read a "
            "view that answers faster.",
        )
    if state == _NOT_ALLOWED:
        return SourceFailure(
            f"The account of {address.name} may not read something that its table needs.",
            remedy="Let the database's administrator grant it SELECT.",
        )
    if isinstance(error, adbc_driver_manager.OperationalError) and (
        not state or state.startswith(_CUT)
    ):
        return SourceFailure(
            f"The connection to the database of {address.name} was cut.",
            remedy="Nothing was changed here; try again once the database is there.",
        )
    if isinstance(error, pa.ArrowException):
        return SourceFailure(
            f"The database of {address.name} holds text that is not UTF-8.",
            remedy="Its encoding is SQL_ASCII or a column was damaged; export files instead.",
        )
    return SourceFailure(
        f"The database of {address.name} stopped with SQLSTATE {state or type(error).__name__}.",
        remedy="Does its view work when its own administrator reads it?",
    )
