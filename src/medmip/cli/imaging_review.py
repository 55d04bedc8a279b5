"""`mip imaging review`: what people decide of measured scans."""

import json
from getpass import getuser
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened


def review(
    scan: Annotated[
        str | None, typer.Argument(metavar="[SCAN]", help="Its id; else all measured are listed.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Its volumes may be used.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="They never reach a table.")] = False,
    redo: Annotated[bool, typer.Option("--redo", help="They are to be measured anew.")] = False,
    reason: Annotated[
        str, typer.Option(help="Why, in words, of no patient; it is written in the ledger.")
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept or reject a measured scan or have it measured anew; or show how scans stand."""
    from medmip.imaging.shelf import Shelf
    from medmip.imaging.volumetry.record import kept
    from medmip.imaging.volumetry.review import ReviewDecision, decide, reviews_of, standing
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    place = opened(home)
    wishes = {
        ReviewDecision.ACCEPT: accept,
        ReviewDecision.REJECT: reject,
        ReviewDecision.REDO: redo,
    }
    said = [decision for decision, wished in wishes.items() if wished]
    if len(said) > 1 or (said and scan is None) or (reason and not said):
        raise typer.BadParameter(
            "name one scan, one of --accept, --reject, --redo, and the --reason"
        )
    if said and scan is not None:
        ledger = Ledger(open_state(place), LedgerHead(place))
        decide(place, ledger, scan, said[0], reason, getuser())
    shelf = Shelf(place)
    rows: list[dict[str, object]] = []
    for record in shelf.records():
        folder = shelf.scans / record.id
        done = reviews_of(folder)
        if scan in (None, record.id) and (done.all or kept(folder)):
            state = standing(folder)
            rows.append({"scan": record.id, "standing": state, **done.model_dump(mode="json")})
            if not as_json:
                typer.echo(f"{record.id}  {state}")
                for one in done.all:
                    typer.echo(f"  {one.at:%Y-%m-%d %H:%M} {one.by}: {one.decision}, {one.reason}")
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
