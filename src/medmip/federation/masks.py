"""Masks: streams of random words that sites add and that cancel in the total."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from medmip.federation.fixed_point import LIMBS
from medmip.federation.summands import Sums
from medmip.federation.transcript import transcript


@dataclass(frozen=True, slots=True)
class MaskKey:
    """Key of 32 bytes of the masks of all rounds; minus where they are taken off."""

    key: bytes
    minus: bool = False


def masks(keys: Iterable[MaskKey], number: int, like: Sums) -> Sums:
    """The sum of all keys' masks of one round, of the lengths of like.

    A key makes each round's mask once, from a key of the round's own, whatever it covers.
    """
    label = transcript("mask of a round", number)
    parts = [_mask(part, label, like) for part in keys]
    nothing = Sums(np.zeros_like(like.numbers), np.zeros_like(like.counts))
    return Sums.of([nothing, *parts])


def pairwise(site: str, peer: str, key: bytes) -> MaskKey:
    """A site's masks with a peer: the site of the lesser id adds what the other takes off."""
    return MaskKey(key, minus=site > peer)


def _mask(part: MaskKey, label: bytes, like: Sums) -> Sums:
    key = HKDFExpand(SHA256(), 32, label).derive(part.key)
    numbers, counts = like.numbers.shape[1], len(like.counts)
    # A key of its own for every round is what allows the counter and nonce to be zero.
    stream = Cipher(ChaCha20(key, bytes(16)), None).encryptor()
    words = np.frombuffer(stream.update(bytes(8 * (LIMBS * numbers + counts))), dtype=np.uint64)
    mask = Sums(words[: LIMBS * numbers].reshape(LIMBS, numbers), words[LIMBS * numbers :])
    return -mask if part.minus else mask
