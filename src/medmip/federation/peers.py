"""The other sites that a site has worked with: their keys, as first seen, and never swapped."""

from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from medmip.catalogue.atomic_file import write_atomically
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

    def trusted(
        self,
        node: str,
        name: str,
        key: PublicIdentity,
        chain: tuple[Succession, ...],
        now: datetime,
    ) -> PublicIdentity:
        """The peer's key, recorded where it is the first; raises SwappedKey.

        chain are the peer's statements of succession, by which a pinned key may have handed over.
        """
        with self._folder.alone():
            known = {peer.node: peer for peer in self.known()}
            pinned = known.get(node)
            if pinned is not None:
                former = PublicIdentity.from_hex(pinned.key)
                if newest(former, chain) != key:
                    raise SwappedKey(
                        f"{name} comes with the key {key.fingerprint}; it was {pinned.fingerprint}",
                        remedy="Call that site. If it did change its key, remove its entry from "
                        f"{self._path}.",
                    )
                if former == key:
                    return key
            seen = pinned.first_seen if pinned else now
            known[node] = Peer(node=node, name=name, key=key.hex, first_seen=seen)
            write_atomically(self._path, _PEERS.dump_json(tuple(known.values()), indent=2))
            return key

    @property
    def _path(self) -> Path:
        return self._folder.path / "peers.json"


_PEERS: TypeAdapter[tuple[Peer, ...]] = TypeAdapter(tuple[Peer, ...])
