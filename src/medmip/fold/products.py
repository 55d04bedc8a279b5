"""Products of columns with each other."""

import numpy as np

from medmip.fold.statistic import FloatArray

_FEW = 6
"""Rows up to which BLAS takes longer over all products at once than over one after another."""


def products(rows: FloatArray) -> FloatArray:
    """The products of rows (p, n) with each other, (p, p)."""
    p = len(rows)
    if p > _FEW:
        return np.asarray(np.dot(rows, rows.T))
    found = np.empty((p, p))
    for one in range(p):
        for other in range(one + 1):
            found[one, other] = found[other, one] = np.dot(rows[one], rows[other])
    return found
