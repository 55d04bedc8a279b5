"""`mip imaging deface`: faces removed from scans that are not measured yet."""

from contextlib import closing
from typing import Annotated

import typer

from medmip.cli.imaging_volumes import taken_scans
from medmip.cli.options import HomeOption, opened
from medmip.imaging.volumetry.choice import SettingName


def deface(
    scans: Annotated[
        list[str] | None, typer.Argument(metavar="[SCAN…]", help="Ids, as `list` shows them.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All scans that were taken and have their face.")
    ] = False,
    atlas: Annotated[
        str | None,
        typer.Option("--atlas", help="By whose template; else by the only one's that was added."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Remove faces for good, as `measure` does before it measures."""
    from medmip.imaging.errors import ImagingError
    from medmip.imaging.shelf import Shelf
    from medmip.imaging.volumetry.apart import measured_apart
    from medmip.imaging.volumetry.atlas import AtlasShelf
    from medmip.imaging.volumetry.requirements import tools
    from medmip.logbook import write_log_to

    place = opened(home)
    if everything == bool(scans):
        raise typer.BadParameter("name scans, or say --all")
    shelf = Shelf(place)
    wanted = [one for one in taken_scans(place, scans or None) if shelf.record(one).faces is None]
    chosen = AtlasShelf(place).chosen(atlas)
    tools()
    write_log_to(place.logs / "imaging.jsonl")
    failed = 0
    for number, scan in enumerate(wanted, 1):
        typer.echo(f"{scan}  ({number} of {len(wanted)})")
        name = chosen.name if chosen else None
        work = measured_apart(place, scan, name, SettingName.FAST, only_deface=True)
        try:
            with closing(work) as progress:
                for step in progress:
                    if step.seconds is not None:
                        typer.echo(f"  face removed in {step.seconds:.1f} s")
        except ImagingError as error:
            failed += 1
            typer.echo("".join(f"  {line}\n" for line in str(error).splitlines()), err=True)
    typer.echo(f"{len(wanted) - failed} faces removed, {failed} not.")
    if failed:
        raise typer.Exit(1)
