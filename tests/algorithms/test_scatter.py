"""scatter against NumPy, SciPy and statsmodels; small cells, bins and groups stay hidden."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.pair_sums import (
    Pair,
    PairBinState,
    PairSumState,
    pair_bins,
    pair_sums,
)
from medmip.privacy.policy import Policy
from medmip.privacy.suppression import withheld
from tests.algorithms.samples import brains, splits
from tests.analysis import analyse
from tests.blocks import cohort_over

COLUMNS = brains()
CLOSED = Policy(overlap="off")


def scatter(data: Any = COLUMNS, y: str = "a", x: str = "b", **options: Any) -> Any:
    return analyse("scatter", data, y=[y, x], **options)


def complete(*codes: str) -> pd.DataFrame:
    return pd.DataFrame(COLUMNS)[list(codes)].dropna()


@pytest.mark.parametrize("parts", splits(400), ids=str)
@pytest.mark.parametrize("bins", [4, 12])
def test_cells_equal_numpys(parts: Any, bins: int) -> None:
    found = scatter(y="a", x="d", parameters={"bins": bins}, parts=parts)
    frame = complete("a", "d")
    counts, up, across = np.histogram2d(frame.a, frame.d, bins)
    assert found.y_edges == tuple(up.tolist())
    assert found.x_edges == tuple(across.tolist())
    assert found.counts == tuple(map(tuple, counts.astype(int).tolist()))


@pytest.mark.parametrize("parts", splits(400), ids=str)
def test_the_line_equals_statsmodels_and_r_equals_scipys(parts: Any) -> None:
    found = scatter(parts=parts, parameters={"confidence": 0.9})
    frame = complete("a", "b")
    # About the mean, for statsmodels' own digits at 1e8; the slope is the same.
    centre = frame.b.mean()
    fit = sm.OLS(frame.a.to_numpy(), sm.add_constant(frame.b.to_numpy() - centre)).fit()
    r = stats.pearsonr(frame.a, frame.b)
    interval = r.confidence_interval(0.9)
    (line,) = found.lines
    low, high = fit.conf_int(0.1)[1]
    assert [line.slope, line.slope_std_error, line.slope_lower, line.slope_upper] == pytest.approx(
        [fit.params[1], fit.bse[1], low, high], rel=1e-8
    )
    assert line.intercept + line.slope * centre == pytest.approx(fit.params[0], rel=1e-8)
    assert line.residual_std_error == pytest.approx(np.sqrt(fit.mse_resid), rel=1e-8)
    assert [line.r, line.p_value, line.r_lower, line.r_upper] == pytest.approx(
        [r.statistic, r.pvalue, interval.low, interval.high], rel=1e-8
    )


@pytest.mark.parametrize("parts", [1, 10])
def test_groups_have_lines_and_binned_means_of_their_own(parts: int) -> None:
    found = analyse("scatter", COLUMNS, y=["c", "a"], x=["g"], parts=parts)
    frame = complete("c", "a", "g")
    assert [line.group for line in found.lines] == ["x", "y", "z"]
    for line in found.lines:
        own = frame[frame.g == line.group]
        theirs = stats.linregress(own.a, own.c)
        assert [line.n, line.slope, line.intercept, line.r] == pytest.approx(
            [len(own), theirs.slope, theirs.intercept, theirs.rvalue], rel=1e-8
        )
    place = np.clip(np.searchsorted(found.x_edges, frame.a, side="right") - 1, 0, 11)
    for mean in found.means:
        own = frame[(frame.g == mean.group) & (place == mean.bin)]
        assert [mean.n, mean.x, mean.y] == pytest.approx([len(own), own.a.mean(), own.c.mean()])
        if mean.n > 1:
            reach = stats.t(mean.n - 1).ppf(0.975) * own.c.sem()
            assert [mean.lower, mean.upper] == pytest.approx(
                [mean.y - reach, mean.y + reach], rel=1e-8
            )
    assert sum(mean.n for mean in found.means) == len(frame)


@given(
    values=st.lists(
        st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(-1, 1)),
        min_size=1,
        max_size=40,
    ),
    cut=st.integers(0, 40),
)
def test_blocks_in_any_split_add_up(values: list[tuple[int, int, int]], cut: int) -> None:
    table = np.array(values, dtype=float)
    codes = {"g": (table[:, 2].astype(int), ("k", "l"))}
    columns = {"y": table[:, 0], "x": table[:, 1]}
    pair = Pair("y", "x", "g", 2)
    edges, shift = np.linspace(-6.0, 6.0, 5), np.array([0.5, -0.25])
    kernels: list[tuple[Any, Any]] = [
        (pair_bins, PairBinState(pair, edges, edges, shift)),
        (pair_sums, PairSumState(pair, shift)),
    ]
    for kernel, state in kernels:
        whole, split = (
            cohort_over(columns, y=["y", "x"], x=["g"], codes=codes, cuts=cuts).fold(kernel, state)
            for cuts in ([], [min(cut, len(values))])
        )
        for field in whole.__dataclass_fields__:
            assert getattr(split, field) == pytest.approx(getattr(whole, field), rel=1e-12)


def test_a_patient_counts_once_in_a_cell_and_records_are_told() -> None:
    patient = np.repeat(np.arange(40), 3)
    data = {
        "subjectid": np.array([f"P{index:02d}" for index in patient]),
        "visitid": np.array([f"V{index % 3}" for index in range(120)]),
        "y": (patient % 4).astype(float),
        "x": (patient % 2).astype(float),
    }
    # Ten patients have each of four cells, with thirty records.
    found = scatter(data, y="y", x="x", parameters={"bins": 4}, policy=CLOSED)
    assert sorted(count for row in found.counts for count in row if count) == [30] * 4
    fewer = {code: values[:105] for code, values in data.items()}
    hidden = scatter(fewer, y="y", x="x", parameters={"bins": 4}, policy=CLOSED)
    assert None in [count for row in hidden.counts for count in row]


def test_small_cells_are_hidden_with_what_would_tell_them() -> None:
    data = brains(2000, missing=0.0)
    shown = scatter(data, parameters={"bins": 8}, policy=CLOSED)
    counts = np.histogram2d(
        np.clip(data["a"], shown.y_edges[0], shown.y_edges[-1]),
        np.clip(data["b"], shown.x_edges[0], shown.x_edges[-1]),
        [shown.y_edges, shown.x_edges],
    )[0].astype(int)
    hidden = withheld(counts, 10, (0, 1))
    assert hidden.any()
    assert not hidden.all()
    assert [count for row in shown.counts for count in row] == [
        None if masked else count
        for count, masked in zip(counts.ravel().tolist(), hidden.ravel().tolist(), strict=True)
    ]
    views = shown.views()
    assert "Dotted" in views[0].note
    assert "hidden" in str(views[-1].rows)


def test_the_grid_ends_at_quantiles_where_extremes_are_withheld() -> None:
    found = scatter(y="c", x="a", policy=CLOSED)
    frame = complete("c", "a")
    tail = 10 / len(frame)
    ends = np.quantile(frame.c, [tail, 1 - tail])
    assert found.open_ended
    assert (found.y_edges[0], found.y_edges[-1]) == tuple(ends.tolist())
    assert frame.c.max() not in found.y_edges


def test_bins_below_the_minimum_have_no_mean() -> None:
    found = analyse("scatter", COLUMNS, y=["c", "a"], x=["dataset"], policy=CLOSED)
    assert found.means
    assert all(mean.n >= 10 for mean in found.means)
    assert len(found.means) < 36


def test_a_small_group_has_no_line_nor_has_another_that_would_tell_it() -> None:
    data = brains(300, missing=0.0)
    data["g"] = np.array(["x"] * 5 + ["y"] * 100 + ["z"] * 195)
    found = analyse("scatter", data, y=["a", "c"], x=["g"], policy=CLOSED)
    assert [line.n for line in found.lines] == [None, None, 195]
    assert found.lines[0].slope is None
    assert found.views()[1].rows[0]["n"] == "hidden"


def test_a_coarser_grid_is_drawn_where_a_fine_one_would_show_nothing() -> None:
    found = scatter(brains(200, missing=0.0), parameters={"bins": 32}, policy=CLOSED)
    assert len(found.counts) < 32
    assert any(count for row in found.counts for count in row)


def test_lines_are_drawn_inside_the_grid() -> None:
    found = scatter(y="c", x="a", policy=CLOSED)
    picture = found.views()[0].spec["layer"][-1]["layer"][0]["data"]["values"]
    assert len(picture) == 2
    for end in picture:
        assert found.x_edges[0] <= end["x"] <= found.x_edges[-1]
        assert found.y_edges[0] - 1e-9 <= end["y"] <= found.y_edges[-1] + 1e-9
    assert all(low < high for low, high in pairwise(found.x_edges))


@pytest.mark.parametrize("code", ["y", "x"])
def test_a_constant_variable_is_named(code: str) -> None:
    rng = np.random.default_rng(1)
    data = {"y": rng.normal(size=50), "x": rng.normal(size=50)} | {code: np.full(50, 0.1)}
    with pytest.raises(CannotCompute, match=f"constant: {code}"):
        scatter(data, y="y", x="x")


def test_a_variable_constant_in_one_group_leaves_that_line_out() -> None:
    data = brains(120, missing=0.0)
    data["a"] = np.where(data["g"] == "y", 3.1, data["a"])
    found = analyse("scatter", data, y=["a", "c"], x=["g"])
    assert [line.slope is None for line in found.lines] == [False, True, False]


def test_two_records_and_a_variable_with_itself_are_no_scatter() -> None:
    with pytest.raises(CannotCompute, match="three records"):
        scatter({"y": np.array([1.0, 2.0]), "x": np.array([2.0, 1.0])}, y="y", x="x")
    with pytest.raises(CannotCompute, match="itself"):
        scatter(x="a")


def test_perfect_correlation_is_told_as_such() -> None:
    x = np.arange(30.0)
    (line,) = scatter({"y": 2 * x + 1, "x": x}, y="y", x="x").lines
    assert (line.slope, line.intercept, line.r) == pytest.approx((2, 1, 1))
    assert line.p_value < 1e-100
