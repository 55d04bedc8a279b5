"""Patients with several visits are counted once, wherever the batches of a scan end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.federation.in_process import open_cohort
from medmip.federation.site import dataset_counts
from medmip.federation.specification import CohortSpec
from medmip.fold.block import Block, Layout
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_range, column_sums
from medmip.fold.encoding import encoded_blocks
from medmip.fold.group_moments import GroupState, group_moments
from medmip.fold.lloyd import LloydState, lloyd_step
from medmip.fold.logit import ClassState, class_counts
from medmip.fold.moments import MomentsState, moments
from medmip.fold.value_grid import Columns
from medmip.store.engine import BoolArray, Engine, IntArray, KeyArray, Selection, Size
from tests.analysis import ACCESS, model_of, site_of
from tests.blocks import cohort_over


def block_of(patient: list[int], codes: list[int]) -> Block:
    number = len(patient)
    return Block(
        Layout((), ("g",), (("a", "b", "c"),)),
        np.empty((number, 0)),
        np.array(codes, dtype=np.int32).reshape(-1, 1),
        np.zeros(number, dtype=np.int32),
        np.array(patient, dtype=np.int64),
    )


def test_cells_count_patients_not_records() -> None:
    block = block_of([0, 0, 0, 1, 2, 2, 7], [0, 0, 1, -1, 2, 2, 0])
    assert block.patients == 4
    assert block.cells(block.levels("g"), 3).tolist() == [2, 1, 1]
    assert block.cells(np.zeros(7, dtype=np.int64), 1).tolist() == [4]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 2)), max_size=40))
def test_cells_are_those_of_sets(visits: list[tuple[int, int]]) -> None:
    visits = sorted(visits)
    block = block_of([patient for patient, _ in visits], [code for _, code in visits])
    expected = [len({patient for patient, code in visits if code == cell}) for cell in range(3)]
    assert block.cells(block.levels("g"), 3).tolist() == expected
    assert block.patients == len({patient for patient, _ in visits})


@st.composite
def cohorts(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Visits of patients of two datasets, some patients with more of them than a batch holds."""
    visits = draw(st.lists(st.integers(1, 9), min_size=2, max_size=12))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    patient = np.repeat(np.arange(len(visits)), visits)
    shuffled = rng.permutation(len(patient))
    return {
        "subjectid": np.array([f"p{index:02d}" for index in patient])[shuffled],
        "dataset": np.where(patient % 3 == 0, "one", "two")[shuffled],
        "age": rng.normal(size=len(patient)),
        "group": rng.choice(["a", "b"], len(patient)),
    }


@dataclass(frozen=True)
class InBatches:
    """An engine whose scan ends a batch after every few records."""

    engine: Engine
    records: int

    def scan(self, selection: Selection) -> Iterator[tuple[int, pa.RecordBatch]]:
        for index, batch in self.engine.scan(selection):
            for start in range(0, batch.num_rows, self.records):
                yield index, batch.slice(start, self.records)
                yield index, batch.slice(0, 0)

    def sizes(self, selection: Selection) -> tuple[Size, ...]:
        return self.engine.sizes(selection)

    def rows(self, selection: Selection) -> tuple[tuple[BoolArray, IntArray | None], ...]:
        return self.engine.rows(selection)

    def groups(self, selection: Selection, key: bytes) -> tuple[IntArray, ...]:
        return self.engine.groups(selection, key)

    def keys(self, selection: Selection, key: bytes) -> tuple[KeyArray, ...]:
        return self.engine.keys(selection, key)


@settings(max_examples=15, deadline=None)
@given(cohorts(), st.integers(1, 7))
def test_no_block_cuts_a_patient_in_two(
    tmp_path_factory: Any, data: dict[str, np.ndarray], batch: int
) -> None:
    model = model_of(data, {"dataset": ("one", "two"), "group": ("a", "b")})
    site = site_of(tmp_path_factory.mktemp("site"), model, data)
    site.engine = InBatches(site.engine, batch)
    names = tuple(sorted(set(data["dataset"].tolist())))
    spec = CohortSpec(
        model, names, (model.variable("age"),), (model.variable("group"),), None, "drop"
    )
    selection = Selection(
        model.key, site.snapshots, ("age",), ("group",), {"group": ("a", "b")}, longitudinal=True
    )
    blocks = list(encoded_blocks(site.engine, selection, range(len(site.snapshots))))
    seen: set[tuple[int, int]] = set()
    for block in blocks:
        assert block.patient is not None
        assert (np.diff(block.patient) >= 0).all()
        patients = set(zip(block.dataset.tolist(), block.patient.tolist(), strict=True))
        assert not seen & patients
        seen |= patients
    assert len(seen) == sum(block.patients for block in blocks) == len(set(data["subjectid"]))
    assert sum(block.records for block in blocks) == len(data["age"])

    cohort = open_cohort([site], spec, ACCESS)
    assert cohort.size.patients == len(seen)
    assert cohort.size.records == len(data["age"])
    for size in cohort.size.datasets:
        chosen = data["dataset"] == size.dataset
        assert size.records == chosen.sum()
        assert size.patients == len(set(data["subjectid"][chosen]))


VISITS = {
    "patient": np.repeat([0, 1, 2, 3, 4], [3, 1, 4, 2, 2]),
    "age": np.array([50.0, 51, np.nan, 60, 70, 71, 72, 73, np.nan, np.nan, 72, 81]),
    "group": np.array([0, 0, 1, 1, 0, 0, 0, 0, 1, -1, 1, 0]),
    "dataset": np.repeat([0, 1], [4, 8]),
}


@pytest.mark.parametrize("cuts", [(), (3,), (3, 4, 8, 10)])
def test_kernels_count_patients_not_records(cuts: tuple[int, ...]) -> None:
    def cohort_with(ages: np.ndarray) -> Cohort:
        return cohort_over(
            {"age": ages},
            codes={"group": (VISITS["group"], ("a", "b"))},
            patient=VISITS["patient"],
            dataset=VISITS["dataset"],
            datasets=2,
            y=["age"],
            x=["age", "group"],
            cuts=cuts,
        )

    holey = cohort_with(VISITS["age"])
    state = ColumnState(Columns(("age",)), 2, np.zeros((1, 3)))
    for found in holey.fold(column_sums, state), holey.fold(column_range, state):
        assert found.patients.tolist() == [[2, 2, 4]]

    cohort = cohort_with(np.nan_to_num(VISITS["age"], nan=50.0))
    assert cohort.fold(dataset_counts, 2).patients.tolist() == [2, 3]
    assert cohort.fold(dataset_counts, 2).records.tolist() == [4, 8]
    assert cohort.fold(class_counts, ClassState("group", 0)).patients.tolist() == [4, 3]
    groups = cohort.fold(group_moments, GroupState("age", "group", (0, 1)))
    assert groups.patients.tolist() == [3, 4]
    design = cohort.design(cohort.x, [["age", "group"]])
    assert cohort.fold(moments, MomentsState(design)).cells.tolist() == [5, 3, 4, 3, 4]
    # A patient whose visits are near to two centres belongs to both.
    numbers, centres = cohort.design(cohort.x[:1]), np.array([[50.0], [71.0], [82.0]])
    step = cohort.fold(lloyd_step, LloydState(numbers, np.zeros(1), np.ones(1), centres))
    assert step.patients.tolist() == [3, 2, 1]
    assert step.records.tolist() == [6, 5, 1]
