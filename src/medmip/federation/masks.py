"""Masks: streams of random words that sites add and that cancel in the total."""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from medmip.federation.fixed_point import Adding, Words
from medmip.federation.summands import Sums
from medmip.federation.transcript import transcript

_AT_ONCE = 2**18
"""Words of masks that are in memory together, 2 MiB, or those of one peer."""


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
    on: list[bytes] = []
    off: list[bytes] = []
    for one in keys:
        (off if one.minus else on).append(one.key)
    cut = sums.numbers.size
    adding, counts = Adding(), sums.counts
    adding.add(sums.numbers)
    for rows in _streams(on, label, cut + len(counts)):
        adding.add_rows(rows[:, :cut])
        counts = counts + rows[:, cut:].sum(axis=0, dtype=np.uint64)
    for rows in _streams(off, label, cut + len(counts)):
        adding.take_rows(rows[:, :cut])
        counts = counts - rows[:, cut:].sum(axis=0, dtype=np.uint64)
    return Sums(adding.total(), counts)


def pairwise(site: str, peer: str, key: bytes) -> MaskKey:
    """A site's masks with a peer: the site of the lesser id adds what the other takes off."""
    return MaskKey(key, minus=site > peer)


def _streams(keys: Sequence[bytes], label: bytes, words: int) -> Iterator[Words]:
    """The masks of these keys, one a row, (k, words), some rows at a time."""
    # A hundred peers' masks of a large sum would fill the memory.
    many = max(1, min(len(keys), _AT_ONCE // words))
    rows = np.empty((many, words), dtype=np.uint64)
    zeros, place = bytes(8 * words), rows.data.cast("B")
    for start in range(0, len(keys), many):
        some = keys[start : start + many]
        for row, key in enumerate(some):
            # The one block of HKDF's expansion (RFC 5869) that 32 bytes take.
            own = hmac.digest(key, label + b"\x01", "sha256")
            # A key of its own for every round is what allows the counter and nonce to be zero.
            stream = Cipher(ChaCha20(own, bytes(16)), None).encryptor()
            stream.update_into(zeros, place[8 * words * row : 8 * words * (row + 1)])
        yield rows[: len(some)]
