"""`mip notices`: whether the hospital's people are told, and of what."""

import json
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.notices.event import Event
    from medmip.notices.outbox import Outbox
    from medmip.notices.queue import Queue

notices_app = typer.Typer(
    name="notices",
    help="Notices by e-mail, Slack or webhook, as [notices] in mip.toml says.",
    no_args_is_help=True,
)
_PATIENCE = 90.0
"""Seconds that `test` waits for what becomes of its notice."""


class Happening(StrEnum):
    """What a service manager or a script tells of: a unit that failed, or a deployment's end."""

    BACKUP = "mip-backup"
    DRILL = "mip-drill"
    NODE = "mip"
    IMAGING = "mip-imaging"
    CERTIFICATE = "mip-certificate"
    DEPLOYED = "deployment-finished"
    NOT_DEPLOYED = "deployment-failed"


@notices_app.command("test")
def send_test(home: HomeOption = None) -> None:
    """Send a test by every way that is set, and tell what became of it; exit 1 where one fails."""
    from medmip.errors import Conflict
    from medmip.notices.event import Event, Kind
    from medmip.notices.outbox import WAITING
    from medmip.notices.queue import Queue

    place = opened(home)
    outbox = _outbox(place)
    if not outbox.settings.channels:
        raise Conflict(
            "Nobody is to be told of anything",
            where=place.configuration.name,
            remedy="Add a section [notices.email], [notices.slack] or [notices.webhook].",
        )
    event, queue = Event(Kind.TEST), Queue(outbox.state)
    outbox.tell(event)
    until = time.monotonic() + _PATIENCE
    while True:
        _send(place, queue, outbox)
        found = queue.deliveries(event=event.id)
        # A first failure is told at once; the server goes on trying.
        if not [one for one in found if one.state == WAITING and not one.attempts]:
            break
        if time.monotonic() > until:
            break
        time.sleep(0.5)
    failed = False
    for one in found:
        wrong = one.problem or ("" if one.state != WAITING else "nobody sends; run `mip serve`")
        failed |= bool(wrong)
        typer.echo(f"{'FAIL' if wrong else 'ok  '}  {one.channel}: {wrong or one.state}")
    if failed:
        raise typer.Exit(1)


@notices_app.command("list")
def list_notices(
    limit: Annotated[int, typer.Option(min=1, max=5000, help="How many of the newest.")] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List notices, newest first: what waits, what was sent, what was given up."""
    from dataclasses import asdict

    from medmip.notices.queue import Queue

    found = Queue(_outbox(opened(home)).state).deliveries(limit)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, default=str))
        return
    for one in found:
        tried = f", tried {one.attempts} times" if one.attempts > 1 else ""
        why = f": {one.problem}" if one.problem else ""
        typer.echo(f"{one.at:%Y-%m-%d %H:%M}  {one.channel:7}  {one.kind}  {one.state}{tried}{why}")


@notices_app.command()
def tell(
    what: Annotated[Happening, typer.Argument(help="The unit that failed, or what ended.")],
    home: HomeOption = None,
) -> None:
    """Write a notice down of what a service manager saw, and send it where no server runs."""
    from medmip.notices.queue import Queue

    place = opened(home)
    outbox = _outbox(place)
    outbox.tell(_event(what))
    if outbox.settings.channels:
        _send(place, Queue(outbox.state), outbox)


def _event(what: Happening) -> "Event":
    from medmip.notices.event import Event, Kind

    kinds = {
        Happening.BACKUP: Kind.BACKUP_FAILED,
        Happening.DRILL: Kind.DRILL_FAILED,
        Happening.DEPLOYED: Kind.DEPLOYED,
        Happening.NOT_DEPLOYED: Kind.DEPLOYMENT_FAILED,
    }
    if what in kinds:
        return Event(kinds[what])
    return Event(Kind.SERVICE_FAILED, identity=what.value)


def _outbox(place: "Home") -> "Outbox":
    from medmip.notices.outbox import Outbox
    from medmip.store.state import open_state

    return Outbox.of(place, open_state(place))


def _send(place: "Home", queue: "Queue", outbox: "Outbox") -> None:
    """One round, unless a server sends just now, or the secrets are for its unit alone."""
    import os

    from medmip.notices.secret import CREDENTIALS
    from medmip.notices.sender import send_due, ways_of

    settings = outbox.settings
    if any(way.credential for way in settings.channels.values()) and CREDENTIALS not in os.environ:
        return
    send_due(place, queue, ways_of(settings), settings, datetime.now(UTC))
