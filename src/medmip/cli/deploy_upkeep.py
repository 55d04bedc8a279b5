"""`mip deploy status`, `logs`, `restart`, `stop`, `support-bundle`: looking after a server."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.deploy_server import FOLDER, FolderOption, installation_at
from medmip.cli.options import JsonOption
from medmip.errors import MipError

if TYPE_CHECKING:
    from medmip.deploy.answers import Answers

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Servers, blocks or services; all where none is named."),
]


def status(
    names: NamesArgument = None, as_json: JsonOption = False, folder: FolderOption = FOLDER
) -> None:
    """Tell how the services of every server are; exit 1 where one does not run."""
    from dataclasses import asdict

    from medmip.deploy.upkeep import status as looked

    answers = installation_at(folder).answers
    units = looked(answers, names or ())
    if as_json:
        typer.echo(json.dumps([asdict(unit) for unit in units], indent=2))
    else:
        for line in _versions(answers):
            typer.echo(line)
        for unit in units:
            memory = f", {unit.memory / 1e6:.0f} MB" if unit.memory else ""
            again = f", started again {unit.restarts} times" if unit.restarts else ""
            since = f" since {unit.since}" if unit.since else ""
            block = f" ({unit.block})" if unit.block else f": {unit.detail}"
            where = f"{unit.server}: " if unit.server else ""
            typer.echo(f"{unit.active:9} {where}{unit.name}{block}{since}{memory}{again}")
    if any(unit.active != "active" for unit in units):
        raise typer.Exit(1)


def _versions(answers: "Answers") -> Iterator[str]:
    from medmip.deploy.errors import DeployError
    from medmip.deploy.placement import placements
    from medmip.deploy.upkeep import label, version_of

    for placed in placements(answers):
        where = f"{label(placed)}: " if label(placed) else ""
        try:
            yield f"{where}Version {version_of(placed)}"
        except DeployError:
            yield f"{where}Version none"


def logs(
    names: NamesArgument = None,
    lines: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new ones.")] = False,
    folder: FolderOption = FOLDER,
) -> None:
    """Show what services wrote into the journal."""
    from medmip.deploy.reach import command_on
    from medmip.deploy.upkeep import label, picked

    found = picked(installation_at(folder).answers, names or ())
    if follow and len(found) > 1:
        servers = ", ".join(placed.name for placed, _ in found)
        raise MipError(
            "Lines of one server at a time can be followed", remedy=f"Name one of {servers}."
        )
    for placed, units in found:
        # Of a timer's service the journal has what it did.
        wanted = {word for unit in units for word in (unit, unit.replace(".timer", ".service"))}
        words = ["journalctl", "--no-pager", "--lines", str(lines)]
        words += [f"--unit={unit}" for unit in sorted(wanted)] + ["--follow"] * follow
        if placed.is_here and len(found) == 1:
            os.execvp("journalctl", words)  # noqa: S606, S607
        if label(placed):
            typer.echo(f"{label(placed)}:")
        with command_on(placed, words) as command:
            ended = subprocess.run(command, check=False)  # noqa: S603
        if ended.returncode:
            raise MipError("The journal cannot be read", where=placed.name)


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
