"""Setting servers up as they are configured."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from medmip.deploy.blocks import database
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
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.placement import Placement, of_node, placements
from medmip.deploy.playbook import Done, play, refuse_others, workspace_of
from medmip.deploy.program import WHEELS, Release, running
from medmip.deploy.removal import unwanted
from medmip.deploy.server_files import UNITS, ServerFile, server_files, used_secrets


def set_up(installation: Installation, say: Callable[[str], None], *, plan: bool = False) -> Done:
    """Makes every server what the configuration says, or with plan tells what would change.

    say is given the lines that Ansible prints. Raises DeployError where a step fails; the next run
    goes on.
    """
    placed = placements(installation.answers)
    refuse_others(placed)
    with workspace_of(installation) as workspace:
        variables = {
            one.name: _variables(installation, one, workspace / one.name) for one in placed
        }
        try:
            done = play(placed, "site.yml", variables, workspace, say, plan=plan)
        except DeployError:
            if not plan:
                _notify(placed[-1], workspace, "deployment-failed")
            raise
        if done.changed and not plan:
            _notify(placed[-1], workspace, "deployment-finished")
        return done


def _notify(placed: Placement, workspace: Path, what: str) -> None:
    """Has the server tell people, where they asked for it and it is able to."""
    # Within an upgrade it is not said yet which version will run: the upgrade tells its own end.
    if not placed.answers.notices.channels or Path(UPGRADING).exists():
        return
    with contextlib.suppress(DeployError):
        variables = {placed.name: {"become": placed.become, "happened": what}}
        play([placed], "notice.yml", variables, workspace, lambda _: None)


def stage(installation: Installation, release: Release, say: Callable[[str], None]) -> Done:
    """Lays a version down beside the one that runs; nothing that runs is touched."""
    placed = of_node(installation.answers)
    refuse_others([placed])
    with workspace_of(installation) as workspace:
        variables = {placed.name: _program(installation, placed, release)}
        return play([placed], "stage.yml", variables, workspace, say)


def _program(installation: Installation, placed: Placement, release: Release) -> dict[str, object]:
    """What the steps of a version are told."""
    wheels = placed.answers.wheels
    return {
        "become": placed.become,
        "program": PROGRAM,
        "release": {
            "folder": release.folder,
            "mark": release.mark,
            "pip": release.pip,
            "runs_this": release.runs_this,
        },
        "wheels": {
            "copied": bool(wheels) and not placed.is_here,
            "source": wheels,
            "folder": WHEELS,
            # In no repository, and too large for the workspace in memory; each server has its own.
            "archive": str(installation.folder / f"wheels-{placed.name}.tar.partial"),
        },
    }


def _variables(installation: Installation, placed: Placement, workspace: Path) -> dict[str, object]:
    """What the steps of a server are told; its files and secrets are laid into its workspace."""
    answers = placed.answers
    release = running(placed)
    everything = server_files(placed)
    return _program(installation, placed, release) | {
        "name": answers.name,
        "user": USER,
        "account": placed.has_node,
        "home": HOME,
        "backups": answers.backup.to,
        "workspace": str(workspace),
        "demo": answers.demo,
        "federation": answers.federation.name,
        "former": FORMER,
        "removal": unwanted(placed),
        "database": _postgresql(placed),
        "order": [block.name for block in placed.every_block],
        "blocks": {
            block.name: _block(installation, placed, block, everything, release.mark, workspace)
            for block in placed.every_block
        },
    }


def _block(
    installation: Installation,
    placed: Placement,
    block: Block,
    everything: Sequence[ServerFile],
    installed: str,
    workspace: Path,
) -> dict[str, object]:
    backups = placed.answers.backup.to
    theirs = [file for file in everything if file.block is block.name]
    theirs += _certificates(installation, placed, block.name)
    contents = {file.path: file.text.encode() for file in theirs}
    secrets = [one for one in used_secrets(placed) if one in block.secrets and one.path]
    contents |= {secret.path: installation.secret(secret.name) for secret in secrets}
    for path, content in contents.items():
        _lay(workspace / _source(path), content)
    home = [file.text.encode() for file in everything if file.path == f"{HOME}/mip.toml"]
    whole = _fingerprint(installed.encode(), *home, *contents.values())
    ours = [
        {
            "unit": service.unit,
            "renewal": "restarted",
            "fingerprint": whole,
        }
        for service in block.services
    ]
    told = []
    if block.name is BlockName.HOSPITAL_DATABASE:
        told = [text.encode() for text in _postgresql(placed).values()]
    foreign = [
        {
            "unit": program.unit,
            "renewal": "restarted" if program.restarts else "reloaded",
            "fingerprint": _fingerprint(*contents.values(), *told),
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


def _postgresql(placed: Placement) -> dict[str, str]:
    """The files of PostgreSQL, whose folder the distribution names."""
    at = placed.address_of(BlockName.HOSPITAL_DATABASE) if placed.is_apart else None
    node = placed.address_of(BlockName.ALGORITHM_FACTORY) if placed.is_apart else None
    return {
        "settings": database.settings(at),
        "access": database.access(node),
        "who": database.who(has_node=placed.has_node),
    }


def _certificates(
    installation: Installation, placed: Placement, name: BlockName
) -> list[ServerFile]:
    """The certificates that a block on this server has."""
    found = {}
    if name is BlockName.WEB_ANALYTICS:
        by_acme = placed.has(BlockName.CERTIFICATE_RENEWAL)
        found[INTERIM if by_acme else CERTIFICATE] = installation.certificate
    if name is BlockName.CERTIFICATE_RENEWAL and placed.answers.certificate.authorities:
        found[AUTHORITIES] = installation.authorities
    if placed.is_apart:
        trust = installation.database_trust
        if name is BlockName.HOSPITAL_DATABASE:
            found |= {database.AUTHORITY: trust.authority, database.SERVER: trust.server}
        if name is BlockName.ALGORITHM_FACTORY:
            found |= {database.AUTHORITY: trust.authority, database.CLIENT: trust.client}
    return [ServerFile(at, path.read_text("ascii"), name) for at, path in found.items()]


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
