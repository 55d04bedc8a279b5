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
from medmip.deploy.answers import Answers
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation

_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own below it, open to its owner alone
_KNOWN = "known_hosts"
_RECAP = re.compile(r"^\S+ +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did: steps that were looked at, and those that changed something."""

    looked_at: int
    changed: int


def refuse_others(answers: Answers) -> None:
    """Raises DeployError where this machine is to be changed by somebody else than root."""
    if answers.server.is_here and os.geteuid() != 0:
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
    answers: Answers,
    book: str,
    variables: Mapping[str, object],
    workspace: Path,
    say: Callable[[str], None],
    *,
    plan: bool = False,
) -> Done:
    """Runs a playbook of ours on the server, which finds its variables in `mip`.

    say is given the lines that Ansible prints; with plan it changes nothing. Raises DeployError
    where a step fails.
    """
    program = _program()
    if not answers.server.is_here and shutil.which("ssh") is None:
        raise DeployError("ssh is not installed", remedy="apt install openssh-client")
    (workspace / "variables.json").write_text(json.dumps({"mip": variables}))
    (workspace / "inventory.json").write_text(json.dumps(_inventory(answers, workspace)))
    (workspace / _KNOWN).write_text(f"{answers.server.host} {answers.server.host_key}\n")
    (workspace / "ansible.cfg").touch()
    with as_file(files("medmip.deploy") / "ansible") as books:
        command = [
            *dies_with_this(),
            *(program, "--inventory", str(workspace / "inventory.json")),
            *("--extra-vars", f"@{workspace}/variables.json", str(books / book)),
            *(("--check", "--diff") if plan else ()),
        ]
        return _ran(command, _environment(workspace) | _temporary(answers), say)


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
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0",
        "ANSIBLE_DISPLAY_OK_HOSTS": "0",
        "ANSIBLE_INJECT_FACT_VARS": "0",
    }


def _temporary(answers: Answers) -> dict[str, str]:
    """Where Ansible lays its modules; by default it leaves a folder in the user's own."""
    server = answers.server
    return {"ANSIBLE_REMOTE_TMP": "/run/mip"} if server.is_here or server.user == "root" else {}


def _ran(command: Sequence[str], environment: dict[str, str], say: Callable[[str], None]) -> Done:
    recap = None
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
                recap = _RECAP.match(line) or recap
                if line.strip():
                    say(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode or recap is None:
        raise DeployError(
            "A step failed; the lines above name it",
            remedy="See to what it says, and run it again: it goes on where it stopped.",
        )
    return Done(int(recap[1]), int(recap[2]))


def _inventory(answers: Answers, workspace: Path) -> dict[str, object]:
    server = answers.server
    how = {"ansible_connection": "local"}
    if not server.is_here:
        # Nobody is there to be asked whether a server is the one that it says.
        told = ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
        # A server that lost its power says nothing any more: half a minute of that is the end.
        told += ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
        how = {"ansible_host": server.host, "ansible_user": server.user}
        if server.host_key:
            told += ["-o", f"UserKnownHostsFile={workspace / _KNOWN}"]
            told += ["-o", "GlobalKnownHostsFile=/dev/null"]
        if server.key:
            told += ["-o", "IdentitiesOnly=yes"]
            how["ansible_ssh_private_key_file"] = server.key
        how["ansible_ssh_common_args"] = " ".join(told)
    host = how | {"ansible_python_interpreter": "/usr/bin/python3"}
    return {"all": {"children": {"mip": {"hosts": {answers.name: host}}}}}
