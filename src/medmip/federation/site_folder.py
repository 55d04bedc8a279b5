"""What a site keeps in MIP_HOME/site: its identity, TLS key, certificate and where its hub is."""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.federation.address import Address, Proxy
from medmip.federation.authority import TlsKey
from medmip.federation.clock import now
from medmip.federation.identity import Identity, PublicIdentity
from medmip.federation.succession import Succession, newest

IN_FLIGHT = timedelta(minutes=1)
"""How long a message signed by the hub's former key may still be on its way."""


class Standing(StrEnum):
    """Where a site stands in its federation."""

    WAITING = "waiting"
    MEMBER = "member"
    REVOKED = "revoked"


class SiteMembership(BaseModel):
    """The federation that a site belongs to; hub_key is the hub's identity as the site knows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    federation: str
    name: str
    node: str
    host: str
    port: int
    proxy: str | None = None
    hub_key: str
    former_hub_key: str | None = None
    former_hub_until: AwareDatetime | None = None
    standing: Standing

    @property
    def hub(self) -> PublicIdentity:
        return PublicIdentity.from_hex(self.hub_key)

    def hub_keys(self, moment: datetime) -> tuple[PublicIdentity, ...]:
        """The keys that the hub signs by: the known one, and for a moment the one before it."""
        if not self.former_hub_key or not self.former_hub_until or self.former_hub_until < moment:
            return (self.hub,)
        return (self.hub, PublicIdentity.from_hex(self.former_hub_key))

    @property
    def address(self) -> Address:
        return Address(self.host, self.port)

    @property
    def where(self) -> str:
        """Which federation this is and by which name, as the ledger has it."""
        return f"{self.federation!r} at {self.address}, as {self.name}"

    @property
    def way(self) -> Proxy | None:
        """The proxy on the way to the hub, if there is one."""
        return Proxy.parsed(self.proxy) if self.proxy else None


class SiteFolder:
    """The site's folder. `membership.json` is written last: where it stands, the rest is there."""

    def __init__(self, home: Home) -> None:
        self.path = home.site
        self._read: tuple[tuple[int, int, int], SiteMembership] | None = None

    @classmethod
    def of(cls, home: Home) -> "SiteFolder":
        """The folder of a home that is a site; raises Conflict where it is none."""
        folder = cls(home)
        if not folder.is_whole:
            raise Conflict(
                f"{home.path} is not a site of a federation",
                remedy="Ask the hub's operator for an invitation, then `mip site join TOKEN`.",
            )
        return folder

    @property
    def is_whole(self) -> bool:
        return self._membership.is_file()

    @cached_property
    def _membership(self) -> Path:
        return self.path / "membership.json"

    @property
    def identity_key(self) -> Path:
        return self.path / "identity.key"

    @property
    def next_key(self) -> Path:
        """The identity that is about to follow, while it is being handed over to."""
        return self.path / "identity.next"

    @property
    def tls_key(self) -> Path:
        return self.path / "tls.key"

    @property
    def certificate(self) -> Path:
        return self.path / "tls.pem"

    @property
    def authority_certificate(self) -> Path:
        return self.path / "authority.pem"

    @property
    def identity(self) -> Identity:
        return Identity.read(self.identity_key)

    @property
    def membership(self) -> SiteMembership:
        """As the file tells it now; read again only where it was replaced, as each message asks."""
        try:
            found = self._membership.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if self._read is None or self._read[0] != stamp:
                content = self._membership.read_bytes()
                self._read = (stamp, SiteMembership.model_validate_json(content))
            return self._read[1]
        except (OSError, ValidationError):
            raise Conflict(
                "The site's membership cannot be read",
                where=str(self._membership),
                remedy="Restore the file from a back-up of the folder.",
            ) from None

    def make_keys(self) -> None:
        """Makes identity and TLS key where they are missing; an interrupted joining keeps them."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self.path):
            if not self.identity_key.exists():
                Identity.made().write(self.identity_key)
            if not self.tls_key.exists():
                TlsKey.made().write(self.tls_key)

    def keep_certificate(self, certificate: bytes) -> None:
        """Puts a certificate (PEM) for the TLS key in the place of the former."""
        write_atomically(self.certificate, certificate)

    def keep(self, membership: SiteMembership) -> None:
        write_atomically(self._membership, membership.model_dump_json(indent=2).encode())

    def stand(self, standing: Standing) -> None:
        """Remembers where the site stands, as its hub last said."""
        with alone(self.path):
            membership = self.membership
            if membership.standing != standing:
                self.keep(membership.model_copy(update={"standing": standing}))

    def follow_hub(self, chain: tuple[Succession, ...]) -> PublicIdentity:
        """Takes up the hub's newer key where the known one signed it; raises BrokenSuccession."""
        with alone(self.path):
            membership = self.membership
            known = membership.hub
            following = newest(known, chain)
            if following != known:
                self.keep(
                    membership.model_copy(
                        update={
                            "hub_key": following.hex,
                            "former_hub_key": known.hex,
                            "former_hub_until": now() + IN_FLIGHT,
                        }
                    )
                )
            return following

    @property
    def common(self) -> Path:
        """The federation's thresholds as the hub last told them."""
        return self.path / "federation-policy.toml"

    def leave(self) -> None:
        """Forgets the federation: the membership first, then keys and certificates."""
        with alone(self.path):
            for path in (
                self._membership,
                self.identity_key,
                self.next_key,
                self.tls_key,
                self.certificate,
                self.authority_certificate,
                self.common,
            ):
                path.unlink(missing_ok=True)
