"""Published versions copied into PostgreSQL: all that changed, or nothing."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
from psycopg import sql

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.catalogue.variable import DATASET
from medmip.ingest.session import Session, literal
from medmip.ingest.work import work_folder
from medmip.ldsm.tables import DATA, READERS, VIEWS, Copied, federation_features, local_features
from medmip.store.parquet import PATIENT_COLUMN
from medmip.store.snapshots import Datasets, Snapshot
from medmip.store.sql_session import quoted

_LOCK = 7275
"""Two that copy take turns."""
_VIEWS = 3
_CHUNK = 1 << 20
_BEGIN = """
CREATE SCHEMA IF NOT EXISTS ldsm_data;
CREATE SCHEMA IF NOT EXISTS ldsm;
REVOKE ALL ON SCHEMA ldsm_data, ldsm, public FROM PUBLIC;
CREATE TABLE IF NOT EXISTS ldsm_data.copied (
    name text PRIMARY KEY, model text NOT NULL, dataset text NOT NULL, version integer NOT NULL,
    hash text NOT NULL, columns text[] NOT NULL, patients integer NOT NULL
);
CREATE TABLE IF NOT EXISTS ldsm_data.access (
    account text NOT NULL, name text NOT NULL, PRIMARY KEY (account, name)
);
CREATE OR REPLACE FUNCTION ldsm.may_read(wanted text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT EXISTS (
        SELECT 1 FROM ldsm_data.access WHERE account = session_user AND name = wanted
    ) OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)
$$;
"""


def copy_published(home: Home, connection: psycopg.Connection) -> list[Snapshot]:
    """Bring the copies up to date in one transaction; those that were copied anew.

    What is no longer published goes. Readers see the former state until all of it is there.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    _prepare(connection)
    models = {model.key: model for model in ModelStore(home).list()}
    published = [one for one in Datasets(home).list() if one.model in models]
    rows = connection.execute("SELECT name, hash, columns FROM ldsm_data.copied").fetchall()
    there = {str(name): (str(digest), tuple(columns)) for name, digest, columns in rows}
    copies = [(one, _copied(models, one)) for one in published]
    fresh = [
        (one, copied)
        for one, copied in copies
        if there.get(copied.table) != (one.hash, copied.columns)
    ]
    gone = {*there} - {copied.table for _, copied in copies}
    if not fresh and not gone and _has_views(connection):
        return []
    connection.execute("DROP VIEW IF EXISTS ldsm.mip_local_features")
    connection.execute("DROP VIEW IF EXISTS ldsm.mip_federation_features")
    for table in [*gone, *(copied.table for _, copied in fresh)]:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(DATA, table)))
        connection.execute("DELETE FROM ldsm_data.copied WHERE name = %s", [table])
    for one, copied in fresh:
        _copy(home, connection, one, copied)
    _make_views(connection, [copied for _, copied in copies])
    return [one for one, _ in fresh]


def _prepare(connection: psycopg.Connection) -> None:
    connection.execute(_BEGIN)
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READERS]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(READERS)))
    connection.execute(
        sql.SQL("REVOKE TEMPORARY, CREATE ON DATABASE {} FROM PUBLIC").format(
            sql.Identifier(connection.info.dbname)
        )
    )
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA ldsm TO {}").format(sql.Identifier(READERS)))


def _has_views(connection: psycopg.Connection) -> bool:
    found = connection.execute("SELECT count(*) FROM pg_views WHERE schemaname = 'ldsm'").fetchone()
    return found is not None and int(found[0]) == _VIEWS


def _copied(models: dict[str, DataModel], snapshot: Snapshot) -> Copied:
    model = models[snapshot.model]
    root = model
    while root.extends in models:
        root = models[root.extends]
    columns = [name for name in pq.read_schema(snapshot.path).names if name != PATIENT_COLUMN]
    return Copied(model, snapshot.dataset, tuple(columns), tuple(root.all_variables))


def _copy(home: Home, connection: psycopg.Connection, snapshot: Snapshot, copied: Copied) -> None:
    fields = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(copied.type_of(name)))
        for name in copied.columns
    )
    table = sql.Identifier(DATA, copied.table)
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, fields))
    with work_folder(home) as work:
        file = work / "copy.csv"
        _as_csv(home, work, snapshot.path, copied, file)
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER true, NULL {})").format(
            table, sql.SQL(", ").join(map(sql.Identifier, copied.columns)), sql.Literal("\\N")
        )
        with connection.cursor().copy(statement) as target, file.open("rb") as source:
            while part := source.read(_CHUNK):
                target.write(part)
    connection.execute(
        "INSERT INTO ldsm_data.copied VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [
            copied.table,
            snapshot.model,
            snapshot.dataset,
            snapshot.version,
            snapshot.hash,
            list(copied.columns),
            snapshot.patients,
        ],
    )


def _as_csv(home: Home, work: Path, source: Path, copied: Copied, file: Path) -> None:
    """A snapshot's records as PostgreSQL reads them, in no order that tells of the source's."""
    session = Session(work, "512MB", [home.datasets])
    columns = ", ".join(quoted(name) for name in copied.columns)
    try:
        session.run(
            f"COPY (SELECT {columns} FROM read_parquet({literal(str(source))})) "
            f"TO {literal(str(file))} (FORMAT csv, HEADER true, NULLSTR '\\N')"
        )
    finally:
        session.close()


def _make_views(connection: psycopg.Connection, copies: Sequence[Copied]) -> None:
    datasets = sql.SQL(
        "SELECT model AS data_model, dataset AS {}, version, columns AS variables "
        "FROM ldsm_data.copied WHERE ldsm.may_read(name)"
    ).format(sql.Identifier(DATASET))
    views = {
        "mip_local_features": local_features(copies),
        "mip_federation_features": federation_features(copies),
        "datasets": datasets,
    }
    for name, query in views.items():
        view = sql.Identifier(VIEWS, name)
        # A barrier: no condition of a reader's sees a row before may_read has let it through.
        connection.execute(
            sql.SQL("CREATE OR REPLACE VIEW {} WITH (security_barrier) AS {}").format(view, query)
        )
        connection.execute(
            sql.SQL("GRANT SELECT ON {} TO {}").format(view, sql.Identifier(READERS))
        )
