"""What the administrator answers of an installation: the typed form of the answers file."""

import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    IPvAnyNetwork,
    ValidationError,
    model_validator,
)

from medmip.accounts.settings import Login
from medmip.deploy.blocks.declaration import BACKUPS, Audience, Block, BlockName
from medmip.deploy.blocks.registry import DICOM, blocks_of
from medmip.deploy.encryption import recipient
from medmip.deploy.errors import DeployError
from medmip.deploy.servers import NAME, Part, Place, Server, refuse_misplaced
from medmip.errors import FieldProblem, MipError
from medmip.imaging.settings import ImagingSettings
from medmip.notices.settings import NoticeSettings

EVERYBODY = "https://acme-v02.api.letsencrypt.org/directory"
"""Let's Encrypt, which signs for any name in the public DNS."""
ANYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
Networks: TypeAlias = tuple[IPvAnyNetwork, ...]


def _is_recipient(text: str) -> str:
    try:
        recipient(text)
    except MipError as error:
        raise ValueError(error.what) from None
    return text.strip()


Recipient = Annotated[str, AfterValidator(_is_recipient)]


class Who(Part):
    """Which networks (CIDR) may come in: people by 443, maintainers by 22, sites at a hub.

    authorities are those that sign by ACME, which come by 80 where one is used.
    """

    maintainers: Networks = Field(min_length=1)
    people: Networks = ANYWHERE
    sites: Networks = ANYWHERE
    authorities: Networks = ANYWHERE


class Certificate(Part):
    """The portal's certificate: of an authority of our own, from files of the hospital, by ACME.

    By ACME, directory is the authority's address, authorities a file (PEM) of certificates that it
    is known by where not everybody knows it, contact an e-mail address that it may write to, and
    terms_agreed says that somebody agrees to its terms. account and account_key_file are what some
    authorities give beforehand ("external account binding").
    """

    kind: Literal["own", "files", "acme"] = "own"
    chain: str = ""
    key: str = ""
    directory: str = Field("", pattern=r"^(https://[^\s\"]+)?$")
    authorities: str = Field("", pattern=r"^(/.+)?$")
    contact: str = Field("", pattern=r"^([^\s@]+@[^\s@]+)?$")
    terms_agreed: bool = False
    account: str = ""
    account_key_file: str = Field("", pattern=r"^(/.+)?$")

    @model_validator(mode="after")
    def _is_whole(self) -> "Certificate":
        if (self.kind == "files") != bool(self.chain and self.key):
            raise ValueError("kind = 'files' names chain and key; no other kind names them")
        by_acme = (self.directory, self.authorities, self.contact, self.account, self.terms_agreed)
        if self.kind != "acme" and any((*by_acme, self.account_key_file)):
            raise ValueError(f"kind = '{self.kind}' names nothing of ACME's")
        if self.kind == "acme" and not self.terms_agreed:
            raise ValueError(
                "terms_agreed = true says that you agree to the terms of the authority; it signs "
                "for nobody else"
            )
        if bool(self.account) != bool(self.account_key_file):
            raise ValueError("account and account_key_file come together")
        return self


class Backups(Part):
    """Where backups go, how many stay there."""

    to: str = Field(BACKUPS, pattern=r"^/[^\s%]+$")
    keep: int = Field(14, ge=0)


class Federation(Part):
    """The federation whose hub this node is."""

    name: str = Field("MIP", min_length=1, max_length=80)


class Answers(Part):
    """The answers to `mip deploy configure`.

    name is what people type to reach the portal; recipients are the public keys (age or
    ssh-ed25519) that read backups and secrets; wheels is a folder of wheels on this machine to
    install from, without which pip asks its index; settings are further sections of `mip.toml`.
    servers names several servers, each with its blocks, in the place of server and blocks.
    """

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)
    recipients: tuple[Recipient, ...] = Field(min_length=1)
    blocks: tuple[BlockName, ...] = Field(
        (
            BlockName.HOSPITAL_DATABASE,
            BlockName.REFERENCE,
            BlockName.ALGORITHM_FACTORY,
            BlockName.WEB_ANALYTICS,
        ),
        min_length=1,
    )
    server: Server = Server()
    servers: dict[Annotated[str, Field(pattern=NAME)], Place] = Field(default_factory=dict)
    who: Who
    certificate: Certificate = Certificate()
    login: Login = Login()
    backup: Backups = Backups()
    federation: Federation = Federation()
    imaging: ImagingSettings = ImagingSettings()
    notices: NoticeSettings = NoticeSettings()
    demo: bool = False
    wheels: str = ""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_safe(self) -> "Answers":
        if self.login.kind == "open":
            raise ValueError("login.kind = 'open' lets everybody in; choose local or oidc")
        if other := sorted(self.settings.keys() - {"sources"}):
            raise ValueError(f"settings may hold sources, not {other[0]}: it is answered apart")
        if any(way.credential for way in self.notices.channels.values()):
            raise ValueError("notices: name a secret_file here; it becomes a credential there")
        if self.imaging.receiver.port != DICOM:
            raise ValueError(f"imaging.receiver.port is {DICOM} in an installation")
        by_acme = self.certificate.kind == "acme"
        if by_acme and _is_number(self.name):
            raise ValueError("certificate.kind = 'acme' is for a name, and name is a number")
        if BlockName.CERTIFICATE_RENEWAL in self.asked and not by_acme:
            raise ValueError("certificate-renewal comes with certificate.kind = 'acme'")
        return self

    @model_validator(mode="after")
    def _is_placed(self) -> "Answers":
        if self.servers:
            if twice := self.model_fields_set & {"server", "blocks"}:
                raise ValueError(f"servers names all of it, so leave out {sorted(twice)[0]}")
            refuse_misplaced(self.servers)
        return self

    @property
    def asked(self) -> tuple[BlockName, ...]:
        """The blocks that were asked for, on whichever server."""
        if not self.servers:
            return self.blocks
        return tuple(block for place in self.servers.values() for block in place.blocks)

    @property
    def every_block(self) -> tuple[Block, ...]:
        """The blocks that were asked for, and those that they need, on whichever server."""
        blocks = blocks_of(self.asked)
        portal = any(block.name is BlockName.WEB_ANALYTICS for block in blocks)
        if portal and self.certificate.kind == "acme":
            return blocks_of((*self.asked, BlockName.CERTIFICATE_RENEWAL))
        return blocks

    def has(self, name: BlockName) -> bool:
        return any(block.name == name for block in self.every_block)

    @property
    def networks(self) -> Mapping[Audience, Sequence[IPv4Network | IPv6Network]]:
        """Who may come in, by audience."""
        return {
            Audience.MAINTAINERS: self.who.maintainers,
            Audience.PEOPLE: self.who.people,
            Audience.SITES: self.who.sites,
            Audience.AUTHORITIES: self.who.authorities,
            Audience.SCANNERS: [peer.address for peer in self.imaging.receiver.peers],
        }


def _is_number(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def parsed(text: str, where: str) -> Answers:
    """The answers of a TOML text; raises DeployError that names every field that is wrong."""
    try:
        return Answers.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DeployError(f"It is not TOML: {error}", where=where) from None
    except ValidationError as error:
        # What was given is left out: it may be a secret in the wrong place.
        problems = tuple(
            FieldProblem(
                ".".join(map(str, part["loc"])) or "answers",
                part["msg"].removeprefix("Value error, "),
            )
            for part in error.errors(include_input=False)
        )
        raise DeployError(
            "These answers cannot be used:",
            where=where,
            fields=problems,
            remedy="docs/operations.md lists what may be answered.",
        ) from None


def read(path: Path) -> Answers:
    """The answers of a file; raises DeployError."""
    try:
        return parsed(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(
            f"The answers cannot be read: {type(error).__name__}", where=str(path)
        ) from None
