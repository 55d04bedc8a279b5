"""The invitation: one printable line that holds everything a hospital needs to join."""

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from medmip.errors import MipError
from medmip.federation.address import Address
from medmip.federation.identity import Identity, PublicIdentity

LIFE = timedelta(hours=24)
PREFIX = "mip1-"
CHECK = 8
"""Bytes of SHA-256 that tell a token which was cut off, or mistyped, from a whole one."""


class BadInvitation(MipError):
    """A token that cannot be used, or no longer."""

    title = "The invitation cannot be used"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time identity, the TLS certificate for it, and where and who the hub is.

    certificate and authority are PEM. The private key of the TLS certificate is that of the
    one-time identity. Whoever holds the token may ask to join once, and is then approved by a
    person who compares fingerprints: so the token is a ticket to the waiting room, no more.
    """

    federation: str
    name: str
    hub: Address
    hub_key: PublicIdentity
    one_time: Identity
    certificate: bytes
    authority: bytes
    expires: datetime

    def token(self) -> str:
        """The line to hand over."""
        content = json.dumps(
            {
                "f": self.federation,
                "n": self.name,
                "h": self.hub.host,
                "p": self.hub.port,
                "k": _text(self.hub_key.key),
                "s": _text(self.one_time.seed),
                "c": _text(_der(self.certificate)),
                "a": _text(_der(self.authority)),
                "e": int(self.expires.timestamp()),
            },
            separators=(",", ":"),
        ).encode()
        return PREFIX + _text(hashlib.sha256(content).digest()[:CHECK] + content)

    @classmethod
    def read(cls, token: str) -> "Invitation":
        """The invitation in a token; raises BadInvitation where it was cut, mistyped or altered."""
        packed = re.sub(r"\s", "", token)
        try:
            if not packed.startswith(PREFIX):
                raise ValueError
            raw = _bytes(packed.removeprefix(PREFIX))
            check, content = raw[:CHECK], raw[CHECK:]
            if hashlib.sha256(content).digest()[:CHECK] != check:
                raise ValueError
            said = json.loads(content)
            return cls(
                federation=str(said["f"]),
                name=str(said["n"]),
                hub=Address(str(said["h"]), int(said["p"])),
                hub_key=PublicIdentity(_bytes(said["k"])),
                one_time=Identity(_bytes(said["s"])),
                certificate=_pem(_bytes(said["c"])),
                authority=_pem(_bytes(said["a"])),
                expires=datetime.fromtimestamp(int(said["e"]), UTC),
            )
        except (ValueError, KeyError, TypeError, OverflowError, OSError, MipError):
            raise BadInvitation(
                "The token is not whole: it was cut off, mistyped or altered",
                remedy=f"Copy all of it, from {PREFIX} to its end; if that is what you did, ask "
                "the hub's operator for a new one.",
            ) from None


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except binascii.Error:
        raise ValueError from None


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
