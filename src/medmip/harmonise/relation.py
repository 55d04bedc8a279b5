"""The columns that an expression may name: those of a table that a mapping makes."""

from dataclasses import dataclass, replace
from difflib import get_close_matches

from medmip.harmonise.errors import MappingError

ROW = "o"
"""The column that tells of which file and row a row was made: file * 2^40 + row."""
FILE_SHIFT = 40


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name and the table that it is of, its SQL, whether its numbers have commas.

    origin is the SQL of the row that its cells come from, where that is not the row's own; checks
    are conditions of cells that could not be read when they were gathered, each with its rule.
    """

    name: str
    table: str
    sql: str
    comma: bool = False
    origin: str = ""
    checks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Relation:
    """A table of the query: the name it has there, and its columns beside `o`."""

    name: str
    fields: tuple[Field, ...]

    def find(self, name: str, table: str, where: str) -> Field:
        """The column of a name, of a table where that is given; raises MappingError.

        Case matters only where two names differ in nothing else. A name without a table is the
        first table's before a joined one's.
        """
        among = [field for field in self.fields if not table or _same(field.table, table)]
        found = [field for field in among if field.name == name]
        found = found or [field for field in among if _same(field.name, name)]
        own = [field for field in found if field.table == self.fields[0].table]
        found = own or found
        if len(found) == 1:
            return found[0]
        if found:
            tables = " and ".join(f"{field.table}.{field.name}" for field in found)
            raise MappingError(f"“{name}” may be {tables}; say which.", where=where)
        near = get_close_matches(name, sorted({field.name for field in among}), n=3)
        of = f" in {table}" if table else ""
        raise MappingError(
            f"There is no column “{name}”{of}.",
            where=where,
            remedy=f"Did you mean {' or '.join(near)}?" if near else None,
        )

    def named(self, name: str, table: str) -> "Relation":
        """The same columns under another name in the query, all as those of one table."""
        return Relation(name, tuple(replace(field, table=table) for field in self.fields))


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
