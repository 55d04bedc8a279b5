"""Hidden cells of tables: no bounds tell more of a small one than that it is small."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linprog

from medmip.privacy.suppression import MOST, withheld

MINIMUM = 10
counts = st.one_of(st.integers(0, 12), st.integers(0, 400))
tables = arrays(np.int64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=counts)


def bounds(table, hidden, cell, pooled=None):
    """Between which values a reader knows a cell to lie."""
    places = [tuple(place) for place in np.argwhere(hidden).tolist()]
    matrix, totals = [], []
    for axis in range(table.ndim):
        for line in {place[:axis] + place[axis + 1 :] for place in places}:
            whole = np.moveaxis(table, axis, -1)[line]
            shown = ~np.moveaxis(hidden, axis, -1)[line]
            sign = np.ones(len(whole))
            if len(whole) == 1:
                continue
            if axis == pooled:
                sign[-1] = -1
            elif whole.sum() < MINIMUM:
                continue
            total = 0 if axis == pooled else whole.sum()
            matrix.append(
                [
                    sign[place[axis]] if place[:axis] + place[axis + 1 :] == line else 0
                    for place in places
                ]
            )
            totals.append(total - (sign * whole)[shown].sum())
    ends = []
    for sign in (1, -1):
        aim = np.zeros(len(places))
        aim[places.index(cell)] = sign
        found = linprog(aim, A_eq=matrix or None, b_eq=totals or None, bounds=(1, None))
        ends.append(-sign * np.inf if found.status == 3 else sign * found.fun)
    return ends


def check(table, hidden, pooled=None):
    small = (table > 0) & (table < MINIMUM)
    assert hidden[small].all()
    assert not hidden[table == 0].any()
    if hidden[table > 0].all():
        return
    for cell in np.argwhere(small).tolist():
        low, high = bounds(table, hidden, tuple(cell), pooled)
        parts = table.shape[0] - 1 if pooled == 0 and cell[0] == table.shape[0] - 1 else 1
        assert low <= max(1, parts) + 1e-6
        assert high >= MINIMUM - 1 - 1e-6


@given(arrays(np.int64, st.integers(1, 12), elements=counts))
def test_no_small_count_of_a_line_is_told_by_its_total(line):
    check(line, withheld(line, MINIMUM, (0,)))


@settings(max_examples=150)
@given(tables)
def test_no_small_count_of_a_table_is_told_by_its_margins(table):
    check(table, withheld(table, MINIMUM, (0, 1)))


@settings(max_examples=100)
@given(tables)
def test_no_small_count_is_told_where_the_last_row_is_the_total(table):
    pooled = np.vstack([table, table.sum(axis=0)])
    check(pooled, withheld(pooled, MINIMUM, (0, 1), pooled=0), pooled=0)


def test_a_ring_of_small_cells_needs_more_than_itself():
    # Each row and column hides two cells, yet 1 + 1 = 2 tells all four.
    table = np.full((4, 4), 50)
    table[:2, :2] = 1
    assert withheld(table, MINIMUM, (0, 1)).sum() > 4


def test_two_rings_do_not_tell_the_cell_that_joins_them():
    table = np.full((5, 5), 60)
    for row, column in product((0, 1), (0, 1)):
        table[row, column] = table[row + 2, column + 2] = 12
    table[0, 0] = table[2, 2] = 3
    table[1, 2] = 4
    hidden = withheld(table, MINIMUM, (0, 1))
    check(table, hidden)
    assert hidden.sum() < 25


def test_a_small_line_hides_nothing_more():
    # The total 3 is no more shown than the cell itself.
    table = np.array([[3, 0, 0], [40, 50, 60], [70, 80, 90]])
    assert withheld(table, MINIMUM, (1,)).sum() == 1


def test_a_rare_level_hides_no_more_than_another_with_it():
    # Datasets a and b, and both together: 2 + 3 = 5 patients have the first level.
    table = np.array([[2, 40, 60], [3, 30, 90], [5, 70, 150]])
    hidden = withheld(table, MINIMUM, (0, 1), pooled=0)
    assert hidden.tolist() == [[True, True, False]] * 3


def test_a_table_of_one_row_is_a_line():
    row = np.array([[3, 40, 50, 60]])
    assert withheld(row, MINIMUM, (0, 1)).tolist() == [[True, True, False, False]]


def test_tables_beside_each_other_are_kept_apart():
    both = np.array([[3, 40, 50], [40, 40, 50]])
    assert withheld(both, MINIMUM, (1,)).tolist() == [[True, True, False], [False] * 3]


def test_without_small_cells_nothing_is_hidden():
    assert not withheld(np.array([[0, 10], [11, 500]]), MINIMUM, (0, 1)).any()
    assert not withheld(np.array(5), 1, (-1,)).any()


def test_a_lone_count_is_hidden():
    assert withheld(np.array(5), MINIMUM, (-1,)).all()


@pytest.mark.parametrize("side", [30, 60])
def test_a_large_sparse_table_is_answered(side):
    table = np.random.default_rng(3).poisson(8, (side, side))
    hidden = withheld(table, MINIMUM, (0, 1))
    assert ((table < MINIMUM) & (table > 0)).sum() > MOST
    assert hidden[table > 0].all()
