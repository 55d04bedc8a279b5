"""Setting a server up as it is configured."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from medmip.deploy.answers import Answers
from medmip.deploy.blocks.certificate import AUTHORITIES, INTERIM
from medmip.deploy.blocks.declaration import (
    CONFIGURATION,
    FORMER,
    HOME,
    PROGRAM,
    UPGRADING,
    USER,
    Block,
    BlockName,
)
from medmip.deploy.blocks.proxy import CERTIFICATE
from medmip.deploy.blocks.registry import BLOCKS
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.playbook import Done, play, refuse_others, workspace_of
from medmip.deploy.program import WHEELS, Release, running
from medmip.deploy.removal import removal
from medmip.deploy.server_files import UNITS, ServerFile, server_files, used_secrets


def set_up(installation: Installation, say: Callable[[str], None], *, plan: bool = False) -> Done:
    """Makes the server what the configuration says, or with plan tells what would change.

    say is given the lines that Ansible prints. Raises DeployError where a step fails; the next run
    goes on.
    """
    answers = installation.answers
    refuse_others(answers)
    with workspace_of(installation) as workspace:
        variables = _variables(installation, answers, workspace)
        try:
            done = play(answers, "site.yml", variables, workspace, say, plan=plan)
        except DeployError:
            if not plan:
                _notify(answers, workspace, "deployment-failed")
            raise
        if done.changed and not plan:
            _notify(answers, workspace, "deployment-finished")
        return done


def _notify(answers: Answers, workspace: Path, what: str) -> None:
    """Has the server tell people, where they asked for it and it is able to."""
    # Within an upgrade it is not said yet which version will run: the upgrade tells its own end.
    if not answers.notices.channels or Path(UPGRADING).exists():
        return
    become = not answers.server.is_here and answers.server.user != "root"
    with contextlib.suppress(DeployError):
        play(
            answers,
            "notice.yml",
            {"become": become, "happened": what},
            workspace,
            lambda _: None,
        )


def stage(installation: Installation, release: Release, say: Callable[[str], None]) -> Done:
    """Lays a version down beside the one that runs; nothing that runs is touched."""
    answers = installation.answers
    refuse_others(answers)
    with workspace_of(installation) as workspace:
        return play(answers, "stage.yml", _program(installation, answers, release), workspace, say)


def _program(installation: Installation, answers: Answers, release: Release) -> dict[str, object]:
    """What the steps of a version are told."""
    copied = bool(answers.wheels) and not answers.server.is_here
    return {
        "become": not answers.server.is_here and answers.server.user != "root",
        "program": PROGRAM,
        "release": {
            "folder": release.folder,
            "mark": release.mark,
            "pip": release.pip,
            "runs_this": release.runs_this,
        },
        "wheels": {
            "copied": copied,
            "source": answers.wheels,
            "folder": WHEELS,
            # In no repository, and too large for the workspace in memory.
            "archive": str(installation.folder / "wheels.tar.partial"),
        },
    }


def _variables(installation: Installation, answers: Answers, workspace: Path) -> dict[str, object]:
    release = running(answers)
    everything = server_files(answers)
    return _program(installation, answers, release) | {
        "name": answers.name,
        "user": USER,
        "home": HOME,
        "backups": answers.backup.to,
        "workspace": str(workspace),
        "demo": answers.demo,
        "federation": answers.federation.name,
        "former": FORMER,
        "removal": removal(answers, [one for one in BLOCKS if not answers.has(one.name)]),
        "order": [block.name for block in answers.every_block],
        "blocks": {
            block.name: _block(installation, answers, block, everything, release.mark, workspace)
            for block in answers.every_block
        },
    }


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
        by_acme = answers.has(BlockName.CERTIFICATE_RENEWAL)
        theirs.append(ServerFile(INTERIM if by_acme else CERTIFICATE, chain, block.name))
    if block.name is BlockName.CERTIFICATE_RENEWAL and answers.certificate.authorities:
        known_by = installation.authorities.read_text(encoding="ascii")
        theirs.append(ServerFile(AUTHORITIES, known_by, block.name))
    contents = {file.path: file.text.encode() for file in theirs}
    secrets = [one for one in used_secrets(answers) if one in block.secrets and one.path]
    contents |= {secret.path: installation.secret(secret.name) for secret in secrets}
    for path, content in contents.items():
        _lay(workspace / _source(path), content)
    home = next(file.text for file in everything if file.path == f"{HOME}/mip.toml").encode()
    whole = _fingerprint(installed.encode(), home, *contents.values())
    ours = [
        {
            "unit": service.unit,
            "renewal": "restarted",
            "fingerprint": whole,
        }
        for service in block.services
    ]
    foreign = [
        {
            "unit": program.unit,
            "renewal": "restarted" if program.restarts else "reloaded",
            "fingerprint": _fingerprint(*contents.values()),
        }
        for program in block.foreign
    ]
    return {
        "packages": [*block.packages],
        "foreign": [program.unit for program in block.foreign],
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
        # Where a program of the distribution may have a file of its own.
        "replaced": [
            file.path
            for file in theirs
            if not file.path.startswith((f"{CONFIGURATION}/", f"{HOME}/", f"{UNITS}/"))
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
