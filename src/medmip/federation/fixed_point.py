"""Fixed-point numbers of 192 bits, which add up exactly and so may be masked.

A number is an integer multiple of 2^-96 in two's complement: three limbs of 64 bits, the least
significant first, modulo 2^192. Arrays of n numbers are (3, n).
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from medmip.errors import MipError
from medmip.fold.statistic import FloatArray, IntArray

Words = NDArray[np.uint64]
"""Unsigned words of 64 bits, little-endian wherever they travel or are masked."""

LIMBS = 3
FRACTION = 96
"""Bits behind the point: a float of 2^-44 or more loses none of its own."""
RANGE = 95
"""A total lies within plus and minus 2 to this power, about 4e28."""
_FIRST, _LAST = np.uint64(1), np.uint64(63)


class OutOfRange(MipError):
    """A number that secure aggregation cannot add up exactly; the total would be wrong."""

    title = "A sum cannot be aggregated securely"
    status = 422


def encoded(values: FloatArray, addends: int) -> Words:
    """The nearest fixed-point numbers, (3, n), of floats (n,), of which so many are added up.

    Halves are rounded to even. Raises OutOfRange for a float that is not finite, or so large that
    the total of addends like it could leave the range.
    """
    size = np.abs(values)
    # A NaN compares as false, so this holds for no number that is not finite.
    if not (size < np.ldexp(1.0, RANGE) / addends).all():
        raise OutOfRange(
            "A sum is not finite, or beyond what can be added up exactly "
            f"(2^{RANGE} over {addends} sites)",
            remedy="Choose a smaller unit, or a transformation, for variables of large values.",
        )
    limbs = np.empty((LIMBS, len(values)), dtype=np.uint64)
    # Each step takes 64 bits off the top, and all of them are exact but the last rounding.
    top = np.floor(size * 2.0**-32)
    rest = (size - top * 2.0**32) * 2.0**32
    middle = np.floor(rest)
    limbs[2], limbs[1] = top, middle
    limbs[0] = np.rint((rest - middle) * 2.0**64)
    return _signed(limbs, values < 0)


def decoded(total: Words) -> FloatArray:
    """The nearest floats, (n,), of fixed-point numbers (3, n); halves are rounded to even."""
    negative = (total[2] >> _LAST).astype(np.bool_)
    low, middle, high = _signed(total, negative)
    # The first limb that is not zero leads; bits past the two after it only break ties.
    tall, short = high != 0, (high == 0) & (middle == 0)
    lead = np.where(tall, high, np.where(short, low, middle))
    after = np.where(tall, middle, np.where(short, np.uint64(0), low))
    last = np.where(tall, low, np.uint64(0))
    # Without the bit after the first, a float cannot be rounded up to another power of two.
    length = np.frexp((lead & ~(lead >> _FIRST)).astype(np.float64))[1]
    shift = np.where(lead == 0, 0, 64 - length).astype(np.uint64)
    window = (lead << shift) | ((after >> _FIRST) >> (_LAST - shift))
    window |= ((after << shift) | last) != 0
    exponent = np.where(tall, 128, np.where(short, 0, 64)) - shift.astype(np.int64) - FRACTION
    values: FloatArray = np.ldexp(window.astype(np.float64), exponent)
    return np.where(negative, -values, values)


def added(parts: Iterable[Words]) -> Words:
    """The sums (3, n) of numbers (3, n) each, modulo 2^192."""
    adding = Adding()
    for part in parts:
        adding.add(part)
    return adding.total()


class Adding:
    """Numbers (3, n) that are added up one after another, up to 2^31 of them."""

    def __init__(self) -> None:
        # Halves of limbs, which leave room for the carries, limb by limb and low before high.
        self._halves: Words | None = None

    def add(self, part: Words) -> None:
        """One more."""
        halves = np.ascontiguousarray(part).reshape(-1).view("<u4")
        if self._halves is None:
            self._halves = halves.astype(np.uint64)
        else:
            self._halves += halves

    def add_rows(self, rows: Words) -> None:
        """As many more as there are rows, (k, 3 n): of each its limbs one after another."""
        self._more(_halves_of(rows))

    def take_rows(self, rows: Words) -> None:
        """The same numbers with the other sign: the complement of each, and one."""
        halves = np.uint64(len(rows) * 0xFFFFFFFF) - _halves_of(rows)
        halves[: len(halves) // LIMBS : 2] += np.uint64(len(rows))
        self._more(halves)

    def _more(self, halves: Words) -> None:
        self._halves = halves if self._halves is None else self._halves + halves

    def total(self) -> Words:
        """The sums, (3, n), modulo 2^192; raises ValueError where nothing was added."""
        if self._halves is None:
            raise ValueError("nothing was added")
        return _carried(self._halves.reshape(LIMBS, -1, 2))


def negated(numbers: Words) -> Words:
    """The numbers (3, n) with the other sign, modulo 2^192."""
    return _signed(numbers, np.ones(numbers.shape[1], dtype=np.bool_))


def encoded_counts(counts: IntArray, addends: int) -> Words:
    """Whole numbers (n,) modulo 2^64, of which so many are added up; raises OutOfRange."""
    limit = 2**63 // addends
    if len(counts) and not (-limit < int(counts.min()) and int(counts.max()) < limit):
        raise OutOfRange("A count is beyond what can be added up exactly")
    return counts.astype(np.int64).view(np.uint64)


def decoded_counts(total: Words) -> IntArray:
    """The whole numbers (n,) that are these modulo 2^64."""
    return total.view(np.int64)


def _halves_of(rows: Words) -> Words:
    """The sums of each half of a limb over rows, (6 n,)."""
    total: Words = rows.view("<u4").sum(axis=0, dtype=np.uint64)
    return total


def _carried(sums: Words) -> Words:
    """Limbs (3, n) of numbers whose half limbs, (3, n, 2), have grown beyond 32 bits."""
    half = np.uint64(32)
    total = np.empty(sums.shape[:2], dtype=np.uint64)
    carry = np.zeros(sums.shape[1], dtype=np.uint64)
    for limb in range(LIMBS):
        low = sums[limb, :, 0] + carry
        high = sums[limb, :, 1] + (low >> half)
        total[limb] = (high << half) | (low & np.uint64(0xFFFFFFFF))
        carry = high >> half
    return total


def _signed(magnitude: Words, negative: NDArray[np.bool_]) -> Words:
    """The numbers (3, n), the other way round in sign where negative, (n,)."""
    flip = np.where(negative, np.uint64(2**64 - 1), np.uint64(0))
    signed = magnitude ^ flip
    carry = negative.astype(np.uint64)
    for limb in range(LIMBS):
        signed[limb] += carry
        carry &= signed[limb] == 0
    return signed
