"""`mip site`: join a federation, see where it stands, leave it."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from pathlib import Path

    from medmip.catalogue.home import Home
    from medmip.federation.desk_call import Word
    from medmip.federation.site_folder import SiteFolder, SiteMembership

SURE_AFTER = 2.0
"""Seconds for which a hub has to turn a site away before that is taken for its word."""
site_app = typer.Typer(
    name="site", help="Take part in a federation as a hospital.", no_args_is_help=True
)


@site_app.command()
def join(
    token: Annotated[str, typer.Argument(help="The invitation from the hub's operator.")],
    hub: Annotated[
        str | None,
        typer.Option(help="The hub's address, such as nats://host:4222, if not the token's."),
    ] = None,
    proxy: Annotated[
        str | None, typer.Option(help="The HTTP proxy on the way, such as http://proxy:3128.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the hub's operator approves.")
    ] = True,
    home: HomeOption = None,
) -> None:
    """Join a federation: keys are made here and stay here; the hub's operator then approves.

    The two fingerprints shown are to be compared by phone with what the operator sees.
    """
    from medmip.federation.address import Address
    from medmip.federation.clock import now
    from medmip.federation.enrolment import decided, enrol
    from medmip.federation.invitation import Invitation
    from medmip.federation.site_folder import SiteFolder

    folder = SiteFolder(opened(home))
    invitation = Invitation.read(token)
    address = Address.parsed(hub) if hub else None
    membership = asyncio.run(enrol(folder, invitation, now(), address, proxy))
    typer.echo(f"{membership.name} has asked {membership.federation!r} to join.")
    _show_fingerprints(folder, membership)
    if not wait:
        typer.echo("Next: call the hub's operator and compare; `mip site status` tells the answer.")
        return
    typer.echo("Call the hub's operator and compare. Waiting for approval (Ctrl-C may end this) …")
    asyncio.run(decided(folder))
    typer.echo(f"{membership.name} is a member of {membership.federation!r}.")
    typer.echo("Next: mip serve")


@site_app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show where this site stands, as its hub says now; exit 1 where the hub is not reached."""
    from medmip.errors import MipError
    from medmip.federation.connection import NotAdmitted

    folder = _folder(home)
    trouble, heard = None, None
    try:
        heard = asyncio.run(_hello(folder))
    except MipError as error:
        trouble = error
    if isinstance(trouble, NotAdmitted):
        standing = _turned_away(folder, opened(home))
    else:
        standing = heard.welcome.state if heard else f"{folder.membership.standing}, as last heard"
    membership = folder.membership
    shown = {
        "site": membership.name,
        "federation": membership.federation,
        "standing": str(standing),
        "hub": str(membership.address),
        "proxy": str(membership.way.address) if membership.way else "none",
        "this site": folder.identity.public.fingerprint,
        "the hub": folder.membership.hub.fingerprint,
        "hub's clock": str(heard.skew) if heard else "not known",
        "hub's version": heard.version if heard else "not known",
    }
    if as_json:
        typer.echo(json.dumps(shown | {"trouble": trouble and trouble.what}, indent=2))
    else:
        width = max(map(len, shown))
        for name, value in shown.items():
            typer.echo(f"{name:<{width}}  {value}")
        if standing == "waiting":
            typer.echo("Next: call the hub's operator and compare the fingerprints.")
    if trouble is not None:
        if as_json:
            raise typer.Exit(1)
        raise trouble


@site_app.command()
def leave(
    forget: Annotated[
        bool, typer.Option("--forget", help="Leave even where the hub cannot be told.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Leave the federation: the hub is told, then this site's keys for it are deleted."""
    from medmip.errors import MipError
    from medmip.federation import site_link

    folder = _folder(home)
    membership = folder.membership
    try:
        asyncio.run(site_link.leave(folder))
    except MipError as error:
        if not forget:
            error.remedy = f"{error.remedy or ''}\nTo leave without telling it: --forget.".strip()
            raise
        folder.leave()
    typer.echo(f"{membership.name} has left {membership.federation!r}.")


@site_app.command()
def rotate(home: HomeOption = None) -> None:
    """Give this site a new identity key, signed by the present one; running analyses go on."""
    from medmip.federation import site_link
    from medmip.federation.clock import now

    folder = _folder(home)
    asyncio.run(site_link.rotate(folder, now()))
    typer.echo(f"New fingerprint: {folder.identity.public.fingerprint}")


@site_app.command()
def peers(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the sites that this one has computed with, and their fingerprints since then."""
    from rich.console import Console
    from rich.table import Table

    from medmip.federation.peers import Peers

    known = Peers(_folder(home)).known()
    if as_json:
        rows = [peer.model_dump(mode="json") | {"fingerprint": peer.fingerprint} for peer in known]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not known:
        typer.echo("None yet: other sites are seen when results are first summed in secret.")
        return
    listed = Table("Site", "First seen", "Fingerprint, to compare by phone")
    for peer in known:
        listed.add_row(peer.name, f"{peer.first_seen:%Y-%m-%d}", peer.fingerprint)
    Console().print(listed)


def _show_fingerprints(folder: "SiteFolder", membership: "SiteMembership") -> None:
    typer.echo(f"  this site  {folder.identity.public.fingerprint}")
    typer.echo(f"  the hub    {membership.hub.fingerprint}")


async def _hello(folder: "SiteFolder") -> "Word":
    from medmip.federation.connection import admitted, connect_site
    from medmip.federation.desk_messages import Hello
    from medmip.federation.site_folder import Standing
    from medmip.federation.site_link import say
    from medmip.federation.site_record import SiteState

    # A broker that reads who may connect turns everybody away for a moment.
    client = await admitted(lambda: connect_site(folder), SURE_AFTER)
    try:
        word = await say(folder, client, Hello())
    finally:
        await client.close()
    if word.welcome.state is SiteState.MEMBER:
        folder.stand(Standing.MEMBER)
    return word


def _turned_away(folder: "SiteFolder", place: "Home") -> str:
    """What is true of a site that its hub does not let in; remembered, and written down."""
    from medmip.federation.authority import read_certificate
    from medmip.federation.clock import now
    from medmip.federation.site_folder import Standing
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    until = read_certificate(folder.certificate).not_valid_after_utc
    if until < now():
        return f"not admitted: the site's certificate ran out on {until:%d %B %Y}"
    if folder.membership.standing is Standing.WAITING:
        return "not admitted: rejected, revoked, or never approved"
    folder.stand(Standing.REVOKED)
    where = folder.membership.where
    Ledger(open_state(place), LedgerHead(place)).note_membership(Standing.REVOKED, where)
    return Standing.REVOKED


def _folder(home: "Path | None") -> "SiteFolder":
    from medmip.federation.site_folder import SiteFolder

    return SiteFolder.of(opened(home))
