"""Which cells of a table are withheld, so that no small one can be worked out from the others.

A reader knows every cell that is shown, that hidden ones hold somebody, and those totals along a
table's margins that are no less than the minimum. The audit asks by linear programming between
which bounds each small cell must then lie; cells are hidden in blocks until no bounds tell more
than that the cell is small.
Sources: Cox, Journal of the American Statistical Association 75 (1980) 377-385 (complementary
suppression); Repsilber, the hypercube method, as in Hundepool et al., Statistical Disclosure
Control (2012), 4.4.
"""

from collections.abc import Callable
from itertools import chain, combinations

import highspy
import numpy as np
from highspy._core import _Highs
from numpy.typing import NDArray
from scipy.sparse import csc_array

from medmip.fold.statistic import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

MOST = 100
"""Small cells in a table beyond which all of it is hidden instead of audited."""


def withheld(
    counts: IntArray, minimum: int, margins: tuple[int, ...], pooled: int | None = None
) -> BoolArray:
    """The cells to hide, of the shape of counts: those below minimum, and what would tell them.

    margins are the axes along which totals are known too; every other axis runs over tables of
    their own. Along the axis pooled the last cell is the total of the others.
    """
    counts = np.asarray(counts)
    hidden = (counts > 0) & (counts < minimum)
    axes = tuple(axis % counts.ndim for axis in margins) if counts.ndim else ()
    if not axes or not hidden.any():
        return np.asarray(hidden)
    last = None if pooled is None else axes.index(pooled % counts.ndim)
    others = counts.ndim - len(axes)
    tables = np.moveaxis(counts, axes, range(others, counts.ndim))
    masks = np.moveaxis(hidden, axes, range(others, counts.ndim))
    for place in np.ndindex(tables.shape[:others]):
        masks[place] = _protected(tables[place], minimum, last)
    return np.asarray(hidden)


def _protected(counts: IntArray, minimum: int, pooled: int | None) -> BoolArray:
    hidden: BoolArray = (counts > 0) & (counts < minimum)
    exposed = [tuple(cell) for cell in np.argwhere(hidden).tolist()]
    if len(exposed) > MOST:
        return np.asarray(counts > 0)
    while exposed and ((counts > 0) & ~hidden).any():
        is_exposed = _audit(counts, hidden, minimum, pooled)
        alone = [cell for cell in exposed if _alone(hidden, cell) and is_exposed(cell)]
        for cell in alone:
            # A block for one cell may have sheltered the next.
            if _alone(hidden, cell):
                _hide_block(counts, hidden, cell)
        if not alone:
            # What is safe stays so, for hiding more tells a reader less.
            while exposed and not is_exposed(exposed[0]):
                del exposed[0]
            if exposed:
                _hide_block(counts, hidden, exposed[0])
    return hidden


def _alone(hidden: BoolArray, cell: tuple[int, ...]) -> bool:
    """Whether a hidden cell is the only one of a line."""
    return any(
        hidden.shape[axis] > 1
        and np.moveaxis(hidden, axis, -1)[cell[:axis] + cell[axis + 1 :]].sum() == 1
        for axis in range(hidden.ndim)
    )


def _audit(
    counts: IntArray, hidden: BoolArray, minimum: int, pooled: int | None
) -> Callable[[tuple[int, ...]], bool]:
    """Whether a small cell is known to be more than 1, or less than minimum - 1.

    That a total is at least the number of its parts is no secret. Every table that a question
    turns up answers others, so that few need a linear programme of their own.
    """
    matrix, totals = _equations(counts, hidden, minimum, pooled)
    tables = _Tables(matrix, totals)
    number = np.full(counts.shape, -1)
    number[hidden] = np.arange(int(hidden.sum()))
    # The least and the most that each hidden cell is in any table that a reader may think of.
    least = np.asarray(counts[hidden], dtype=np.float64)
    most = least.copy()
    told = np.count_nonzero(matrix, axis=1) == 1
    alone = (matrix[told] != 0).any(axis=0)

    def exposed(cell: tuple[int, ...]) -> bool:
        lowest, place = 1, int(number[cell])
        if pooled is not None and cell[pooled] == counts.shape[pooled] - 1:
            lowest = max(1, counts.shape[pooled] - 1)

        def too_high() -> bool:
            return bool(least[place] > lowest + 1e-6)

        def too_low() -> bool:
            return bool(most[place] < minimum - 1 - 1e-6)

        if alone[place]:
            return too_high() or too_low()
        if (too_high() or too_low()) and pooled is None and counts.ndim == 2:
            down, up = _swapped(counts, hidden, cell)
            least[place], most[place] = min(least[place], down), max(most[place], up)
        for sign, doubted in ((1.0, too_high), (-1.0, too_low)):
            if doubted():
                found = tables.furthest(place, sign)
                if found is None:
                    return True
                np.fmin(least, found, out=least)
                np.fmax(most, found, out=most)
                if doubted():
                    return True
        return False

    return exposed


def _swapped(counts: IntArray, hidden: BoolArray, cell: tuple[int, ...]) -> tuple[float, float]:
    """How little and how much a hidden cell may be by moving patients around one rectangle.

    Two opposite corners gain what the other two lose, so that no total changes.
    """
    row, column = cell
    open_ = hidden & hidden[row] & hidden[:, column][:, None]
    open_[row], open_[:, column] = False, False
    opposite = np.where(open_, counts, 1)
    beside = np.where(open_, np.minimum(counts[row][None, :], counts[:, column][:, None]), 1)
    here = int(counts[cell])
    lost = min(here, int(opposite.max())) - 1
    return float(here - lost), float(here + int(beside.max()) - 1)


class _Tables:
    """The tables that a reader may think of: matrix times the hidden cells = totals, each >= 1.

    One solver is asked about cell after cell, and begins each search where the last one ended.
    """

    def __init__(self, matrix: FloatArray, totals: FloatArray) -> None:
        self._matrix, self._totals = matrix, totals
        self._solver: _Highs | None = None

    def furthest(self, cell: int, sign: float) -> FloatArray | None:
        """A table in which a cell is as little as may be, or with sign -1 as much; None without.

        Where a cell has no bound, a table that holds as much as anybody asks.
        """
        matrix = self._matrix
        if not (matrix[:, cell] != 0).any():
            return _boundless(matrix.shape[1], cell, 1.0 if sign > 0 else np.inf)
        if len(matrix) == 1 and (matrix > 0).all():
            found = np.ones(matrix.shape[1])
            found[cell if sign < 0 else cell - 1] = self._totals[0] - (len(found) - 1)
            return found
        if self._solver is None:
            self._solver = _solver(matrix, self._totals)
        solver = self._solver
        solver.changeColCost(cell, sign)
        solver.run()
        status = solver.getModelStatus()
        solver.changeColCost(cell, 0.0)
        if status == highspy.HighsModelStatus.kUnbounded:
            return _boundless(matrix.shape[1], cell, np.inf)
        # Anything else that is no answer counts as exposed.
        if status != highspy.HighsModelStatus.kOptimal:
            return None
        return np.array(solver.getSolution().col_value)


def _boundless(size: int, cell: int, value: float) -> FloatArray:
    found = np.full(size, np.nan)
    found[cell] = value
    return found


def _solver(matrix: FloatArray, totals: FloatArray) -> _Highs:
    sparse = csc_array(matrix)
    programme = highspy.HighsLp()
    programme.num_row_, programme.num_col_ = matrix.shape
    programme.col_cost_ = np.zeros(matrix.shape[1])
    programme.col_lower_ = np.ones(matrix.shape[1])
    programme.col_upper_ = np.full(matrix.shape[1], highspy.kHighsInf)
    programme.row_lower_ = programme.row_upper_ = totals
    programme.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    programme.a_matrix_.start_ = sparse.indptr
    programme.a_matrix_.index_ = sparse.indices
    programme.a_matrix_.value_ = sparse.data
    # The class below highspy's own, which writes a line to standard output when it is made.
    solver = _Highs()
    solver.setOptionValue("output_flag", False)
    # Presolving would only tell that a cell is unbounded or no table exists, not which of the two.
    solver.setOptionValue("presolve", "off")
    solver.passModel(programme)
    return solver


def _equations(
    counts: IntArray, hidden: BoolArray, minimum: int, pooled: int | None
) -> tuple[FloatArray, FloatArray]:
    """What is known of the hidden cells: matrix (equations, cells) times cells = totals."""
    known = [np.empty((0, int(hidden.sum())))]
    for axis in range(counts.ndim):
        size = counts.shape[axis]
        if size == 1:
            continue
        sign = np.ones(counts.shape)
        if axis == pooled:
            np.moveaxis(sign, axis, 0)[-1] = -1.0
        others = (*counts.shape[:axis], *counts.shape[axis + 1 :])
        number = np.arange(counts.size // size).reshape(others)
        line = np.broadcast_to(np.expand_dims(number, axis), counts.shape)[hidden]
        sums = counts.sum(axis=axis).ravel()
        told = np.full(sums.shape, axis == pooled) | (sums >= minimum)
        told &= np.isin(np.arange(sums.size), line)
        known.append((np.flatnonzero(told)[:, None] == line) * sign[hidden])
    matrix = np.concatenate(known)
    return matrix, np.asarray(matrix @ counts[hidden], dtype=np.float64)


def _hide_block(counts: IntArray, hidden: BoolArray, cell: tuple[int, ...]) -> None:
    """Hides the corners of the cheapest block around a cell, all of whose corners hold somebody.

    Its price is the number of patients newly hidden. Where there is no such block, hides the
    smallest cell that is still shown.
    """
    price = np.where(counts > 0, np.where(hidden, 0.0, counts), np.inf)
    total = np.zeros(counts.shape)
    axes = range(counts.ndim)
    for apart in chain.from_iterable(combinations(axes, size) for size in axes):
        face = tuple(
            slice(place, place + 1) if axis in apart else slice(None)
            for axis, place in enumerate(cell)
        )
        total = total + price[face]
    for axis, place in enumerate(cell):
        np.moveaxis(total, axis, 0)[place] = np.inf
    total[total == 0.0] = np.inf
    if np.isfinite(total).any():
        other = np.unravel_index(int(np.argmin(total)), counts.shape)
        ends = [{place, int(across)} for place, across in zip(cell, other, strict=True)]
        hidden[np.ix_(*(sorted(pair) for pair in ends))] = True
    elif ((counts > 0) & ~hidden).any():
        shown = np.where((counts > 0) & ~hidden, counts, np.iinfo(np.int64).max)
        hidden[np.unravel_index(int(np.argmin(shown)), counts.shape)] = True
