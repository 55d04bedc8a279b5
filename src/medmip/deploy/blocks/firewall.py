"""The firewall (nftables), from the one table of ports: all else is dropped."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from typing import TypeAlias, TypeVar

from medmip.deploy.blocks.declaration import CONFIGURATION, USER, Audience, Block
from medmip.deploy.blocks.registry import POSTGRESQL

QUIET = f"{CONFIGURATION}/quiet.nft"
Network: TypeAlias = IPv4Network | IPv6Network
_Kind = TypeVar("_Kind", IPv4Network, IPv6Network)


def ruleset(blocks: Sequence[Block], networks: Mapping[Audience, Sequence[Network]]) -> str:
    """`/etc/nftables.conf`: who may come in by which port of these blocks.

    An audience without a network is nobody. The table is replaced in one step, so that there is no
    moment without rules.
    """
    sets, rules = [], []
    audiences = {port.audience for block in blocks for port in block.every_port}
    for audience in (one for one in Audience if one in audiences - {Audience.NOBODY}):
        ports = [port for block in blocks for port in block.every_port]
        listed = ", ".join(str(one.number) for one in ports if one.audience == audience)
        theirs = networks.get(audience, ())
        for family, kind, known in (
            ("ip", "ipv4_addr", _of(theirs, IPv4Network)),
            ("ip6", "ipv6_addr", _of(theirs, IPv6Network)),
        ):
            if known:
                name = f"{audience}_{family}"
                sets.append(
                    f"  set {name} {{\n    type {kind}\n    flags interval\n"
                    f"    elements = {{ {', '.join(known)} }}\n  }}"
                )
                rules.append(f"    {family} saddr @{name} tcp dport {{ {listed} }} accept")
    return (
        "#!/usr/sbin/nft -f\n"
        "# Written by `mip deploy setup`.\n"
        "table inet mip\n"
        "delete table inet mip\n"
        "table inet mip {\n" + "".join(f"{one}\n" for one in sets) + "  chain input {\n"
        "    type filter hook input priority filter; policy drop;\n"
        "    ct state vmap { established : accept, related : accept, invalid : drop }\n"
        '    iif "lo" accept\n'
        "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept\n"
        "    meta l4proto { icmp, ipv6-icmp } limit rate 20/second accept\n"
        + "".join(f"{rule}\n" for rule in rules)
        + "    counter drop\n"
        "  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority filter; policy drop;\n"
        "  }\n"
        "}\n"
        # Where it is there, the world stays out: an upgrade is going on, also after a power cut.
        f'include "{QUIET}*"\n'
    )


def quiet(blocks: Sequence[Block], database: IPv4Address | IPv6Address | None = None) -> str:
    """Rules that keep the world out while an upgrade is going on, but for maintainers.

    Nothing that people, sites or scanners would send is taken and then lost by a way back; the
    node reaches nobody but a database on another server, which has copies alone.
    """
    inside = {Audience.NOBODY, Audience.MAINTAINERS}
    numbers = sorted(
        port.number for block in blocks for port in block.every_port if port.audience not in inside
    )
    refused = f"    tcp dport {{ {', '.join(map(str, numbers))} }} reject with tcp reset\n"
    family = "ip6" if isinstance(database, IPv6Address) else "ip"
    reached = f"    {family} daddr {database} tcp dport {POSTGRESQL} accept\n" if database else ""
    return (
        "# Written by `mip deploy upgrade`; `mip deploy rollback` ends it.\n"
        "table inet mip_quiet\n"
        "delete table inet mip_quiet\n"
        "table inet mip_quiet {\n"
        "  chain input {\n"
        "    type filter hook input priority filter - 10;\n"
        '    iif "lo" accept\n' + (refused if numbers else "") + "  }\n"
        "  chain output {\n"
        "    type filter hook output priority filter - 10;\n"
        '    oif "lo" accept\n' + reached + f'    meta skuid "{USER}" reject\n'
        "  }\n"
        "}\n"
    )


def _of(networks: Sequence[Network], kind: type[_Kind]) -> list[str]:
    theirs = [one for one in networks if isinstance(one, kind)]
    return [str(one) for one in collapse_addresses(theirs)]
