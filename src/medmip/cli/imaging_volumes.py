"""`mip imaging measure`, `volumes` and `atlas`: from scans to the volumes of their regions."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened
from medmip.imaging.volumetry.choice import SettingName

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.imaging.volumetry.atlas import AtlasRecord

atlas_app = typer.Typer(no_args_is_help=True, help="Atlases, by which regions are measured.")


def measure(
    scans: Annotated[
        list[str] | None, typer.Argument(metavar="[SCAN…]", help="Ids, as `list` shows them.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All scans that were taken; those measured are passed.")
    ] = False,
    atlas: Annotated[
        str | None,
        typer.Option("--atlas", help="By which regions; else by the only one that was added."),
    ] = None,
    setting: Annotated[
        SettingName, typer.Option("--setting", help="How fine the registration is.")
    ] = SettingName.FAST,
    home: HomeOption = None,
) -> None:
    """Measure the volumes of brains and their regions; a run that was stopped goes on."""
    from medmip.imaging.errors import ImagingError
    from medmip.imaging.volumetry.apart import measured_apart
    from medmip.imaging.volumetry.atlas import AtlasShelf
    from medmip.imaging.volumetry.proof import unproven
    from medmip.imaging.volumetry.requirements import tools
    from medmip.logbook import write_log_to

    place = opened(home)
    if everything == bool(scans):
        raise typer.BadParameter("name scans, or say --all")
    wanted = taken_scans(place, scans or None)
    chosen = AtlasShelf(place).chosen(atlas)
    tools()
    if chosen is None:
        typer.echo("There is no atlas: only totals are measured (`mip imaging atlas add`).")
    write_log_to(place.logs / "imaging.jsonl")
    failed = 0
    for number, scan in enumerate(wanted, 1):
        typer.echo(f"{scan}  ({number} of {len(wanted)})")
        try:
            with closing(
                measured_apart(place, scan, chosen.name if chosen else None, setting)
            ) as progress:
                for step in progress:
                    if step.seconds is None:
                        typer.echo(f"  {step.step} …")
                    else:
                        how = "done" if step.anew else "done before,"
                        typer.echo(f"  {step.step} {how} in {step.seconds:.1f} s")
        except ImagingError as error:
            failed += 1
            typer.echo("".join(f"  {line}\n" for line in str(error).splitlines()), err=True)
        else:
            _tell(place, scan)
    _notify(place, len(wanted) - failed, failed)
    why = unproven()
    doubt = f" {why}." if why else ""
    typer.echo(f"{len(wanted) - failed} measured, {failed} not.{doubt}")
    if failed:
        raise typer.Exit(1)


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
            _tell(place, scan.id)


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


def _notify(place: "Home", waiting: int, failed: int) -> None:
    """Writes notices down of what is to be reviewed and what could not be measured."""
    from medmip.notices.event import Event, Kind
    from medmip.notices.outbox import Outbox
    from medmip.store.state import open_state

    happened = ((Kind.SCANS_WAITING, waiting), (Kind.SCANS_FAILED, failed))
    events = [Event(kind, count) for kind, count in happened if count]
    Outbox.of(place, open_state(place)).tell(*events)


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


def _tell(place: "Home", scan: str) -> None:
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
    )


def _show(atlas: "AtlasRecord") -> None:
    space = "its own template" if atlas.template else "MNI152"
    typer.echo(f"{atlas.name}  {atlas.regions} regions, in the space of {space}")
