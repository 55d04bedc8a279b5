"""What a hub keeps in MIP_HOME/hub: its settings, identity, authority and certificates."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.federation.address import HUB_PORT, Address
from medmip.federation.authority import Authority, TlsKey, read_certificate, renewal_of
from medmip.federation.broker_configuration import CLUSTER
from medmip.federation.identity import Identity, PublicIdentity
from medmip.federation.succession import Succession

OVERLAP = timedelta(hours=1)
"""How long the broker accepts a former key beside the one that follows it."""


class HubSettings(BaseModel):
    """What the operator chose when the hub was made, and the identities that it had.

    servers are further names and addresses of its own that its server's certificate is for: those
    by which several servers of one hub reach each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    federation: str
    host: str
    port: int = Field(default=HUB_PORT, ge=1, le=65535)
    listen: str = "0.0.0.0"  # noqa: S104  sites dial in from elsewhere, under mutual TLS
    servers: tuple[str, ...] = ()
    former: str | None = None
    former_until: AwareDatetime | None = None
    successions: tuple[Succession, ...] = ()

    @property
    def address(self) -> Address:
        """Where sites reach the hub."""
        return Address(self.host, self.port)

    @property
    def local(self) -> Address:
        """Where the hub itself reaches its broker."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
        return Address(everywhere.get(self.listen, self.listen), self.port)


class HubFolder:
    """The hub's folder. Settings are written last: where they stand, the hub is whole."""

    def __init__(self, home: Home) -> None:
        self.path = home.hub
        self.state_home = home

    @classmethod
    def of(cls, home: Home) -> "HubFolder":
        """The folder of a home that is a hub; raises Conflict where it is none."""
        folder = cls(home)
        if not folder.is_whole:
            raise Conflict(
                f"{home.path} is not the hub of a federation",
                remedy="Make it one with `mip hub init`, or name another home with --home.",
            )
        return folder

    @property
    def is_whole(self) -> bool:
        return self._settings.is_file()

    @property
    def _settings(self) -> Path:
        return self.path / "hub.json"

    @property
    def _identity(self) -> Path:
        return self.path / "identity.key"

    @property
    def authority_certificate(self) -> Path:
        return self.path / "authority.pem"

    @property
    def policy(self) -> Path:
        """The federation's thresholds; only there where the operator states some."""
        return self.path / "policy.toml"

    @property
    def server_key(self) -> Path:
        return self.path / "server.key"

    @property
    def server_certificate(self) -> Path:
        return self.path / "server.pem"

    @property
    def client_key(self) -> Path:
        return self.path / "client.key"

    @property
    def client_certificate(self) -> Path:
        return self.path / "client.pem"

    @property
    def broker_configuration(self) -> Path:
        return self.path / "nats-server.conf"

    @property
    def cluster_configuration(self) -> Path:
        """What the operator adds to the broker's configuration to join it with other servers."""
        return self.path / CLUSTER

    @property
    def broker_process(self) -> Path:
        return self.path / "nats-server.pid"

    def make(self, settings: HubSettings, now: datetime) -> None:
        """Makes keys and certificates; raises Conflict where the hub is made already."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self.path):
            if self.is_whole:
                raise Conflict(
                    f"{self.path} holds the hub {self.settings.federation!r} already",
                    remedy="`mip hub status` shows it.",
                )
            Identity.made().write(self._identity)
            authority = Authority.made(settings.federation, now)
            authority.key.write(self.path / "authority.key")
            write_atomically(self.authority_certificate, authority.pem)
            for key in (self.server_key, self.client_key):
                TlsKey.made().write(key)
            self._certify(authority, settings, now)
            self._write(settings)

    @property
    def settings(self) -> HubSettings:
        try:
            return HubSettings.model_validate_json(self._settings.read_bytes())
        except (OSError, ValidationError):
            raise Conflict(
                "The hub's settings cannot be read",
                where=str(self._settings),
                remedy="Restore the file from a back-up of the folder.",
            ) from None

    @property
    def identity(self) -> Identity:
        """The identity that the settings speak of; a rotation counts once its statement stands."""
        if self._next.exists():
            following = Identity.read(self._next)
            if following.public.hex in {step.following for step in self.settings.successions}:
                return following
        return Identity.read(self._identity)

    @property
    def authority(self) -> Authority:
        return Authority.read(self.path / "authority.key", self.authority_certificate)

    def accepted(self, now: datetime) -> tuple[PublicIdentity, ...]:
        """The hub's identity, and the former one while the two overlap."""
        settings = self.settings
        if settings.former is None or settings.former_until is None or settings.former_until < now:
            return (self.identity.public,)
        return (self.identity.public, PublicIdentity.from_hex(settings.former))

    def rotate(self, now: datetime) -> Succession:
        """Puts a new identity in the place of the present one, which signs it."""
        with alone(self.path):
            self._finish_rotation()
            former, following = self.identity, Identity.made()
            step = Succession.made(former, following, now)
            following.write(self._next)
            settings = self.settings
            self._write(
                settings.model_copy(
                    update={
                        "former": former.public.hex,
                        "former_until": now + OVERLAP,
                        "successions": (*settings.successions, step),
                    }
                )
            )
            self._finish_rotation()
            return step

    def renew(self, now: datetime) -> bool:
        """Replaces the hub's certificates where they are due; tells whether it did."""
        with alone(self.path):
            due = min(
                renewal_of(read_certificate(path))
                for path in (self.server_certificate, self.client_certificate)
            )
            if now < due:
                return False
            self._certify(self.authority, self.settings, now)
            return True

    @property
    def _next(self) -> Path:
        return self.path / "identity.next"

    def _finish_rotation(self) -> None:
        """Takes up a rotation that was interrupted: undone before its statement, done after it."""
        if not self._next.exists():
            return
        if self.identity.public == Identity.read(self._next).public:
            os.replace(self._next, self._identity)
        else:
            self._next.unlink()

    def _certify(self, authority: Authority, settings: HubSettings, now: datetime) -> None:
        others = (Address(host, settings.port) for host in settings.servers)
        addresses = (settings.address, settings.local, *others)
        server = authority.for_server(TlsKey.read(self.server_key).public, addresses, now)
        write_atomically(self.server_certificate, server)
        client = authority.for_client("hub", TlsKey.read(self.client_key).public, now)
        write_atomically(self.client_certificate, client)

    def _write(self, settings: HubSettings) -> None:
        write_atomically(self._settings, settings.model_dump_json(indent=2).encode())
