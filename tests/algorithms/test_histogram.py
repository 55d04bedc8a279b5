"""histogram against NumPy and pandas; small cells and outer values stay hidden."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.algorithms.bins import TAIL
from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.histogram import BinState, bin_counts
from medmip.privacy.policy import Policy
from tests.algorithms.samples import brains, splits
from tests.analysis import analyse
from tests.blocks import cohort_over

COLUMNS = brains()
CLOSED = Policy(overlap="off")


@pytest.mark.parametrize("parts", splits(400), ids=str)
@pytest.mark.parametrize("bins", [1, 7, 100])
def test_equals_numpys_bins(parts: Any, bins: int) -> None:
    found = analyse("histogram", COLUMNS, y=["c"], x=["g"], parameters={"bins": bins}, parts=parts)
    present = ~np.isnan(COLUMNS["c"])
    counts, edges = np.histogram(COLUMNS["c"][present], bins)
    assert found.edges == tuple(edges.tolist())
    assert found.groups[0].counts == tuple(counts.tolist())
    for group in found.groups[1:]:
        chosen = COLUMNS["c"][present & (COLUMNS["g"] == group.level)]
        assert group.counts == tuple(np.histogram(chosen, edges)[0].tolist())


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float), min_size=1, max_size=50),
    bins=st.integers(1, 100),
    cut=st.integers(0, 50),
)
def test_values_on_edges_fall_as_numpy_says(values: list[float], bins: int, cut: int) -> None:
    column = np.array(values)
    edges = np.histogram_bin_edges(column, bins)
    cohort = cohort_over({"v": column}, y=["v"], cuts=[min(cut, len(values))])
    found = cohort.fold(bin_counts, BinState("v", edges, bins, None, 1))
    assert found.records[0].tolist() == np.histogram(column, edges)[0].tolist()


def test_levels_are_counted_in_the_models_order() -> None:
    found = analyse("histogram", COLUMNS, y=["g"], x=["dataset"])
    frame = pd.DataFrame(COLUMNS)
    assert found.levels == ("x", "y", "z")
    table = pd.crosstab(frame.dataset, frame.g)
    for group in found.groups[1:]:
        assert group.counts == tuple(table.loc[group.level])


def test_outer_bins_are_open_where_extremes_are_withheld() -> None:
    found = analyse("histogram", COLUMNS, y=["c"], parameters={"bins": 10}, policy=CLOSED)
    column = COLUMNS["c"][~np.isnan(COLUMNS["c"])]
    tail = max(TAIL, 10 / len(column))
    low, high = np.quantile(column, [tail, 1 - tail])
    assert found.open_ended
    assert found.edges == tuple(np.histogram_bin_edges([low, high], 10).tolist())
    assert found.edges[0] > column.min()
    assert found.edges[-1] < column.max()
    told = [count for count in found.groups[0].counts if count is not None]
    assert all(count >= 10 for count in told)
    assert found.groups[0].counts[0] == np.count_nonzero(column < found.edges[1])
    assert found.views()[-1].rows[0]["bin"].startswith("below")


def test_small_cells_are_hidden_in_data_chart_and_table() -> None:
    found = analyse("histogram", COLUMNS, y=["g"], x=["dataset"], policy=CLOSED)
    small = [group for group in found.groups if None in group.counts]
    assert small
    assert all(
        count is None or count == 0 or count >= 10 for g in found.groups for count in g.counts
    )
    views = found.views()
    assert "hidden" in str(views[-1].rows)
    assert "Dashed" in views[1].note


def test_no_values_is_an_error_that_names_the_variable() -> None:
    columns = brains(60) | {"empty": np.full(60, np.nan)}
    for policy in (CLOSED, Policy(overlap="off", extremes=True)):
        with pytest.raises(CannotCompute, match="empty"):
            analyse("histogram", columns, y=["empty"], policy=policy)


def test_constant_variable_has_one_full_bin() -> None:
    found = analyse("histogram", {"v": np.full(40, 2.5)}, y=["v"], parameters={"bins": 4})
    assert sum(found.groups[0].counts) == 40
    assert found.edges == tuple(np.histogram_bin_edges(np.full(40, 2.5), 4).tolist())
