"""A table or view of a hospital's database, and its cells as the texts a CSV file would hold."""

from collections.abc import Callable
from dataclasses import dataclass

from medmip.store.postgres import Moment
from medmip.store.sources import NoSuchTable, Source, SourceError
from medmip.store.sql_session import quoted

_KINDS = "'r', 'p', 'v', 'm', 'f'"
_FIND = f"""
SELECT c.oid::bigint AS oid, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS entered
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ({_KINDS})
"""  # noqa: S608 - a constant
_COLUMNS = """
SELECT a.attname::text AS name, t.typname::text AS kind, t.typcategory::text AS category
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
    AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attnum
"""
_ARRAY, _COMPOSITE = "A", "C"


@dataclass(frozen=True)
class Column:
    """A column that the account may read; kind is the name of its type."""

    name: str
    kind: str
    category: str

    @property
    def text(self) -> str:
        """Its cells as text: numbers as they are, dates by ISO 8601, not a number as missing."""
        cell = quoted(self.name)
        if self.kind in ("float4", "float8", "numeric"):
            return f"nullif({cell}, 'NaN')::text"
        if self.kind == "timestamp":
            return f"regexp_replace({cell}::text, ' 00:00:00$', '')"
        return f"{cell}::text"


@dataclass(frozen=True)
class Relation:
    """A table or view, and its columns that may be read."""

    schema: str
    name: str
    columns: tuple[Column, ...]

    @property
    def shown(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def only(self, wanted: Callable[[str], bool]) -> "Relation":
        """The same with fewer columns."""
        return Relation(self.schema, self.name, tuple(c for c in self.columns if wanted(c.name)))

    def texts(self, first: str = "") -> str:
        """The query of all cells as text, c0 … cn.

        Rows are in the order of their cells, those of the column first before all: the order of
        a heap changes by itself, and equal tables shall be equal versions.
        """
        cells = ", ".join(f"{column.text} AS c{i}" for i, column in enumerate(self.columns))
        places = sorted(range(len(self.columns)), key=lambda i: self.columns[i].name != first)
        order = ", ".join(f'c{i} COLLATE "C"' for i in places)
        return f"SELECT * FROM (SELECT {cells} FROM {self.sql}) AS cell ORDER BY {order}"  # noqa: S608


def relation(found: Moment, source: Source, name: str) -> Relation:
    """The table or view of a source's schema that may be read; raises NoSuchTable, SourceError."""
    schema = source.settings.namespace
    where = f"sources.{source.name}"
    rows = found.table(_FIND, (schema, name)).to_pylist()
    if not rows:
        raise NoSuchTable(f"There is no table or view {schema}.{name} there.", where=where)
    lacking = f"The account may not read {schema}.{name}."
    if not rows[0]["entered"]:
        raise SourceError(lacking, where=where, remedy=f"GRANT USAGE ON SCHEMA {schema}")
    columns = tuple(Column(**row) for row in found.table(_COLUMNS, (rows[0]["oid"],)).to_pylist())
    if not columns:
        raise SourceError(lacking, where=where, remedy=f"GRANT SELECT ON {schema}.{name}")
    return Relation(schema, name, columns)


def refuse_bundles(found: Relation, source: Source) -> None:
    """Raises SourceError where a cell may hold several values, or bytes."""
    for column in found.columns:
        if column.category in (_ARRAY, _COMPOSITE) or column.kind == "bytea":
            raise SourceError(
                f"The column {column.name} of {found.shown} holds lists, structures or bytes.",
                where=f"sources.{source.name}",
                remedy="Name a view that has each value as a column of its own.",
            )
