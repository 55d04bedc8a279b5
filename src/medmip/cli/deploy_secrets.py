"""`mip deploy rotate-secrets`: other secrets in the place of those that may be known."""

from typing import Annotated

import typer

from medmip.cli.deploy_server import FOLDER, FolderOption, installation_at


def rotate_secrets(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Which: portal-key, authority-key, report-key, identity, log-ins; several may.",
        ),
    ],
    folder: FolderOption = FOLDER,
) -> None:
    """Make secrets of an installation anew, those that are named and no other.

    The server gets them and what uses them starts again; data, and how they are read, stay.
    """
    from medmip.deploy.renewal import rotate

    rotate(installation_at(folder), names, typer.echo)
