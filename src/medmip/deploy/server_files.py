"""The files that an installation is made of, from the answers and the one table of blocks."""

from dataclasses import dataclass
from typing import Any

import tomlkit

from medmip.deploy.answers import EVERYBODY, Answers
from medmip.deploy.blocks import database
from medmip.deploy.blocks.certificate import AUTHORITIES, SETTINGS, settings
from medmip.deploy.blocks.declaration import HOME, USER, BlockName, Secret
from medmip.deploy.blocks.firewall import ruleset
from medmip.deploy.blocks.proxy import CERTIFICATE, proxy
from medmip.deploy.blocks.registry import (
    ACCOUNT_KEY,
    AUTHORITY_KEY,
    NOTICE,
    NOTICES,
    OIDC,
    PORTAL_KEY,
)
from medmip.deploy.blocks.rotation import rotation
from medmip.deploy.blocks.units import timer, unit
from medmip.deploy.placement import Placement

UNITS = "/etc/systemd/system"
_UPGRADES = """\
// Written by `mip deploy setup`: security updates are installed each day.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
"""
_SSHD = """\
# Written by `mip deploy setup`.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
X11Forwarding no
"""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """A file on the server: its text, who it belongs to, and the block that it comes with."""

    path: str
    text: str
    block: BlockName
    owner: str = "root"
    mode: int = 0o644


def server_files(placed: Placement) -> tuple[ServerFile, ...]:
    """Every file that `mip deploy setup` writes to a server, but secrets and certificates."""
    answers, infrastructure = placed.answers, BlockName.INFRASTRUCTURE
    files = [
        ServerFile(
            "/etc/nftables.conf",
            ruleset(placed.every_block, placed.networks),
            infrastructure,
            mode=0o600,
        ),
    ]
    if placed.has_node:
        files.append(ServerFile("/etc/logrotate.d/mip", rotation(), infrastructure))
    files += [
        ServerFile("/etc/apt/apt.conf.d/52mip", _UPGRADES, infrastructure),
        ServerFile("/etc/ssh/sshd_config.d/10-mip.conf", _SSHD, infrastructure),
    ]
    if placed.has_node:
        text = configuration(placed)
        files.append(ServerFile(f"{HOME}/mip.toml", text, infrastructure, USER, 0o600))
    present = used_secrets(placed)
    for block in placed.every_block:
        for service in block.services:
            path = f"{UNITS}/{service.name}"
            text = unit(service, answers.name, answers.backup.to, present)
            files.append(ServerFile(f"{path}.service", text, block.name))
            if service.when:
                files.append(ServerFile(f"{path}.timer", timer(service), block.name))
    if placed.has_node:
        text = unit(NOTICE, answers.name, answers.backup.to, present)
        path = f"{UNITS}/{NOTICE.name}.service"
        files.append(ServerFile(path, text, BlockName.ALGORITHM_FACTORY))
    if placed.has(BlockName.WEB_ANALYTICS):
        files.append(
            ServerFile(
                "/etc/nginx/sites-enabled/mip.conf",
                proxy(answers.name, is_asked=placed.has(BlockName.CERTIFICATE_RENEWAL)),
                BlockName.WEB_ANALYTICS,
            )
        )
    if placed.has(BlockName.CERTIFICATE_RENEWAL):
        files.append(_renewal(answers))
    return tuple(files)


def _renewal(answers: Answers) -> ServerFile:
    by = answers.certificate
    known_by = AUTHORITIES if by.authorities else ""
    directory = by.directory or EVERYBODY
    text = settings(answers.name, directory, by.contact, by.account, known_by=known_by)
    # With the portal, which begins by it.
    return ServerFile(SETTINGS, text, BlockName.WEB_ANALYTICS)


def used_secrets(placed: Placement) -> tuple[Secret, ...]:
    """The secrets that a server has a use for, or whoever sets it up."""
    answers, unused = placed.answers, set()
    if answers.login.oidc is None or not answers.login.oidc.client_secret_file:
        unused.add(OIDC)
    for way, name in NOTICES.items():
        settings = answers.notices.channels.get(way)
        if settings is None or not settings.has_secret:
            unused.add(name)
    if not answers.certificate.account:
        unused.add(ACCOUNT_KEY)
    if answers.certificate.kind == "files":
        unused.add(AUTHORITY_KEY)
    if not answers.has(BlockName.WEB_ANALYTICS):
        unused |= {AUTHORITY_KEY, PORTAL_KEY}
    return tuple(
        secret
        for block in placed.every_block
        for secret in block.secrets
        if secret.name not in unused
    )


def configuration(placed: Placement) -> str:
    """The home's `mip.toml`, on the server of the node."""
    answers = placed.answers
    login = answers.login.model_dump(mode="json", exclude_defaults=True)
    if answers.login.oidc and answers.login.oidc.client_secret_file:
        login["oidc"]["client_secret_file"] = f"/run/credentials/mip.service/{OIDC}"
    sections: dict[str, Any] = {
        "login": {"kind": answers.login.kind} | login,
        "backup": {"recipients": [*answers.recipients], **answers.backup.model_dump()},
    }
    if answers.has(BlockName.HOSPITAL_DATABASE):
        at = placed.address_of(BlockName.HOSPITAL_DATABASE) if placed.is_apart else None
        sections["ldsm"] = {"database": database.address(at)}
        if at:
            # Readers come by the database's own server, as nobody else does by the network.
            sections["ldsm"] |= {"readers_host": database.SOCKET}
    imaging = answers.imaging.model_dump(mode="json", exclude_defaults=True)
    if answers.has(BlockName.DATA_FACTORY):
        # The firewall lets peers in and nobody else, and so does the receiver.
        receiver = imaging.setdefault("receiver", {})
        receiver.setdefault("address", "0.0.0.0")  # noqa: S104
    if imaging:
        sections["imaging"] = imaging
    if answers.notices.channels:
        sections["notices"] = _notices(answers)
    sections.update(answers.settings)
    head = "# Written by `mip deploy setup` out of the answers: change those, and set up again.\n"
    return head + tomlkit.dumps(sections)


def _notices(answers: Answers) -> dict[str, object]:
    """The section `[notices]`: secrets are credentials, links lead to this portal."""
    told: dict[str, Any] = answers.notices.model_dump(mode="json", exclude_defaults=True)
    for way in answers.notices.channels:
        if told[way].pop("secret_file", ""):
            told[way]["credential"] = NOTICES[way]
    if answers.has(BlockName.WEB_ANALYTICS):
        told = {"portal": f"https://{answers.name}", "certificates": [CERTIFICATE]} | told
    return told
