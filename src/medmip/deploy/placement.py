"""What of an installation is on which server: each gets what its blocks need and no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from medmip.deploy.answers import Answers
from medmip.deploy.blocks.declaration import (
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
from medmip.deploy.blocks.registry import blocks_of
from medmip.deploy.servers import Server

_NODE, _DATABASE = BlockName.ALGORITHM_FACTORY, BlockName.HOSPITAL_DATABASE


@dataclass(frozen=True, slots=True)
class Placement:
    """A server of an installation, and the blocks that are on it."""

    answers: Answers
    name: str
    server: Server
    names: frozenset[BlockName]

    def has(self, name: BlockName) -> bool:
        """Whether a block is on this server."""
        return name in self.names

    @property
    def has_node(self) -> bool:
        return self.has(_NODE)

    @property
    def is_apart(self) -> bool:
        """Whether this server has the node or the database, and another one the other."""
        both = self.answers.has(_NODE) and self.answers.has(_DATABASE)
        return both and self.has(_NODE) != self.has(_DATABASE)

    @property
    def is_here(self) -> bool:
        return self.server.is_here

    @property
    def become(self) -> bool:
        """Whether who comes there has to become root first."""
        return not self.is_here and self.server.user != "root"

    @property
    def every_block(self) -> tuple[Block, ...]:
        """The blocks on this server, in the order of their set-up, with the parts that are here."""
        return tuple(
            replace(
                block,
                services=tuple(one for one in block.services if self._is_here(one)),
                foreign=tuple(
                    replace(one, ports=tuple(port for port in one.ports if self._is_here(port)))
                    for one in block.foreign
                ),
                folders=tuple(one for one in block.folders if self._is_here(one)),
                secrets=tuple(one for one in block.secrets if self._is_here(one)),
                ports=tuple(one for one in block.ports if self._is_here(one)),
            )
            for block in blocks_of(self.names)
        )

    @property
    def networks(self) -> Mapping[Audience, Sequence[IPv4Network | IPv6Network]]:
        """Who may come in, by audience."""
        node = [ip_network(one) for one in (self.address_of(_NODE),) if one and self.is_apart]
        return {**self.answers.networks, Audience.NODE: node}

    def address_of(self, name: BlockName) -> IPv4Address | IPv6Address | None:
        """The address of the server with a block; None where there is one server, or no block."""
        for place, named in zip(self.answers.servers.values(), _shares(self.answers), strict=True):
            if name in named:
                return place.address
        return None

    def _is_here(self, part: Port | Folder | Secret | Service | Foreign) -> bool:
        where = getattr(part, "where", Where.ALWAYS)
        return {
            Where.ALWAYS: True,
            Where.WITH_NODE: self.has_node,
            Where.APART: self.is_apart,
        }[where]


def placements(answers: Answers) -> tuple[Placement, ...]:
    """The servers of an installation in the order of their set-up: that of the node is the last."""
    if not answers.servers:
        names = frozenset(block.name for block in answers.every_block)
        return (Placement(answers, answers.name, answers.server, names),)
    shares = zip(answers.servers.items(), _shares(answers), strict=True)
    found = [Placement(answers, name, place, names) for (name, place), names in shares]
    return tuple(sorted(found, key=lambda one: one.has_node))


def of_node(answers: Answers) -> Placement:
    """The server of the node; the only one where there is one."""
    return placements(answers)[-1]


def _shares(answers: Answers) -> list[frozenset[BlockName]]:
    """The blocks on each server of `[servers]`, with those that they need there."""
    whole = {block.name for block in answers.every_block}
    shares = []
    for place in answers.servers.values():
        names = {block.name for block in blocks_of(place.blocks)}
        if BlockName.WEB_ANALYTICS in names and BlockName.CERTIFICATE_RENEWAL in whole:
            names.add(BlockName.CERTIFICATE_RENEWAL)
        shares.append(frozenset(names))
    return shares
