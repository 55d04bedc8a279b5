"""`mip hub`: make a federation, and say who belongs to it."""

import getpass
import json
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from pathlib import Path

    from medmip.federation.registrar import Registrar
    from medmip.federation.site_record import Site

hub_app = typer.Typer(
    name="hub", help="Run the hub of a federation: invite, approve, revoke.", no_args_is_help=True
)
SiteArgument = Annotated[str, typer.Argument(help="The site's name, or its node.")]


@hub_app.command()
def init(
    name: Annotated[str, typer.Option(help="The federation's name.")] = "MIP",
    address: Annotated[
        str, typer.Option(help="The host that sites reach the hub by: a DNS name or an IP address.")
    ] = "localhost",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Sites dial in here.")] = 4222,
    listen: Annotated[
        str, typer.Option(help="The local address to listen on; all of them by default.")
    ] = "0.0.0.0",  # noqa: S104
    server: Annotated[
        list[str] | None,
        typer.Option(help="A name or address of one of several brokers, for their certificate."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Make this node a hub: its identity, its certificate authority, its message broker.

    `mip serve` then runs it. Sites need one way to it: outbound TCP to address and port.
    """
    from medmip.federation.address import Address
    from medmip.federation.clock import now
    from medmip.federation.hub_folder import HubFolder, HubSettings

    place = opened(home)
    host = Address.parsed(address, port).host
    folder = HubFolder(place)
    servers = tuple(Address.parsed(one, port).host for one in server or ())
    settings = HubSettings(federation=name, host=host, port=port, listen=listen, servers=servers)
    folder.make(settings, now())
    typer.echo(f"This node is now the hub of {name!r}, at {folder.settings.address}.")
    typer.echo(f"Fingerprint: {folder.identity.public.fingerprint}")
    typer.echo("Next: start it with `mip serve`, then `mip hub invite HOSPITAL` for each hospital.")
    typer.echo(f"Back up {folder.path} and the state database, apart from everything else.")


@hub_app.command()
def invite(
    hospital: Annotated[str, typer.Argument(help="The name that the site will have.")],
    home: HomeOption = None,
) -> None:
    """Print a one-time token for a hospital, valid for 24 hours.

    Whoever holds it may ask to join once, and then waits for your approval.
    """
    registrar = _hub(home)
    invitation = registrar.invite(hospital, getpass.getuser())
    typer.echo(invitation.token())
    for line in (
        f"For {hospital}, once, until {invitation.expires:%d %B %Y %H:%M} UTC.",
        "Send it by a way you trust.",
        "There: mip site join TOKEN",
        "Then compare fingerprints by phone and approve: mip hub approve",
        f"This hub: {registrar.folder.identity.public.fingerprint}",
    ):
        typer.echo(line, err=True)


@hub_app.command()
def sites(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List sites and open invitations."""
    from rich.console import Console
    from rich.table import Table

    from medmip.federation.clock import now

    membership = _hub(home).membership
    moment = now()
    rows = [_row(site) for site in membership.sites()]
    rows += [
        {"name": one.name, "state": "invited", "until": one.expires.isoformat(timespec="seconds")}
        for one in membership.invitations()
        if one.is_open(moment) and one.used_by is None
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("No sites yet. Next: mip hub invite HOSPITAL")
        return
    listed = Table("Site", "State", "Node", "Last heard", "Clock", "Version", "Fingerprint")
    for row in rows:
        skew = row.get("skew")
        listed.add_row(
            str(row["name"]),
            str(row["state"]),
            str(row.get("node") or ""),
            str(row.get("seen") or row.get("until") or ""),
            "" if skew is None else f"{skew:+.1f} s",
            str(row.get("version") or ""),
            str(row.get("fingerprint") or ""),
        )
    Console().print(listed)


@hub_app.command()
def approve(
    site: SiteArgument,
    fingerprint: Annotated[
        str | None,
        typer.Option(help="What the hospital reads out; without it you are asked to compare."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Make a waiting site a member, once its fingerprint was compared by phone."""
    from medmip.federation.site_record import SiteState

    registrar = _hub(home)
    found = registrar.membership.site(site)
    shown = found.key.fingerprint
    if fingerprint is None:
        fingerprint = shown
        if found.state is SiteState.WAITING:
            typer.echo(f"{found.name} asks to join. Its fingerprint here:\n  {shown}")
            typer.confirm("Did the hospital read out the same, by phone?", abort=True)
    done = registrar.approve(found.node, fingerprint, getpass.getuser())
    typer.echo(f"{done.name} is a member.")


@hub_app.command()
def reject(site: SiteArgument, home: HomeOption = None) -> None:
    """Send a waiting site away."""
    typer.echo(f"{_hub(home).reject(site, getpass.getuser()).name} was rejected.")


@hub_app.command()
def revoke(site: SiteArgument, home: HomeOption = None) -> None:
    """Put a member out; a running hub closes its connections within five seconds."""
    done = _hub(home).revoke(site, getpass.getuser())
    typer.echo(f"{done.name} is revoked. It may come back only by a new invitation.")


@hub_app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the hub: address, fingerprint, broker, certificates, how many sites."""
    from medmip.errors import MipError
    from medmip.federation.authority import read_certificate
    from medmip.federation.broker import broker_answers
    from medmip.federation.broker_program import BrokerProgram

    registrar = _hub(home)
    folder, membership = registrar.folder, registrar.membership
    settings = folder.settings
    try:
        program = BrokerProgram.found().dotted
    except MipError as error:
        program = error.what
    states = [str(site.state) for site in membership.sites()]
    until = read_certificate(folder.server_certificate).not_valid_after_utc
    authority = read_certificate(folder.authority_certificate).not_valid_after_utc
    shown = {
        "federation": settings.federation,
        "address": str(settings.address),
        "fingerprint": folder.identity.public.fingerprint,
        "broker": "running" if broker_answers(folder) else "not running",
        "nats-server": program,
        "certificate until": f"{until:%Y-%m-%d}",
        "authority until": f"{authority:%Y-%m-%d}",
        "sites": ", ".join(f"{states.count(one)} {one}" for one in sorted(set(states))) or "none",
    }
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    width = max(map(len, shown))
    for name, value in shown.items():
        typer.echo(f"{name:<{width}}  {value}")
    if shown["broker"] != "running":
        typer.echo("Next: mip serve")


@hub_app.command()
def policy(
    values: Annotated[
        list[str] | None,
        typer.Argument(help="Thresholds as name=value; name= leaves one to each hospital."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or change the federation's thresholds, which hospitals may only make stricter.

    Hospitals follow within half a minute; `mip policy show` tells what each threshold does.
    """
    from medmip.cli.policy import field_of
    from medmip.federation.common_policy import read_common

    registrar = _hub(home)
    stated = dict(read_common(registrar.folder.policy))
    for text in values or ():
        name, value = field_of(text)
        if value == "":
            stated.pop(name, None)
        else:
            stated[name] = value
    if values:
        registrar.state_policy(stated, getpass.getuser())
    if as_json:
        typer.echo(json.dumps(stated, indent=2))
        return
    for name, value in stated.items():
        typer.echo(f"{name} = {json.dumps(value)}")
    if not stated:
        typer.echo("None: each hospital's own policy holds. Next: mip hub policy NAME=VALUE")


@hub_app.command()
def rotate(home: HomeOption = None) -> None:
    """Give the hub a new identity key, signed by the present one; no site is disturbed."""
    from medmip.federation.clock import now
    from medmip.federation.hub_folder import OVERLAP

    folder = _hub(home).folder
    folder.rotate(now())
    typer.echo(f"New fingerprint: {folder.identity.public.fingerprint}")
    typer.echo(
        f"Sites follow it by the former key's signature; the broker still knows the former key "
        f"for {OVERLAP.total_seconds() / 3600:.0f} h."
    )


def _hub(home: "Path | None") -> "Registrar":
    from medmip.federation.registrar import Registrar

    return Registrar.of(opened(home))


def _row(site: "Site") -> dict[str, str | float | None]:
    return {
        "name": site.name,
        "state": site.state,
        "node": site.node,
        "fingerprint": site.key.fingerprint,
        "seen": site.seen.isoformat(timespec="seconds") if site.seen else None,
        "skew": site.skew,
        "version": site.version,
    }
