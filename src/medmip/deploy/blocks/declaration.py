"""What a building block is made of: services, ports, folders, secrets, packages."""

from dataclasses import dataclass
from enum import StrEnum

USER = "mip"
"""The account that every service of ours runs as; the home belongs to it alone."""
INSTALLED = "/opt/mip"
VERSIONS = f"{INSTALLED}/versions"
"""Each version of the program in a virtual environment of its own."""
PROGRAM = f"{INSTALLED}/current"
"""The version that runs: a link, so that another takes its place in one step."""
HOME = "/var/lib/mip"
CONFIGURATION = "/etc/mip"
FORMER = f"{CONFIGURATION}/former"
"""What stood in the place of our files, and which programs ran, before the first set-up."""
UPGRADING = f"{CONFIGURATION}/upgrade.json"
"""There while an upgrade goes on, or was interrupted."""
BACKUPS = "/var/backups/mip"
"""Where backups go unless the answers say otherwise; `{backups}` in the table."""


class BlockName(StrEnum):
    """The building blocks, by the names that MIP's first deployment gave them."""

    INFRASTRUCTURE = "infrastructure"
    HOSPITAL_DATABASE = "hospital-database"
    REFERENCE = "reference"
    ALGORITHM_FACTORY = "algorithm-factory"
    DATA_FACTORY = "data-factory"
    WEB_ANALYTICS = "web-analytics"
    FEDERATION_HUB = "federation-hub"
    CERTIFICATE_RENEWAL = "certificate-renewal"
    """Asked for by the answers' certificate, and not by its name."""


class Audience(StrEnum):
    """Who may come in by a port; its value is the name of a set of addresses in the firewall."""

    NOBODY = "nobody"
    MAINTAINERS = "maintainers"
    PEOPLE = "people"
    SITES = "sites"
    SCANNERS = "scanners"
    AUTHORITIES = "authorities"
    NODE = "node"

    @property
    def words(self) -> str:
        """As a table tells it."""
        return _WORDS[self]


_WORDS = {
    Audience.NOBODY: "this machine alone",
    Audience.MAINTAINERS: "networks of maintainers",
    Audience.PEOPLE: "networks of people",
    Audience.SITES: "networks of the federation's sites",
    Audience.SCANNERS: "addresses of scanners and archives",
    Audience.AUTHORITIES: "networks of the authority that signs the certificate",
    Audience.NODE: "the node's server alone, where it is another one",
}


class Where(StrEnum):
    """On which servers of an installation a part of a block is, wherever the block is."""

    ALWAYS = "always"
    WITH_NODE = "with node"
    """On the server of the node alone."""
    APART = "apart"
    """Where node and database are on two servers, which then speak to each other."""


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port that is listened at, by which program, and who may come in by it."""

    number: int
    program: str
    audience: Audience
    what: str
    where: Where = Where.ALWAYS


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder or file that belongs to a block; mode is of the folder, kept says of backups."""

    path: str
    owner: str
    mode: int
    kept: bool
    what: str
    stays: bool = False
    """Whether a removal leaves it: it holds what cannot be made anew, or is the distribution's."""
    where: Where = Where.ALWAYS


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret: how it comes to be, where it lies on the server, and for whom."""

    name: str
    path: str
    owner: str
    what: str
    where: Where = Where.ALWAYS


@dataclass(frozen=True, slots=True)
class Service:
    """A program of ours under systemd.

    arguments are those of `mip`, where `{name}` stands for the address that people type, or those
    of a module of ours. compiles says whether it makes machine code at run time, which forbids
    W^X; network whether it speaks to other machines. Where when is set the service runs then, by a
    timer, and ends. Where state is set it runs under an account of its own, which is there while it
    runs and has this folder; root then does what afterwards says, an argument of the module.
    """

    name: str
    title: str
    arguments: str
    ports: tuple[Port, ...] = ()
    writes: tuple[str, ...] = (HOME,)
    after: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    compiles: bool = True
    network: bool = True
    when: str = ""
    module: str = ""
    state: str = ""
    afterwards: str = ""
    where: Where = Where.ALWAYS

    @property
    def command(self) -> str:
        """The program, before its arguments."""
        return f"{PROGRAM}/bin/python -m {self.module}" if self.module else f"{PROGRAM}/bin/mip"

    @property
    def unit(self) -> str:
        """The unit that is started at boot."""
        return f"{self.name}.{'timer' if self.when else 'service'}"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A program of the distribution that a block sets up: its unit, packages and ports."""

    unit: str
    ports: tuple[Port, ...] = ()
    restarts: bool = True
    """Whether a changed configuration needs a restart; else a reload does."""


@dataclass(frozen=True, slots=True)
class Block:
    """A building block.

    needs names the blocks that it cannot be without on its own server, somewhere those that may be
    on another server of the installation.
    """

    name: BlockName
    what: str
    needs: tuple[BlockName, ...] = ()
    somewhere: tuple[BlockName, ...] = ()
    packages: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    folders: tuple[Folder, ...] = ()
    secrets: tuple[Secret, ...] = ()
    ports: tuple[Port, ...] = ()
    """Ports that another block's service listens at because this block is there."""

    @property
    def every_port(self) -> tuple[Port, ...]:
        """All ports that are listened at where this block is."""
        ours = [port for service in self.services for port in service.ports]
        foreign = [port for program in self.foreign for port in program.ports]
        return (*self.ports, *ours, *foreign)
