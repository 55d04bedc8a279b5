"""The servers of an installation, as they are answered: where each is, what is to be on it."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, model_validator

from medmip.deploy.blocks.declaration import BlockName
from medmip.deploy.blocks.registry import blocks_of

NAME = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"
RESERVED = frozenset({"all", "localhost", "mip", "ungrouped"})
"""What Ansible calls other things by."""
_NODE = BlockName.ALGORITHM_FACTORY


class Part(BaseModel):
    """A part of the answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Server(Part):
    """Where MIP is installed: this machine (`localhost`), or one that is reached over SSH.

    key is the file of a private key on this machine, without which the agent and the usual files
    are tried; host_key is the server's public key, which else is looked for in `known_hosts`.
    """

    host: str = Field("localhost", pattern=r"^[A-Za-z0-9.:-]+$")
    user: str = Field("root", pattern=r"^[a-z_][a-z0-9_-]*$")
    key: str = Field("", pattern=r"^(/[^\s\"%]+)?$")
    host_key: str = Field("", pattern=r"^((ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+=*( \S+)?)?$")

    @model_validator(mode="after")
    def _is_reached(self) -> "Server":
        if self.is_here and (self.key or self.host_key):
            raise ValueError("key and host_key are for another host than localhost")
        return self

    @property
    def is_here(self) -> bool:
        return self.host == "localhost"


class Place(Server):
    """One of several servers: which blocks are on it, and by which address the others know it.

    host is the address where nothing else is said.
    """

    host: str = Field(pattern=r"^[A-Za-z0-9.:-]+$")
    address: IPvAnyAddress
    blocks: tuple[BlockName, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _is_at_its_address(cls, given: object) -> object:
        if isinstance(given, dict) and "address" in given:
            return {"host": str(given["address"])} | given
        return given


def refuse_misplaced(places: Mapping[str, Place]) -> None:
    """Raises ValueError that names each block that cannot be where it is, and each server."""
    if problems := list(dict.fromkeys(_misplaced(places))):
        raise ValueError("; ".join(problems))


def _misplaced(places: Mapping[str, Place]) -> Iterator[str]:
    yield from _misnamed(places)
    where: dict[BlockName, str] = {}
    for name, place in places.items():
        for asked in place.blocks:
            if asked is BlockName.INFRASTRUCTURE:
                continue  # it is on every server
            if asked in where:
                yield f"{asked} is on two servers, {where[asked]} and {name}: it may be on one"
            where.setdefault(asked, name)
    node = where.get(_NODE, "")
    placed = [block for block in blocks_of(where) if block.name in where]
    for block in placed:
        if _NODE not in _on_its_server(block.name):
            continue
        # The node comes with whatever needs it, unless it is placed itself.
        node = node or where[block.name]
        if where[block.name] != node:
            yield (
                f"{block.name} cannot leave the server of {_NODE}, which is {node}: take it from "
                f"{where[block.name]} to {node}"
            )
    for block in placed:
        for need in block.somewhere:
            if need not in where and not (need is _NODE and node):
                yield f"{need} is on no server, and {block.name} needs it: name it on one"


def _misnamed(places: Mapping[str, Place]) -> Iterator[str]:
    for name in RESERVED & places.keys():
        yield f"no server can be called {name}"
    known: dict[str, str] = {}
    for name, place in places.items():
        at = place.address
        if at.is_loopback or at.is_unspecified or at.is_multicast or at.is_link_local:
            yield f"{name} has the address {at}, by which no other server reaches it"
        # An address may be named as host as well, of this server and of no other.
        for word in {str(at), place.host}:
            if word in known:
                yield f"{known[word]} and {name} are two servers of one address, {word}"
            known.setdefault(word, name)
    if len({place.address.version for place in places.values()}) > 1:
        yield "the servers have addresses of two kinds: give all of IPv4, or all of IPv6"


def _on_its_server(name: BlockName) -> frozenset[BlockName]:
    """A block, and all that is wherever it is."""
    return frozenset(block.name for block in blocks_of([name]))
