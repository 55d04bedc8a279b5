"""`mip data quality`: the report that a data manager signs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.quality.report import QualityReport


def quality(
    source: Annotated[
        str, typer.Argument(metavar="FILE|DATASET", help="A CSV file, or a dataset.")
    ],
    model: Annotated[str, typer.Option("--model", help="The data model: code:version.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Of a file: what all rows belong to.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", dir_okay=False, help="Write the report as a page.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a file as it would be published, or a published dataset; fails where it is not fit."""
    from medmip.catalogue.atomic_file import write_atomically
    from medmip.catalogue.model_store import ModelStore
    from medmip.ingest.quality import quality_of_dataset, quality_of_file

    place = opened(home)
    found = ModelStore(place).get(model)
    if Path(source).is_file():
        reports = quality_of_file(place, Path(source), found, dataset)
    else:
        reports = [quality_of_dataset(place, found, source)]
    if html is not None:
        from medmip.quality.page import page

        write_atomically(html, page(reports).encode())
        typer.echo(f"The report is in {html}", err=True)
    if as_json:
        typer.echo("[" + ",\n".join(one.model_dump_json(indent=2) for one in reports) + "]")
    else:
        for report in reports:
            _print(report)
    if not all(report.fit for report in reports):
        raise typer.Exit(1)


def _print(report: "QualityReport") -> None:
    typer.echo(
        f"{report.dataset}: {report.patients:,} patients, {report.records:,} records, "
        f"{len(report.variables)} variables; {'fit' if report.fit else 'NOT fit'} for publication."
    )
    for finding in report.findings:
        typer.echo(f"  {'blocks: ' if finding.blocks else ''}{finding.sentence}")
