"""`mip deploy status`, `logs`, `restart`, `stop`, `support-bundle`: looking after a server."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.deploy_server import FOLDER, FolderOption, installation_at
from medmip.cli.options import JsonOption

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Blocks or services; all where none is named."),
]


def status(
    names: NamesArgument = None, as_json: JsonOption = False, folder: FolderOption = FOLDER
) -> None:
    """Tell how the services of this server are; exit 1 where one does not run."""
    from dataclasses import asdict

    from medmip.deploy.program import installed
    from medmip.deploy.upkeep import status as looked

    units = looked(installation_at(folder).answers, names or ())
    if as_json:
        typer.echo(json.dumps([asdict(unit) for unit in units], indent=2))
    else:
        typer.echo(f"Version {installed() or 'none'}")
        for unit in units:
            memory = f", {unit.memory / 1e6:.0f} MB" if unit.memory else ""
            again = f", started again {unit.restarts} times" if unit.restarts else ""
            since = f" since {unit.since}" if unit.since else ""
            typer.echo(f"{unit.active:9} {unit.name} ({unit.block}){since}{memory}{again}")
    if any(unit.active != "active" for unit in units):
        raise typer.Exit(1)


def logs(
    names: NamesArgument = None,
    lines: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new ones.")] = False,
    folder: FolderOption = FOLDER,
) -> None:
    """Show what services wrote into the journal."""
    from medmip.deploy.upkeep import chosen

    units = chosen(installation_at(folder).answers, names or ())
    # Of a timer's service the journal has what it did.
    wanted = {word for unit in units for word in (unit, unit.replace(".timer", ".service"))}
    command = ["journalctl", "--no-pager", "--lines", str(lines)]
    command += [f"--unit={unit}" for unit in sorted(wanted)]
    os.execvp("journalctl", [*command, "--follow"] if follow else command)  # noqa: S606, S607


def restart(names: NamesArgument = None, folder: FolderOption = FOLDER) -> None:
    """Start services, or start them again; the firewall and SSH are left alone."""
    from medmip.deploy.upkeep import restart as restarted

    units = restarted(installation_at(folder).answers, names or ())
    typer.echo(f"Started: {', '.join(units)}")


def stop(names: NamesArgument = None, folder: FolderOption = FOLDER) -> None:
    """Stop services until `mip deploy restart` or the next boot; never the firewall or SSH."""
    from medmip.deploy.upkeep import stop as stopped

    units = stopped(installation_at(folder).answers, names or ())
    typer.echo(f"Stopped: {', '.join(units)}")


def support_bundle(
    out: Annotated[Path, typer.Option(help="A new file, .tar.gz.")] = Path("mip-support.tar.gz"),
    folder: FolderOption = FOLDER,
) -> None:
    """Write what somebody who helps needs to know: no patient's value, no secret."""
    from medmip.deploy.support import support_bundle as bundled

    parts = bundled(installation_at(folder), out.absolute())
    typer.echo(f"{out}: {', '.join(parts)}")
    typer.echo("It holds addresses and networks of the installation: give it to whom you trust.")


def monitoring(
    out: Annotated[Path, typer.Option(help="The folder for both files.")],
) -> None:
    """Write alert rules for Prometheus and a dashboard for Grafana."""
    from medmip.catalogue.atomic_file import write_atomically
    from medmip.deploy.monitoring import alert_rules, dashboard

    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "alerts.yml", alert_rules().encode())
    write_atomically(out / "dashboard.json", dashboard().encode())
    typer.echo(f"{out / 'alerts.yml'}, {out / 'dashboard.json'}")
