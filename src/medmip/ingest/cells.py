"""The cells that rules are held against: numbers as numbers, written once, read many times."""

from collections.abc import Sequence
from dataclasses import dataclass

from medmip.catalogue.variable import VariableType
from medmip.ingest.dialect import Decimal
from medmip.ingest.session import Session, literal
from medmip.ingest.staging import AT_ONCE, Column
from medmip.store.parquet import write_plain


@dataclass(frozen=True, slots=True)
class Cells:
    """What was written: rows, blank ones among them, and whether some text is no number."""

    rows: int
    blank: int
    unread: bool


def write_cells(
    session: Session,
    columns: Sequence[Column],
    decimal: Decimal,
    source: str = "staged",
    *,
    guarded: bool = True,
) -> Cells:
    """Make the view `cells`: the rows of `staged` but for blank ones, numeric cells as DOUBLE.

    A numeric variable's text is kept only where a whole number may be a hospital's own; else its
    text is made of the number. Cells that are no number are NULL. source is
    `staged`, or a query of its c0 … cn alone in its order, which may be read in parallel. Without
    guarded no cell has an underscore. Reading the text costs more than reading what is written
    here, and this the less the fewer rows are held at once.
    """
    numbers = numeric(columns)
    numbered = source == "staged"
    typed = ", ".join(
        f"{number_of(column, decimal, guarded=guarded)} AS {column.number}" for column in numbers
    )
    unread = " OR ".join(
        f"({column.sql} IS NOT NULL AND {column.number} IS NULL)" for column in numbers
    )
    blank = "" if numbered else f", coalesce({', '.join(c.sql for c in columns)}) IS NULL AS blank"
    left_out = [column.sql for column in numbers if not _text_is_needed(column)]
    kept = f"* EXCLUDE ({', '.join(left_out)})" if left_out else "*"
    rows = f"SELECT *{blank}{', ' + typed if typed else ''} FROM {source}"  # noqa: S608
    path = session.work / "cells.parquet"
    file = literal(str(path))
    written = f"SELECT {kept}, {unread or 'false'} AS unread FROM ({rows})"  # noqa: S608
    write_plain(session.batches(written, AT_ONCE), path, AT_ONCE)
    number = "" if numbered else "file_row_number + 1 AS k, "
    texts = "".join(
        f", CAST({column.number} AS VARCHAR) AS {column.sql}"
        for column in numbers
        if column.sql in left_out
    )
    hidden = "blank, unread" if numbered else "blank, unread, file_row_number"
    session.run(
        f"""
        CREATE VIEW cells AS
        SELECT {number}* EXCLUDE ({hidden}){texts}
        FROM read_parquet({file}, file_row_number = {str(not numbered).lower()})
        WHERE NOT blank
        """  # noqa: S608
    )
    (row,) = session.rows(
        f"SELECT count(*), count(*) FILTER (blank), coalesce(bool_or(unread), false) "  # noqa: S608
        f"FROM read_parquet({file})"
    )
    return Cells(int(str(row[0])), int(str(row[1])), bool(row[2]))


def _text_is_needed(column: Column) -> bool:
    variable = column.variable
    endless = variable is not None and variable.maximum is None
    whole = variable is not None and variable.type is VariableType.INTEGER
    return column.is_key or (whole and endless)


def numeric(columns: Sequence[Column]) -> list[Column]:
    """The columns of numeric variables."""
    return [column for column in columns if column.variable and column.variable.is_numeric]


def number_of(column: Column, decimal: Decimal, *, guarded: bool = True) -> str:
    """A cell as DOUBLE, NULL where it is no number: digits, sign, one decimal mark, exponent.

    The engine would read 1_000 as a number; where the comma is the decimal mark a point is none,
    as 1.234 may mean a thousand. Without guarded, no cell has an underscore.
    """
    marks = ["_"] * guarded + ["."] * (decimal == ",")
    cell = column.sql if decimal == "." else f"replace({column.sql}, ',', '.')"
    number = f"TRY_CAST({cell} AS DOUBLE)"
    if not marks:
        return number
    without = " AND ".join(f"NOT contains({column.sql}, '{mark}')" for mark in marks)
    return f"CASE WHEN {without} THEN {number} END"
