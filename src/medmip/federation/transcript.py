"""What is signed, and what keys are derived for: a hash of named parts that fits nothing else."""

import hashlib

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def transcript(purpose: str, *parts: str | int | bytes) -> bytes:
    """SHA-256 of a purpose and its parts, which no other purpose or list of parts shares."""
    digest = hashlib.sha256(b"medmip secure aggregation 1")
    for part in (purpose, *parts):
        content = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.digest()


def derived(secret: bytes, length: int, purpose: str, *parts: str | int | bytes) -> bytes:
    """A key of so many bytes for one purpose, which tells nothing of the secret or other keys.

    Source: RFC 5869 (HKDF with SHA-256).
    """
    return HKDF(SHA256(), length, salt=None, info=transcript(purpose, *parts)).derive(secret)
