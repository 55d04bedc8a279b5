"""Bins of covariates: alike in size where values allow it, with round borders."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.fold.bins import Bins, Feature, bins_of
from tests.algorithms.trees import block_of
from tests.blocks import cohort_over

RECORDS = 3000


def edges(
    values: np.ndarray, most: int = 32, minimum: int = 10, cuts: Any = ()
) -> tuple[float, ...]:
    cohort = replace(
        cohort_over({"a": values, "y": values}, y=["y"], x=["a"], cuts=cuts), minimum=minimum
    )
    mean, spread = np.array([values.mean()]), np.array([values.std()])
    (feature,) = bins_of(cohort, cohort.x, most, mean, spread).features
    return feature.edges


def sizes(values: np.ndarray, borders: tuple[float, ...]) -> np.ndarray:
    found: np.ndarray = np.bincount(np.searchsorted(borders, values, side="right"))
    return found


rng = np.random.default_rng(12)
SHAPES = {
    "normal": rng.normal(size=RECORDS),
    "far from zero": 1e9 + rng.normal(size=RECORDS),
    "tiny": 1e-12 * rng.normal(size=RECORDS),
    "heavy-tailed": rng.lognormal(0, 4, RECORDS),
    "one far out": np.append(rng.normal(size=RECORDS - 1), 1e9),
    "uniform": rng.random(RECORDS),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_bins_hold_about_as_many_records_each(shape: str) -> None:
    values = SHAPES[shape]
    borders = edges(values)
    held = sizes(values, borders)
    assert len(held) >= 28
    assert held.min() >= 10
    assert held.max() <= 2.5 * RECORDS / 32
    assert not set(borders) & set(values.tolist())


def test_two_values_have_two_bins_and_one_has_one() -> None:
    values = np.repeat([0.0, 1.0], [2900, 100])
    (border,) = edges(values)
    assert 0.0 < border <= 1.0
    assert edges(np.full(100, 3.3)) == ()


def test_many_zeros_have_a_bin_of_their_own() -> None:
    values = np.where(rng.random(RECORDS) < 0.9, 0.0, rng.exponential(size=RECORDS))
    held = sizes(values, edges(values))
    assert held[0] == (values == 0).sum()
    assert len(held) > 5


def test_no_bin_is_of_fewer_patients_than_the_minimum() -> None:
    values = rng.normal(size=200)
    held = sizes(values, edges(values, most=64, minimum=30))
    assert held.min() >= 30
    assert len(held) == 6


@given(cuts=st.lists(st.integers(0, RECORDS), max_size=5))
def test_borders_are_the_same_however_records_are_cut(cuts: list[int]) -> None:
    assert edges(SHAPES["normal"], cuts=cuts) == edges(SHAPES["normal"])


def test_a_value_at_a_border_belongs_above_it_and_a_missing_one_nowhere() -> None:
    feature = Feature("a", (1.0, 2.0))
    block = block_of({"a": np.array([0.5, 1.0, 1.5, 2.0, np.nan])}, ["a"])
    assert feature.of(block).tolist() == [0, 1, 1, 2, -1]
    codes, lacking = Bins((feature,)).of(block)
    assert codes.dtype == np.uint8
    assert lacking.tolist() == [False] * 4 + [True]


def test_a_level_has_its_own_bin_whatever_levels_the_data_have() -> None:
    feature = Feature("g", levels=("w", "u"))
    values = np.array(["u", "v", "w", None], dtype=object)
    assert feature.of(block_of({"g": values}, ["g"])).tolist() == [1, -1, 0, -1]
