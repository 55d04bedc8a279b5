"""`mip imaging publish` and `export`: accepted volumes join a dataset, or leave as BIDS."""

from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, SmallChangeOption, opened
from medmip.imaging.volumetry.choice import SettingName

AtlasOption = Annotated[
    str | None, typer.Option("--atlas", help="Only what was measured with this one.")
]
SettingOption = Annotated[
    SettingName | None, typer.Option("--setting", help="Only what was measured by this one.")
]


def publish(
    model: Annotated[str, typer.Option("--model", help="The data model: code:version.")],
    dataset: Annotated[str, typer.Option("--dataset", help="Whose rows get the volumes.")],
    window: Annotated[
        int, typer.Option(min=0, max=36_500, help="Most days between a scan and its visit.")
    ] = 180,
    target: Annotated[
        str | None,
        typer.Option("--as", help="Publish as another dataset, and leave this one as it is."),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option("--date", help="The column of visits' dates; needed where there are several."),
    ] = None,
    atlas: AtlasOption = None,
    setting: SettingOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Columns that are there already give way, wholly.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only tell what would happen; nothing is published.")
    ] = False,
    small_change: SmallChangeOption = False,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Publish all the same, for a trial.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join accepted volumes to a dataset's rows by patient and visit, as its new version."""
    import json

    from pydantic import ValidationError

    from medmip.imaging.publication.publishing import planned
    from medmip.imaging.publication.publishing import publish as publish_volumes
    from medmip.imaging.publication.wish import Wish
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    place = opened(home)
    try:
        wish = Wish(
            model=model,
            dataset=dataset,
            target=target,
            window=window,
            date=date,
            atlas=atlas,
            setting=setting,
            replace=replace,
            small_change=small_change,
            unproven=unproven,
        )
    except ValidationError as error:
        places = {str(part["loc"][0]) for part in error.errors()}
        named = ", ".join(f"--{'as' if one == 'target' else one}" for one in sorted(places))
        raise typer.BadParameter("it is no name of a dataset or model", param_hint=named) from None
    snapshot = None
    if plan:
        told = planned(place, wish)
    else:
        ledger = Ledger(open_state(place), LedgerHead(place))
        told, snapshot = publish_volumes(place, wish, ledger, getuser())
    if as_json:
        row = told.model_dump(mode="json")
        row["published"] = None if snapshot is None else snapshot.version
        typer.echo(json.dumps(row, indent=2))
    else:
        for line in told.lines():
            typer.echo(line)
        if snapshot is not None:
            typer.echo(f"{snapshot.dataset} is at version {snapshot.version}")
        elif told.refusal is None:
            typer.echo("Nothing stands against it; without --plan it is published.")
        else:
            typer.echo(f"It would not be published: {told.refusal}")
    if told.refusal is not None:
        raise typer.Exit(1)


def export(
    bids: Annotated[
        Path, typer.Option("--bids", metavar="FOLDER", help="A new folder; nothing is overwritten.")
    ],
    atlas: AtlasOption = None,
    setting: SettingOption = None,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Export all the same, for a trial.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Write accepted scans as BIDS derivatives: regions and volumes, never the scans themselves."""
    from medmip.imaging.publication.bids import export_bids
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    place = opened(home)
    ledger = Ledger(open_state(place), LedgerHead(place))
    count = export_bids(
        place, bids, ledger, getuser(), atlas=atlas, setting=setting, unproven=unproven
    )
    typer.echo(f"{count} scans written to {bids}")
