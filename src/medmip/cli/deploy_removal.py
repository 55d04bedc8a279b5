"""`mip deploy uninstall`: MIP off a server."""

from typing import Annotated

import typer

from medmip.cli.deploy_server import FOLDER, FolderOption, installation_at
from medmip.errors import MipError


def uninstall(
    purge_data: Annotated[
        bool,
        typer.Option("--purge-data", help="Remove data, backups there and configuration as well."),
    ] = False,
    folder: FolderOption = FOLDER,
) -> None:
    """Take MIP off its server, after asking; data stay unless they are purged.

    Services, firewall rules, program and secrets go; files that stood in their place come back.
    """
    from medmip.deploy.removal import left
    from medmip.deploy.removal import uninstall as uninstalled

    installation = installation_at(folder)
    answers = installation.answers
    typer.echo(f"MIP is taken off {answers.name}. What is left:")
    for line in left(answers, installation.folder, purge=purge_data):
        typer.echo(f"  {line}")
    if purge_data:
        typer.echo("Every dataset, experiment, account and key is removed for good.")
        if typer.prompt("Type the name of the installation") != answers.name:
            raise MipError("That is another name, and nothing was removed")
    elif not typer.confirm("Remove the rest"):
        raise MipError("Nothing was removed")
    uninstalled(installation, typer.echo, purge=purge_data)
    typer.echo("MIP is removed")
