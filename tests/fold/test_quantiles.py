"""Quantiles found by counts are the quantiles of the pooled values, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.fold.float_keys import float_keys, keyed_floats
from medmip.fold.quantiles import quantiles
from medmip.fold.value_grid import Columns
from tests.blocks import cohort_over

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SMALL = st.floats(-1e3, 1e3).map(lambda value: round(value, 2))
TIED = st.sampled_from([-1.0, -0.0, 0.0, 5e-324, -5e-324, 2.2e-308, 1.0, 1.0 + 2**-52, 7.0])
SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 1.0)


def pooled(values: np.ndarray, share: float) -> float:
    """NumPy's quantile; where its difference of two values overflows, without the difference."""
    ordered = np.sort(values)
    place = share * (len(values) - 1)
    low, part = int(place), place - int(place)
    high = min(low + 1, len(values) - 1)
    with np.errstate(over="ignore"):
        if np.isinf(ordered[high] - ordered[low]):
            return float(ordered[low] * (1 - part) + ordered[high] * part)
    return float(np.quantile(values, share))


def sought(values: np.ndarray, cuts: list[int], spread: float | None = None) -> np.ndarray:
    present = values[~np.isnan(values)]
    with np.errstate(all="ignore"):
        center = present.mean() if present.size else 0.0
        width = present.std() if spread is None and present.size else spread or 0.0
    found = quantiles(
        cohort_over({"v": values}, y=["v"], cuts=cuts),
        Columns(("v",)),
        SHARES,
        center=np.array([center]),
        spread=np.array([width]),
    )
    pooled_part: np.ndarray = found[0, 0]
    return pooled_part


@given(
    values=st.lists(FINITE | SMALL | TIED | st.just(np.nan), min_size=1, max_size=60),
    cut=st.integers(0, 60),
    spread=st.sampled_from([None, 0.0, 1e-300, 1.0, 1e300, np.inf, np.nan]),
)
def test_equal_numpys_quantiles(values: list[float], cut: int, spread: float | None) -> None:
    column = np.array(values)
    found = sought(column, [min(cut, len(values))], spread)
    present = column[~np.isnan(column)]
    if not present.size:
        assert np.isnan(found).all()
    else:
        assert found.tolist() == [pooled(present, share) for share in SHARES]


@pytest.mark.parametrize("seed", range(3))
def test_many_values_of_many_shapes(seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = {
        "normal": random.normal(50, 3, 20_000),
        "integer": random.integers(0, 31, 20_000).astype(float),
        "skewed": random.lognormal(0, 3, 20_000),
        "heavy": random.standard_cauchy(20_000),
        "far": 1e8 + random.normal(0, 5, 20_000),
        "gap": np.where(random.random(20_000) < 0.5, -1e9, 1e-9 * random.random(20_000)),
    }
    columns["normal"][random.random(20_000) < 0.1] = np.nan
    dataset = np.sort(random.integers(0, 3, 20_000))
    whole = np.array([np.nanmean(column) for column in columns.values()])
    spread = np.array([np.nanstd(column) for column in columns.values()])
    found = quantiles(
        cohort_over(columns, y=list(columns), cuts=[0, 7, 8_000, 15_000], dataset=dataset),
        Columns(tuple(columns)),
        (0.25, 0.5, 0.75),
        center=whole,
        spread=spread,
        datasets=3,
    )
    for index, column in enumerate(columns.values()):
        for part in range(4):
            chosen = column if part == 3 else column[dataset == part]
            expected = np.quantile(chosen[~np.isnan(chosen)], (0.25, 0.5, 0.75))
            assert found[index, part].tolist() == expected.tolist()


def test_parts_left_out_are_not_told() -> None:
    wanted = np.array([[True, False, True]])
    found = quantiles(
        cohort_over({"v": np.arange(10.0)}, y=["v"], dataset=np.arange(10) // 5),
        Columns(("v",)),
        (0.5,),
        center=np.array([4.5]),
        spread=np.array([3.0]),
        datasets=2,
        wanted=wanted,
    )
    assert found[0, :, 0].tolist()[::2] == [2.0, 4.5]
    assert np.isnan(found[0, 1, 0])


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_keys_keep_order_and_give_the_value_back(values: list[float]) -> None:
    column = np.array(values)
    keys = float_keys(column)
    assert (column[np.argsort(keys)] == np.sort(column)).all()
    assert (keyed_floats(keys) == column).all()
