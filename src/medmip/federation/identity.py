"""The identity of a node: an Ed25519 key made where it lives, which signs and logs in."""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medmip.catalogue.atomic_file import write_atomically
from medmip.errors import MipError

USER_KEY = 20 << 3
"""The first byte of a user's public NKey; it reads as U in base32 (nats-io/nkeys)."""


class UnusableIdentity(MipError):
    """A key or its file is not what this installation wrote."""

    title = "The identity cannot be used"


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The public half of an identity; key is its 32 raw bytes. Others know a node by it."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise UnusableIdentity(f"A public key has 32 bytes, not {len(self.key)}")

    @classmethod
    def from_hex(cls, text: str) -> "PublicIdentity":
        """The identity that `hex` wrote; raises UnusableIdentity."""
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            raise UnusableIdentity("A public key is 64 hexadecimal digits") from None

    @property
    def hex(self) -> str:
        return self.key.hex()

    @property
    def node(self) -> str:
        """An opaque name of 16 lower-case letters and digits, fit for a NATS subject."""
        return base64.b32encode(hashlib.sha256(b"node" + self.key).digest()[:10]).decode().lower()

    @property
    def fingerprint(self) -> str:
        """Eight groups of four digits, 128 bits of the key's SHA-256, to be read out by phone."""
        digest = hashlib.sha256(self.key).hexdigest()[:32]
        return " ".join(digest[start : start + 4] for start in range(0, 32, 4))

    @property
    def nkey(self) -> str:
        """The key as NATS writes a user's: base32 of prefix, key and CRC-16 (nats-io/nkeys)."""
        content = bytes([USER_KEY]) + self.key
        checked = content + binascii.crc_hqx(content, 0).to_bytes(2, "little")
        return base64.b32encode(checked).decode().rstrip("=")

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Whether the identity's owner signed this content."""
        try:
            _loaded(self.key).verify(signature, content)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def _loaded(key: bytes) -> Ed25519PublicKey:
    """A public key, checked once: every message of a peer is signed with the same."""
    return Ed25519PublicKey.from_public_bytes(key)


class Identity:
    """A node's own identity, with the private key; it shows only the public half."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicIdentity(
            self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        )

    @classmethod
    def made(cls) -> "Identity":
        """A new identity, kept nowhere."""
        return cls(os.urandom(32))

    @classmethod
    def read(cls, path: Path) -> "Identity":
        """The identity in a file that `write` made; raises UnusableIdentity."""
        try:
            seed = path.read_bytes()
        except OSError as error:
            raise UnusableIdentity(
                f"The identity key cannot be read: {error.strerror}", where=str(path)
            ) from None
        if len(seed) != 32:
            raise UnusableIdentity(
                "The identity key is damaged",
                where=str(path),
                remedy="Restore the file from a back-up of the folder.",
            )
        return cls(seed)

    def write(self, path: Path) -> None:
        """Keeps the identity in a file that its owner alone may read, whole or not at all."""
        write_atomically(path, self.seed)

    @property
    def seed(self) -> bytes:
        """The 32 bytes of the private key: for its file and for a one-time invitation only."""
        return self._key.private_bytes_raw()

    def sign(self, content: bytes) -> bytes:
        """A signature of 64 bytes."""
        return self._key.sign(content)

    def __repr__(self) -> str:
        return f"Identity({self.public.node})"
