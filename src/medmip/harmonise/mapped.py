"""Files read through a mapping: rows of the data model, checked as strictly as a file's own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.harmonise.errors import MappingError
from medmip.harmonise.gathering import Gathered, gather
from medmip.harmonise.mapping_file import MappingFile
from medmip.harmonise.tables import Tables
from medmip.harmonise.targets import Filled, filled, selected
from medmip.ingest.audit import audit
from medmip.ingest.cells import write_cells
from medmip.ingest.dialect import Dialect, Options
from medmip.ingest.formats import Format
from medmip.ingest.header import key_names
from medmip.ingest.numbering import ByOrigin
from medmip.ingest.reading import Progress, Reading, check_usable, datasets_of
from medmip.ingest.report import Kind, Problem, Report
from medmip.ingest.rules import Rule
from medmip.ingest.session import Session, literal
from medmip.ingest.staging import AT_ONCE, NO_REJECTED, Column
from medmip.ingest.work import work_folder


@dataclass(frozen=True)
class Mapped:
    """What a mapping made: the reading, what fills its columns, and the files it was made of."""

    reading: Reading
    filled: tuple[Filled, ...]
    gathered: Gathered


@contextmanager
def mapped(
    paths: Sequence[Path],
    mapping: MappingFile,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    home: Home | None = None,
    also: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Iterator[Mapped]:
    """Files, folders and zips read through a mapping; see ingest.reading for what is at hand.

    The table `cells` also has the raw codes r0 … rn, where codes were mapped. Raises
    MappingError, IngestError.
    """
    options = options or Options()
    told = progress or (lambda _step, _done: None)
    for path in paths:
        if not path.is_dir():
            check_usable(path, model, dataset, options)
    with work_folder(home) as work:
        told("Reading", None)
        gathered = gather(paths, mapping, work, options.memory)
        session = Session(work, options.memory, also)
        try:
            told("Mapping", None)
            columns = _made(session, mapping, gathered, model, dataset)
            told("Checking", None)
            reading = _audited(session, mapping, gathered, columns, model, dataset)
            yield Mapped(reading, tuple(columns), gathered)
        finally:
            session.close()


def _made(
    session: Session,
    mapping: MappingFile,
    gathered: Gathered,
    model: DataModel,
    dataset: str | None,
) -> list[Filled]:
    """Run the mapping's one query into the view `staged`."""
    tables = Tables(mapping.mapping, gathered)
    rows = tables.rows()
    columns = filled(mapping.mapping, rows, model, dataset)
    with_ = f"WITH {', '.join(tables.parts)}"
    for name, keys, place in tables.unique:
        if session.number(
            f"SELECT count(*) FROM ({with_} SELECT 1 FROM {name} "
            f"WHERE ({keys}) IS NOT NULL GROUP BY {keys} HAVING count(*) > 1)"
        ):
            raise MappingError(
                "Several rows there have the same key, so that rows here would be doubled.",
                where=place,
                remedy="Make them one with one_per, or take values from them as facts.",
            )
    query = selected(session, with_, rows, columns)
    file = session.work / "mapped.parquet"
    session.run(
        f"COPY (SELECT row_number() OVER () AS k, false AS blank, * FROM ({query} ORDER BY ALL)) "
        f"TO {literal(str(file))} (FORMAT parquet, ROW_GROUP_SIZE {AT_ONCE})"
    )
    session.run(f"CREATE VIEW staged AS SELECT * FROM read_parquet({literal(str(file))})")
    return columns


def _audited(
    session: Session,
    mapping: MappingFile,
    gathered: Gathered,
    columns: list[Filled],
    model: DataModel,
    dataset: str | None,
) -> Reading:
    keys = key_names(model)
    staged = tuple(
        Column(
            index,
            column.code,
            column.variable,
            column.code in keys,
            f"o{index}" if column.origin else "",
        )
        for index, column in enumerate(columns)
    )
    dialect = Dialect.of_table(Format.MAPPING, None)
    _list_rejected(session, gathered)
    cells = write_cells(session, staged, dialect.decimal)
    checks = [
        Rule(staged[index], check.kind, check.text, f"x{index}_{place}")
        for index, column in enumerate(columns)
        for place, check in enumerate(column.checks)
    ]
    problems = audit(
        session,
        staged,
        model,
        dataset,
        dialect,
        ByOrigin(gathered.files),
        checks,
        unread=cells.unread,
    )
    if not cells.rows:
        empty = Problem(kind=Kind.NO_RECORDS, rule="the mapping makes no row of these files")
        problems = (*problems, empty)
    report = Report(
        file=gathered.files[0],
        model=model.key,
        dialect=dialect,
        columns=tuple(column.name for column in staged),
        datasets=datasets_of(session, staged, model, dataset),
        records=cells.rows,
        problems=problems,
    )
    return Reading(report, staged, session, mapping.content)


def _list_rejected(session: Session, gathered: Gathered) -> None:
    session.run(NO_REJECTED)
    for tables in gathered.tables.values():
        for table in tables:
            if table.rejected is not None:
                session.run(
                    "INSERT INTO rejected SELECT line, error, csv_line, ? FROM read_parquet(?)",
                    [table.file, str(table.rejected)],
                )
