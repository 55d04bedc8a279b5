"""Files asked by SQL before any import: read-only, bounded in rows, memory and time."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import duckdb
from pydantic import BaseModel, ConfigDict
from python_calamine import CalamineError, CalamineWorkbook

from medmip.catalogue.home import Home
from medmip.ingest.dialect import Options
from medmip.ingest.errors import IngestError, QueryError
from medmip.ingest.formats import SUFFIXES, Format
from medmip.ingest.session import EngineStopped, Session, literal
from medmip.ingest.source_table import SourceTable, read_source
from medmip.ingest.table_reading import format_of
from medmip.ingest.unpacking import unpack
from medmip.ingest.work import work_folder

Cell = str | int | float | bool | None


class QueryResult(BaseModel):
    """The first rows of a query; more says whether there are others."""

    model_config = ConfigDict(frozen=True)

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: bool


class Asked(BaseModel):
    """A table that can be asked: its file, and the sheet where a workbook has several."""

    model_config = ConfigDict(frozen=True)

    table: str
    file: Path
    sheet: str | None = None


def query(
    paths: Sequence[Path],
    sql: str,
    *,
    home: Home | None = None,
    limit: int = 100,
    seconds: float = 60,
    memory: str = "512MB",
) -> QueryResult:
    """What one SELECT says over files, each a table; raises QueryError, IngestError.

    Columns whose every cell is a whole number, a number or an ISO date are that, the others
    text. Only the tables that the query names are read, into a folder that the engine cannot leave.
    """
    with work_folder(home) as work:
        known = {asked.table: asked for asked in tables_of(paths, work)}
        named = _named(sql, known)
        sources = {}
        for table in named:
            folder = work / f"t_{table}"
            folder.mkdir()
            asked = known[table]
            options = Options(sheet=asked.sheet, memory=memory)
            sources[table] = read_source(asked.file, folder, options)
        session = Session(work, memory)
        try:
            for table, source in sources.items():
                if source.rejected is not None:
                    raise QueryError(
                        "Some of its rows cannot be split into cells, and an answer without them "
                        "would be wrong.",
                        where=source.file,
                        remedy="See which with: mip data check",
                    )
                session.run(f'CREATE VIEW "{table}" AS {_typed(session, source)}')
            message = session.unbound(sql)
            if message is not None:
                raise _unbound(message, known)
            columns, rows = session.select(sql, limit + 1, seconds)
        except EngineStopped as stopped:
            raise QueryError(
                f"It stopped at a value that it cannot take ({stopped.kind}).",
                remedy="Cells that are no number or date need try_cast(column AS …).",
            ) from None
        finally:
            session.close()
    shown = tuple(tuple(_cell(cell) for cell in row) for row in rows[:limit])
    return QueryResult(columns=tuple(columns), rows=shown, more=len(rows) > limit)


def tables_of(paths: Sequence[Path], work: Path) -> list[Asked]:
    """The tables that files, folders and zips hold, by the names that a query gives them.

    A name is the file's in lower case, what is no letter, digit or `_` left out and `-` and
    blanks made `_`; a workbook of several sheets has a table for each, `file_sheet`.
    """
    found: dict[str, Asked] = {}
    for path in _files(paths, work):
        for sheet in _sheets(path):
            stem = table_name(path.stem if sheet is None else f"{path.stem}_{sheet}")
            if stem in found:
                raise QueryError(
                    f"{found[stem].file.name} and {path.name} would both be the table {stem}.",
                    remedy="Name one of them with --file.",
                )
            found[stem] = Asked(table=stem, file=path, sheet=sheet)
    return list(found.values())


def table_name(name: str) -> str:
    """A file's name as that of a table."""
    lower = re.sub(r"[-\s.]+", "_", name.casefold())
    clean = re.sub(r"[^a-z0-9_]", "", lower).strip("_")
    return clean if re.match(r"[a-z]", clean) else f"t{clean}"


def _files(paths: Sequence[Path], work: Path) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES]
            found += _files([p for p in inside if not p.name.startswith(".")], work)
        elif path.suffix.lower() == ".zip":
            folder = work / f"zip{len(found)}"
            folder.mkdir()
            found += unpack(path, folder)
        else:
            found.append(path)
    return found


def _sheets(path: Path) -> list[str | None]:
    if format_of(path) is not Format.EXCEL:
        return [None]
    try:
        with CalamineWorkbook.from_path(path) as book:
            names = book.sheet_names
    except CalamineError:
        raise IngestError("The workbook is damaged, or no .xlsx file.", where=path.name) from None
    return [None] if len(names) < 2 else [*names]


def _named(sql: str, known: dict[str, Asked]) -> list[str]:
    """The tables whose names stand in a query; raises IngestError where it is not one SELECT."""
    parser = duckdb.connect()
    try:
        kinds = [statement.type for statement in parser.extract_statements(sql)]
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise QueryError(f"It cannot be read: {first}") from None
    finally:
        parser.close()
    if kinds != [duckdb.StatementType.SELECT]:
        raise QueryError(
            "Only one SELECT is allowed; nothing here can be changed.",
            remedy="Ask as in: select sex, count(*) from export group by sex",
        )
    words = set(re.findall(r"\w+", sql.casefold()))
    return sorted(words & known.keys())


def _unbound(message: str, known: dict[str, Asked]) -> QueryError:
    """Why a query does not fit, with the tables there are where it names another."""
    remedy = None
    if "PermissionException" in message:
        message, remedy = "It reads a file by its path.", f"There are {', '.join(sorted(known))}."
    if match := re.search(r"Table with name (\S+) does not exist", message):
        near = get_close_matches(match[1].casefold(), known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(known))}."
    return QueryError(message, remedy=remedy)


def _typed(session: Session, source: SourceTable) -> str:
    """The SELECT of a source with its columns as numbers and dates where every cell is one."""
    file = literal(str(source.table.file))
    width = len(source.table.names)
    tests = ", ".join(
        f"count(c{i}), count(*) FILTER (regexp_full_match(c{i}, {literal(_WHOLE)})), "
        f"count(*) FILTER (regexp_full_match(c{i}, {literal(_NUMBER)})), "
        f"count(*) FILTER (regexp_full_match(c{i}, {literal(_DATE)}) "
        f"AND TRY_CAST(c{i} AS DATE) IS NOT NULL)"
        for i in range(width)
    )
    counts = [int(str(n)) for n in session.rows(f"SELECT {tests} FROM read_parquet({file})")[0]]
    cells = []
    for index, name in enumerate(source.table.names):
        cells_there, whole, numbers, dates = counts[4 * index : 4 * index + 4]
        kind = "VARCHAR"
        if cells_there and whole == cells_there:
            kind = "BIGINT"
        elif cells_there and numbers == cells_there:
            kind = "DOUBLE"
        elif cells_there and dates == cells_there:
            kind = "DATE"
        shown = name.replace('"', '""') or f"column{index + 1}"
        cells.append(f'CAST(c{index} AS {kind}) AS "{shown}"')
    return f"SELECT {', '.join(cells)} FROM read_parquet({file})"


_NUMBER = r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][+-]?[0-9]+)?"
"""A code such as 007 stays text."""
_WHOLE = r"[+-]?(0|[1-9][0-9]{0,17})"
_DATE = r"\d{4}-\d{2}-\d{2}"


def _cell(cell: object) -> Cell:
    return cell if cell is None or isinstance(cell, str | int | float | bool) else str(cell)
