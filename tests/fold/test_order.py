"""How records are cut into blocks, and their order, never changes a result."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.algorithms.registry import find
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_range, column_sums
from medmip.fold.group_moments import GroupState, group_moments
from medmip.fold.lloyd import LloydState, lloyd_step
from medmip.fold.logit import ClassMomentsState, ClassState, NewtonState, class_moments, newton_step
from medmip.fold.moments import MomentsState, moments
from medmip.fold.value_grid import Columns, grid_counts, grid_for
from tests.blocks import cohort_over

DIGITS = 1e-12
GROUPS = ("a", "b", "c")
CODES = ("age", "volume", "score")


@dataclass(frozen=True)
class Records:
    """Made-up records: numeric columns, an outcome, a nominal variable, a dataset."""

    numeric: dict[str, np.ndarray]
    group: np.ndarray
    dataset: np.ndarray

    @classmethod
    def made(cls, seed: int, number: int) -> "Records":
        rng = np.random.default_rng(seed)
        group, side = rng.integers(0, 3, number), rng.integers(0, 2, number)
        age, volume = rng.normal(65, 9, number), rng.lognormal(1, 1, number)
        score = 5 + 0.05 * age - volume + group + rng.normal(0, 3, number)
        blob = 1000.0 * group + age
        numeric = {"age": age, "volume": volume, "score": score, "blob": blob}
        return cls(numeric, group, side)

    def cohort(self, order: np.ndarray, cuts: tuple[int, ...] = (), **roles: Any) -> Cohort:
        return cohort_over(
            {code: column[order] for code, column in self.numeric.items()},
            codes={"group": (self.group[order], GROUPS)},
            dataset=self.dataset[order],
            datasets=2,
            cuts=cuts,
            **{"y": ["score"], "x": ["age", "volume", "group"]} | roles,
        )


@st.composite
def rearranged(draw: st.DrawFn, low: int, high: int) -> tuple[Records, np.ndarray, tuple[int, ...]]:
    """Records, another order of them, and where to cut them into blocks."""
    number = draw(st.integers(low, high))
    records = Records.made(draw(st.integers(0, 10**6)), number)
    order = np.array(draw(st.permutations(range(number))))
    cuts = tuple(draw(st.lists(st.integers(1, number - 1), max_size=12)))
    return records, order, cuts


def design(cohort: Cohort) -> Any:
    return cohort.design(cohort.x, [["age", "group"]])


def of_moments(cohort: Cohort) -> list[Any]:
    found = cohort.fold(moments, MomentsState(design(cohort)))
    return [found.records, found.cells, found.mean, found.scatter]


def of_groups(cohort: Cohort) -> list[Any]:
    found = cohort.fold(group_moments, GroupState("score", "group", (0, 1, 2)))
    return [found.patients, found.records, found.mean, found.scatter]


def of_columns(cohort: Cohort) -> list[Any]:
    shift = np.array([[60.0], [3.0], [4.0]]) + np.array([-1.0, 2.0, 0.5])
    found = cohort.fold(column_sums, ColumnState(Columns(CODES), 2, shift))
    return [found.patients, found.records, *found.moments(shift)]


def of_ranges(cohort: Cohort) -> list[Any]:
    found = cohort.fold(column_range, ColumnState(Columns(CODES), 2, np.zeros((3, 3))))
    return [found.patients, found.low, found.high]


def of_a_grid(cohort: Cohort) -> list[Any]:
    grid = grid_for(Columns(CODES), (0.5,), np.array([65.0, 4.0, 5.0]), np.array([9.0, 4, 6]), 2)
    return [cohort.fold(grid_counts, grid).counts]


def of_lloyd(cohort: Cohort) -> list[Any]:
    numbers = cohort.design(cohort.x[:2])
    centres = np.array([[-1.0, 0.0], [1.0, 0.5], [0.0, 3.0]])
    state = LloydState(numbers, np.array([65.0, 4.0]), np.array([9.0, 4.0]), centres)
    found = cohort.fold(lloyd_step, state)
    return [found.patients, found.records, found.sums, found.distance]


def of_classes(cohort: Cohort) -> list[Any]:
    state = ClassMomentsState(cohort.design(cohort.x[:2]), ClassState("group", 1))
    found = cohort.fold(class_moments, state)
    return [
        found.positive,
        found.mean,
        found.scatter,
        found.towards + float(found.positive) * found.shift,
    ]


def of_newton(cohort: Cohort) -> list[Any]:
    found = cohort.fold(
        newton_step,
        NewtonState(
            cohort.design(cohort.x[:2]),
            np.array([65.0, 4.0]),
            np.array([9.0, 4.0]),
            ClassState("group", 1),
            np.array([-0.5, 0.2, -0.1]),
        ),
    )
    return [found.log_likelihood, found.gradient, found.information, found.unsettled]


@pytest.mark.parametrize(
    "summed",
    [
        of_moments,
        of_groups,
        of_columns,
        of_ranges,
        of_a_grid,
        of_lloyd,
        of_classes,
        of_newton,
    ],
)
@settings(max_examples=25)
@given(rearranged(8, 50))
def test_kernels_add_up_to_the_same(summed: Callable[[Cohort], list[Any]], drawn: Any) -> None:
    records, order, cuts = drawn
    whole = summed(records.cohort(np.arange(len(order))))
    split = summed(records.cohort(order, cuts))
    for one, other in zip(whole, split, strict=True):
        if np.asarray(one).dtype.kind == "i":
            assert np.array_equal(one, other)
        else:
            # A sum that cancels keeps the digits of what it is a sum of.
            size = np.abs(one)[np.isfinite(one)].max(initial=1.0)
            assert other == pytest.approx(one, rel=DIGITS, abs=DIGITS * size, nan_ok=True)


def of_linear(cohort: Cohort) -> list[Any]:
    fit = find("linear_regression")
    found = fit.run(cohort, fit.parameters())
    rows = [(row.estimate, row.std_error) for row in found.coefficients]
    residuals = found.residuals.model_dump().values()
    return [rows, found.r_squared, found.residual_std_error, found.log_likelihood, [*residuals]]


def of_logistic(cohort: Cohort) -> list[Any]:
    fit = find("logistic_regression")
    found = fit.run(cohort, fit.parameters(positive_class="b"))
    return [
        [(row.estimate, row.std_error) for row in found.coefficients],
        [found.log_likelihood, found.residual_deviance],
        list(found.deviance_residuals.model_dump().values()),
    ]


def of_kmeans(cohort: Cohort) -> list[Any]:
    fit = find("kmeans")
    found = fit.run(cohort, fit.parameters(k=3, standardise=False, tolerance=0.0))
    # Clusters of one size have no order.
    return [found.sizes, sorted(found.centres), (found.within, found.between)]


def of_histogram(cohort: Cohort) -> list[Any]:
    fit = find("histogram")
    found = fit.run(cohort, fit.parameters(bins=7))
    return [[group.counts for group in found.groups], found.edges]


@pytest.mark.parametrize(
    "result, roles",
    [
        (of_linear, {}),
        (of_logistic, {"y": ["group"], "x": ["age", "volume"]}),
        (of_kmeans, {"y": ["blob", "score"], "x": []}),
        (of_histogram, {"y": ["volume"], "x": ["group"]}),
    ],
)
@settings(max_examples=15)
@given(rearranged(60, 90))
def test_algorithms_come_to_the_same(
    result: Callable[[Cohort], list[Any]], roles: dict[str, Any], drawn: Any
) -> None:
    records, order, cuts = drawn
    whole = result(records.cohort(np.arange(len(order)), **roles))
    split = result(records.cohort(order, cuts, **roles))
    for one, other in zip(whole, split, strict=True):
        expected = np.array(one, dtype=float)
        size = np.abs(expected).max()
        assert np.array(other, dtype=float) == pytest.approx(
            expected, rel=DIGITS, abs=DIGITS * size
        )


@pytest.mark.parametrize("cuts", [(), (1,), (7, 100, 101), tuple(range(1, 400, 3))])
def test_a_column_far_from_zero_keeps_twelve_digits(cuts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    values, others = rng.normal(1e8, 5, 400), rng.normal(0, 1, 400)
    others += 0.1 * (values - 1e8)
    exact = [[Fraction(value) for value in column.tolist()] for column in (values, others)]
    means = [sum(column) / 400 for column in exact]
    centred = [
        [value - mean for value in column] for column, mean in zip(exact, means, strict=True)
    ]

    def scatter(a: int, b: int) -> float:
        return float(sum(x * y for x, y in zip(centred[a], centred[b], strict=True)))

    cohort = cohort_over(
        {"far": values, "near": others},
        codes={"group": (np.arange(400) % 2, ("a", "b"))},
        dataset=np.arange(400) % 2,
        datasets=2,
        y=["far", "near"],
        cuts=cuts,
    )
    found = cohort.fold(moments, MomentsState(cohort.design(cohort.y)))
    expected = np.array([[scatter(a, b) for b in (0, 1)] for a in (0, 1)])
    assert found.mean == pytest.approx([float(mean) for mean in means], rel=1e-15, abs=1e-15)
    assert found.scatter == pytest.approx(expected, rel=DIGITS)

    groups = cohort.fold(group_moments, GroupState("far", "group", (0, 1)))
    for side in (0, 1):
        chosen = exact[0][side::2]
        mean = sum(chosen) / 200
        assert groups.mean[side] == pytest.approx(float(mean), rel=1e-15)
        about = float(sum((value - mean) ** 2 for value in chosen))
        assert groups.scatter[side] == pytest.approx(about, rel=DIGITS)

    # Each dataset about an origin of its own, and all of them about a third.
    shift = np.array([[1e8 - 3, 1e8 + 4, values[0]]])
    sums = cohort.fold(column_sums, ColumnState(Columns(("far",)), 2, shift))
    (average,), (deviation,) = sums.moments(shift)
    for part, chosen in enumerate([exact[0][::2], exact[0][1::2], exact[0]]):
        mean = sum(chosen) / len(chosen)
        about = float(sum((value - mean) ** 2 for value in chosen))
        assert average[part] == pytest.approx(float(mean), rel=1e-15)
        assert deviation[part] ** 2 * (len(chosen) - 1) == pytest.approx(about, rel=DIGITS)
