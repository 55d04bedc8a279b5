"""Which of several equal bins a value falls in."""

import numpy as np

from medmip.fold.statistic import FloatArray, IntArray

_ROUNDING = float(np.finfo(float).eps)


def bin_of(values: FloatArray, edges: FloatArray) -> IntArray:
    """The bin of each value; a missing one's is 0, values beyond the edges are in the outer bins.

    Bins are half open but for the last, as NumPy's. Rounding may put a value on the wrong side of
    an edge, so that those near one are looked up among the edges themselves.
    """
    bins = len(edges) - 1
    with np.errstate(over="ignore", invalid="ignore"):
        scale = bins / (edges[-1] - edges[0])
        blur = 1e-9 + 8 * _ROUNDING * np.abs(edges).max() * scale
        place = values - edges[0]
        place *= scale
        apart = np.rint(place)
        apart -= place
        near = np.flatnonzero(~(np.abs(apart, out=apart) > blur))
        np.clip(place, 0.0, bins - 1.0, out=place)
        found: IntArray = place.astype(np.int64)
    if near.size:
        looked = np.searchsorted(edges, values[near], side="right") - 1
        found[near] = np.where(np.isnan(values[near]), 0, np.clip(looked, 0, bins - 1))
    return found
