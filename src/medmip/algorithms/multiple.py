"""p-values of several tests at once."""

import numpy as np

from medmip.fold.statistic import FloatArray


def holm(p_values: FloatArray) -> FloatArray:
    """p-values (m,) that hold for all m tests together.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
