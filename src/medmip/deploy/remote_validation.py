"""The acceptance test of a server that is reached over SSH: it looks at itself, and tells."""

import json
from collections.abc import Callable
from datetime import datetime

import tomlkit

from medmip.deploy.acceptance import Check, Report
from medmip.deploy.answers import Answers, Server
from medmip.deploy.blocks.declaration import PROGRAM
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.playbook import play, workspace_of

FOLDER = "/run/mip-validation"
"""In memory, on the server; nothing secret comes there."""


def validate_there(installation: Installation, say: Callable[[str], None]) -> Report:
    """Lets the server of an installation judge itself, by the program that is installed on it.

    say is given the lines that Ansible prints. Raises DeployError where it cannot be asked.
    """
    answers = installation.answers
    with workspace_of(installation) as workspace:
        judged_by, report = workspace / "judged-by", workspace / "report.json"
        judged_by.mkdir()
        (judged_by / "answers.toml").write_text(_as_seen_there(answers))
        if known_by := installation.trusted:
            (judged_by / known_by.name).write_bytes(known_by.read_bytes())
        variables = {
            "become": answers.server.user != "root",
            "program": PROGRAM,
            "folder": FOLDER,
            "judged_by": str(judged_by),
            "report": str(report),
        }
        play(answers, "validation.yml", variables, workspace, say)
        return _read(report.read_text(encoding="utf-8"))


def _as_seen_there(answers: Answers) -> str:
    """The answers of a server that is asked for itself."""
    there = answers.model_copy(update={"server": Server()})
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
