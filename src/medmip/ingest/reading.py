"""A file at hand: copied, its dialect detected, its cells staged and audited."""

import csv
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET
from medmip.ingest.audit import audit, detect_decimal
from medmip.ingest.cells import Cells, write_cells
from medmip.ingest.dialect import Dialect, Head, Options, read_head
from medmip.ingest.errors import IngestError
from medmip.ingest.formats import TAB_SUFFIXES, Format
from medmip.ingest.header import columns_of, header_problems, key_names, shown
from medmip.ingest.numbering import ByColumn, ByCounting, Numbering
from medmip.ingest.report import Kind, Problem, Report
from medmip.ingest.session import Session, literal
from medmip.ingest.staging import Column, StagedFile, stage_table
from medmip.ingest.table_reading import format_of, read_table
from medmip.ingest.transcode import (
    LONGEST,
    Copy,
    Endless,
    Unreadable,
    bad_text,
    detect_encoding,
    head_of,
    is_text_encoding,
    transcode,
)
from medmip.ingest.unpacking import unpack
from medmip.ingest.work import work_folder
from medmip.store.snapshots import is_dataset_code

Progress = Callable[[str, float | None], None]
"""Told the step that runs, and how much of it is done, 0 to 1, where known."""

_HAS_PROBLEMS = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'problem'"


@dataclass(frozen=True)
class Reading:
    """A file as it was read: its report, and the session that holds its cells where it has any.

    mapping is what it was read through, to be kept with what is published.
    """

    report: Report
    columns: tuple[Column, ...] = ()
    session: Session | None = None
    mapping: bytes | None = None

    def listed(self, home: Home | None, target: Path | None) -> Report:
        """The report, with every problem written to a CSV file."""
        if target is None and home is not None:
            target = home.logs / f"{self.report.file}.problems.csv"
        if target is None or self.report.clean:
            return self.report
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.touch(mode=0o600)
            self._write(target)
        except OSError as error:
            raise IngestError(
                f"The list of problems cannot be written: {error.strerror}.", where=str(target)
            ) from None
        return self.report.model_copy(update={"written": target})

    def _write(self, target: Path) -> None:
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "column", "problem", "rule", "file"])
            for problem in self.report.problems:
                if problem.kind.is_of_file:
                    for row in problem.rows or ("",):
                        told = [_safe(problem.column or ""), problem.kind, problem.rule]
                        writer.writerow([row, *told, problem.file or ""])
        if self.session is None or not self.session.number(_HAS_PROBLEMS):
            return
        rest = self.session.work / "problems.csv"
        names = ", ".join(
            f"({column.index}, {literal(_safe(shown(column.name)))})" for column in self.columns
        )
        self.session.run(
            f"""
            COPY (
                SELECT line, coalesce(name, ''), kind, rule, coalesce(file, '')
                FROM problem LEFT JOIN (VALUES {names}) AS named(place, name) USING (place)
                ORDER BY file, line, place, kind, rule
            ) TO {literal(str(rest))} (FORMAT csv, HEADER false)
            """  # noqa: S608
        )
        with target.open("ab") as file, rest.open("rb") as more:
            shutil.copyfileobj(more, file)


@contextmanager
def reading(
    path: Path,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    home: Home | None = None,
    also: Sequence[Path] = (),
    let_go: Collection[str] = (),
    progress: Progress | None = None,
) -> Iterator[Reading]:
    """A file read and audited, its cells at hand; `also` names folders that the session may read.

    Columns named in let_go may be unknown to the model. The table `cells` (k, c0 … cn, n0 … nn)
    holds the rows, `problem` what is wrong with them. Raises IngestError where the file or the
    options cannot be used at all.
    """
    options = options or Options()
    check_usable(path, model, dataset, options)
    with work_folder(home) as work:
        session = Session(work, options.memory, also)
        try:
            reader = _Reader(
                session, path, model, dataset, options, frozenset(let_go), progress or _silent
            )
            yield reader.read()
        finally:
            session.close()


def _safe(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def _silent(step: str, done: float | None) -> None:
    """Nobody watches."""


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to a file, or puts another in its place."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def check_usable(path: Path, model: DataModel, dataset: str | None, options: Options) -> None:
    """Raises IngestError where a file cannot be opened, or the dataset is none of the model's."""
    if not path.is_file():
        raise IngestError("There is no such file.", where=str(path))
    try:
        path.open("rb").close()
    except OSError as error:
        raise IngestError(f"It cannot be read: {error.strerror}.", where=str(path)) from None
    if options.encoding is not None and not is_text_encoding(options.encoding):
        raise IngestError(
            f"The encoding “{options.encoding}” is not known.",
            remedy="Use utf-8, utf-16, latin-1 or cp1252, or leave it to be detected.",
        )
    if dataset is None:
        return
    if not is_dataset_code(dataset):
        raise IngestError(
            "A dataset's code is made of letters, digits, `_`, `.` and `-`, 100 at most."
        )
    variable = model.all_variables.get(DATASET)
    if variable is not None and variable.levels and dataset not in variable.levels:
        raise IngestError(
            f"{model.key} has no dataset “{dataset}”.",
            remedy=f"Its datasets are {', '.join(variable.levels)}.",
        )


def datasets_of(
    session: Session, columns: Sequence[Column], model: DataModel, dataset: str | None
) -> tuple[str, ...]:
    """The datasets that the rows hold, but for names that are not allowed."""
    if dataset is not None:
        return (dataset,)
    cells = [column.sql for column in columns if column.name == DATASET]
    if not cells:
        return ()
    rows = session.rows(
        f"SELECT DISTINCT {cells[0]} AS code FROM cells WHERE code IS NOT NULL ORDER BY code"  # noqa: S608
    )
    variable = model.all_variables.get(DATASET)
    levels = variable.levels if variable else ()
    names = [str(code) for (code,) in rows]
    return tuple(name for name in names if (name in levels if levels else is_dataset_code(name)))


@dataclass(frozen=True)
class _Reader:
    session: Session
    path: Path
    model: DataModel
    dataset: str | None
    options: Options
    let_go: frozenset[str]
    progress: Progress
    shown: str = ""

    def read(self) -> Reading:
        self.progress("Detecting", None)
        if not self.path.stat().st_size:
            return self._stopped(Dialect(), Problem(kind=Kind.EMPTY_FILE, rule="the file is empty"))
        kind = format_of(self.path)
        if kind is Format.ZIP:
            return self._packed()
        return self._csv() if kind is Format.CSV else self._table(kind)

    def _packed(self) -> Reading:
        folder = self.session.work / "unpacked"
        folder.mkdir()
        files = unpack(self.path, folder)
        if len(files) > 1:
            raise IngestError(
                f"The zip holds {len(files)} files: {', '.join(file.name for file in files)}.",
                where=self.path.name,
                remedy="Bring in one file at a time, or join them by a mapping.",
            )
        return replace(self, path=files[0], shown=self.path.name).read()

    def _table(self, kind: Format) -> Reading:
        self.progress("Converting", None)
        target = self.session.work / "table.parquet"
        table = read_table(self.path, kind, target, self.options.sheet)
        dialect = Dialect.of_table(kind, table.sheet)
        if not any(table.names):
            rule = "no column has a name"
            return self._stopped(dialect, Problem(kind=Kind.BAD_HEADER, rule=rule))
        columns = columns_of(table.names, self.model)
        problems = tuple(header_problems(columns, self.model, self.dataset, self.let_go))
        if any(problem.kind is Kind.BAD_HEADER for problem in problems):
            return self._stopped(dialect, *problems)
        self.progress("Reading", None)
        stage_table(self.session, target, columns, self.options.missing)
        decimal, ambiguous = detect_decimal(self.session, columns, dialect.delimiter, self.options)
        cells = write_cells(self.session, columns, decimal)
        dialect = dialect.model_copy(update={"decimal": decimal})
        problems += (ambiguous,) if ambiguous else ()
        return self._audited(cells, 0, columns, dialect, problems, ByColumn())

    def _csv(self) -> Reading:
        encoding = self.options.encoding or detect_encoding(self.path)
        known = {*self.model.all_variables, *key_names(self.model)}
        options = self.options
        if options.delimiter is None and self.path.suffix.lower() in TAB_SUFFIXES:
            options = options.model_copy(update={"delimiter": "\t"})
        head = read_head(head_of(self.path, encoding), known, options)
        if head is None or not any(head.names):
            rule = "the first row is empty, too long, or its quotes are not closed"
            bad = Problem(kind=Kind.BAD_HEADER, rule=rule, rows=(1,))
            return self._stopped(Dialect(encoding=encoding), *self._bad_text(encoding), bad)
        dialect = Dialect(encoding=encoding, delimiter=head.delimiter, quote=head.quote)
        clean = self.session.work / "copy.csv"
        before = _stamp(self.path)
        try:
            copy = transcode(
                self.path,
                clean,
                encoding,
                head,
                progress=lambda done: self.progress("Copying", done),
            )
        except Unreadable:
            return self._stopped(dialect, *self._bad_text(encoding))
        except Endless as endless:
            rule = f"a row of more than {LONGEST >> 20} MB, as where line ends are missing"
            bad = Problem(kind=Kind.ENDLESS_ROW, rule=rule, rows=(endless.line,))
            return self._stopped(dialect, bad)
        if _stamp(self.path) != before:
            raise IngestError(
                "The file was changed while it was read.",
                where=self.path.name,
                remedy="Wait until whoever writes it has finished, then try again.",
            )
        dialect = dialect.model_copy(update={"newline": copy.newline})
        columns = columns_of(head.names, self.model)
        problems = tuple(header_problems(columns, self.model, self.dataset, self.let_go))
        if any(problem.kind is Kind.BAD_HEADER for problem in problems):
            return self._stopped(dialect, *problems)
        return self._staged(copy, clean, head, columns, dialect, problems)

    def _staged(
        self,
        copy: Copy,
        clean: Path,
        head: Head,
        columns: tuple[Column, ...],
        dialect: Dialect,
        problems: tuple[Problem, ...],
    ) -> Reading:
        self.progress("Reading", None)
        staged = StagedFile(clean, copy, columns, dialect, self.options.missing)
        staged.view(self.session)
        decimal, ambiguous = detect_decimal(self.session, columns, dialect.delimiter, self.options)
        source = f"({staged.source(rejects=True)})"
        cells = write_cells(self.session, columns, decimal, source, guarded=copy.underscored)
        rejected, lost = staged.proved(self.session, cells.rows, head.lines)
        if lost is not None:
            report = self._report(columns, dialect, cells, rejected, (*problems, lost))
            return Reading(report, columns, self.session)
        dialect = dialect.model_copy(update={"decimal": decimal})
        problems += (ambiguous,) if ambiguous else ()
        return self._audited(cells, rejected, columns, dialect, problems, ByCounting())

    def _report(
        self,
        columns: tuple[Column, ...],
        dialect: Dialect,
        cells: Cells,
        rejected: int,
        problems: tuple[Problem, ...],
    ) -> Report:
        return Report(
            file=self.shown or self.path.name,
            model=self.model.key,
            dialect=dialect,
            columns=tuple(shown(column.name) for column in columns),
            records=cells.rows + rejected - cells.blank,
            blank=cells.blank,
            problems=problems,
        )

    def _audited(
        self,
        cells: Cells,
        rejected: int,
        columns: tuple[Column, ...],
        dialect: Dialect,
        problems: tuple[Problem, ...],
        numbering: Numbering,
    ) -> Reading:
        report = self._report(columns, dialect, cells, rejected, problems)
        if not report.records:
            empty = Problem(kind=Kind.NO_RECORDS, rule="there is no record below the header")
            problems = (*problems, empty)
            return Reading(report.model_copy(update={"problems": problems}), columns, self.session)
        self.progress("Checking", None)
        if not any(problem.kind is Kind.DUPLICATE_COLUMN for problem in problems):
            problems += audit(
                self.session,
                columns,
                self.model,
                self.dataset,
                dialect,
                numbering,
                unread=cells.unread,
            )
        found = {
            "problems": problems,
            "datasets": datasets_of(self.session, columns, self.model, self.dataset),
        }
        return Reading(report.model_copy(update=found), columns, self.session)

    def _bad_text(self, encoding: str) -> Iterator[Problem]:
        rules = {
            Kind.BAD_ENCODING: f"bytes that are not {encoding}; say which encoding with --encoding",
            Kind.NUL_BYTE: "a NUL character, as in a damaged or binary file",
        }
        for bad in bad_text(self.path, encoding):
            yield Problem(kind=bad.kind, rule=rules[bad.kind], count=bad.count, rows=bad.lines)

    def _stopped(self, dialect: Dialect, *problems: Problem) -> Reading:
        """The report of a file that is no table."""
        report = Report(
            file=self.shown or self.path.name,
            model=self.model.key,
            dialect=dialect,
            problems=problems,
        )
        return Reading(report)
