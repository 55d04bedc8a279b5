"""Volumes put beside the clinical rows, each number held against the data model first."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET
from medmip.errors import FieldProblem
from medmip.imaging.errors import ImagingError
from medmip.imaging.publication.columns import numbers_of
from medmip.imaging.publication.looking import Found, numbered
from medmip.ingest.dialect import Options
from medmip.ingest.reading import reading
from medmip.ingest.report import Problem
from medmip.ingest.rules import typed
from medmip.ingest.session import Session
from medmip.ingest.work import work_folder
from medmip.store.parquet import COMPRESSION, PATIENT_COLUMN, ROW_GROUP
from medmip.store.sql_session import literal, quoted

_ROW = "mip_row"
_AS_WRITTEN = Options(delimiter=",", encoding="utf-8", decimal=".", quote='"')


@contextmanager
def joined(home: Home, found: Found, code: str) -> Iterator[tuple[Session, Path]]:
    """The rows of a dataset with their volumes as a file, and the session that wrote it.

    code is that of the dataset that it is for. Raises ImagingError where a volume does not fit
    the data model, IngestError.
    """
    with work_folder(home) as work:
        table = work / "volumes.csv"
        scans = _write(found, table)
        read = reading(
            table, found.model, code, _AS_WRITTEN, home=home, also=[home.datasets], let_go=[_ROW]
        )
        with read as volumes:
            if volumes.report.problems or volumes.session is None:
                raise _misfit(found, scans, volumes.report.problems)
            by_name = {column.name: column for column in volumes.columns}
            cells = ", ".join(
                f"{typed(by_name[name])} AS {quoted(name)}" for name in found.columns.taken
            )
            file = volumes.session.work / f"{code}.parquet"
            volumes.session.run(
                f"""
                COPY (
                    SELECT {_columns(found, code)}
                    FROM {numbered(found.current.path)} AS r LEFT JOIN (
                        SELECT CAST({by_name[_ROW].sql} AS BIGINT) AS {_ROW}, {cells} FROM cells
                    ) AS v ON r.file_row_number = v.{_ROW}
                    ORDER BY r.file_row_number
                ) TO {literal(str(file))}
                (FORMAT parquet, COMPRESSION {COMPRESSION}, ROW_GROUP_SIZE {ROW_GROUP})
                """  # noqa: S608
            )
            yield volumes.session, file


def _write(found: Found, table: Path) -> list[str]:
    """The volumes as a table like any that is imported; the scan of each of its rows."""
    visit = found.model.visit_column
    names = [found.model.patient_column, *([visit] if visit else []), *found.columns.taken]
    with table.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([_ROW, *names])
        for row, scan in found.joined.items():
            numbers = numbers_of(scan.volumes)
            which = [found.visits.get(row, "")] if visit else []
            told = [repr(numbers[name]) if name in numbers else "" for name in found.columns.taken]
            lines.writerow([row, found.patients[row], *which, *told])
    return [scan.record.id for scan in found.joined.values()]


def _columns(found: Found, code: str) -> str:
    """Those of the version in their order, replaced where they are measured; then the new ones."""
    kept = [name for name in found.current.variables if name not in found.plan.gone]
    new = [name for name in found.columns.taken if name not in kept]
    cells = []
    for name in [*kept, *new]:
        if name == DATASET:
            cells.append(f"{literal(code)} AS {DATASET}")
        else:
            table = "v" if name in found.columns.taken else "r"
            cells.append(f"{table}.{quoted(name)}")
    return ", ".join([*cells, f"r.{PATIENT_COLUMN}"])


def _misfit(found: Found, scans: list[str], problems: tuple[Problem, ...]) -> ImagingError:
    """Told by the scans' ids, as a person finds them, never by a value."""
    fields = []
    for problem in problems:
        # The header is row 1.
        named = ", ".join(scans[row - 2] for row in problem.rows if 0 <= row - 2 < len(scans))
        fields.append(FieldProblem(problem.column or "volumes", f"{problem.rule}: scan {named}"))
    return ImagingError(
        f"What was measured does not fit {found.model.key}; nothing was published.",
        remedy="Look at these scans: reject them, or have them measured anew.",
        fields=tuple(fields),
    )
