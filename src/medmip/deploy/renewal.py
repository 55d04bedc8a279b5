"""New secrets in the place of old ones, where somebody asks for them and nowhere else."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medmip.deploy.blocks.declaration import HOME, PROGRAM, USER
from medmip.deploy.blocks.registry import (
    ACCOUNT_KEY,
    AUTHORITY_KEY,
    DATABASE_AUTHORITY_KEY,
    OIDC,
    PORTAL_KEY,
    REPORT_KEY,
)
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import DATABASE_KEYS, Installation
from medmip.deploy.placement import of_node, placements
from medmip.deploy.server_files import used_secrets
from medmip.deploy.setup import set_up

IDENTITY = "identity"
LOG_INS = "log-ins"


@dataclass(frozen=True, slots=True)
class Rotated:
    """A secret that can be made anew, and what stops being good with the old one."""

    name: str
    what: str


ROTATED = (
    Rotated(PORTAL_KEY, "the portal's private key and certificate, by our own authority"),
    Rotated(AUTHORITY_KEY, "the authority: browsers must be given the new authority.pem"),
    Rotated(REPORT_KEY, "who signs reports: former ones are proved by the former report-key.pub"),
    Rotated(DATABASE_KEYS, "by what node and database know each other, on two servers"),
    Rotated(IDENTITY, "what `mip deploy setup` reads secrets with: the old one reads none"),
    Rotated(LOG_INS, "every session and access token of everybody: people log in again"),
)


def rotate(installation: Installation, names: Sequence[str], say: Callable[[str], None]) -> None:
    """Makes the secrets of these names anew and brings them to the server; no other is touched.

    Killed anywhere, it can be run again. Raises DeployError where one cannot be made by us.
    """
    _check(installation, names)
    keys = [name for name in names if name != LOG_INS]
    for done in installation.renew(keys):
        say(done)
    if {PORTAL_KEY, AUTHORITY_KEY, DATABASE_KEYS} & set(keys):
        set_up(installation, say)
    if LOG_INS in names:
        node = of_node(installation.answers)
        if not node.is_here:
            raise DeployError(
                "Log-ins are ended on the server itself",
                where=node.server.host,
                remedy=f"Run `mip user end-log-ins --home {HOME}` there, as {USER}.",
            )
        command = ("runuser", "-u", USER, "--", f"{PROGRAM}/bin/mip")
        ended = subprocess.run(  # noqa: S603
            [*command, "user", "end-log-ins", "--home", HOME],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if ended.returncode:
            raise DeployError(f"Log-ins are not ended: {ended.stderr.strip()[-300:]}")
        say(ended.stdout.strip())


def _check(installation: Installation, names: Sequence[str]) -> None:
    answers = installation.answers
    known = [one.name for one in ROTATED]
    for name in names:
        if name == ACCOUNT_KEY:
            raise DeployError(
                f"{ACCOUNT_KEY} is the authority's to make anew",
                remedy="Put the new one into the file that the answers name, then "
                "`mip deploy configure --answers` and `mip deploy setup`.",
            )
        if name == OIDC:
            raise DeployError(
                f"{OIDC} is the provider's to make anew",
                remedy="Put the new one into the file that the answers name, then "
                "`mip deploy configure --answers` and `mip deploy setup`.",
            )
        if name not in known:
            raise DeployError(
                f"There is no secret called {name}", remedy=f"There are {', '.join(known)}."
            )
        used = {secret.name for one in placements(answers) for secret in used_secrets(one)}
        if name == DATABASE_KEYS and DATABASE_AUTHORITY_KEY not in used:
            raise DeployError(
                f"There are no {DATABASE_KEYS}",
                remedy="Node and database are on one server, and speak by a socket.",
            )
        ours = answers.certificate.kind != "files" and name in used
        if name in (PORTAL_KEY, AUTHORITY_KEY) and not ours:
            raise DeployError(
                f"{name} is not ours: the hospital gives the portal's certificate",
                remedy="Name the new files in the answers, then `mip deploy configure --answers` "
                "and `mip deploy setup`.",
            )
