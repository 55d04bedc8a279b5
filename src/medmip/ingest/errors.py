"""What can go wrong while a file is brought in; never with a patient's value."""

from typing import ClassVar

from medmip.errors import Conflict, MipError
from medmip.ingest.report import Report


class IngestError(MipError):
    """A file that cannot be read, or an option that does not fit it."""

    title: ClassVar[str] = "The file cannot be imported"
    status: ClassVar[int] = 422


class QueryError(IngestError):
    """A query that cannot be answered."""

    title: ClassVar[str] = "The query cannot be answered"


class MigrationError(IngestError):
    """A dataset that does not go from one model to another."""

    title: ClassVar[str] = "The dataset cannot be moved"


class NotClean(IngestError):
    """A file whose problems, in report, keep it from being published."""

    title: ClassVar[str] = "The file is not clean"

    def __init__(self, report: Report) -> None:
        self.report = report
        kinds = len(report.problems)
        super().__init__(
            f"Nothing was published: {kinds} kind{'s' if kinds > 1 else ''} of problem, "
            f"first: {report.problems[0]}",
            where=report.file,
            remedy="Mend the file"
            + ("." if report.blocked else ", or set the bad rows aside with --quarantine.")
            + (f" All problems are in {report.written}." if report.written else ""),
        )


class SmallChange(Conflict):
    """A new version that differs from an earlier one by so few patients that it gives them away."""

    title: ClassVar[str] = "The new version differs by too few patients"
