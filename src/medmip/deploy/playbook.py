"""Running Ansible with its built-in modules alone, for whoever needs not know it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from medmip.catalogue.atomic_file import alone
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.placement import Placement
from medmip.deploy.servers import Server

_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own below it, open to its owner alone
KNOWN = "known_hosts"
_RECAP = re.compile(r"^\S+ +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did, on all servers: steps that were looked at, those that changed something."""

    looked_at: int
    changed: int


def refuse_others(placed: Sequence[Placement]) -> None:
    """Raises DeployError where this machine is to be changed by somebody else than root."""
    if any(one.is_here for one in placed) and os.geteuid() != 0:
        raise DeployError("Only root sets this server up", remedy="Run it as root, or by sudo.")


@contextmanager
def workspace_of(installation: Installation) -> Iterator[Path]:
    """A folder for what Ansible is told, in memory; nobody else works on the installation."""
    # Secrets lie open in here, so that no disk should hold them.
    memory = _MEMORY if _MEMORY.is_dir() else Path(gettempdir())
    prefix = f"mip-{hashlib.sha256(bytes(installation.folder)).hexdigest()[:12]}-"
    with alone(installation.folder) as lock:
        # Where this process is killed, a step may live on: the next run waits for its end.
        os.set_inheritable(lock, True)
        for left in memory.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        with TemporaryDirectory(prefix=prefix, dir=memory) as name:
            yield Path(name)


def play(
    placed: Sequence[Placement],
    book: str,
    variables: Mapping[str, Mapping[str, object]],
    workspace: Path,
    say: Callable[[str], None],
    *,
    plan: bool = False,
) -> Done:
    """Runs a playbook of ours on servers, each of which finds its own variables in `mip`.

    variables are by the server's name; say is given the lines that Ansible prints; with plan it
    changes nothing. Raises DeployError where a step fails.
    """
    program = _program()
    if not all(one.is_here for one in placed) and shutil.which("ssh") is None:
        raise DeployError("ssh is not installed", remedy="apt install openssh-client")
    hosts = {
        one.name: _host(one.server, workspace) | {"mip": variables[one.name]} for one in placed
    }
    inventory = {"all": {"children": {"mip": {"hosts": hosts}}}}
    (workspace / "inventory.json").write_text(json.dumps(inventory))
    (workspace / KNOWN).write_text(known_hosts([one.server for one in placed]))
    (workspace / "ansible.cfg").touch()
    with as_file(files("medmip.deploy") / "ansible") as books:
        command = [
            *dies_with_this(),
            *(program, "--inventory", str(workspace / "inventory.json")),
            str(books / book),
            *(("--check", "--diff") if plan else ()),
        ]
        return _ran(command, _environment(workspace) | _temporary(placed), say)


def dies_with_this() -> list[str]:
    """What starts a program that ends where this process is killed, whom it else may wait for."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL"] if found else []


def _program() -> str:
    beside = Path(sys.executable).with_name("ansible-playbook")
    found = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if found is None:
        raise DeployError(
            "Ansible is not installed",
            remedy="Install it beside MIP: pip install 'medmip[deploy]'.",
        )
    return found


def _environment(workspace: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "SSH_AUTH_SOCK") if name in os.environ}
    return kept | {
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_CONFIG": str(workspace / "ansible.cfg"),
        "ANSIBLE_HOME": str(workspace / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        # By default it compresses as well, which only costs time: wheels are compressed already.
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0",
        "ANSIBLE_DISPLAY_OK_HOSTS": "0",
        "ANSIBLE_INJECT_FACT_VARS": "0",
    }


def _temporary(placed: Sequence[Placement]) -> dict[str, str]:
    """Where Ansible lays its modules; by default it leaves a folder in the user's own."""
    return {} if any(one.become for one in placed) else {"ANSIBLE_REMOTE_TMP": "/run/mip"}


def _ran(command: Sequence[str], environment: dict[str, str], say: Callable[[str], None]) -> Done:
    recaps: list[re.Match[str]] = []
    with subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # It inherits the lock of `workspace_of`, which is all that can be inherited.
        close_fds=False,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                # One for each server.
                recaps += filter(None, [_RECAP.match(line)])
                if line.strip():
                    say(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode or not recaps:
        raise DeployError(
            "A step failed; the lines above name it",
            remedy="See to what it says, and run it again: it goes on where it stopped.",
        )
    return Done(sum(int(one[1]) for one in recaps), sum(int(one[2]) for one in recaps))


def known_hosts(servers: Sequence[Server]) -> str:
    """A file of known hosts, with every server whose own key was answered."""
    return "".join(f"{one.host} {one.host_key}\n" for one in servers if one.host_key)


def ssh_options(server: Server, known: Path) -> list[str]:
    """What `ssh` is told, whoever runs it; known is the file of `known_hosts`."""
    # Nobody is there to be asked whether a server is the one that it says.
    told = ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    # A server that lost its power says nothing any more: half a minute of that is the end.
    told += ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
    if server.host_key:
        told += ["-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null"]
    if server.key:
        told += ["-o", "IdentitiesOnly=yes"]
    return told


def _host(server: Server, workspace: Path) -> dict[str, object]:
    """What Ansible's inventory says of a server."""
    how: dict[str, object] = {"ansible_connection": "local"}
    if not server.is_here:
        how = {"ansible_host": server.host, "ansible_user": server.user}
        if server.key:
            how["ansible_ssh_private_key_file"] = server.key
        how["ansible_ssh_common_args"] = " ".join(ssh_options(server, workspace / KNOWN))
    return how | {"ansible_python_interpreter": "/usr/bin/python3"}
