"""Arrays on the wire: type, shape, order and bytes, and the mask of what is hidden."""

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ALLOWED = frozenset(
    map(
        np.dtype,
        ["float64", "int64", "int32", "int16", "uint8", "uint16", "uint32", "uint64", "bool"],
    )
)
"""The types of numbers that travel: all of fixed size, none of them an object."""
_MOST_AXES = 8


def written_array(value: Any, dtype: np.dtype[Any]) -> list[object]:  # noqa: ANN401
    """Order, shape, bytes and mask (None where nothing is hidden) of an array of this type.

    What a masked cell hides does not travel: its place holds zero. Raises TypeError where the
    values are of another type.
    """
    if dtype not in ALLOWED:
        raise TypeError(f"arrays of {dtype} do not travel")
    mask: bytes | None = None
    if isinstance(value, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(value)
        mask = np.packbits(hidden, axis=None).tobytes()
        # The constant for one masked number is always a float.
        value = np.where(hidden, 0, value.data).astype(dtype if hidden.all() else value.dtype)
    array = np.asarray(value)
    if array.dtype != dtype:
        raise TypeError(f"an array is of {array.dtype}, declared as {dtype}")
    order: Literal["F", "C"] = "C"
    if array.ndim > 1 and array.flags.f_contiguous and mask is None:
        order = "F"
    plain = array.astype(dtype.newbyteorder("<"), copy=False)
    return [order, list(array.shape), plain.tobytes(order), mask]


def read_array(raw: Sequence[object], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array of this type that `written_array` wrote; raises ValueError, TypeError."""
    order, shape, content, mask = raw
    if order not in ("C", "F") or not isinstance(shape, list) or not isinstance(content, bytes):
        raise ValueError("no array")
    if len(shape) > _MOST_AXES or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise ValueError("an array's shape is none")
    if prod(shape) * dtype.itemsize != len(content):
        raise ValueError("an array's bytes do not fill its shape")
    if dtype == np.bool_ and content.strip(b"\x00\x01"):
        raise ValueError("a truth value is neither 0 nor 1")
    little = np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype)
    array = little.reshape(shape, order="F" if order == "F" else "C")
    if mask is None:
        return array
    if not isinstance(mask, bytes) or len(mask) != (array.size + 7) // 8:
        raise ValueError("a mask does not fit its array")
    hidden = np.unpackbits(np.frombuffer(mask, np.uint8), count=array.size)
    return np.ma.masked_array(array, hidden.reshape(shape).astype(np.bool_))
