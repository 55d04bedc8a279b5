"""The state database: experiments, ledger, earlier cohorts, a hub's sites; SQLite by default."""

import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from typing import Any

from alembic import command
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)

from medmip.catalogue.home import Home
from medmip.store.schema import migrations

metadata = MetaData()

experiments = Table(
    "experiments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("algorithm", String(100), nullable=False),
    Column("request", JSON, nullable=False),
    Column("user", String(200), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("started", DateTime(timezone=True)),
    Column("finished", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, default=0),
    Column("rounds", Integer, nullable=False, default=0),
    Column("fraction", Float),
    Column("result", JSON(none_as_null=True)),
    Column("problem", JSON(none_as_null=True)),
    Column("provenance", JSON(none_as_null=True)),
    Column("sites", JSON(none_as_null=True)),
    Column("origin", String(36)),
    # Lists are read from it alone: a row holds its result, and is long.
    Index("experiments_listed", "created", "id", "user", "state", "name"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("user", String(200), nullable=False),
    Column("experiment", String(36), nullable=False),
    Column("algorithm", String(100), nullable=False),
    Column("cohort", String(64), nullable=False),
    Column("snapshots", JSON, nullable=False),
    Column("statistic", String(100), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("rule", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("suppressed", Integer, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

cohorts = Table(
    "cohorts",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("snapshot", String(64), primary_key=True),
    Column("records", Integer, nullable=False),
    Column("held", LargeBinary, nullable=False),
    Index("cohorts_by_snapshot", "snapshot"),
)

hub_sites = Table(
    "hub_sites",
    metadata,
    Column("node", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("key", String(64), nullable=False),
    Column("former_key", String(64)),
    Column("former_until", DateTime(timezone=True)),
    Column("successions", JSON, nullable=False),
    Column("asked", DateTime(timezone=True), nullable=False),
    Column("decided", DateTime(timezone=True)),
    Column("seen", DateTime(timezone=True)),
    Column("skew", Float),
    Column("version", String(40), nullable=False),
)

hub_invitations = Table(
    "hub_invitations",
    metadata,
    Column("node", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("key", String(64), nullable=False),
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("used_by", String(16)),
    Column("closed", Boolean, nullable=False),
)

steered = Table(
    "steered",
    metadata,
    Column("cohort", String(64), primary_key=True),
    Column("sites_hash", String(64), primary_key=True),
    Column("sites", JSON, nullable=False),
)


def open_state(home: Home, url: str | None = None) -> Engine:
    """The state database, brought to the present schema in one transaction.

    url names another database than the home's own, such as `postgresql+psycopg:///mip`.
    """
    if url is None:
        # Only a new file is opened here: closing one that SQLite has open in this process would
        # drop its locks (https://www.sqlite.org/howtocorrupt.html, 2.2) and ruin the database.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(home.state_db, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    # A file does not hang up, so only a server's connections are tried before they are used.
    engine = create_engine(url or f"sqlite:///{home.state_db}", pool_pre_ping=url is not None)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediately)
    config = migrations()
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7274)")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver must not open transactions by itself: every one begins as a writer's below.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "busy_timeout = 30000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    # A reader that turned writer late would fail instead of waiting its turn.
    driver_of(connection).execute("BEGIN IMMEDIATE")


def driver_of(connection: Connection) -> Any:  # noqa: ANN401
    """The driver's own connection: sqlite3's or psycopg's, within the same transaction."""
    driver = connection.connection.driver_connection
    assert driver is not None
    return driver


def in_utc(moment: datetime) -> datetime:
    """A moment read from the database; SQLite keeps no time zone, and all are written in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
