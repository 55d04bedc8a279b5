"""`mip data`: from dropped files to published datasets, and their versions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medmip.cli.options import HomeOption, JsonOption, opened
from medmip.cli.snapshot_listing import print_snapshots, snapshot_json
from medmip.errors import MipError

if TYPE_CHECKING:
    from medmip.ingest.dialect import Options
    from medmip.ingest.publish import Imported
    from medmip.ingest.reading import Progress
    from medmip.ingest.report import Report

data_app = typer.Typer(
    no_args_is_help=True, help="Datasets: check, import, list, show, versions, rollback, remove."
)

_File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file.")]
_Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", exists=True, dir_okay=False, help="CSV files.")
]
_Model = Annotated[str, typer.Option("--model", help="The data model: code:version.")]
_Dataset = Annotated[
    str | None,
    typer.Option("--dataset", help="What all rows belong to; else the file's column `dataset`."),
]
_Delimiter = Annotated[
    str | None,
    typer.Option(help="Between cells: a character, or comma, semicolon, tab, pipe; else detected."),
]
_Encoding = Annotated[
    str | None, typer.Option(help="Such as utf-8, utf-16, latin-1, cp1252; else detected.")
]
_Decimal = Annotated[str | None, typer.Option(help="point or comma; else detected.")]
_Quote = Annotated[str | None, typer.Option(help="double, single or none; else detected.")]
_Missing = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CODE", help="A cell that means a missing value; replaces the usual ones."
    ),
]
_ReportFile = Annotated[
    Path | None,
    typer.Option("--report", dir_okay=False, help="Where all problems are listed, as CSV."),
]
_Key = Annotated[str, typer.Argument(metavar="MODEL", help="The data model: code:version.")]
_Code = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's code.")]


@data_app.command("import")
def import_(
    files: _Files,
    model: _Model,
    dataset: _Dataset = None,
    delimiter: _Delimiter = None,
    encoding: _Encoding = None,
    decimal: _Decimal = None,
    quote: _Quote = None,
    missing: _Missing = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Set bad rows aside and publish the others.")
    ] = False,
    allow_small_change: Annotated[
        bool,
        typer.Option(
            "--allow-small-change",
            help="Publish although few patients differ from an earlier version.",
        ),
    ] = False,
    report: _ReportFile = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="The patients are invented; users are told.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish files as new versions of their datasets; a file is published wholly or not at all."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.ingest.errors import NotClean
    from medmip.ingest.publish import bring_in

    options = _options(delimiter, encoding, decimal, quote, missing)
    place = opened(home)
    found = ModelStore(place).get(model)
    done: list[dict[str, object]] = []
    failed = False
    for file in files:
        try:
            with _progress(file, quiet=as_json) as progress:
                imported = bring_in(
                    place,
                    file,
                    found,
                    dataset,
                    options,
                    quarantine=quarantine,
                    allow_small_change=allow_small_change,
                    synthetic=synthetic,
                    report=report,
                    progress=progress,
                )
        except MipError as error:
            failed = True
            result = _report_json(error.report) if isinstance(error, NotClean) else {}
            done.append(result | {"file": file.name, "error": str(error)})
            if isinstance(error, NotClean):
                _print_report(error.report, quiet=as_json)
            typer.echo(f"{error.title}: {error}", err=True)
        else:
            done.append(_imported_json(imported))
            _print_imported(imported, quiet=as_json)
    if as_json:
        typer.echo(_json(done))
    if failed:
        raise typer.Exit(1)


@data_app.command()
def check(
    file: _File,
    model: _Model,
    dataset: _Dataset = None,
    delimiter: _Delimiter = None,
    encoding: _Encoding = None,
    decimal: _Decimal = None,
    quote: _Quote = None,
    missing: _Missing = None,
    report: _ReportFile = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what is wrong with a file; publishes nothing, and fails where it is not clean."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.ingest.check import check as check_file

    options = _options(delimiter, encoding, decimal, quote, missing)
    place = opened(home)
    found = ModelStore(place).get(model)
    with _progress(file, quiet=as_json) as progress:
        result = check_file(
            file, found, dataset, options, home=place, report=report, progress=progress
        )
    if as_json:
        typer.echo(_json(_report_json(result)))
    _print_report(result, quiet=as_json)
    if not result.clean:
        raise typer.Exit(1)


@data_app.command("list")
def list_(
    model: Annotated[str | None, typer.Option("--model", help="Only this data model's.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the published datasets."""
    from medmip.store.snapshots import Datasets

    print_snapshots(Datasets(opened(home)).list(model), as_json)


@data_app.command()
def show(key: _Key, code: _Code, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the current version of a dataset, and prove that its file is unchanged."""
    from medmip.store.snapshots import Datasets

    datasets = Datasets(opened(home))
    snapshot = datasets.current(key, code)
    datasets.verify(snapshot)
    row = snapshot_json(snapshot)
    if as_json:
        typer.echo(_json(row))
        return
    table = Table(show_header=False, box=None)
    for name, value in row.items():
        table.add_row(Text(name, style="bold"), Text(_cell(value)))
    Console().print(table)


@data_app.command()
def versions(key: _Key, code: _Code, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List all versions of a dataset, oldest first."""
    from medmip.store.snapshots import Datasets

    datasets = Datasets(opened(home))
    current = datasets.current(key, code).version
    print_snapshots(datasets.versions(key, code), as_json, current)


@data_app.command()
def rollback(
    key: _Key,
    code: _Code,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1)],
    home: HomeOption = None,
) -> None:
    """Make a former version current again."""
    from medmip.store.snapshots import Datasets

    snapshot = Datasets(opened(home)).rollback(key, code, version)
    typer.echo(f"{code} is at version {snapshot.version}, with {snapshot.patients:,} patients.")


@data_app.command()
def remove(key: _Key, code: _Code, home: HomeOption = None) -> None:
    """Unpublish a dataset and delete all its versions."""
    from medmip.store.snapshots import Datasets

    Datasets(opened(home)).remove(key, code)
    typer.echo(f"{code} is removed.")


def _options(
    delimiter: str | None,
    encoding: str | None,
    decimal: str | None,
    quote: str | None,
    missing: list[str] | None,
) -> "Options":
    from pydantic import ValidationError

    from medmip.ingest.dialect import MISSING, Options

    marks = {"point": ".", "comma": ","}
    quotes = {"double": '"', "single": "'", "none": ""}
    given = {
        "delimiter": delimiter,
        "encoding": encoding,
        "decimal": None if decimal is None else marks.get(decimal, decimal),
        "quote": None if quote is None else quotes.get(quote, quote),
        "missing": MISSING if missing is None else tuple(missing),
    }
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        raise typer.BadParameter(
            problem["msg"].removeprefix("Value error, "), param_hint=f"--{problem['loc'][0]}"
        ) from None


@contextmanager
def _progress(file: Path, *, quiet: bool) -> "Iterator[Progress | None]":
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
        task = bar.add_task(file.name, total=None)
        yield lambda step, done: bar.update(
            task,
            description=f"{file.name}: {step}",
            total=None if done is None else 1,
            completed=done or 0,
        )


def _print_imported(imported: "Imported", *, quiet: bool) -> None:
    if quiet:
        return
    _print_report(imported.report, quiet=quiet)
    if imported.quarantined:
        typer.echo(f"Bad rows, with patients' values, are in {imported.quarantined}")
    for snapshot in imported.snapshots:
        kind = "synthetic patients" if snapshot.synthetic else "patients"
        typer.echo(
            f"Published {snapshot.dataset}, version {snapshot.version}: "
            f"{snapshot.patients:,} {kind}, {snapshot.records:,} records."
        )


def _print_report(report: "Report", *, quiet: bool) -> None:
    if quiet:
        return
    typer.echo(f"{report.file}: {report.records:,} records; {report.dialect}.")
    for problem in report.problems:
        typer.echo(f"  {problem.kind}: {problem}", err=True)
    if report.clean:
        typer.echo("No problems.")
    elif report.written:
        typer.echo(f"All problems are listed in {report.written}", err=True)


def _report_json(report: "Report") -> dict[str, object]:
    return report.model_dump(mode="json") | {"clean": report.clean}


def _imported_json(imported: "Imported") -> dict[str, object]:
    return _report_json(imported.report) | {
        "published": [snapshot_json(snapshot) for snapshot in imported.snapshots],
        "quarantined": str(imported.quarantined) if imported.quarantined else None,
    }


def _cell(value: str | int | list[str]) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
