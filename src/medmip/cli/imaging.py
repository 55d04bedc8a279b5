"""`mip imaging`: scans brought in, freed of identifiers, listed, and measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.imaging_faces import deface
from medmip.cli.imaging_publish import export, publish
from medmip.cli.imaging_queue import measure, queue
from medmip.cli.imaging_review import review
from medmip.cli.imaging_volumes import atlas_app, volumes
from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.imaging.record import ScanRecord
    from medmip.inbox.scan_item import ScanItem

imaging_app = typer.Typer(no_args_is_help=True, help="Scans: add, list, measure.")
imaging_app.command()(deface)
imaging_app.command()(measure)
imaging_app.command()(queue)
imaging_app.command()(volumes)
imaging_app.command()(review)
imaging_app.command()(publish)
imaging_app.command()(export)
imaging_app.add_typer(atlas_app, name="atlas")


@imaging_app.command()
def add(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…",
            help="Folders of DICOM files, zips, BIDS folders, NIfTI files.",
        ),
    ],
    model: Annotated[
        str | None, typer.Option("--model", help="The data model of --dataset: code:version.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            help="The dataset whose patients' pseudonyms and dates the scans get; else as "
            "`mip.toml` says, else those of datasets whose policies say `linkable`.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Judge anew what was refused or left out before.")
    ] = False,
    believe_text: Annotated[
        bool,
        typer.Option(
            "--believe-text",
            help="You looked at these scans, and what seems to be drawn into their pixels names "
            "nobody. Judges anew as --again does.",
        ),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring in the T1-weighted scans, freed of identifiers; says of all others why not."""
    from medmip.imaging.adding import add as bring_in
    from medmip.imaging.identity import identity_of
    from medmip.imaging.record import Verdict

    if (model is None) != (dataset is None):
        raise typer.BadParameter("--model and --dataset go together")
    place = _opened(home)
    who = identity_of(place, model, dataset)
    done = list(bring_in(place, paths, who, again=again, believe_text=believe_text))
    if as_json:
        _print_json([one.record for one in done], [one.new for one in done])
    else:
        _print([one.record for one in done])
        same = sum(not one.new for one in done)
        typer.echo(f"{len(done) - same} new, {same} known already")
    if any(one.record.verdict is Verdict.REFUSED for one in done):
        raise typer.Exit(1)


@imaging_app.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the scans that are kept, and those that were not taken with the reason."""
    from medmip.imaging.shelf import Shelf

    records = Shelf(_opened(home)).records()
    if as_json:
        _print_json(records)
    else:
        _print(records)


@imaging_app.command()
def inbox(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List what lies in the inbox for scans, and what became of it.

    A running `mip serve` reads it; without one this tells what was known last.
    """
    import json

    from medmip.inbox.records import ScanRecords

    items = ScanRecords(_opened(home)).all()
    if as_json:
        typer.echo(json.dumps([item.model_dump(mode="json") for item in items], indent=2))
        return
    for item in items:
        typer.echo(_told(item))


@imaging_app.command()
def listen(home: HomeOption = None) -> None:
    """Receive images from a PACS or scanner (C-STORE), for the peers that `mip.toml` names."""
    import resource
    import signal
    import threading

    from medmip.imaging.bounds import bound
    from medmip.imaging.receiver import Receiver
    from medmip.imaging.reception import Reception
    from medmip.imaging.settings import imaging_settings
    from medmip.logbook import write_log_to

    place = _opened(home)
    settings = imaging_settings(place).receiver
    reception = Reception(place, settings)
    receiver = Receiver(place, settings, reception)
    # No peer takes more of the machine's memory than its instances may need, several times over.
    memory = 4 * 2**30 + settings.associations * settings.megabytes * 8 * 2**20
    bound(resource.RLIMIT_AS, memory)
    bound(resource.RLIMIT_CORE, 0)
    stop = threading.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda *_: stop.set())
    write_log_to(place.logs / "imaging.jsonl")
    with reception.working(), receiver.listening() as port:
        typer.echo(f"{settings.title} listens at {settings.address} port {port} (Ctrl-C stops it)")
        stop.wait()


def _told(item: "ScanItem") -> str:
    from medmip.imaging.record import Verdict
    from medmip.inbox.scan_item import LOOSE

    name = "single files" if item.name == LOOSE else item.name
    lines = [f"{name}  {item.state}: {item.files} file{'' if item.files == 1 else 's'}"]
    if item.outcome is not None:
        counts = [f"{item.outcome.count(verdict)} {verdict}" for verdict in Verdict]
        lines[0] += f", {', '.join(counts)}, {item.outcome.new} of them new"
        lines += [f"  {problem}" for problem in item.outcome.problems]
        lines += [f"  {line}" for line in (item.outcome.trouble or "").splitlines()]
    return "\n".join(lines)


def _opened(home: Path | None) -> "Home":
    """The home, without what killed processes left of scans that are not freed of identifiers."""
    from medmip.catalogue.own_folder import clear_abandoned

    place = opened(home)
    clear_abandoned(place.work)
    return place


def _print_json(records: Sequence["ScanRecord"], new: Sequence[bool] | None = None) -> None:
    import json

    listed = [record.model_dump(mode="json") for record in records]
    if new is not None:
        listed = [one | {"new": fresh} for one, fresh in zip(listed, new, strict=True)]
    typer.echo(json.dumps(listed, indent=2))


def _print(records: Sequence["ScanRecord"]) -> None:
    for record in records:
        told = [f"{record.source} of {record.files} file{'' if record.files == 1 else 's'}"]
        if record.patient:
            told.append(f"patient {record.patient}")
        if record.shape and record.voxel:
            size = "×".join(str(length) for length in record.shape)
            told.append(f"{size} voxels of {'×'.join(f'{edge:g}' for edge in record.voxel)} mm")
            told.append("face removed" if record.faces else "with its face")
        typer.echo(f"{record.id}  {record.verdict}: {', '.join(told)}")
        if record.reason:
            typer.echo(f"  {record.reason}")
