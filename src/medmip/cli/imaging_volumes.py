"""`mip imaging volumes` and `atlas`: the volumes that were measured, and by which regions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.imaging.volumetry.atlas import AtlasRecord

atlas_app = typer.Typer(no_args_is_help=True, help="Atlases, by which regions are measured.")


def volumes(
    scans: Annotated[
        list[str] | None, typer.Argument(metavar="[SCAN…]", help="Ids; else all measured scans.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write a table of what was accepted."),
    ] = None,
    atlas: Annotated[
        str | None, typer.Option("--atlas", help="Only what was measured with this one.")
    ] = None,
    unproven: Annotated[
        bool,
        typer.Option("--unproven", help="Write the table all the same, for a trial."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show measured volumes, or write the accepted ones as a table for the inbox."""
    import json

    from medmip.catalogue.atomic_file import write_atomically
    from medmip.imaging.shelf import Shelf
    from medmip.imaging.volumetry.proof import refuse_unproven
    from medmip.imaging.volumetry.record import kept
    from medmip.imaging.volumetry.review import ScanStanding, standing
    from medmip.imaging.volumetry.table import table_of

    place = opened(home)
    shelf = Shelf(place)
    records = {record.id: record for record in shelf.records()}
    found = [
        (records[scan], measured)
        for scan in taken_scans(place, scans or None)
        if (measured := kept(shelf.scans / scan)) is not None
        and atlas in (None, measured.atlas.name if measured.atlas else None)
    ]
    if csv is not None:
        refuse_unproven(allowed=unproven)
        stands = [standing(shelf.scans / scan.id) for scan, _ in found]
        accepted = [
            one for one, state in zip(found, stands, strict=True) if state is ScanStanding.ACCEPTED
        ]
        write_atomically(csv, table_of(accepted).encode())
        typer.echo(
            f"{len(accepted)} scans written; {stands.count(ScanStanding.WAITING)} wait for a "
            f"review, {stands.count(ScanStanding.REJECTED)} are rejected (`mip imaging review`)"
        )
    elif as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for _, one in found], indent=2))
    else:
        for scan, _ in found:
            typer.echo(scan.id)
            tell_volumes(place, scan.id)


@atlas_app.command("add")
def add_atlas(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Labels, as NIfTI.")],
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="CSV of label, code, name, part; or `neuromorphometrics`, a table of MIP's own.",
        ),
    ],
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            help="The T1-weighted brain in whose space the labels are; else it is MNI152.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What it is called; else as its file is.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Add an atlas: any labelled volume with a table."""
    from medmip.imaging.volumetry.atlas import AtlasShelf, name_of
    from medmip.imaging.volumetry.region import shipped_table

    added = AtlasShelf(opened(home)).add(
        name_of(name or file.name), file, shipped_table(table) or Path(table), template
    )
    _show(added.record)


@atlas_app.command("list")
def list_atlases(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the atlases that were added."""
    import json

    from medmip.imaging.volumetry.atlas import AtlasShelf

    atlases = [atlas.record for atlas in AtlasShelf(opened(home)).all()]
    if as_json:
        typer.echo(json.dumps([atlas.model_dump(mode="json") for atlas in atlases], indent=2))
        return
    for atlas in atlases:
        _show(atlas)


@atlas_app.command("remove")
def remove_atlas(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `list` shows it.")],
    home: HomeOption = None,
) -> None:
    """Remove an atlas; what was measured with it stays."""
    from medmip.imaging.volumetry.atlas import AtlasShelf

    AtlasShelf(opened(home)).remove(name)


def taken_scans(place: "Home", scans: Sequence[str] | None) -> list[str]:
    """The ids that were asked for, or of all scans that were taken; raises NotFound."""
    from medmip.errors import NotFound
    from medmip.imaging.record import Verdict
    from medmip.imaging.shelf import Shelf

    taken = [one.id for one in Shelf(place).records() if one.verdict is Verdict.TAKEN]
    for scan in scans or ():
        if scan not in taken:
            raise NotFound(
                "There is no scan of one of these ids that was taken.",
                remedy="`mip imaging list` shows the ids.",
            )
    return taken if scans is None else list(dict.fromkeys(scans))


def tell_volumes(place: "Home", scan: str) -> None:
    """Print the totals of a measured scan, and how good it is."""
    from medmip.imaging.shelf import Shelf
    from medmip.imaging.volumetry.record import kept

    record = kept(Shelf(place).scans / scan)
    assert record is not None
    totals = [one for one in record.volumes if one.label is None]
    told = ", ".join(f"{one.name} {one.cm3:.1f} cm³" for one in totals)
    typer.echo(f"  {told}")
    regions = len(record.volumes) - len(totals)
    quality = record.quality
    typer.echo(
        f"  {regions} regions; signal to noise {quality.snr:.1f}, contrast to noise "
        f"{quality.cnr:.1f}, likeness to the template {quality.likeness:.2f}"
        + (f", entropy focus {quality.efc:.3f}" if quality.efc is not None else "")
    )


def _show(atlas: "AtlasRecord") -> None:
    space = "its own template" if atlas.template else "MNI152"
    typer.echo(f"{atlas.name}  {atlas.regions} regions, in the space of {space}")
