"""The guard: what it refuses, what it masks, and what nobody can work out afterwards."""

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medmip.fold.statistic import (
    Cells,
    Count,
    FloatArray,
    IntArray,
    Max,
    Min,
    Rank,
    SearchSum,
    Statistic,
    Sum,
    count_with,
    sum_over,
)
from medmip.privacy.guard import Guard, Refused, SnapshotRows
from medmip.privacy.policy import Policy
from tests.analysis import ACCESS, OPEN, Witnessed

MINIMUM = Policy().minimum_cell


@dataclass(frozen=True)
class Levels(Statistic):
    patients: Count
    records: Annotated[FloatArray, sum_over("patients")]


@dataclass(frozen=True)
class Crossed(Statistic):
    patients: Annotated[IntArray, count_with((0, 1))]


@dataclass(frozen=True)
class Groups(Statistic):
    patients: Cells
    total: Sum


@dataclass(frozen=True)
class Fitted(Statistic):
    cross: Sum

    def supported_parameters(self):
        return len(self.cross)


@dataclass(frozen=True)
class FittedToSome(Fitted):
    patients: Sum

    def resting_patients(self):
        return int(self.patients)


@dataclass(frozen=True)
class Range(Statistic):
    low: Min
    high: Max


@dataclass(frozen=True)
class Search(Statistic):
    below: Rank
    sums: SearchSum


@dataclass(frozen=True)
class Careless(Statistic):
    total: Sum
    leaked: FloatArray


def guard_of(**changes):
    witness = Witnessed()
    return Guard(Policy(**changes), witness, witness), witness


def rows(held, snapshot="s", patient=None):
    held = np.asarray(held, dtype=bool)
    return SnapshotRows(snapshot, held, None if patient is None else np.asarray(patient))


def first(number, of=100):
    return np.arange(of) < number


def admit(guard, name, *parts):
    access = ACCESS.__class__("tester", "test", "test", cohort=name)
    patients = sum(
        int(part.held.sum()) if part.patient is None else len(np.unique(part.patient[part.held]))
        for part in parts
    )
    guard.admit(access, patients, lambda: parts, nobody)


def nobody(share):
    """No patient dominates."""
    return ()


def rule_of(refused):
    return refused.value.rule


class TestMinimum:
    def test_nine_patients_are_refused_and_ten_let_in(self):
        guard, witness = guard_of()
        with pytest.raises(Refused, match="fewer than 10 patients") as refused:
            admit(guard, "nine", rows(first(9)))
        assert rule_of(refused) == "minimum_patients"
        admit(guard, "ten", rows(first(10)))
        assert [(verdict, rule) for _, verdict, rule, _ in witness.rows] == [
            ("refused", "minimum_patients"),
            ("admitted", ""),
        ]

    def test_a_refusal_does_not_tell_the_number(self):
        guard, _ = guard_of()
        with pytest.raises(Refused) as refused:
            admit(guard, "seven", rows(first(7)))
        assert "7" not in str(refused.value)

    def test_an_empty_cohort_is_refused(self):
        guard, _ = guard_of()
        with pytest.raises(Refused):
            admit(guard, "nobody", rows(first(0)))

    def test_a_refused_cohort_is_not_remembered(self):
        guard, witness = guard_of()
        with pytest.raises(Refused):
            admit(guard, "nine", rows(first(9)))
        assert witness.cohorts == {}


class TestOverlap:
    @pytest.mark.parametrize("apart", range(1, 10))
    def test_a_cohort_a_few_patients_apart_is_refused(self, apart):
        guard, _ = guard_of()
        admit(guard, "a", rows(first(50)))
        with pytest.raises(Refused) as refused:
            admit(guard, "b", rows(first(50 + apart)))
        assert rule_of(refused) == "overlap"

    def test_ten_patients_apart_are_enough(self):
        guard, _ = guard_of()
        admit(guard, "a", rows(first(50)))
        admit(guard, "b", rows(first(60)))
        with pytest.raises(Refused):
            admit(guard, "c", rows(first(55)))

    def test_the_same_cohort_again_is_allowed(self):
        guard, witness = guard_of()
        admit(guard, "a", rows(first(50)))
        admit(guard, "a", rows(first(50)))
        admit(guard, "the same by another filter", rows(first(50)))
        assert [verdict for _, verdict, _, _ in witness.rows] == ["admitted"] * 3

    def test_swapped_patients_count_on_both_sides(self):
        guard, _ = guard_of()
        admit(guard, "a", rows(first(50)))
        swapped = first(50)
        swapped[0], swapped[99] = False, True
        with pytest.raises(Refused):
            admit(guard, "b", rows(swapped))

    def test_each_dataset_is_held_to_the_minimum(self):
        guard, _ = guard_of()
        admit(guard, "a", rows(first(50), "one"), rows(first(50), "two"))
        with pytest.raises(Refused) as refused:
            admit(guard, "b", rows(first(53), "one"), rows(first(90), "two"))
        assert rule_of(refused) == "overlap"

    def test_a_small_dataset_left_out_is_a_small_difference(self):
        guard, _ = guard_of()
        admit(guard, "a", rows(first(50), "one"), rows(first(5), "two"))
        with pytest.raises(Refused):
            admit(guard, "b", rows(first(50), "one"))

    def test_a_small_dataset_added_is_a_small_difference(self):
        guard, _ = guard_of()
        admit(guard, "a", rows(first(50), "one"))
        with pytest.raises(Refused):
            admit(guard, "b", rows(first(50), "one"), rows(first(5), "two"))

    def test_a_large_dataset_added_is_allowed(self):
        guard, witness = guard_of()
        admit(guard, "a", rows(first(50), "one"))
        admit(guard, "b", rows(first(50), "one"), rows(first(40), "two"))
        assert set(witness.cohorts) == {"a", "b"}

    def test_other_snapshots_do_not_overlap(self):
        guard, witness = guard_of()
        admit(guard, "a", rows(first(50), "one"))
        admit(guard, "b", rows(first(53), "two"))
        assert set(witness.cohorts) == {"a", "b"}

    def test_visits_of_one_patient_are_one_difference(self):
        patient = np.repeat(np.arange(20), 5)
        guard, _ = guard_of()
        admit(guard, "a", rows(np.ones(100, dtype=bool), patient=patient))
        with pytest.raises(Refused):
            # 45 records of nine patients.
            admit(guard, "b", rows(np.arange(100) >= 45, patient=patient))

    def test_off_compares_nothing(self):
        guard, witness = guard_of(overlap="off")
        guard.admit(ACCESS, 50, list, nobody)
        guard.admit(ACCESS, 51, list, nobody)
        assert witness.cohorts == {}


class TestRelease:
    def test_small_counts_are_masked_with_what_rests_on_them(self):
        guard, witness = guard_of(complementary=False)
        levels = Levels(np.array([50, 3, 0]), np.array([50.0, 4.0, 0.0]))
        released = guard.release(ACCESS, levels, 53)
        assert np.ma.getmaskarray(released.patients).tolist() == [False, True, False]
        assert np.ma.getmaskarray(released.records).tolist() == [False, True, False]
        assert witness.rows == [("Levels", "released", "", 1)]

    def test_the_next_smallest_hides_a_single_small_count(self):
        guard, _ = guard_of()
        levels = Levels(np.array([50, 3, 20, 40]), np.array([50.0, 3.0, 20.0, 40.0]))
        released = guard.release(ACCESS, levels, 113)
        assert np.ma.getmaskarray(released.patients).tolist() == [False, True, True, False]

    def test_an_estimate_on_a_small_group_is_refused_by_name(self):
        guard, witness = guard_of()
        groups = Groups(np.array([50, 3]), np.zeros(2))
        with pytest.raises(Refused, match=r"\(F\)") as refused:
            guard.release(ACCESS, groups, 53, ["M", "F"])
        assert rule_of(refused) == "minimum_cell"
        assert witness.rows == [("Groups", "refused", "minimum_cell", 0)]

    def test_an_empty_group_gives_nobody_away(self):
        guard, _ = guard_of()
        groups = Groups(np.array([50, 0]), np.zeros(2))
        assert guard.release(ACCESS, groups, 50, ["M", "F"]) is groups

    def test_a_model_needs_three_patients_a_parameter(self):
        guard, _ = guard_of()
        guard.release(ACCESS, Fitted(np.eye(10)), 30)
        with pytest.raises(Refused, match="at least 30 patients") as refused:
            guard.release(ACCESS, Fitted(np.eye(10)), 29)
        assert rule_of(refused) == "patients_per_parameter"

    def test_a_model_is_held_to_the_patients_that_it_rests_on(self):
        guard, _ = guard_of()
        guard.release(ACCESS, FittedToSome(np.eye(10), np.array(30.0)), 1000)
        with pytest.raises(Refused, match="the cohort has 29"):
            guard.release(ACCESS, FittedToSome(np.eye(10), np.array(29.0)), 1000)
        with pytest.raises(Refused, match="the cohort has 20"):
            guard.release(ACCESS, FittedToSome(np.eye(10), np.array(30.0)), 20)

    def test_minima_and_maxima_are_refused(self):
        guard, _ = guard_of()
        with pytest.raises(Refused) as refused:
            guard.release(ACCESS, Range(np.zeros(1), np.ones(1)), 1000)
        assert rule_of(refused) == "extremes"

    def test_a_policy_may_let_extremes_out(self):
        guard, _ = guard_of(extremes=True)
        released = guard.release(ACCESS, Range(np.zeros(1), np.ones(1)), 1000)
        assert released.high.tolist() == [1.0]

    def test_an_undeclared_field_never_leaves(self):
        guard, witness = guard_of()
        with pytest.raises(TypeError, match=r"Careless\.leaked must be declared"):
            guard.release(ACCESS, Careless(np.zeros(1), np.zeros(1)), 1000)
        assert witness.rows == []

    def test_what_steers_a_search_passes(self):
        guard, witness = guard_of()
        found = guard.release(ACCESS, Search(np.array([1, 2]), np.array([0.5, 1.5])), 100)
        assert found.below.tolist() == [1, 2]
        assert found.sums.tolist() == [0.5, 1.5]
        assert witness.rows == [("Search", "released", "", 0)]

    def test_masked_cells_stay_masked_in_sums_over_sites(self):
        guard, _ = guard_of(complementary=False)
        here = guard.release(ACCESS, Levels(np.array([50, 3]), np.array([50.0, 3.0])), 53)
        there = guard.release(ACCESS, Levels(np.array([20, 30]), np.array([20.0, 30.0])), 50)
        both = here + there
        assert both.patients.tolist() == [70, None]
        assert both.records.tolist() == [70.0, None]

    def test_an_open_policy_changes_nothing(self):
        witness = Witnessed()
        levels = Levels(np.array([1, 3]), np.array([1.0, 3.0]))
        assert Guard(OPEN, witness, witness).release(ACCESS, levels, 4) is levels


counts = st.one_of(st.integers(0, 12), st.integers(0, 400))


@given(arrays(np.int64, st.integers(1, 12), elements=counts))
def test_no_count_of_a_line_can_be_worked_out_from_its_total(line):
    guard, _ = guard_of()
    released = guard.release(ACCESS, Levels(line, line.astype(float)), int(line.sum()))
    mask = np.ma.getmaskarray(released.patients)
    assert not (~mask & (line > 0) & (line < MINIMUM)).any()
    assert determined(mask, line, axes=(0,)) == []


def determined(mask, counts, axes):
    """The masked cells whose value follows from the shown cells and the totals that are shown.

    A total below the minimum is no more shown than a cell is.
    """
    places = [tuple(place) for place in np.argwhere(mask).tolist()]
    equations = []
    for axis in axes:
        lines = {}
        for index, place in enumerate(places):
            lines.setdefault(place[:axis] + place[axis + 1 :], []).append(index)
        totals = counts.sum(axis=axis)
        equations += [
            [float(index in members) for index in range(len(places))]
            for line, members in lines.items()
            if totals[line] >= MINIMUM
        ]
    if not equations:
        return []
    matrix = np.array(equations)
    rank = np.linalg.matrix_rank(matrix)
    return [
        place
        for index, place in enumerate(places)
        if np.linalg.matrix_rank(np.vstack([matrix, np.eye(len(places))[index]])) == rank
    ]


class TestPreview:
    def test_counts_are_rounded_down_to_the_minimum(self):
        guard, witness = guard_of()
        assert guard.preview(ACCESS, [0, 9, 10, 19, 427]) == [0, None, 10, 10, 420]
        assert witness.rows == [("preview", "released", "", 1)]

    @given(st.integers(0, 2000))
    def test_near_filters_tell_nobody_apart(self, patients):
        guard, _ = guard_of()
        (told,) = guard.preview(ACCESS, [patients])
        assert told is None or (told % MINIMUM == 0 and 0 <= patients - told < MINIMUM)

    def test_a_preview_is_not_remembered(self):
        guard, witness = guard_of()
        guard.preview(ACCESS, [50])
        assert witness.cohorts == {}


def test_every_pair_of_admitted_cohorts_is_alike_or_far_apart():
    guard, witness = guard_of()
    random = np.random.default_rng(5)
    for index in range(60):
        held = first(int(random.integers(10, 100)))
        try:
            admit(guard, str(index), rows(held))
        except Refused:
            continue
    kept = [held["s"] for held in witness.cohorts.values()]
    assert len(kept) > 3
    apart = [int((one ^ other).sum()) for one, other in combinations(kept, 2)]
    assert all(difference == 0 or difference >= MINIMUM for difference in apart)
