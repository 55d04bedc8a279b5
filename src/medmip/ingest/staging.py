"""The file's cells as text, each row numbered: read strictly by DuckDB, and proved complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.variable import Variable
from medmip.ingest.dialect import Dialect
from medmip.ingest.report import Kind, Problem
from medmip.ingest.session import Session, literal
from medmip.ingest.transcode import Copy

_BLANKS = ("", " ", "\t")
"""Always missing, as statistics programs export them."""
_MAX_LINE = 2_000_000
"""Bytes of a row, as the engine's own default."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: the name in its header, the variable it is (None where
    unknown), and whether it tells whose record, visit or dataset a row is.
    """

    index: int
    name: str
    variable: Variable | None
    is_key: bool = False

    @property
    def sql(self) -> str:
        """Its cells' text in the staged table."""
        return f"c{self.index}"

    @property
    def number(self) -> str:
        """Its cells as DOUBLE in the table `cells`, for a numeric variable."""
        return f"n{self.index}"


@dataclass(frozen=True, slots=True)
class Staged:
    """What was read: records without the blank rows, and what keeps it from being trusted."""

    records: int
    blank: int
    problems: tuple[Problem, ...]


def stage(
    session: Session,
    copy: Copy,
    file: Path,
    header_lines: int,
    columns: Sequence[Column],
    dialect: Dialect,
    missing: Sequence[str],
) -> Staged:
    """Read the clean copy of a file as the view `staged`.

    k numbers the rows that could be split into cells, from 1; the table `rejected` (line, error,
    csv_line) has the others by spreadsheet row. It is proved that no line was lost: the engine
    may stop at an unclosed quote without a word, so the line ends of the file must be those
    after its rows and those within its cells.
    """
    reading = _Reading(file, tuple(columns), dialect, tuple(missing))
    within = " + ".join(_line_ends_within(column) for column in columns)
    counted = session.rows(
        f"SELECT count(*), count(*) FILTER (blank), {within} FROM {reading.sql(rejects=True)}"  # noqa: S608
    )[0]
    rows, blank, inside = (int(str(value)) for value in counted)
    session.run(f"CREATE VIEW staged AS FROM {reading.sql(rejects=False)}")
    session.run(
        """
        CREATE TABLE rejected AS
        SELECT line, max(error_type::VARCHAR) AS error, any_value(csv_line) AS csv_line
        FROM reject_errors GROUP BY line
        """
    )
    rejected, rejected_lines, first = (
        int(str(value or 0))
        for value in session.rows(
            """
            SELECT count(*), sum(1 + len(line_text) - len(replace(line_text, chr(10), ''))),
                min(line) FILTER (error NOT LIKE '%COLUMNS')
            FROM (SELECT *, trim(csv_line, chr(10)) AS line_text FROM rejected)
            """
        )[0]
    )
    problems: tuple[Problem, ...] = ()
    if copy.lines != header_lines + rows + inside + rejected_lines:
        near = min(first or rows + rejected + 2, rows + rejected + 2)
        problems = (
            Problem(
                kind=Kind.UNBALANCED_QUOTE,
                rule="a quote is opened in or near this row and not closed",
                rows=(near,),
            ),
        )
    return Staged(rows + rejected - blank, blank, problems)


@dataclass(frozen=True, slots=True)
class _Reading:
    file: Path
    columns: tuple[Column, ...]
    dialect: Dialect
    missing: tuple[str, ...]

    def sql(self, *, rejects: bool) -> str:
        """A source of k, blank, c0 … cn; what cannot be split is kept in reject_errors, or not.

        Reading anew costs a tenth of writing the cells as text to Parquet.
        """
        fields = ", ".join(f"'{column.sql}': 'VARCHAR'" for column in self.columns)
        shared = _shared_missing(self.columns, self.missing, self.dialect)
        cells = ", ".join(
            f"{_cell(column, self.missing, shared)} AS {column.sql}" for column in self.columns
        )
        codes = ", ".join(literal(code) for code in shared)
        everything = ", ".join(column.sql for column in self.columns)
        quote = literal(self.dialect.quote)
        bad = (
            f"store_rejects = true, rejects_limit = 0, rejects_line_size_limit = {_MAX_LINE}"
            if rejects
            else "ignore_errors = true"
        )
        return f"""(
            SELECT row_number() OVER () AS k, coalesce({everything}) IS NULL AS blank, {cells}
            FROM read_csv(
                {literal(str(self.file))}, auto_detect = false, header = true, strict_mode = true,
                delim = {literal(self.dialect.delimiter)}, quote = {quote}, escape = {quote},
                new_line = '\\n', columns = {{{fields}}}, nullstr = [{codes}], {bad},
                max_line_size = {_MAX_LINE}, parallel = false
            )
        )"""  # noqa: S608


def _shared_missing(
    columns: Sequence[Column], missing: Sequence[str], dialect: Dialect
) -> list[str]:
    """The codes that mean a missing value in every column, and that the reader can compare."""
    levels = {level for column in columns for level in _levels(column)}
    marks = {dialect.delimiter, dialect.quote, "\n", "\r"} - {""}
    return [
        code
        for code in dict.fromkeys([*missing, *_BLANKS])
        if code not in levels and not any(mark in code for mark in marks)
    ]


def _levels(column: Column) -> tuple[str, ...]:
    return column.variable.levels if column.variable and column.variable.is_nominal else ()


def _cell(column: Column, missing: Sequence[str], shared: Sequence[str]) -> str:
    """A cell, NULL where it means missing; keys and levels without blanks around them.

    Little is done here, as every step of every column holds a vector in memory: the reader makes
    the shared codes NULL, casts to numbers allow blanks, and free text keeps its own.
    """
    cell = column.sql
    if column.is_key or _levels(column):
        cell = f"nullif(trim({cell}, ' \t'), '')"
    for code in missing:
        if code not in shared and code not in _levels(column):
            cell = f"nullif({cell}, {literal(code)})"
    return cell


def _line_ends_within(column: Column) -> str:
    ends = f"len({column.sql}) - len(replace({column.sql}, chr(10), ''))"
    return f"coalesce(sum({ends}) FILTER (contains({column.sql}, chr(10))), 0)"
