"""The services of an installation: how they are, what they say, stopping and starting them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medmip.deploy.answers import Answers
from medmip.deploy.blocks.declaration import PROGRAM
from medmip.deploy.blocks.registry import NFTABLES, SSHD
from medmip.deploy.errors import DeployError
from medmip.deploy.placement import Placement, placements
from medmip.deploy.reach import run_on

_SHOWN = ("Id", "ActiveState", "SubState", "ActiveEnterTimestamp", "NRestarts", "MemoryCurrent")
_ALWAYS = frozenset({SSHD, NFTABLES})
"""What nobody stops by us: the way in, and what keeps others out."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How a unit is; memory in bytes, None where systemd does not count it.

    server is the server's name where there are several, and else nothing.
    """

    name: str
    block: str
    active: str
    detail: str
    since: str = ""
    restarts: int = 0
    memory: int | None = None
    server: str = ""


def picked(answers: Answers, names: Sequence[str]) -> list[tuple[Placement, list[str]]]:
    """The units of these names of servers, blocks or units, by server; all where none is named.

    Raises DeployError where a name is nothing of the installation's.
    """
    everywhere = placements(answers)
    known = {word for one in everywhere for pair in _units(one) for word in pair}
    known |= answers.servers.keys()
    for name in names:
        if not any(name in (word, word.partition(".")[0]) for word in known):
            raise DeployError(
                f"This installation has neither block nor unit {name}"
                + (", nor such a server" if answers.servers else ""),
                remedy=f"There are {', '.join(sorted(known))}.",
            )
    found = [(one, chosen(one, names)) for one in everywhere]
    return [(one, units) for one, units in found if units]


def chosen(placed: Placement, names: Sequence[str]) -> list[str]:
    """The units on one server of these names of servers, blocks or units."""
    units = _units(placed)
    if not names or (placed.answers.servers and placed.name in names):
        return [unit for unit, _ in units]
    return [
        unit
        for name in names
        for unit, block in units
        if name in (block, unit, unit.partition(".")[0])
    ]


def status(answers: Answers, names: Sequence[str] = ()) -> list[Unit]:
    """How units are on every server; of several, one that cannot be reached is told as such.

    Raises DeployError.
    """
    found = []
    for placed, _ in picked(answers, names):
        try:
            found += status_of(placed, names)
        except DeployError as error:
            if not answers.servers:
                raise
            found.append(Unit("every unit", "", "unknown", error.what, server=placed.name))
    return found


def status_of(placed: Placement, names: Sequence[str] = ()) -> list[Unit]:
    """How units are on one server; raises DeployError."""
    blocks = dict(_units(placed))
    wanted = f"--property={','.join(_SHOWN)}"
    said = run_on(placed, "systemctl", "show", wanted, *chosen(placed, names))
    found = []
    for part in said.strip().split("\n\n"):
        shown = dict(line.partition("=")[::2] for line in part.splitlines())
        memory = shown.get("MemoryCurrent", "")
        found.append(
            Unit(
                name=shown["Id"],
                block=blocks.get(shown["Id"], ""),
                active=shown["ActiveState"],
                detail=shown["SubState"],
                since=shown.get("ActiveEnterTimestamp", ""),
                restarts=int(shown.get("NRestarts") or 0),
                # Where it is not counted the greatest number stands for it.
                memory=int(memory) if re.fullmatch(r"\d{1,18}", memory) else None,
                server=label(placed),
            )
        )
    return found


def version_of(placed: Placement) -> str:
    """The version that runs on a server; raises DeployError where none does."""
    return run_on(placed, "readlink", "-e", PROGRAM).strip().rpartition("/")[2]


def label(placed: Placement) -> str:
    """A server's name where there are several, and else nothing."""
    return placed.name if placed.answers.servers else ""


def restart(answers: Answers, names: Sequence[str]) -> list[str]:
    """Starts units, or starts them again; which they are. Raises DeployError."""
    return _told(answers, names, "restart")


def stop(answers: Answers, names: Sequence[str]) -> list[str]:
    """Stops units until they are started again, or the machine is; raises DeployError."""
    return _told(answers, names, "stop")


def _told(answers: Answers, names: Sequence[str], word: str) -> list[str]:
    did = []
    for placed, _ in picked(answers, names):
        if units := _stoppable(placed, names):
            run_on(placed, "systemctl", word, *units)
            did += [": ".join(filter(None, (label(placed), unit))) for unit in units]
    return did


def _units(placed: Placement) -> list[tuple[str, str]]:
    """Every unit, and the block that it comes with."""
    return [
        (name, str(block.name))
        for block in placed.every_block
        for name in (
            *(service.unit for service in block.services),
            *(program.unit for program in block.foreign),
        )
    ]


def _stoppable(placed: Placement, names: Sequence[str]) -> list[str]:
    return [unit for unit in chosen(placed, names) if unit not in _ALWAYS]
