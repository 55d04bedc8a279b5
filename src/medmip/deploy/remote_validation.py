"""The acceptance test of all servers: those that are reached over SSH look at themselves."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import tomlkit

from medmip.deploy.acceptance import Check, Report
from medmip.deploy.blocks.declaration import PROGRAM
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.placement import Placement, placements
from medmip.deploy.playbook import play, workspace_of
from medmip.deploy.servers import Server
from medmip.deploy.validation import validate

FOLDER = "/run/mip-validation"
"""In memory, on the server; nothing secret comes there."""


def validate_all(installation: Installation, version: str, say: Callable[[str], None]) -> Report:
    """Judges every server of an installation; points of several are named by their servers.

    Of several, one that cannot be asked has not passed. say is given the lines that Ansible
    prints. Raises DeployError where the only server cannot be asked.
    """
    answers = installation.answers
    if not answers.servers:
        return _judged(installation, placements(answers)[0], version, say)
    checks: list[Check] = []
    for placed in placements(answers):
        try:
            found = _judged(installation, placed, version, say).checks
        except DeployError as error:
            found = (Check("it is asked", False, error.what, error.remedy or "See why."),)
        checks += [replace(one, name=f"{placed.name}: {one.name}") for one in found]
    return Report(answers.name, datetime.now(UTC), version, tuple(checks))


def _judged(
    installation: Installation, placed: Placement, version: str, say: Callable[[str], None]
) -> Report:
    if placed.is_here:
        return validate(installation, version)
    return _judged_there(installation, placed, say)


def _judged_there(
    installation: Installation, placed: Placement, say: Callable[[str], None]
) -> Report:
    """Lets a server judge itself, by the program that is installed on it; raises DeployError."""
    with workspace_of(installation) as workspace:
        judged_by, report = workspace / "judged-by", workspace / "report.json"
        judged_by.mkdir()
        (judged_by / "answers.toml").write_text(_as_seen_there(placed))
        if known_by := installation.trusted:
            (judged_by / known_by.name).write_bytes(known_by.read_bytes())
        variables = {
            "become": placed.become,
            "program": PROGRAM,
            "folder": FOLDER,
            "judged_by": str(judged_by),
            "report": str(report),
        }
        play([placed], "validation.yml", {placed.name: variables}, workspace, say)
        return _read(report.read_text(encoding="utf-8"))


def _as_seen_there(placed: Placement) -> str:
    """The answers of a server that is asked for itself."""
    answers = placed.answers
    servers = {
        name: place.model_copy(
            update={
                "host": "localhost" if name == placed.name else str(place.address),
                "key": "",
                "host_key": "",
            }
        )
        for name, place in answers.servers.items()
    }
    there = answers.model_copy(update={"servers": servers} if servers else {"server": Server()})
    return tomlkit.dumps(there.model_dump(mode="json", exclude_defaults=True))


def _read(text: str) -> Report:
    try:
        told = json.loads(text)
        return Report(
            name=told["name"],
            made=datetime.fromisoformat(told["made"]),
            version=told["version"],
            checks=tuple(Check(**check) for check in told["checks"]),
        )
    except (ValueError, KeyError, TypeError):
        raise DeployError(
            "The server's report cannot be read",
            remedy="Its version is another than this one's: `mip deploy setup`, or validate on "
            "the server itself.",
        ) from None
