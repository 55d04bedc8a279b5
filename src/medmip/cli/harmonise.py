"""`mip harmonise`: from files of any shape to a data model, by a mapping that a person can read."""

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
    from medmip.harmonise.coverage import Coverage

harmonise_app = typer.Typer(
    no_args_is_help=True,
    help="Mappings: list, show, suggest, check, run.",
)

_Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE…", exists=True, help="Files, folders or zips of files."),
]
_MappingFile = Annotated[
    Path, typer.Option("--mapping", help="A mapping's YAML file, or the name of a shipped one.")
]
_Model = Annotated[str, typer.Option("--model", help="The data model: code:version.")]
_Dataset = Annotated[
    str | None,
    typer.Option("--dataset", help="What all rows belong to; else the mapping fills `dataset`."),
]
_ReportFile = Annotated[
    Path | None,
    typer.Option("--report", dir_okay=False, help="Where all problems are listed, as CSV."),
]


@harmonise_app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the mappings that come with MIP."""
    from medmip.harmonise.mapping_file import SHIPPED, shipped_mapping

    found = [(name, shipped_mapping(name).mapping) for name in SHIPPED]
    if as_json:
        rows = [{"name": name, "label": m.name, "description": m.description} for name, m in found]
        typer.echo(as_text(rows))
        return
    table = Table("Name", "Source", "Files")
    for name, mapping in found:
        files = ", ".join(source.file for source in mapping.sources.values())
        table.add_row(Text(name), Text(mapping.name), Text(files))
    Console().print(table)


@harmonise_app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Print a mapping that comes with MIP, to be kept as a file and changed."""
    from medmip.harmonise.mapping_file import read_mapping

    typer.echo(read_mapping(Path(name)).content.decode().rstrip("\n"))


@harmonise_app.command()
def suggest(
    files: _Files,
    model: _Model,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", dir_okay=False, help="Where the mapping goes; else shown."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a mapping from names, labels, units and values, each with its score."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.harmonise.suggestion import suggest as suggest_mapping

    place = opened(home)
    found = suggest_mapping(files, ModelStore(place).get(model), home=place)
    if as_json:
        typer.echo(as_text(found.model_dump(mode="json")))
    if output is not None:
        output.write_text(found.yaml, encoding="utf-8")
    if as_json:
        return
    if output is None:
        typer.echo(found.yaml.rstrip("\n"))
        return
    table = Table("Column", "Variable", "Score", "Why")
    for match in found.matches:
        score = f"{match.score:.2f}" if match.variable else ""
        table.add_row(*map(Text, (match.column, match.variable or "", score, match.why)))
    Console().print(table)
    typer.echo(f"Written to {output}. Read it, correct it, then: mip harmonise check")


@harmonise_app.command()
def check(
    files: _Files,
    mapping: _MappingFile,
    model: _Model,
    dataset: _Dataset = None,
    sample: Annotated[
        int, typer.Option(min=0, max=100, help="Show so many rows before and after.")
    ] = 0,
    report: _ReportFile = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a mapping fills and what it does not know; publishes nothing.

    Codes and rows are shown to you who have the file; nothing of them is kept.
    """
    from medmip.catalogue.model_store import ModelStore
    from medmip.harmonise.coverage import coverage
    from medmip.harmonise.mapping_file import read_mapping

    place = opened(home)
    found = ModelStore(place).get(model)
    with progress(mapping.name, quiet=as_json) as told:
        result = coverage(
            files,
            read_mapping(mapping),
            found,
            dataset,
            sample=sample,
            home=place,
            report=report,
            progress=told,
        )
    if as_json:
        typer.echo(as_text(result.model_dump(mode="json")))
    else:
        _print_coverage(result)
    if not result.report.clean:
        raise typer.Exit(1)


@harmonise_app.command()
def run(
    files: _Files,
    mapping: _MappingFile,
    model: _Model,
    dataset: _Dataset = None,
    quarantine: QuarantineOption = False,
    allow_small_change: SmallChangeOption = False,
    report: _ReportFile = None,
    synthetic: SyntheticOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish files through a mapping, wholly or not at all; the version keeps the mapping."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.harmonise.mapping_file import read_mapping
    from medmip.harmonise.publishing import harmonise
    from medmip.ingest.errors import NotClean

    place = opened(home)
    found = ModelStore(place).get(model)
    try:
        with progress(mapping.name, quiet=as_json) as told:
            imported = harmonise(
                place,
                files,
                read_mapping(mapping),
                found,
                dataset,
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


def _print_coverage(result: "Coverage") -> None:
    table = Table("Variable", "Filled", "Missing", "Refused", "Not in the code list (rows)")
    for variable in result.variables:
        unmapped = ", ".join(f"{code.code} ({code.rows:,})" for code in variable.unmapped)
        if variable.hidden:
            unmapped = f"{variable.hidden:,} different texts, not shown"
        counts = (f"{n:,}" for n in (variable.filled, variable.missing, variable.rejected))
        table.add_row(*map(Text, (variable.code, *counts, unmapped)))
    Console().print(table)
    for row in result.sample:
        before = ", ".join(f"{name} “{value or ''}”" for name, value in row.before.items())
        after = ", ".join(f"{name} {value}" for name, value in row.after.items() if value)
        typer.echo(f"{row.file}, row {row.row}: {before + ' → ' if before else ''}{after}")
    if result.empty:
        typer.echo(f"Not filled: {len(result.empty)} variables of {result.report.model}.")
    if result.unread:
        typer.echo(f"Columns not read: {', '.join(result.unread)}.")
    if result.unused:
        typer.echo(f"Files not used: {', '.join(result.unused)}.")
    print_report(result.report, quiet=False)
