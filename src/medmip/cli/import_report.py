"""What an import is told as, while it runs and afterwards: on the screen or as JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from medmip.cli.snapshot_listing import snapshot_json

if TYPE_CHECKING:
    from medmip.ingest.publish import Imported
    from medmip.ingest.reading import Progress
    from medmip.ingest.report import Report


@contextmanager
def progress(name: str, *, quiet: bool) -> "Iterator[Progress | None]":
    """Shows the running step on a terminal's standard error."""
    if quiet:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda step, done: bar.update(
            task,
            description=f"{name}: {step}",
            total=None if done is None else 1,
            completed=done or 0,
        )


def print_imported(imported: "Imported", *, quiet: bool) -> None:
    """Tell what was published."""
    if quiet:
        return
    from medmip.store.placed import Placed

    print_report(imported.report, quiet=quiet)
    if imported.quarantined:
        typer.echo(f"Bad rows, with patients' values, are in {imported.quarantined}")
    for snapshot in imported.snapshots:
        if isinstance(snapshot, Placed):
            typer.echo(f"The records of {snapshot.dataset} stay where they are, in place.")
        kind = "synthetic patients" if snapshot.synthetic else "patients"
        typer.echo(
            f"Published {snapshot.dataset}, version {snapshot.version}: "
            f"{snapshot.patients:,} {kind}, {snapshot.records:,} records."
        )


def print_report(report: "Report", *, quiet: bool) -> None:
    """Tell what is wrong with a file."""
    if quiet:
        return
    typer.echo(f"{report.file}: {report.records:,} records; {report.dialect}.")
    for problem in report.problems:
        typer.echo(f"  {problem.kind}: {problem}", err=True)
    if report.clean:
        typer.echo("No problems.")
    elif report.written:
        typer.echo(f"All problems are listed in {report.written}", err=True)


def report_json(report: "Report") -> dict[str, object]:
    """A report as JSON."""
    return report.model_dump(mode="json") | {"clean": report.clean}


def imported_json(imported: "Imported") -> dict[str, object]:
    """What was published, and the report, as JSON."""
    return report_json(imported.report) | {
        "published": [snapshot_json(snapshot) for snapshot in imported.snapshots],
        "quarantined": str(imported.quarantined) if imported.quarantined else None,
    }


def as_text(value: object) -> str:
    """JSON as it is printed."""
    return json.dumps(value, indent=2, ensure_ascii=False)
