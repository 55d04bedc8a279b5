"""`mip imaging`: scans brought in, freed of identifiers, and listed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.imaging.identity import Identity
    from medmip.imaging.record import ScanRecord

imaging_app = typer.Typer(no_args_is_help=True, help="Scans: add, list.")


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
            help="The dataset whose patients' pseudonyms and dates the scans get; else those of "
            "datasets whose policies say `linkable`.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Judge anew what was refused or left out before.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring in the T1-weighted scans, freed of identifiers; says of all others why not."""
    from medmip.imaging.adding import add as bring_in
    from medmip.imaging.record import Verdict

    if (model is None) != (dataset is None):
        raise typer.BadParameter("--model and --dataset go together")
    place = opened(home)
    done = list(bring_in(place, paths, _identity(place, model, dataset), again=again))
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

    records = Shelf(opened(home)).records()
    if as_json:
        _print_json(records)
    else:
        _print(records)


def _identity(home: "Home", model: str | None, dataset: str | None) -> "Identity":
    from medmip.catalogue.model_store import ModelStore
    from medmip.imaging.identity import Identity
    from medmip.ingest.identity import policy_in_force
    from medmip.privacy.site_key import site_key
    from medmip.stewardship.patients import KEY

    key = site_key(home, KEY)
    if model is None or dataset is None:
        return Identity.of_site(key)
    found = ModelStore(home).get(model)
    policy = policy_in_force(home, found.key, dataset, synthetic=False)
    return Identity.of_dataset(key, policy.anonymisation, found, dataset)


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
        typer.echo(f"{record.id}  {record.verdict}: {', '.join(told)}")
        if record.reason:
            typer.echo(f"  {record.reason}")
