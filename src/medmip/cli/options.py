"""Options that many commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medmip.catalogue.home import Home

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The home folder; else MIP_HOME, else ~/.local/share/mip."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuarantineOption = Annotated[
    bool, typer.Option("--quarantine", help="Set bad rows aside and publish the others.")
]
SmallChangeOption = Annotated[
    bool,
    typer.Option(
        "--allow-small-change", help="Publish although few patients differ from an earlier version."
    ),
]
SyntheticOption = Annotated[
    bool, typer.Option("--synthetic", help="The patients are invented; users are told.")
]


def opened(home: Path | None) -> "Home":
    """The home folder, ready for use."""
    from medmip.catalogue.home import Home

    chosen = Home.default() if home is None else Home(home.expanduser().absolute())
    return chosen.prepare()
