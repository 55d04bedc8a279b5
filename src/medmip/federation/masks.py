"""Masks: streams of random words that sites add and that cancel in the total."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from medmip.federation.fixed_point import LIMBS
from medmip.federation.summands import Sums
from medmip.federation.transcript import transcript


@dataclass(frozen=True, slots=True)
class MaskKey:
    """Key of 32 bytes of the masks of all rounds; minus where they are taken off."""

    key: bytes
    minus: bool = False

    def __neg__(self) -> "MaskKey":
        return MaskKey(self.key, not self.minus)


def masked(sums: Sums, keys: Iterable[MaskKey], number: int) -> Sums:
    """The sums with all keys' masks of one round on top; those of the negated keys take them off.

    A key makes each round's mask once, from a key of the round's own, whatever it covers.
    """
    label = transcript("mask of a round", number)
    on: list[MaskKey] = []
    off: list[MaskKey] = []
    for one in keys:
        (off if one.minus else on).append(one)
    # One after another: a hundred peers' masks of a large sum would fill the memory.
    parts = chain([sums], (_mask(one, label, sums) for one in on))
    if off:
        parts = chain(parts, [-Sums.of(_mask(one, label, sums) for one in off)])
    return Sums.of(parts)


def pairwise(site: str, peer: str, key: bytes) -> MaskKey:
    """A site's masks with a peer: the site of the lesser id adds what the other takes off."""
    return MaskKey(key, minus=site > peer)


def _mask(one: MaskKey, label: bytes, like: Sums) -> Sums:
    # The one block of HKDF's expansion (RFC 5869) that 32 bytes take.
    key = hmac.digest(one.key, label + b"\x01", "sha256")
    numbers, counts = like.numbers.shape[1], len(like.counts)
    # A key of its own for every round is what allows the counter and nonce to be zero.
    stream = Cipher(ChaCha20(key, bytes(16)), None).encryptor()
    words = np.frombuffer(stream.update(bytes(8 * (LIMBS * numbers + counts))), dtype=np.uint64)
    return Sums(words[: LIMBS * numbers].reshape(LIMBS, numbers), words[LIMBS * numbers :])
