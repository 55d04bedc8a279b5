"""`mip data`: from dropped files to published datasets, and their versions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from medmip.cli.import_report import (
    as_text,
    imported_json,
    print_imported,
    print_report,
    progress,
    report_json,
)
from medmip.cli.options import (
    HomeOption,
    JsonOption,
    QuarantineOption,
    SmallChangeOption,
    SyntheticOption,
    opened,
)
from medmip.cli.snapshot_listing import print_snapshots, snapshot_json
from medmip.errors import MipError

if TYPE_CHECKING:
    from medmip.ingest.dialect import Options

data_app = typer.Typer(
    no_args_is_help=True,
    help="Datasets: query, check, import, list, show, versions, rollback, remove.",
)

_File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A file; see the documents for formats.")
]
_Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", exists=True, dir_okay=False, help="Files; see the documents for formats."
    ),
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
_Sheet = Annotated[
    str | None, typer.Option(help="Of an Excel workbook; needed where several hold cells.")
]
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
    sheet: _Sheet = None,
    quarantine: QuarantineOption = False,
    allow_small_change: SmallChangeOption = False,
    report: _ReportFile = None,
    synthetic: SyntheticOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish files as new versions of their datasets; a file is published wholly or not at all."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.ingest.errors import NotClean
    from medmip.ingest.publish import bring_in

    options = _options(delimiter, encoding, decimal, quote, missing, sheet)
    place = opened(home)
    found = ModelStore(place).get(model)
    done: list[dict[str, object]] = []
    failed = False
    for file in files:
        try:
            with progress(file.name, quiet=as_json) as told:
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
                    progress=told,
                )
        except MipError as error:
            failed = True
            result = report_json(error.report) if isinstance(error, NotClean) else {}
            done.append(result | {"file": file.name, "error": str(error)})
            if isinstance(error, NotClean):
                print_report(error.report, quiet=as_json)
            typer.echo(f"{error.title}: {error}", err=True)
        else:
            done.append(imported_json(imported))
            print_imported(imported, quiet=as_json)
    if as_json:
        typer.echo(as_text(done))
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
    sheet: _Sheet = None,
    report: _ReportFile = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what is wrong with a file; publishes nothing, and fails where it is not clean."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.ingest.check import check as check_file

    options = _options(delimiter, encoding, decimal, quote, missing, sheet)
    place = opened(home)
    found = ModelStore(place).get(model)
    with progress(file.name, quiet=as_json) as told:
        result = check_file(file, found, dataset, options, home=place, report=report, progress=told)
    if as_json:
        typer.echo(as_text(report_json(result)))
    print_report(result, quiet=as_json)
    if not result.clean:
        raise typer.Exit(1)


@data_app.command("list")
def list_(
    model: Annotated[str | None, typer.Option("--model", help="Only this data model's.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the published datasets, and those that are analysed in place."""
    from medmip.store.placed import Holdings

    print_snapshots(Holdings(opened(home)).list(model), as_json)


@data_app.command()
def show(key: _Key, code: _Code, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the current version of a dataset, and prove that its file is unchanged."""
    from medmip.store.snapshots import Datasets

    datasets = Datasets(opened(home))
    snapshot = datasets.current(key, code)
    datasets.verify(snapshot)
    row = snapshot_json(snapshot)
    if as_json:
        typer.echo(as_text(row))
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
    from medmip.store.placed import refuse_placed
    from medmip.store.snapshots import Datasets

    place = opened(home)
    refuse_placed(place, key, code)
    Datasets(place).remove(key, code)
    typer.echo(f"{code} is removed.")


@data_app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT over the files' tables.")],
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", exists=True, help="A file or folder; else the home's inbox."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most rows shown.")] = 100,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Most time taken.")] = 60,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask files before any import, by SQL; each is a table named as the file is, in lower case."""
    from medmip.ingest.query import query as ask

    place = opened(home)
    result = ask(files or [place.inbox], sql, home=place, limit=limit, seconds=seconds)
    if as_json:
        typer.echo(as_text(result.model_dump(mode="json")))
        return
    table = Table(*(Column(header=Text(name)) for name in result.columns))
    for row in result.rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console().print(table)
    if result.more:
        typer.echo(f"Only the first {limit:,} rows are shown; see --limit.", err=True)


def _options(
    delimiter: str | None,
    encoding: str | None,
    decimal: str | None,
    quote: str | None,
    missing: list[str] | None,
    sheet: str | None,
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
        "sheet": sheet,
    }
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        raise typer.BadParameter(
            problem["msg"].removeprefix("Value error, "), param_hint=f"--{problem['loc'][0]}"
        ) from None


def _cell(value: str | int | list[str]) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
