"""How PostgreSQL is set: by Unix socket alone, or open by TLS to a node on another server."""

from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from medmip.deploy.blocks.declaration import USER
from medmip.deploy.blocks.registry import DATABASE_TLS, POSTGRESQL

NODE = "mip-node"
"""Who the node is by its certificate."""
AUTHORITY = f"{DATABASE_TLS}/authority.pem"
SERVER = f"{DATABASE_TLS}/server.pem"
CLIENT = f"{DATABASE_TLS}/client.pem"
SOCKET = "/var/run/postgresql"
Address: TypeAlias = IPv4Address | IPv6Address


def settings(address: Address | None) -> str:
    """The settings of PostgreSQL, whose server has this address where the node is on another.

    It listens at any address then: one that is not there yet at boot would keep it from starting.
    Firewall and `access` let in the node alone.
    """
    tls = ""
    heard, how = "", "by Unix socket alone"
    if address:
        heard = "::" if address.version == 6 else "0.0.0.0"  # noqa: S104
        how = "by Unix socket, and by TLS for the node"
        tls = (
            f"port = {POSTGRESQL}\n"
            "ssl = on\n"
            "ssl_min_protocol_version = 'TLSv1.3'\n"
            f"ssl_cert_file = '{SERVER}'\n"
            f"ssl_key_file = '{DATABASE_TLS}/server-key.pem'\n"
            f"ssl_ca_file = '{AUTHORITY}'\n"
        )
    return (
        f"# Written by `mip deploy setup`: {how}; MIP reads what readers asked.\n"
        f"listen_addresses = '{heard}'\n"
        "logging_collector = on\n"
        "log_destination = 'jsonlog'\n"
        "log_rotation_size = 10MB\n"
        "password_encryption = 'scram-sha-256'\n" + tls
    )


def access(node: Address | None) -> str:
    """`pg_hba.conf`: who is let in; node is the address of a node on another server."""
    lines = [
        "# Written by `mip deploy setup`: MIP and postgres by who runs them, readers by password.",
        "local all postgres peer map=own",
        "local all all scram-sha-256",
    ]
    if node:
        whole = f"{node}/{node.max_prefixlen}"
        lines.append(f"hostssl mip postgres {whole} cert clientcert=verify-full map=node")
    return "\n".join(lines) + "\n"


def who(*, has_node: bool) -> str:
    """`pg_ident.conf`: which accounts of the machine, and which certificate, are the superuser."""
    other = f"own {USER} postgres" if has_node else f"node {NODE} postgres"
    return f"# Written by `mip deploy setup`.\nown postgres postgres\n{other}\n"


def address(at: Address | None) -> str:
    """What the node connects by (libpq): the socket, or another server's address."""
    if at is None:
        return f"dbname=mip user=postgres host={SOCKET}"
    return (
        f"dbname=mip user=postgres host={at} port={POSTGRESQL} sslmode=verify-full "
        f"ssl_min_protocol_version=TLSv1.3 sslrootcert={AUTHORITY} sslcert={CLIENT} "
        f"sslkey={DATABASE_TLS}/client-key.pem gssencmode=disable "
        # A server that lost its power says nothing any more.
        "keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=60000"
    )
