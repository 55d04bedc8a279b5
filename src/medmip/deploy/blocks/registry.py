"""The building blocks there are: the one table of services, ports, folders and secrets."""

from collections.abc import Iterable

from medmip.deploy.blocks.declaration import (
    CONFIGURATION,
    HOME,
    INSTALLED,
    USER,
    Audience,
    Block,
    BlockName,
    Folder,
    Foreign,
    Port,
    Secret,
    Service,
    Where,
)
from medmip.notices.settings import ChannelName

OIDC = "oidc-client-secret"
PORTAL_KEY = "portal-key"
AUTHORITY_KEY = "authority-key"
REPORT_KEY = "report-key"
SSHD, NFTABLES = "ssh.service", "nftables.service"
NOTICES: dict[ChannelName, str] = {
    "email": "notices-email",
    "slack": "notices-slack",
    "webhook": "notices-webhook",
}
"""The secret of each way by which people are told, by the way's name."""
ACCOUNT_KEY = "certificate-account-key"
CERTIFICATE_STATE = "/var/lib/mip-certificate"
"""What the account that orders certificates has to itself."""
DATABASE_AUTHORITY_KEY = "database-authority-key"
DATABASE_SERVER_KEY = "database-server-key"
DATABASE_CLIENT_KEY = "database-client-key"
DATABASE_TLS = f"{CONFIGURATION}/database"
"""What node and database know each other by, where they are on two servers."""
PORTAL = 8080
POSTGRESQL = 5432
DICOM = 11112
BROKER = 4222

INFRASTRUCTURE = Block(
    BlockName.INFRASTRUCTURE,
    "account, folders, program, firewall, log rotation, security updates, backups",
    packages=(
        "ca-certificates",
        "logrotate",
        # nftables reads names of protocols out of it.
        "netbase",
        "nftables",
        "openssh-server",
        "python3-venv",
        "unattended-upgrades",
    ),
    services=(
        Service(
            "mip-backup",
            "MIP: backup",
            f"deploy backup --home {HOME}",
            writes=(HOME, "{backups}"),
            compiles=False,
            network=False,
            when="*-*-* 02:30:00",
            where=Where.WITH_NODE,
        ),
    ),
    foreign=(
        Foreign(SSHD, (Port(22, "sshd", Audience.MAINTAINERS, "the server's maintenance"),)),
        Foreign(NFTABLES, restarts=False),
    ),
    folders=(
        Folder(INSTALLED, "root", 0o755, False, "the program; the wheels make it anew"),
        Folder(CONFIGURATION, "root", 0o755, False, "what `mip deploy setup` wrote"),
        Folder(f"{CONFIGURATION}/applied", "root", 0o700, False, "what services were started with"),
        Folder(f"{CONFIGURATION}/secrets", "root", 0o700, False, "secrets, as services need them"),
        Folder(
            HOME,
            USER,
            0o700,
            True,
            "the home: data, state, keys",
            stays=True,
            where=Where.WITH_NODE,
        ),
        Folder(
            "{backups}",
            USER,
            0o700,
            False,
            "backups, encrypted",
            stays=True,
            where=Where.WITH_NODE,
        ),
        Folder(
            DATABASE_TLS,
            "root",
            0o755,
            False,
            "what node and database know each other by, where they are on two servers",
            where=Where.APART,
        ),
    ),
    secrets=(
        Secret(
            REPORT_KEY,
            "",
            "root",
            "what signs reports of `mip deploy validate`, which `report-key.pub` proves; in the "
            "configuration folder alone",
        ),
    ),
)
HOSPITAL_DATABASE = Block(
    BlockName.HOSPITAL_DATABASE,
    "PostgreSQL with published rows, by Unix socket; by mutual TLS to a node on another server",
    needs=(BlockName.INFRASTRUCTURE,),
    somewhere=(BlockName.ALGORITHM_FACTORY,),
    packages=("postgresql",),
    foreign=(
        Foreign(
            "postgresql.service",
            (
                Port(
                    POSTGRESQL,
                    "postgres",
                    Audience.NODE,
                    "the node fills it, mutual TLS 1.3; closed where both are on one server",
                    where=Where.APART,
                ),
            ),
        ),
    ),
    folders=(
        Folder(
            "/var/lib/postgresql",
            "postgres",
            0o755,
            False,
            "copies of published versions; `mip ldsm sync` makes them anew",
            stays=True,
        ),
    ),
    secrets=(
        Secret(
            DATABASE_SERVER_KEY,
            f"{DATABASE_TLS}/server-key.pem",
            "postgres",
            "the private key that PostgreSQL proves itself with to a node on another server",
            where=Where.APART,
        ),
        Secret(
            DATABASE_AUTHORITY_KEY,
            "",
            "root",
            "the private key of the authority that vouches for node and database to each other, "
            "where they are on two servers; never on a server",
            where=Where.APART,
        ),
    ),
)
REFERENCE = Block(
    BlockName.REFERENCE,
    "the data models that MIP ships, and the synthetic datasets where they are asked for",
    needs=(BlockName.ALGORITHM_FACTORY,),
)
FEDERATION_HUB = Block(
    BlockName.FEDERATION_HUB,
    "the hub of a federation: its broker, which the node runs",
    needs=(BlockName.ALGORITHM_FACTORY,),
    ports=(Port(BROKER, "nats-server", Audience.SITES, "sites dial in, mutual TLS 1.3"),),
)
ALGORITHM_FACTORY = Block(
    BlockName.ALGORITHM_FACTORY,
    "the node: analyses, API, portal's pages, the inbox",
    needs=(BlockName.INFRASTRUCTURE,),
    services=(
        Service(
            "mip",
            "MIP: the node",
            f"serve --home {HOME} --port {PORTAL} --name {{name}}",
            ports=(Port(PORTAL, "mip", Audience.NOBODY, "portal and API, for the proxy"),),
            after=("postgresql.service",),
            credentials=(OIDC, *NOTICES.values()),
        ),
    ),
    secrets=(
        Secret(
            OIDC,
            f"{CONFIGURATION}/secrets/{OIDC}",
            "root",
            "what proves MIP to the OpenID provider, where one is used",
        ),
        *(
            Secret(
                name,
                f"{CONFIGURATION}/secrets/{name}",
                "root",
                f"what notices by {way} are sent with, where the answers ask for them",
            )
            for way, name in NOTICES.items()
        ),
        Secret(
            DATABASE_CLIENT_KEY,
            f"{DATABASE_TLS}/client-key.pem",
            USER,
            "the private key that the node proves itself with to a database on another server",
            where=Where.APART,
        ),
    ),
)
NOTICE = Service(
    "mip-notice@",
    "MIP: notice of %i",
    f"notices tell %i --home {HOME}",
    credentials=tuple(NOTICES.values()),
    when="another unit calls it",
)
"""A template: started by a unit that failed, under its name; of no block's services."""
DATA_FACTORY = Block(
    BlockName.DATA_FACTORY,
    "the receiver of images from scanners and archives",
    needs=(BlockName.ALGORITHM_FACTORY,),
    services=(
        Service(
            "mip-imaging",
            "MIP: receiver of images",
            f"imaging listen --home {HOME}",
            ports=(Port(DICOM, "mip", Audience.SCANNERS, "images by C-STORE"),),
        ),
    ),
)
WEB_ANALYTICS = Block(
    BlockName.WEB_ANALYTICS,
    "the portal over TLS",
    needs=(BlockName.ALGORITHM_FACTORY,),
    packages=("nginx-light",),
    foreign=(
        Foreign(
            "nginx.service",
            (Port(443, "nginx", Audience.PEOPLE, "portal and API, TLS 1.3"),),
            restarts=False,
        ),
    ),
    secrets=(
        Secret(
            PORTAL_KEY,
            f"{CONFIGURATION}/secrets/{PORTAL_KEY}.pem",
            "root",
            "the private key of the portal's certificate",
        ),
        Secret(
            AUTHORITY_KEY,
            "",
            "root",
            "the private key of the authority that vouches for the portal, where it is our own; "
            "never on the server",
        ),
    ),
)
CERTIFICATE_RENEWAL = Block(
    BlockName.CERTIFICATE_RENEWAL,
    'the portal\'s certificate by ACME; it comes with `certificate.kind` "acme"',
    needs=(BlockName.WEB_ANALYTICS,),
    ports=(
        Port(
            80,
            "nginx",
            Audience.AUTHORITIES,
            "the authority looks whether the name is this server's; all else is sent to 443",
        ),
    ),
    services=(
        Service(
            "mip-certificate",
            "MIP: the portal's certificate",
            "order",
            writes=(),
            after=("nginx.service",),
            credentials=(ACCOUNT_KEY,),
            compiles=False,
            when="*-*-* 00/6:40:00",
            module="medmip.deploy.certificate_service",
            state=CERTIFICATE_STATE,
            afterwards="take",
        ),
    ),
    secrets=(
        Secret(
            ACCOUNT_KEY,
            f"{CONFIGURATION}/secrets/{ACCOUNT_KEY}",
            "root",
            "what the authority gave for an account with it, where the answers name one",
        ),
    ),
)
BLOCKS = (
    INFRASTRUCTURE,
    HOSPITAL_DATABASE,
    REFERENCE,
    FEDERATION_HUB,
    ALGORITHM_FACTORY,
    DATA_FACTORY,
    WEB_ANALYTICS,
    CERTIFICATE_RENEWAL,
)
"""In the order in which they are set up: what the node finds in its home stands before it."""


def blocks_of(names: Iterable[BlockName]) -> tuple[Block, ...]:
    """The blocks of these names and all that they need, in the order of their set-up."""
    wanted = set(names)
    while more := {need for one in BLOCKS if one.name in wanted for need in one.needs} - wanted:
        wanted |= more
    return tuple(block for block in BLOCKS if block.name in wanted)
