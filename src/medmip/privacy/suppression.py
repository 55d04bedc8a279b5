"""Which cells of a table are withheld, so that no small one can be worked out from the others.

A reader knows every cell that is shown, that hidden ones hold somebody, and those totals along a
table's margins that are no less than the minimum. The audit asks by linear programming between
which bounds each small cell must then lie; cells are hidden in blocks until no bounds tell more
than that the cell is small.
Sources: Cox, Journal of the American Statistical Association 75 (1980) 377-385 (complementary
suppression); Repsilber, the hypercube method, as in Hundepool et al., Statistical Disclosure
Control (2012), 4.4.
"""

from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

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
    while exposed := _exposed(counts, hidden, exposed, minimum, pooled):
        if not ((counts > 0) & ~hidden).any():
            break
        # A block for one cell may have sheltered the next.
        alone = [cell for cell in exposed if _alone(hidden, cell)]
        for cell in alone or exposed[:1]:
            if not alone or _alone(hidden, cell):
                _hide_block(counts, hidden, cell)
    return hidden


def _alone(hidden: BoolArray, cell: tuple[int, ...]) -> bool:
    """Whether a hidden cell is the only one of a line."""
    return any(
        hidden.shape[axis] > 1
        and np.moveaxis(hidden, axis, -1)[cell[:axis] + cell[axis + 1 :]].sum() == 1
        for axis in range(hidden.ndim)
    )


def _exposed(
    counts: IntArray,
    hidden: BoolArray,
    cells: list[tuple[int, ...]],
    minimum: int,
    pooled: int | None,
) -> list[tuple[int, ...]]:
    """Which of these small cells are known to be more than 1, or less than minimum - 1.

    That a total is at least the number of its parts is no secret.
    """
    if not cells:
        return []
    matrix, totals = _equations(counts, hidden, minimum, pooled)
    number = np.full(counts.shape, -1)
    number[hidden] = np.arange(int(hidden.sum()))

    def exposed(cell: tuple[int, ...]) -> bool:
        least = 1
        if pooled is not None and cell[pooled] == counts.shape[pooled] - 1:
            least = max(1, counts.shape[pooled] - 1)
        low, high = _bounds(matrix, totals, int(number[cell]))
        return not (low <= least + 1e-6 and high >= minimum - 1 - 1e-6)

    return [cell for cell in cells if exposed(cell)]


def _bounds(matrix: FloatArray, totals: FloatArray, cell: int) -> tuple[float, float]:
    """Between what a cell lies, as matrix times cells = totals and every cell is at least 1."""
    mine = matrix[:, cell] != 0
    if not mine.any():
        return 1.0, np.inf
    if len(matrix) == 1 and (matrix > 0).all():
        others = matrix.shape[1] - 1
        return (1.0 if others else float(totals[0])), float(totals[0]) - others
    ends = []
    for sign in (1.0, -1.0):
        aim = np.zeros(matrix.shape[1])
        aim[cell] = sign
        found = linprog(aim, A_eq=matrix, b_eq=totals, bounds=(1, None), method="highs")
        # 3: the bound is infinite. Anything else that is no answer counts as exposed.
        unbounded = found.status == 3
        answer = found.fun if found.success and found.fun is not None else np.nan
        ends.append(-sign * np.inf if unbounded else sign * answer)
    return ends[0], ends[1]


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
