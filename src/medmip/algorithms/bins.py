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


def _check_any(cohort: Cohort, variable: Variable, patients: IntArray) -> None:
    if not np.ma.filled(np.ma.asarray(patients), 0).any():
        raise CannotCompute(
            f"{variable.code} has fewer than {max(cohort.minimum, 1)} values in this cohort"
        )
