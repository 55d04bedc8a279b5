"""`mip deploy bundle`: what a server without internet is installed from."""

from pathlib import Path
from typing import Annotated

import typer


def bundle(
    wheels: Annotated[
        Path, typer.Option(help="A folder with the wheels of MIP and of all that it needs.")
    ],
    sign: Annotated[
        str, typer.Option(metavar="KEY", help="The secret key of gpg that signs the bundle.")
    ],
    out: Annotated[Path, typer.Option(help="The folder that the bundle goes to.")],
) -> None:
    """Make one signed file that installs MIP without internet, with Debian's packages.

    It is for the release of Debian and the processor of this machine. Give the public key and the
    installer to administrators by another way than the bundle.
    """
    from medmip.deploy.bundle import make_bundle

    made = make_bundle(wheels.absolute(), out.absolute(), sign, typer.echo)
    for path in (made.path, made.signature, made.key, made.installer):
        typer.echo(path)
    typer.echo(
        f"Next, on the server: sh {made.installer.name} {made.path.name} {made.key.name}", err=True
    )
