"""The same fixed-point sums without any mask, to hold masked ones against."""

from collections.abc import Sequence
from secrets import token_bytes
from typing import TypeVar

import numpy as np

from medmip.federation.summands import Sums, summands, total
from medmip.fold.shifted import Origin, Shifted
from medmip.fold.statistic import Statistic, field_kinds

S = TypeVar("S", bound=Statistic)


def unmasked(kind: type[S], each: Sequence[S]) -> S:
    """The total of these sites' statistics."""
    shifted = [one for one in each if isinstance(one, Shifted)]
    parts: Sequence[Statistic] = each
    if shifted:
        shift = unmasked(Origin, [one.origin() for one in shifted]).shift
        parts = [one.about(shift) for one in shifted]
    words = [summands(one, len(parts), token_bytes, extremes=True) for one in parts]
    sums = Sums.of([one.sums for one in words])
    return total(kind, words[0].shapes, sums, [one.clear for one in words])


def assert_exactly(expected: Statistic, found: Statistic) -> None:
    """Equal to the bit, hidden cells apart."""
    assert type(expected) is type(found)
    for field in field_kinds(type(expected)):
        one, other = getattr(expected, field), getattr(found, field)
        np.testing.assert_array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
        assert np.ma.filled(one, 0).tobytes() == np.ma.filled(other, 0).tobytes(), field


def told(total: S | None) -> S:
    """A total that is there."""
    assert total is not None
    return total
