"""The other sites that a site has worked with: their keys, as first seen, and never swapped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.errors import Conflict, MipError
from medmip.federation.identity import PublicIdentity
from medmip.federation.site_folder import SiteFolder
from medmip.federation.succession import Succession, newest


class SwappedKey(MipError):
    """A peer comes with another key than before, which its former key did not sign."""

    title = "A site's key was changed"
    status = 403


class Peer(BaseModel):
    """Another site: its key, since when this site knows it, by which name the hub calls it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    name: str
    key: str
    first_seen: AwareDatetime

    @property
    def fingerprint(self) -> str:
        return PublicIdentity.from_hex(self.key).fingerprint


@dataclass(frozen=True)
class Met:
    """A peer as the hub introduces it.

    chain are its statements of succession, by which a pinned key may have handed over.
    """

    node: str
    name: str
    key: PublicIdentity
    chain: tuple[Succession, ...]


class Peers:
    """Keys of peers, in the site's folder. A hub that swaps one to listen in is found out here."""

    def __init__(self, folder: SiteFolder) -> None:
        self._folder = folder

    def known(self) -> tuple[Peer, ...]:
        """All peers, in the order in which they were first seen."""
        try:
            return _PEERS.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except ValidationError:
            raise Conflict(
                "The record of other sites' keys is damaged",
                where=str(self._path),
                remedy="Restore it from a back-up; without it a swapped key goes unseen.",
            ) from None

    def trusted(self, met: Sequence[Met], now: datetime) -> None:
        """Records each peer's key where it is the first of it; raises SwappedKey, recording none.

        All at once: a run over a hundred hospitals would otherwise write a hundred files at each.
        """
        with alone(self._folder.path):
            known = {peer.node: peer for peer in self.known()}
            changed = False
            for one in met:
                pinned = known.get(one.node)
                if pinned is not None:
                    if newest(PublicIdentity.from_hex(pinned.key), one.chain) != one.key:
                        raise SwappedKey(
                            f"{one.name} comes with the key {one.key.fingerprint}; it was "
                            f"{pinned.fingerprint}",
                            remedy="Call that site. If it did change its key, remove its entry "
                            f"from {self._path}.",
                        )
                    if pinned.key == one.key.hex:
                        continue
                seen = pinned.first_seen if pinned else now
                changed = True
                known[one.node] = Peer(
                    node=one.node, name=one.name, key=one.key.hex, first_seen=seen
                )
            if changed:
                write_atomically(self._path, _PEERS.dump_json(tuple(known.values()), indent=2))

    @property
    def _path(self) -> Path:
        return self._folder.path / "peers.json"


_PEERS: TypeAdapter[tuple[Peer, ...]] = TypeAdapter(tuple[Peer, ...])
