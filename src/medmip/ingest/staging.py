"""The file's cells as text, each row numbered: read strictly by DuckDB, and proved complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.variable import Variable
from medmip.ingest.dialect import Dialect
from medmip.ingest.report import Kind, Problem
from medmip.ingest.session import Session, literal
from medmip.ingest.transcode import Copy

BLANKS = ("", " ", "\t")
"""Always missing, as statistics programs export them."""
AT_ONCE = 20_480
"""Rows of a row group of what is written for the moment: each thread holds a group."""
_MAX_LINE = 2_000_000
"""Bytes of a row, as the engine's own default."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: the name in its header, the variable it is (None where
    unknown), and whether it tells whose record, visit or dataset a row is.

    origin is the SQL of where a cell comes from, where that may be another row than its own's.
    """

    index: int
    name: str
    variable: Variable | None
    is_key: bool = False
    origin: str = ""

    @property
    def sql(self) -> str:
        """Its cells' text in the staged table."""
        return f"c{self.index}"

    @property
    def number(self) -> str:
        """Its cells as DOUBLE in the table `cells`, for a numeric variable."""
        return f"n{self.index}"


@dataclass(frozen=True)
class StagedFile:
    """The clean copy of a CSV file as the view `staged` (k, blank, c0 … cn).

    k numbers the rows that could be split into cells, from 1.
    """

    file: Path
    copy: Copy
    columns: tuple[Column, ...]
    dialect: Dialect
    missing: tuple[str, ...]

    def view(self, session: Session) -> None:
        """Make the view, which leaves out what cannot be split.

        Reading anew costs a tenth of writing the cells as text to Parquet.
        """
        everything = ", ".join(column.sql for column in self.columns)
        session.run(
            f"""
            CREATE VIEW staged AS
            SELECT row_number() OVER () AS k, coalesce({everything}) IS NULL AS blank, *
            FROM ({self.source(rejects=False)})
            """  # noqa: S608
        )

    def source(self, *, rejects: bool) -> str:
        """The query of c0 … cn; what cannot be split is kept in reject_errors, or not.

        Only a file without quotes is read in parallel: where no cell can hold a line end, every
        line end is a row's.
        """
        fields = ", ".join(f"'{column.sql}': 'VARCHAR'" for column in self.columns)
        shared = _shared_missing(self.columns, self.missing, self.dialect)
        cells = ", ".join(
            f"{_cell(column, self.missing, shared)} AS {column.sql}" for column in self.columns
        )
        codes = ", ".join(literal(code) for code in shared)
        quote = literal(self.dialect.quote)
        bad = (
            f"store_rejects = true, rejects_limit = 0, rejects_line_size_limit = {_MAX_LINE}"
            if rejects
            else "ignore_errors = true"
        )
        # Buffers of the default size leave too little memory for a second thread to write.
        alone = self.copy.quoted
        threads = "parallel = false" if alone else f"buffer_size = {2 * _MAX_LINE}, parallel = true"
        return f"""
            SELECT {cells}
            FROM read_csv(
                {literal(str(self.file))}, auto_detect = false, header = true, strict_mode = true,
                delim = {literal(self.dialect.delimiter)}, quote = {quote}, escape = {quote},
                new_line = '\\n', columns = {{{fields}}}, nullstr = [{codes}], {bad},
                max_line_size = {_MAX_LINE}, {threads}
            )
            """  # noqa: S608

    def proved(self, session: Session, rows: int, header_lines: int) -> tuple[int, Problem | None]:
        """Make the table `rejected` once the source was read with its rejects into rows.

        Returns how many rows could not be split into cells, and the problem where lines were
        lost: the engine may stop at an unclosed quote without a word, so the line ends of the
        file must be those after its rows and those within its cells.
        """
        session.run(
            """
            CREATE TABLE rejected AS
            SELECT line, max(error_type::VARCHAR) AS error, any_value(csv_line) AS csv_line,
                NULL::VARCHAR AS file
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
        inside = 0
        if self.copy.quoted:
            within = " + ".join(_line_ends_within(column) for column in self.columns)
            inside = session.number(f"SELECT {within} FROM staged")  # noqa: S608
        if self.copy.lines == header_lines + rows + inside + rejected_lines:
            return rejected, None
        near = min(first or rows + rejected + 2, rows + rejected + 2)
        return rejected, Problem(
            kind=Kind.UNBALANCED_QUOTE,
            rule="a quote is opened in or near this row and not closed",
            rows=(near,),
        )


NO_REJECTED = "CREATE TABLE rejected (line BIGINT, error VARCHAR, csv_line VARCHAR, file VARCHAR)"
"""The table of rows that could not be split into cells, where the format splits them itself."""


def stage_table(
    session: Session, table: Path, columns: Sequence[Column], missing: Sequence[str]
) -> None:
    """Make the view `staged` (k, line, blank, c0 … cn) of a table of text in Parquet."""
    cells = ", ".join(
        f"{_cell(column, [*missing, *BLANKS], ())} AS {column.sql}" for column in columns
    )
    everything = ", ".join(column.sql for column in columns)
    session.run(
        f"""
        CREATE VIEW staged AS
        SELECT *, coalesce({everything}) IS NULL AS blank
        FROM (
            SELECT row_number() OVER () AS k, line, {cells}
            FROM read_parquet({literal(str(table))})
        )
        """  # noqa: S608
    )
    session.run(NO_REJECTED)


def _shared_missing(
    columns: Sequence[Column], missing: Sequence[str], dialect: Dialect
) -> list[str]:
    """The codes that mean a missing value in every column, and that the reader can compare."""
    levels = {level for column in columns for level in _levels(column)}
    marks = {dialect.delimiter, dialect.quote, "\n", "\r"} - {""}
    return [
        code
        for code in dict.fromkeys([*missing, *BLANKS])
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
    codes = [code for code in missing if code not in shared and code not in _levels(column)]
    if not codes:
        return cell
    # One CASE: a nullif within another doubles the text of the inner one.
    listed = ", ".join(literal(code) for code in codes)
    return f"CASE WHEN {cell} IN ({listed}) THEN NULL ELSE {cell} END"


def _line_ends_within(column: Column) -> str:
    ends = f"len({column.sql}) - len(replace({column.sql}, chr(10), ''))"
    return f"coalesce(sum({ends}) FILTER (contains({column.sql}, chr(10))), 0)"
