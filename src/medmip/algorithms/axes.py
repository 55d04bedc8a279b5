"""Which way an axis points, when nothing but a rule decides it."""

import numpy as np

from medmip.fold.statistic import FloatArray

_EQUAL = 1e-6
"""Sizes that differ by less than this share are taken as equal, whatever their last digits say."""


def signs(vectors: FloatArray) -> FloatArray:
    """1.0 or -1.0 for each row of (k, p), so that its first largest element becomes positive."""
    sizes = np.abs(vectors)
    place = (sizes >= (1 - _EQUAL) * sizes.max(axis=1, keepdims=True)).argmax(axis=1)
    return np.where(vectors[np.arange(len(vectors)), place] < 0, -1.0, 1.0)
