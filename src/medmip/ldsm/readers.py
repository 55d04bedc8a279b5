"""Accounts of those who may read rows: each a role of its own, held by what PostgreSQL enforces."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from medmip.accounts.dataset_reader import reader_named
from medmip.accounts.doorman import Doorman
from medmip.accounts.errors import NotAllowed
from medmip.accounts.role import Right
from medmip.catalogue.home import Home
from medmip.errors import Conflict, NotFound
from medmip.ldsm.errors import LdsmError
from medmip.ldsm.settings import LdsmSettings
from medmip.ldsm.tables import READERS
from medmip.stewardship.access import Reader, may_analyse

PREFIX = "mip_reader_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,50}")
_SESSIONS = 5


@dataclass(frozen=True)
class Account:
    """A reader's account in PostgreSQL; name is the person's, open whether it may log in."""

    name: str
    open: bool

    @property
    def role(self) -> str:
        return PREFIX + self.name


def add_reader(
    home: Home, connection: psycopg.Connection, doorman: Doorman, settings: LdsmSettings, name: str
) -> str:
    """Let a person read rows: the password of their account, made anew and told this once.

    Raises NotAllowed where they have no right to, LdsmError where what they ask would not be
    written down.
    """
    if not _NAME.fullmatch(name):
        raise Conflict(
            "A reader's name has letters, digits, `_`, `.`, `@` and `-`, 51 at most.",
            remedy="Give the person an account under such a name.",
        )
    _reader(doorman, name)
    refuse_unlogged(connection)
    account = Account(name, open=True)
    password = secrets.token_urlsafe(24)
    hidden = connection.pgconn.encrypt_password(
        password.encode(), account.role.encode(), b"scram-sha-256"
    ).decode()
    role = sql.Identifier(account.role)
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [account.role])
    verb = "ALTER" if known.fetchone() else "CREATE"
    connection.execute(
        sql.SQL(
            "{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS "
            "CONNECTION LIMIT {} PASSWORD {}"
        ).format(sql.SQL(verb), role, sql.Literal(_SESSIONS), sql.Literal(hidden))
    )
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(READERS), role))
    for setting, value in (
        ("log_statement", "all"),
        ("default_transaction_read_only", "on"),
        ("statement_timeout", f"{settings.longest_seconds}s"),
        ("search_path", "ldsm"),
    ):
        connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.SQL(setting), sql.Literal(value))
        )
    hold_readers(home, connection, doorman)
    return password


def remove_reader(connection: psycopg.Connection, name: str) -> None:
    """End a reader's sessions and account; raises NotFound."""
    if name not in {account.name for account in readers(connection)}:
        raise NotFound(f"{name} reads no rows.", remedy="See who does: mip ldsm readers")
    role = PREFIX + name
    connection.execute("DELETE FROM ldsm_data.access WHERE account = %s", [role])
    _close(connection, role)
    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def readers(connection: psycopg.Connection) -> list[Account]:
    """Everybody who has an account, by name."""
    rows = connection.execute(
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE starts_with(rolname, %s) ORDER BY 1",
        [PREFIX],
    )
    return [Account(str(role).removeprefix(PREFIX), bool(login)) for role, login in rows]


def hold_readers(home: Home, connection: psycopg.Connection, doorman: Doorman) -> None:
    """Bring accounts up to what people may do now: which datasets they see, and whether any.

    Whoever lost the right, or their account here, can log in no more, and their sessions end.
    """
    rows = connection.execute("SELECT name, model, dataset FROM ldsm_data.copied").fetchall()
    datasets = [(str(table), str(model), str(dataset)) for table, model, dataset in rows]
    for account in readers(connection):
        try:
            reader = _reader(doorman, account.name)
        except NotAllowed:
            _let_see(connection, account.role, [])
            if account.open:
                _close(connection, account.role)
            continue
        seen = [
            table for table, model, dataset in datasets if may_analyse(home, model, dataset, reader)
        ]
        _let_see(connection, account.role, seen)


def refuse_unlogged(connection: psycopg.Connection) -> None:
    """Raises LdsmError where PostgreSQL does not log as JSON, so that no query could be told."""
    wanted = {"logging_collector": "on", "log_destination": "jsonlog"}
    for name, value in wanted.items():
        found = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        if found is None or value not in str(found[0]).split(","):
            raise LdsmError(
                f"PostgreSQL does not write down what readers ask: {name} is not {value}.",
                remedy=f"Set {name} = {value} in postgresql.conf and restart it.",
            )


def _let_see(connection: psycopg.Connection, role: str, tables: Sequence[str]) -> None:
    connection.execute(
        "DELETE FROM ldsm_data.access WHERE account = %s AND NOT name = ANY(%s)",
        [role, list(tables)],
    )
    connection.execute(
        "INSERT INTO ldsm_data.access SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
        [role, list(tables)],
    )


def _close(connection: psycopg.Connection, role: str) -> None:
    connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
    )


def _reader(doorman: Doorman, name: str) -> Reader:
    reader = reader_named(doorman, name, Right.READ_RECORDS)
    if reader is None:
        raise NotAllowed(f"{name} is nobody's account", remedy="Name a person's: mip user list.")
    return reader
