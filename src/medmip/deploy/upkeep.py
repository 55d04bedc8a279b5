"""The services of an installation: how they are, what they say, stopping and starting them."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from medmip.deploy.answers import Answers
from medmip.deploy.blocks.registry import NFTABLES, SSHD
from medmip.deploy.errors import DeployError

_SHOWN = ("Id", "ActiveState", "SubState", "ActiveEnterTimestamp", "NRestarts", "MemoryCurrent")
_ALWAYS = frozenset({SSHD, NFTABLES})
"""What nobody stops by us: the way in, and what keeps others out."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How a unit is; memory in bytes, None where systemd does not count it."""

    name: str
    block: str
    active: str
    detail: str
    since: str
    restarts: int
    memory: int | None


def chosen(answers: Answers, names: Sequence[str]) -> list[str]:
    """The units of these names of blocks or units, all where none is named; raises DeployError."""
    units = _units(answers)
    found = []
    for name in names:
        theirs = [unit for unit, block in units if name in (block, unit, unit.partition(".")[0])]
        if not theirs:
            known = sorted({word for pair in units for word in pair})
            raise DeployError(
                f"This installation has neither block nor unit {name}",
                remedy=f"There are {', '.join(known)}.",
            )
        found += theirs
    return found if names else [unit for unit, _ in units]


def status(answers: Answers, names: Sequence[str] = ()) -> list[Unit]:
    """How units are; raises DeployError."""
    units = chosen(answers, names)
    blocks = dict(_units(answers))
    said = _systemctl("show", f"--property={','.join(_SHOWN)}", *units)
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
            )
        )
    return found


def restart(answers: Answers, names: Sequence[str]) -> list[str]:
    """Starts units, or starts them again; which they are. Raises DeployError."""
    units = _stoppable(answers, names)
    _systemctl("restart", *units)
    return units


def stop(answers: Answers, names: Sequence[str]) -> list[str]:
    """Stops units until they are started again, or the machine is; raises DeployError."""
    units = _stoppable(answers, names)
    _systemctl("stop", *units)
    return units


def _units(answers: Answers) -> list[tuple[str, str]]:
    """Every unit, and the block that it comes with."""
    return [
        (name, str(block.name))
        for block in answers.every_block
        for name in (
            *(service.unit for service in block.services),
            *(program.unit for program in block.foreign),
        )
    ]


def _stoppable(answers: Answers, names: Sequence[str]) -> list[str]:
    return [unit for unit in chosen(answers, names) if unit not in _ALWAYS]


def _systemctl(*words: str) -> str:
    ended = subprocess.run(  # noqa: S603
        ["systemctl", *words],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise DeployError(
            f"systemctl {words[0]} failed: {ended.stderr.strip()[:300]}",
            remedy="Run it as root on the server; `mip deploy logs` says more.",
        )
    return ended.stdout
