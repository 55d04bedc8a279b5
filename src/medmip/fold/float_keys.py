"""Floats as unsigned integers in the same order, so that a search can go to the last bit."""

import numpy as np
from numpy.typing import NDArray

from medmip.fold.statistic import FloatArray

KeyArray = NDArray[np.uint64]

_SIGN = np.uint64(1 << 63)


def float_keys(values: FloatArray) -> KeyArray:
    """A key for each value, (n,), in the order of the values; -0 has the key of +0.

    No value may be missing. Source: Herf, Radix Tricks (2001): flip the sign bit of positive
    numbers, all bits of negative ones.
    """
    bits = (values + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def keyed_floats(keys: KeyArray) -> FloatArray:
    """The values that have these keys, (n,)."""
    bits = np.where(keys & _SIGN, keys ^ _SIGN, ~keys)
    return bits.view(np.float64)
