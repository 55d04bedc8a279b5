"""`mip deploy upgrade` and the way back."""

from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.deploy_server import FOLDER, FolderOption, installation_at


def upgrade(
    wheels: Annotated[
        Path | None,
        typer.Option(help="A folder with the new version's wheels; else the one in the answers."),
    ] = None,
    to: Annotated[
        str, typer.Option(help="The version to get from pip's index, where there are no wheels.")
    ] = "",
    folder: FolderOption = FOLDER,
) -> None:
    """Bring another version onto this server: back up, switch, judge; go back where it fails.

    People are kept out meanwhile. Secrets stay as they are, and a failed upgrade leaves data as
    they were.
    """
    from medmip.deploy.upgrade import upgrade as upgraded
    from medmip.errors import RequestError

    installation = installation_at(folder)
    place = str(wheels.absolute()) if wheels else installation.answers.wheels
    if bool(to) == bool(place):
        raise RequestError(
            "Which version is not said, or said twice",
            remedy="Give --wheels FOLDER; or --to VERSION where the answers name no wheels.",
        )
    name = upgraded(installation, place, to, typer.echo)
    typer.echo(f"Version {name} runs" if name else "That version runs already")


def rollback(
    identity: Annotated[
        Path | None,
        typer.Option(help="The key that reads backups, where data must go back as well."),
    ] = None,
    folder: FolderOption = FOLDER,
) -> None:
    """Go back to the version before the last upgrade, or end one that was interrupted."""
    from medmip.deploy.upgrade import roll_back

    step = roll_back(installation_at(folder), identity, typer.echo)
    typer.echo(f"Version {step.former} runs")
