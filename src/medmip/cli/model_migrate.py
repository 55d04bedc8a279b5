"""`mip model migrate`: datasets from one version of a model to the next."""

from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened


def migrate(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A YAML file: from, to, rename, …")
    ],
    datasets: Annotated[
        list[str] | None,
        typer.Option("--dataset", help="Only this one; else all of the old model."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish datasets of one model under another, old codes made new; the old ones stay."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.cli.snapshot_listing import print_snapshots
    from medmip.ingest.migration import migrate as migrate_one
    from medmip.ingest.migration import read_migration

    place = opened(home)
    migration, store = read_migration(file), ModelStore(place)
    source, target = store.get(migration.source), store.get(migration.target)
    chosen = datasets or place.published(source.key)
    done = [migrate_one(place, migration, source, target, code) for code in chosen]
    print_snapshots(done, as_json)
