"""`mip source`: datasets out of the hospital's own databases, which `mip.toml` names."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
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

if TYPE_CHECKING:
    from medmip.store.sources import Source

source_app = typer.Typer(
    no_args_is_help=True,
    help="The hospital's databases: list, check, publish, withdraw.",
)
_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Of a section [sources.NAME] in mip.toml.")
]
_ReportFile = Annotated[
    Path | None,
    typer.Option("--report", dir_okay=False, help="Where all problems are listed, as CSV."),
]


@source_app.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the databases that mip.toml names, without asking them anything."""
    from medmip.store.sources import sources

    rows = [_row(source) for source in sources(opened(home)).values()]
    if as_json:
        typer.echo(as_text(rows))
        return
    table = Table("Source", "Reads", "Model", "Dataset")
    for row in rows:
        table.add_row(*map(Text, row.values()))
    Console().print(table)


@source_app.command()
def check(
    name: _Name, report: _ReportFile = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Read a database as publishing would and tell what is wrong; publishes nothing."""
    from medmip.sources.publishing import check_source
    from medmip.store.sources import source

    place = opened(home)
    with progress(name, quiet=as_json) as told:
        result = check_source(place, source(place, name), report=report, progress=told)
    if as_json:
        typer.echo(as_text(report_json(result)))
    print_report(result, quiet=as_json)
    if not result.clean:
        raise typer.Exit(1)


@source_app.command()
def publish(
    name: _Name,
    quarantine: QuarantineOption = False,
    allow_small_change: SmallChangeOption = False,
    report: _ReportFile = None,
    synthetic: SyntheticOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish what a database holds at this moment, wholly or not at all; it is only read."""
    from medmip.ingest.errors import NotClean
    from medmip.sources.publishing import publish_source
    from medmip.store.sources import source

    place = opened(home)
    try:
        with progress(name, quiet=as_json) as told:
            imported = publish_source(
                place,
                source(place, name),
                quarantine=quarantine,
                allow_small_change=allow_small_change,
                synthetic=synthetic,
                report=report,
                progress=told,
            )
    except NotClean as error:
        print_report(error.report, quiet=as_json)
        if as_json:
            typer.echo(as_text(report_json(error.report) | {"error": str(error)}))
        raise
    if as_json:
        typer.echo(as_text(imported_json(imported)))
    print_imported(imported, quiet=as_json)


@source_app.command()
def withdraw(
    key: Annotated[str, typer.Argument(metavar="MODEL", help="The data model: code:version.")],
    code: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's code.")],
    home: HomeOption = None,
) -> None:
    """Analyse a dataset in place no more; in the database nothing changes."""
    from medmip.store.placed import registers

    registers(opened(home)).remove(key, code)
    typer.echo(f"{code} is analysed in place no more.")


def _row(source: "Source") -> dict[str, str]:
    stated = source.settings
    reads = f"{stated.namespace}.{stated.table}" if stated.table else f"through {stated.mapping}"
    return {
        "name": source.name,
        "reads": reads,
        "model": stated.model,
        "dataset": stated.dataset or "",
    }
