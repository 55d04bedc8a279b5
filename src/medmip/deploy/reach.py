"""Running a command on a server of an installation: here, or over SSH with its key."""

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from medmip.deploy.errors import DeployError
from medmip.deploy.placement import Placement
from medmip.deploy.playbook import KNOWN, known_hosts, ssh_options

_NOT_REACHED = 255
"""What `ssh` itself ends with."""


@contextmanager
def command_on(placed: Placement, words: Sequence[str]) -> Iterator[list[str]]:
    """The command that runs words on a server, while the block lasts; raises DeployError."""
    if placed.is_here:
        yield [*words]
        return
    ssh = shutil.which("ssh")
    if ssh is None:
        raise DeployError("ssh is not installed", remedy="apt install openssh-client")
    server = placed.server
    with TemporaryDirectory(prefix="mip-known-") as name:
        known = Path(name, KNOWN)
        known.write_text(known_hosts([server]))
        key = ["-i", server.key] if server.key else []
        # The shell there takes words apart again.
        there = shlex.join([*(("sudo", "-n") if placed.become else ()), *words])
        who = f"{server.user}@{server.host}"
        yield [ssh, "-T", "-o", "ConnectTimeout=10", *ssh_options(server, known), *key, who, there]


def run_on(placed: Placement, *words: str) -> str:
    """What a command on a server prints; raises DeployError where it fails or is not reached."""
    with command_on(placed, words) as command:
        ended = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    if ended.returncode == _NOT_REACHED and not placed.is_here:
        raise DeployError(
            f"The server cannot be reached: {ended.stderr.strip()[:300]}",
            where=f"{placed.name} ({placed.server.host})",
            remedy="Is it there, and are user, key and host_key right in the answers?",
        )
    if ended.returncode:
        raise DeployError(
            f"{words[0]} {words[1] if len(words) > 1 else ''} failed: {ended.stderr.strip()[:300]}",
            where=placed.name,
            remedy="Run it as root on the server; `mip deploy logs` says more.",
        )
    return ended.stdout
