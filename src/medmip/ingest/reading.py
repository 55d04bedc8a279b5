"""A file at hand: copied, its dialect detected, its cells staged and audited."""

import csv
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET
from medmip.ingest.audit import audit, detect_decimal
from medmip.ingest.dialect import Dialect, Head, Options, read_head
from medmip.ingest.errors import IngestError
from medmip.ingest.header import columns_of, header_problems, key_names, shown
from medmip.ingest.report import Kind, Problem, Report
from medmip.ingest.rules import cells_view
from medmip.ingest.session import Session, literal
from medmip.ingest.staging import Column, stage
from medmip.ingest.transcode import (
    Copy,
    Unreadable,
    bad_text,
    detect_encoding,
    head_of,
    is_text_encoding,
    transcode,
)
from medmip.ingest.work import work_folder
from medmip.store.snapshots import is_dataset_code

Progress = Callable[[str, float | None], None]
"""Told the step that runs, and how much of it is done, 0 to 1, where known."""

_HAS_PROBLEMS = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'problem'"


@dataclass(frozen=True)
class Reading:
    """A file as it was read: its report, and the session that holds its cells where it has any."""

    report: Report
    columns: tuple[Column, ...] = ()
    session: Session | None = None

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
            writer.writerow(["row", "column", "problem", "rule"])
            for problem in self.report.problems:
                if problem.kind.is_of_file:
                    for row in problem.rows or ("",):
                        writer.writerow([row, problem.column or "", problem.kind, problem.rule])
        if self.session is None or not self.session.number(_HAS_PROBLEMS):
            return
        rest = self.session.work / "problems.csv"
        names = ", ".join(
            f"({column.index}, {literal(shown(column.name))})" for column in self.columns
        )
        self.session.run(
            f"""
            COPY (
                SELECT line, coalesce(name, ''), kind, rule
                FROM problem LEFT JOIN (VALUES {names}) AS named(place, name) USING (place)
                ORDER BY line, place, kind, rule
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
    _check_usable(path, model, dataset, options)
    with work_folder(home) as work:
        session = Session(work, options.memory, also)
        try:
            reader = _Reader(
                session, path, model, dataset, options, frozenset(let_go), progress or _silent
            )
            yield reader.read()
        finally:
            session.close()


def _silent(step: str, done: float | None) -> None:
    """Nobody watches."""


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to a file, or puts another in its place."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _check_usable(path: Path, model: DataModel, dataset: str | None, options: Options) -> None:
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


@dataclass(frozen=True)
class _Reader:
    session: Session
    path: Path
    model: DataModel
    dataset: str | None
    options: Options
    let_go: frozenset[str]
    progress: Progress

    def read(self) -> Reading:
        self.progress("Detecting", None)
        if not self.path.stat().st_size:
            return self._stopped(Dialect(), Problem(kind=Kind.EMPTY_FILE, rule="the file is empty"))
        encoding = self.options.encoding or detect_encoding(self.path)
        known = {*self.model.all_variables, *key_names(self.model)}
        head = read_head(head_of(self.path, encoding), known, self.options)
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
        if _stamp(self.path) != before:
            raise IngestError(
                "The file was changed while it was read.",
                where=self.path.name,
                remedy="Wait until whoever writes it has finished, then try again.",
            )
        dialect = dialect.model_copy(update={"newline": copy.newline})
        columns = columns_of(head, self.model)
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
        staged = stage(
            self.session, copy, clean, head.lines, columns, dialect, self.options.missing
        )
        problems += staged.problems
        report = Report(
            file=self.path.name,
            model=self.model.key,
            dialect=dialect,
            columns=tuple(shown(column.name) for column in columns),
            records=staged.records,
            blank=staged.blank,
            problems=problems,
        )
        if staged.problems:
            return Reading(report, columns, self.session)
        if not staged.records:
            empty = Problem(kind=Kind.NO_RECORDS, rule="there is no record below the header")
            problems = (*problems, empty)
            return Reading(report.model_copy(update={"problems": problems}), columns, self.session)
        self.progress("Checking", None)
        decimal, ambiguous = detect_decimal(self.session, columns, dialect.delimiter, self.options)
        dialect = dialect.model_copy(update={"decimal": decimal})
        problems += (ambiguous,) if ambiguous else ()
        self.session.run(cells_view(columns, decimal))
        if not any(problem.kind is Kind.DUPLICATE_COLUMN for problem in problems):
            problems += audit(self.session, columns, self.model, self.dataset, dialect)
        found = {
            "dialect": dialect,
            "problems": problems,
            "datasets": self._datasets(columns),
        }
        return Reading(report.model_copy(update=found), columns, self.session)

    def _datasets(self, columns: tuple[Column, ...]) -> tuple[str, ...]:
        """The datasets that the file holds, but for names that are not allowed."""
        if self.dataset is not None:
            return (self.dataset,)
        cells = [column.sql for column in columns if column.name == DATASET]
        if not cells:
            return ()
        rows = self.session.rows(
            f"SELECT DISTINCT {cells[0]} AS code FROM cells WHERE code IS NOT NULL ORDER BY code"  # noqa: S608
        )
        variable = self.model.all_variables.get(DATASET)
        levels = variable.levels if variable else ()
        names = [str(code) for (code,) in rows]
        return tuple(
            name for name in names if (name in levels if levels else is_dataset_code(name))
        )

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
            file=self.path.name, model=self.model.key, dialect=dialect, problems=problems
        )
        return Reading(report)
