"""Equal bins over a numeric variable, whose ends tell no single patient's value."""

import numpy as np

from medmip.algorithms.declaration import CannotCompute
from medmip.catalogue.variable import Variable
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_range, column_sums
from medmip.fold.quantiles import quantiles
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.value_grid import Columns

TAIL = 0.01
"""Share of patients in each open outer bin, where extremes are withheld."""
_ROUNDING = float(np.finfo(float).eps)


def bin_edges(cohort: Cohort, variable: Variable, bins: int) -> FloatArray:
    """The edges, (bins + 1,), of equal bins over a variable.

    Where extremes may leave, from the smallest to the largest value; else between the 1 % and
    99 % quantiles, further in where fewer patients than the minimum lie beyond. Raises
    CannotCompute where the cohort has too few values.
    """
    columns = Columns((variable.code,))
    state = ColumnState(columns, 0, np.zeros((1, 1)))
    if cohort.releases_extremes:
        limits = cohort.fold(column_range, state)
        _check_any(cohort, variable, limits.patients)
        return np.histogram_bin_edges(np.concatenate([limits.low[0], limits.high[0]]), bins)
    sums = cohort.fold(column_sums, state)
    _check_any(cohort, variable, sums.patients)
    tail = max(TAIL, min(0.5, cohort.minimum / float(sums.records[0, 0])))
    mean, sd = sums.moments(state.shift)
    ends = quantiles(
        cohort, columns, (tail, 1 - tail), center=mean[:, 0], spread=np.nan_to_num(sd[:, 0])
    )
    return np.histogram_bin_edges(ends[0, 0], bins)


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


def _check_any(cohort: Cohort, variable: Variable, patients: IntArray) -> None:
    if not np.ma.filled(np.ma.asarray(patients), 0).any():
        raise CannotCompute(
            f"{variable.code} has fewer than {max(cohort.minimum, 1)} values in this cohort"
        )
