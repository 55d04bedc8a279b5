"""The portal's certificate by ACME on a server: begun with, due or not, taken where it fits."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from medmip.catalogue.atomic_file import write_atomically
from medmip.deploy import portal_certificate
from medmip.deploy.blocks.certificate import FROM, INTERIM, REQUEST, SETTINGS
from medmip.deploy.blocks.declaration import CONFIGURATION
from medmip.deploy.blocks.proxy import CERTIFICATE
from medmip.deploy.blocks.registry import CERTIFICATE_STATE, PORTAL_KEY
from medmip.deploy.errors import DeployError

LEFT = 3
"""It is renewed once a third of its life is left, however long that is."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """The files of a server below a root, which is `/` but in tests."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        return self.root / path.removeprefix("/")

    @property
    def settings(self) -> dict[str, str]:
        """What SETTINGS holds."""
        return tomllib.loads(self.at(SETTINGS).read_text(encoding="utf-8"))

    def begin(self, now: datetime) -> str:
        """Lays down a certificate and a request that fit the portal's key and name.

        A certificate that fits stays. Returns what was done, empty where nothing was.
        """
        name = self.settings["name"]
        key = self.at(f"{CONFIGURATION}/secrets/{PORTAL_KEY}.pem").read_bytes()
        did = ""
        if not self.at(REQUEST).exists() or not portal_certificate.asks_for(
            self.at(REQUEST).read_bytes(), key, name
        ):
            self._publish(REQUEST, portal_certificate.request(key, name))
            did += "a request for a certificate is made\n"
        try:
            portal_certificate.check(self.at(CERTIFICATE).read_bytes(), key, name, now)
        except (OSError, DeployError):
            self.at(FROM).unlink(missing_ok=True)
            self._publish(CERTIFICATE, self.at(INTERIM).read_bytes())
            did += "the portal begins with a certificate of our own\n"
        return did

    def why_due(self, now: datetime) -> str:
        """Why a certificate should be ordered now; empty where none should be."""
        told = self.settings
        held = x509.load_pem_x509_certificate(self.at(CERTIFICATE).read_bytes())
        asked = x509.load_pem_x509_csr(self.at(REQUEST).read_bytes())
        source = self.at(FROM)
        if not source.exists() or source.read_text(encoding="utf-8") != told["directory"]:
            return "the certificate is not of this authority"
        if held.public_key() != asked.public_key():
            return "the certificate is for another key"
        life = held.not_valid_after_utc - held.not_valid_before_utc
        if held.not_valid_after_utc - now < life / LEFT:
            return f"less than a third of its life is left, which ends {held.not_valid_after_utc}"
        return ""

    def take(self, now: datetime, use: Callable[[], None]) -> str:
        """Lays down the certificate that was ordered, and has it used; returns what was done.

        Raises DeployError where it does not fit the portal's key and name.
        """
        place, told = self.at(CERTIFICATE_STATE), self.settings
        ordered_one, source = place / "portal.pem", place / "portal.from"
        if not source.exists() or source.read_text(encoding="utf-8") != told["directory"]:
            return "there is no certificate to take"
        content = ordered_one.read_bytes()
        key = self.at(f"{CONFIGURATION}/secrets/{PORTAL_KEY}.pem").read_bytes()
        portal_certificate.check(content, key, told["name"], now)
        # Certificates alone, whatever else the file may hold.
        chain = b"".join(
            one.public_bytes(Encoding.PEM) for one in x509.load_pem_x509_certificates(content)
        )
        if self.at(CERTIFICATE).read_bytes() != chain or not self.at(FROM).exists():
            self._publish(CERTIFICATE, chain)
            use()
            # Last, so that what was cut off in the middle is done again.
            self._publish(FROM, told["directory"].encode())
            return "the portal has the certificate that was signed"
        return "the portal has it already"

    def _publish(self, path: str, content: bytes) -> None:
        write_atomically(self.at(path), content)
        self.at(path).chmod(0o644)
