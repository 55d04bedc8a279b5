"""Exact quantiles by narrowing counts: no value leaves a site, only how many lie in an interval."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray
from medmip.fold.value_grid import Values, grid_counts, grid_for
from medmip.fold.value_search import values_at


def quantiles(
    cohort: Cohort,
    values: Values,
    shares: Sequence[float],
    *,
    center: FloatArray,
    spread: FloatArray,
    datasets: int = 0,
    group: str | None = None,
    wanted: NDArray[np.bool_] | None = None,
) -> FloatArray:
    """Quantiles of k columns at these shares, (k, datasets + 1, shares), the last part pooled.

    center and spread (k,), about the mean and standard deviation, only make the search fast.
    Where group names a nominal variable, its levels, as many as datasets says, are the parts.
    wanted, (k, datasets + 1), leaves parts out. NaN where a part has no value or is left out.
    The definition is number 7 of Hyndman & Fan, The American Statistician 50 (1996) 361-365,
    as in R and NumPy; the values at the ranks that it interpolates are found to the last bit.
    """
    grid = grid_for(values, shares, center, spread, datasets, group)
    counts = cohort.fold(grid_counts, grid).counts
    if datasets:
        counts = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    records = counts.sum(axis=2)
    asked = (records > 0) if wanted is None else (records > 0) & wanted
    result = np.full((*asked.shape, len(shares)), np.nan)
    if not asked.any():
        return result

    columns, parts = np.nonzero(asked)
    position = (records[columns, parts] - 1)[:, None] * np.asarray(shares)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, (records[columns, parts] - 1)[:, None])
    found = values_at(cohort, grid, counts, columns, parts, np.stack([low, high], axis=-1))
    result[columns, parts] = _between(found[..., 0], found[..., 1], position - low)
    return result


def _between(low: FloatArray, high: FloatArray, part: FloatArray) -> FloatArray:
    """Linear interpolation, from the nearer end, as NumPy does; of huge values without overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        step = high - low
        near = np.where(part < 0.5, low + step * part, high - step * (1 - part))
        far = low * (1 - part) + high * part
    return np.where(low == high, low, np.where(np.isfinite(step), near, far))
