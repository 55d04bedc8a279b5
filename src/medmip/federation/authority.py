"""The hub's certificate authority: who is let into the federation's TLS connections.

All keys are Ed25519, which OpenSSL and Go both take in TLS 1.3; a certificate is then 64 bytes of
signature long and fits into an invitation. The authority's key never leaves the hub.
"""

import ipaddress
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from medmip.catalogue.atomic_file import write_atomically
from medmip.errors import MipError
from medmip.federation.address import Address
from medmip.federation.identity import Identity

AUTHORITY_LIFE = timedelta(days=3652)
CERTIFICATE_LIFE = timedelta(days=90)
RENEW_AFTER = 2 / 3
"""The share of a certificate's life after which it is replaced."""
BACKDATED = timedelta(days=1)
"""A site whose clock is late must meet a word about its clock, not an unknown certificate."""


class BadCertificate(MipError):
    """A certificate or TLS key that is not what it should be."""

    title = "The certificate cannot be used"


@dataclass(frozen=True, slots=True)
class TlsKey:
    """A private key of TLS, made where it is used."""

    private: Ed25519PrivateKey

    @classmethod
    def made(cls) -> "TlsKey":
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, identity: Identity) -> "TlsKey":
        """The key of a one-time identity, which is both that and its TLS key."""
        return cls(Ed25519PrivateKey.from_private_bytes(identity.seed))

    @classmethod
    def read(cls, path: Path) -> "TlsKey":
        """The key in a PEM file; raises BadCertificate."""
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError):
            raise BadCertificate("The TLS key cannot be read", where=str(path)) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise BadCertificate("The TLS key is not an Ed25519 key", where=str(path))
        return cls(key)

    def write(self, path: Path) -> None:
        """Keeps the key as PEM, readable by its owner alone."""
        write_atomically(path, self.pem)

    @property
    def pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> bytes:
        """The public key's 32 raw bytes."""
        return self.private.public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its key."""

    key: TlsKey
    certificate: x509.Certificate

    @classmethod
    def made(cls, federation: str, now: datetime) -> "Authority":
        """A new authority for a federation of this name."""
        key = TlsKey.made()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"MIP {federation}"[:64])])
        own = x509.SubjectKeyIdentifier.from_public_key(key.private.public_key())
        certificate = (
            begun(name, key.private.public_key(), name, now, AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(signs_certificates=True), critical=True)
            .add_extension(own, critical=False)
            .sign(key.private, None)
        )
        return cls(key, certificate)

    @classmethod
    def read(cls, key: Path, certificate: Path) -> "Authority":
        """The authority in its two files; raises BadCertificate."""
        return cls(TlsKey.read(key), read_certificate(certificate))

    @property
    def pem(self) -> bytes:
        """The authority's certificate, which every node of the federation holds."""
        return self.certificate.public_bytes(Encoding.PEM)

    def for_server(
        self,
        key: bytes,
        addresses: tuple[Address, ...],
        now: datetime,
        life: timedelta = CERTIFICATE_LIFE,
    ) -> bytes:
        """A certificate (PEM) for a server that is reached at these addresses.

        It is a client's too, for servers of one hub that connect to each other.
        """
        names: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(address.host))
            if address.is_number
            else x509.DNSName(address.host)
            for address in addresses
        ]
        extension = x509.SubjectAlternativeName(names)
        uses = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
        return self._leaf("hub", key, uses, now, extension, life=life)

    def for_client(self, node: str, key: bytes, now: datetime) -> bytes:
        """A certificate (PEM) for a node's TLS key, given by its 32 public bytes."""
        return self._leaf(node, key, (ExtendedKeyUsageOID.CLIENT_AUTH,), now)

    def _leaf(
        self,
        name: str,
        key: bytes,
        uses: tuple[x509.ObjectIdentifier, ...],
        now: datetime,
        *extensions: x509.SubjectAlternativeName,
        life: timedelta = CERTIFICATE_LIFE,
    ) -> bytes:
        try:
            public = Ed25519PublicKey.from_public_bytes(key)
        except ValueError:
            raise BadCertificate("A TLS key has 32 public bytes") from None
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.private.public_key())
        builder = (
            begun(subject, public, self.certificate.subject, now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(issuer, critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key.private, None).public_bytes(Encoding.PEM)


def read_certificate(path: Path) -> x509.Certificate:
    """The certificate in a PEM file; raises BadCertificate."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise BadCertificate(
            "The certificate cannot be read",
            where=str(path),
            remedy="Restore the file from a back-up of the folder.",
        ) from None


def renewal_of(certificate: x509.Certificate) -> datetime:
    """When a certificate is due to be replaced."""
    begin = certificate.not_valid_before_utc
    return begin + RENEW_AFTER * (certificate.not_valid_after_utc - begin)


def begun(
    subject: x509.Name,
    key: CertificatePublicKeyTypes,
    issuer: x509.Name,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    """A certificate to which its extensions are still to be added."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(int.from_bytes(os.urandom(8), "big") >> 1)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
    )


def usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """A key that signs certificates alone, or all else alone."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
