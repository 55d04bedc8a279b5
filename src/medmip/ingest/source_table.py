"""A file's cells as text whatever its columns are: for mappings, queries and suggestions."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from medmip.ingest.dialect import Dialect, Options, read_head
from medmip.ingest.errors import IngestError
from medmip.ingest.formats import TAB_SUFFIXES, Format
from medmip.ingest.header import duplicates
from medmip.ingest.report import Problem
from medmip.ingest.session import Session, literal
from medmip.ingest.staging import AT_ONCE, Column, StagedFile, stage_table
from medmip.ingest.table_reading import format_of, read_table
from medmip.ingest.text_table import TextTable
from medmip.ingest.transcode import (
    LONGEST,
    Endless,
    Unreadable,
    bad_text,
    detect_encoding,
    head_of,
    transcode,
)


@dataclass(frozen=True)
class SourceTable:
    """A file read: its table (see TextTable), and its rows that could not be split into cells.

    rejected is a Parquet file of line, error and csv_line, or None where every row could be;
    left_out are the columns that were not wanted.
    """

    file: str
    table: TextTable
    dialect: Dialect
    records: int
    rejected: Path | None = None
    left_out: tuple[str, ...] = ()


def read_source(
    path: Path,
    work: Path,
    options: Options,
    known: Collection[str] = (),
    wanted: Callable[[str], bool] = lambda _name: True,
) -> SourceTable:
    """Read a file into the fresh folder work, keeping the columns whose names are wanted.

    known are names that its header may have. Raises IngestError where it is no table: empty,
    damaged, in another encoding, without a header, or with an open quote.
    """
    if not path.stat().st_size:
        raise IngestError("The file is empty.", where=path.name)
    kind = format_of(path)
    session = Session(work, options.memory)
    try:
        if kind is Format.CSV:
            return _read_csv(session, path, options, known, wanted)
        return _read_table(session, path, kind, options, wanted)
    finally:
        session.close()


def _read_table(
    session: Session, path: Path, kind: Format, options: Options, wanted: Callable[[str], bool]
) -> SourceTable:
    table = read_table(path, kind, session.work / "cells.parquet", options.sheet)
    _refuse_header(table.names, path)
    columns = _columns(table.names)
    stage_table(session, table.file, columns, options.missing)
    records = session.number("SELECT count(*) FROM staged WHERE NOT blank")
    kept = _kept(session, columns, wanted, "line", "FROM staged WHERE NOT blank")
    named = TextTable(
        tuple(column.name for column in columns if wanted(column.name)),
        kept,
        table.sheet,
        table.labels,
        table.levels,
    )
    dialect = Dialect.of_table(kind, table.sheet)
    left_out = tuple(name for name in table.names if not wanted(name))
    return SourceTable(path.name, named, dialect, records, None, left_out)


def _read_csv(
    session: Session,
    path: Path,
    options: Options,
    known: Collection[str],
    wanted: Callable[[str], bool],
) -> SourceTable:
    encoding = options.encoding or detect_encoding(path)
    if options.delimiter is None and path.suffix.lower() in TAB_SUFFIXES:
        options = options.model_copy(update={"delimiter": "\t"})
    head = read_head(head_of(path, encoding), known, options)
    if head is None or not any(head.names):
        raise IngestError(
            "The first row is empty, too long, or its quotes are not closed.", where=path.name
        )
    _refuse_header(head.names, path)
    clean = session.work / "copy.csv"
    try:
        copy = transcode(path, clean, encoding, head, progress=lambda _done: None)
    except Unreadable:
        bad = next(iter(bad_text(path, encoding)), None)
        line = f" in line {bad.lines[0]:,}" if bad and bad.lines else ""
        raise IngestError(
            f"The file has bytes{line} that are no {encoding} text.",
            where=path.name,
            remedy="Say which encoding it has.",
        ) from None
    except Endless as endless:
        raise IngestError(
            f"Line {endless.line:,} is of more than {LONGEST >> 20} MB.",
            where=path.name,
            remedy="Line ends are missing: export the file again.",
        ) from None
    dialect = Dialect(
        encoding=encoding, delimiter=head.delimiter, quote=head.quote, newline=copy.newline
    )
    columns = _columns(head.names)
    staged = StagedFile(clean, copy, columns, dialect, options.missing)
    staged.view(session)
    rows = session.number(f"SELECT count(*) FROM ({staged.source(rejects=True)})")
    split, lost = staged.proved(session, rows, head.lines)
    if lost is not None:
        raise _no_table(lost, path)
    records = session.number("SELECT count(*) FROM staged WHERE NOT blank") + split
    rejected = None
    line, among = "k + 1", "FROM staged WHERE NOT blank"
    if split:
        rejected = session.work / "rejected.parquet"
        session.run(
            f"COPY (SELECT line, error, csv_line FROM rejected) TO {literal(str(rejected))} "
            "(FORMAT parquet)"
        )
        line = "k + 1 + coalesce(rejected, 0)"
        among = """
            FROM staged ASOF LEFT JOIN (
                SELECT before, max(nth) AS rejected
                FROM (
                    SELECT nth, line - 1 - nth AS before
                    FROM (SELECT line, row_number() OVER (ORDER BY line) AS nth FROM rejected)
                )
                GROUP BY before
            ) AS shift ON staged.k > shift.before
            WHERE NOT blank
            """
    kept = _kept(session, columns, wanted, line, among)
    names = tuple(column.name for column in columns if wanted(column.name))
    clean.unlink()
    left_out = tuple(name for name in head.names if not wanted(name))
    table = TextTable(names, kept)
    return SourceTable(path.name, table, dialect, records, rejected, left_out)


def _columns(names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(Column(index, name, None) for index, name in enumerate(names))


def _kept(
    session: Session,
    columns: tuple[Column, ...],
    wanted: Callable[[str], bool],
    line: str,
    rows: str,
) -> Path:
    file = session.work / "kept.parquet"
    chosen = [column for column in columns if wanted(column.name)]
    cells = "".join(f", {column.sql} AS c{index}" for index, column in enumerate(chosen))
    session.run(
        f"COPY (SELECT {line} AS line{cells} {rows}) TO {literal(str(file))} "
        f"(FORMAT parquet, ROW_GROUP_SIZE {AT_ONCE})"
    )
    return file


def _refuse_header(names: tuple[str, ...], path: Path) -> None:
    twice = next(iter(duplicates(names)), None)
    if twice is not None:
        raise _no_table(twice, path)


def _no_table(problem: Problem, path: Path) -> IngestError:
    return IngestError(f"It cannot be read: {problem.kind}: {problem}.", where=path.name)
