"""Sums and products with twice a float's digits: each number is an unevaluated sum high + low.

Source: Dekker, Numerische Mathematik 18 (1971) 224-242; Ogita, Rump & Oishi, SIAM J. Sci. Comput.
26 (2005) 1955-1988.
"""

from dataclasses import dataclass

import numpy as np

from medmip.fold.statistic import FloatArray

_SPLITTER = float(2**27 + 1)


@dataclass(frozen=True)
class Double2:
    """Numbers high + low, arrays of the same shape."""

    high: FloatArray
    low: FloatArray

    def __add__(self, other: "Double2") -> "Double2":
        total = exact_sum(self.high, other.high)
        return _renormalised(total.high, total.low + (self.low + other.low))

    def __neg__(self) -> "Double2":
        return Double2(-self.high, -self.low)

    def __mul__(self, other: "Double2") -> "Double2":
        product = exact_product(self.high, other.high)
        return _renormalised(
            product.high, product.low + (self.high * other.low + self.low * other.high)
        )

    def sum(self) -> "Double2":
        """The sum of all of them, (n,), as arrays of no dimension; by halves."""
        part = self
        while len(part.high) > 1:
            half = len(part.high) // 2
            pairs = part.cut(0, half) + part.cut(half, 2 * half)
            rest = part.cut(2 * half, len(part.high))
            part = Double2(
                np.concatenate([pairs.high, rest.high]), np.concatenate([pairs.low, rest.low])
            )
        if not len(part.high):
            return Double2(np.array(0.0), np.array(0.0))
        return Double2(part.high[0], part.low[0])

    def cut(self, start: int, end: int) -> "Double2":
        """The numbers from start up to end."""
        return Double2(self.high[start:end], self.low[start:end])


def exact(values: FloatArray) -> Double2:
    """Plain floats as such numbers."""
    return Double2(values, np.zeros_like(values))


def exact_sum(a: FloatArray, b: FloatArray) -> Double2:
    """The sum of a and b without any rounding."""
    total = a + b
    other = total - a
    return Double2(total, (a - (total - other)) + (b - other))


def exact_product(a: FloatArray, b: FloatArray) -> Double2:
    """The product of a and b without any rounding, for numbers below 1e300."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    low = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return Double2(product, low)


def _split(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    scaled = a * _SPLITTER
    high = scaled - (scaled - a)
    return high, a - high


def _renormalised(high: FloatArray, low: FloatArray) -> Double2:
    total = high + low
    return Double2(total, low - (total - high))
