"""What a node and a database on another server know each other by: an authority for this alone."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from medmip.catalogue.atomic_file import write_atomically
from medmip.deploy import portal_certificate
from medmip.deploy.blocks.database import NODE
from medmip.deploy.blocks.registry import (
    DATABASE_AUTHORITY_KEY,
    DATABASE_CLIENT_KEY,
    DATABASE_SERVER_KEY,
)
from medmip.deploy.vault import Vault
from medmip.federation.authority import AUTHORITY_LIFE

KEYS = (DATABASE_AUTHORITY_KEY, DATABASE_SERVER_KEY, DATABASE_CLIENT_KEY)


@dataclass(frozen=True, slots=True)
class DatabaseTrust:
    """The certificates in a configuration folder; their keys are in its vault."""

    folder: Path
    vault: Vault

    @property
    def authority(self) -> Path:
        return self.folder / "database-authority.pem"

    @property
    def server(self) -> Path:
        return self.folder / "database-server.pem"

    @property
    def client(self) -> Path:
        return self.folder / "database-client.pem"

    def sign(self, name: str, address: str, now: datetime) -> None:
        """Makes what is missing, for another address, or soon runs out; the rest stays.

        name is the installation's, address the database's, which the node looks for in its
        certificate. A certificate lasts as long as the authority: no browser minds, and the
        acceptance test tells 30 days before. Raises DeployError.
        """
        signer = self.vault.once(DATABASE_AUTHORITY_KEY, portal_certificate.new_key)
        if not self.authority.exists() or _runs_out(self.authority, now):
            # First, so that a kill before the other leaves nothing that another key signed.
            self.forget()
            write_atomically(self.authority, portal_certificate.authority(signer, name, now))
        issuer = self.authority.read_bytes()
        for path, secret, who, purpose in (
            (self.server, DATABASE_SERVER_KEY, address, ExtendedKeyUsageOID.SERVER_AUTH),
            (self.client, DATABASE_CLIENT_KEY, NODE, ExtendedKeyUsageOID.CLIENT_AUTH),
        ):
            key = self.vault.once(secret, portal_certificate.new_key)
            if path.exists() and not portal_certificate.is_due(path.read_bytes(), key, who, now):
                continue
            made = portal_certificate.signed(
                key, signer, issuer, who, now, life=AUTHORITY_LIFE, purpose=purpose
            )
            write_atomically(path, made)

    def renew(self) -> None:
        """Other keys for all three, which `sign` certifies. Raises DeployError."""
        # Missing, the certificate is made of the key that is there: never of one that was.
        self.authority.unlink(missing_ok=True)
        for name in KEYS:
            self.vault.renew(name, portal_certificate.new_key())
        self.forget()

    def forget(self) -> None:
        """Takes away what the authority signed, which `sign` makes anew."""
        self.server.unlink(missing_ok=True)
        self.client.unlink(missing_ok=True)


def _runs_out(path: Path, now: datetime) -> bool:
    held = x509.load_pem_x509_certificate(path.read_bytes())
    return held.not_valid_after_utc - now < portal_certificate.RENEW_BEFORE
