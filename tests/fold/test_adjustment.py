"""Adjusted records: remembered, counted, the same in any blocks, and no other records' business."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medmip.experiments.preparation import Preparation
from medmip.federation.in_process import open_cohort
from medmip.federation.specification import CohortSpec
from medmip.fold.adjustment import Observed, Scale, Scaled, narrowed
from medmip.fold.block import Block, Layout
from medmip.fold.imputing import (
    Conditional,
    Drawn,
    Fill,
    Filled,
    GapState,
    Regressed,
    Weight,
    gaps,
    uniform,
)
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from medmip.store.engine import Selection
from tests.analysis import ACCESS, cohort_of, model_of, site_of
from tests.blocks import cohort_over


def block(n: int = 6, *, adjustable: bool = True, seed: int = 0) -> Block:
    rng = np.random.default_rng(seed)
    numeric = np.asfortranarray(rng.normal(size=(n, 2)))
    numeric[1, 0] = np.nan
    codes = np.asfortranarray(rng.integers(0, 3, (n, 1)).astype(np.int32))
    codes[2, 0] = -1
    return Block(
        Layout(("a", "b"), ("g",), (("x", "y", "z"),)),
        numeric,
        codes,
        np.zeros(n, dtype=np.int32),
        None,
        key=np.arange(n).astype(np.uint64),
        adjustable=adjustable,
    )


def scaled(mean: float, variable: str = "b") -> Scaled:
    return Scaled(scales=(Scale(variable=variable, mean=mean, deviation=2.0),))


FILLED = Filled(values=(Fill(variable="a", number=7.0), Fill(variable="g", level="z")))
REGRESSED = Regressed(
    models=(
        Conditional(
            variable="a",
            intercepts=(1.0,),
            terms=(
                Weight(variable="b", centre=0.5, weights=(2.0,)),
                Weight(variable="g", level="z", centre=0.25, weights=(4.0,)),
            ),
        ),
    )
)


def test_steps_follow_one_another_and_leave_the_block_as_it_was() -> None:
    raw = block()
    before = raw.numeric.copy()
    made = raw.adjusted((scaled(1.0), scaled(3.0)))
    assert made.column("b") == pytest.approx(((before[:, 1] - 1) / 2 - 3) / 2)
    assert np.array_equal(raw.numeric, before, equal_nan=True)


def test_the_latest_adjustment_is_remembered_and_goes_on() -> None:
    raw, one, two = block(), scaled(1.0), scaled(3.0)
    first = raw.adjusted((one,))
    assert raw.adjusted((one,)) is first
    longer = raw.adjusted((one, two))
    assert raw.adjusted((one, two)) is longer
    # A step that merely chooses records leaves the memory to those before it.
    chosen = raw.adjusted((one, two, Observed("a", numeric=True)))
    assert chosen.records == 5
    assert raw.adjusted((one, two)) is longer
    assert raw.adjusted((two,)).column("b") != pytest.approx(longer.column("b"))


def test_a_block_that_is_to_change_counts_its_copy() -> None:
    plain, changing = block(adjustable=False), block()
    assert changing.full_size == 2 * plain.full_size
    one = scaled(1.0)
    assert plain.adjusted((one,)) is not plain.adjusted((one,))


def test_observed_goes_by_what_was_missing_at_first() -> None:
    raw = block()
    assert raw.adjusted((FILLED, Observed("a", numeric=True))).records == 5
    assert raw.adjusted((FILLED, Observed("g", numeric=False))).records == 5
    assert raw.adjusted((FILLED, Observed("b", numeric=True))).records == 6


def test_missing_values_are_filled_and_no_others() -> None:
    raw = block()
    made = raw.adjusted((FILLED,))
    assert made.column("a")[1] == 7.0
    assert made.levels("g")[2] == 2
    kept = np.arange(6) != 1
    assert np.array_equal(made.column("a")[kept], raw.column("a")[kept])


def test_regression_predicts_what_was_missing_at_first() -> None:
    raw = block()
    made = raw.adjusted((FILLED, REGRESSED))
    g = (raw.levels("g")[1] == 2) - 0.25
    assert made.column("a")[1] == pytest.approx(1 + 2 * (raw.column("b")[1] - 0.5) + 4 * g)


def test_a_sample_is_chosen_by_the_values_before() -> None:
    raw = block(4000, seed=3)
    sample = raw.sample(8)
    changed = raw.adjusted((scaled(1.0),)).sample(8)
    assert changed.column("a")[0] == sample.column("a")[0]
    assert changed.records == sample.records


def test_draws_rest_on_key_and_name_alone() -> None:
    raw = block(500, seed=5)
    raw.numeric[:, 0] = np.nan
    drawn = Drawn(name="1|0", model=Conditional(variable="a", intercepts=(2.0,)), deviation=3.0)
    made = raw.adjusted((drawn,)).column("a")
    order = np.random.default_rng(0).permutation(500)
    assert np.array_equal(raw.only(order).adjusted((drawn,)).column("a"), made[order])
    other = drawn.model_copy(update={"name": "1|1"})
    assert abs(np.corrcoef(made, raw.adjusted((other,)).column("a"))[0, 1]) < 0.1
    assert stats.kstest((made - 2) / 3, "norm").pvalue > 1e-3


def test_levels_are_drawn_by_their_chances() -> None:
    raw = block(20_000, seed=5)
    raw.codes[:, 0] = -1
    model = Conditional(variable="g", levels=("x", "z"), intercepts=(float(np.log(3)),))
    made = raw.adjusted((Drawn(name="n", model=model),)).levels("g")
    assert np.bincount(made, minlength=3) / 20_000 == pytest.approx([0.25, 0, 0.75], abs=0.01)


def test_uniform_numbers_are_even_whatever_the_keys() -> None:
    for keys in (np.arange(100_000), np.arange(100_000) << 40):
        draws = uniform(keys.astype(np.uint64), "name")
        assert 0 < draws.min() < draws.max() < 1
        assert stats.kstest(draws, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.02


def test_what_a_model_needs_is_followed_back() -> None:
    steps, reads = narrowed((FILLED, REGRESSED, scaled(1.0)), ["a"])
    assert reads == ["a", "b", "g"]
    assert [step.reads for step in steps] == [("a", "g"), ("a", "b", "g")]
    assert narrowed((FILLED, REGRESSED, scaled(1.0)), ["b"])[1] == ["b"]


def test_steps_are_json() -> None:
    for step in (FILLED, REGRESSED, scaled(1.5)):
        assert type(step).model_validate_json(step.model_dump_json()) == step


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=6))
def test_gaps_are_counted_by_patient_in_any_blocks(cuts: list[int]) -> None:
    rng = np.random.default_rng(2)
    a = np.where(rng.random(40) < 0.4, np.nan, 1.0)
    patient = np.repeat(np.arange(20), 2)
    whole = cohort_over({"a": a}, y=["a"], patient=patient)
    cut = cohort_over({"a": a}, y=["a"], patient=patient, cuts=[2 * (cut // 2) for cut in cuts])
    expected = [len(np.unique(patient[~np.isnan(a)])), len(np.unique(patient[np.isnan(a)]))]
    for cohort in (whole, cut):
        assert cohort.fold(gaps, GapState(("a",))).patients.tolist() == [expected]


def columns(n: int = 200) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "a": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
        "y": rng.normal(size=n),
        "dataset": rng.choice(["one", "two"], n),
        "subjectcode": np.array([f"P{index % 150}" for index in range(n)]),
    }


def keys_of(data: dict[str, Any], folder: Path, secret: bytes = b"") -> dict[str, int]:
    """Each record's key by dataset and patient."""
    model = model_of(data)
    site = site_of(folder, model, data)
    selection = Selection(
        model.key, site.snapshots, ("y",), (), {}, identity=(model.patient_column,)
    )
    found: dict[str, int] = {}
    for snapshot, keys in zip(site.snapshots, site.engine.keys(selection, secret), strict=True):
        held = data["dataset"] == snapshot.dataset
        found |= {
            f"{snapshot.dataset} {code} {value}": int(key)
            for code, value, key in zip(
                data["subjectcode"][held], data["y"][held], keys, strict=True
            )
        }
    return found


def test_a_records_key_rests_on_its_patient_dataset_and_the_secret(tmp_path: Path) -> None:
    data = columns()
    whole = keys_of(data, tmp_path / "whole")
    part = keys_of({code: column[::-3] for code, column in data.items()}, tmp_path / "part")
    assert len(whole) == 200
    assert part.items() <= whole.items()
    assert not set(keys_of(data, tmp_path / "other", b"other").values()) & set(whole.values())
    by_patient: dict[str, set[int]] = {}
    for name, key in whole.items():
        by_patient.setdefault(name.rsplit(" ", 1)[0], set()).add(key)
    assert all(len(keys) == 1 for keys in by_patient.values())
    assert len({key for keys in by_patient.values() for key in keys}) == len(by_patient)


IMPUTED = Preparation.model_validate({"imputation": {"method": "mean"}})


def test_records_with_a_gap_stay_and_those_without_outcome_do_not() -> None:
    data = columns()
    data["y"][:10] = np.nan
    cohort = cohort_of(data, y=["y"], x=["a"], preparation=IMPUTED)
    assert (cohort.size.records, cohort.size.excluded) == (190, 10)


@pytest.mark.parametrize("overlap, refused", [("selection", False), ("records", True)])
def test_a_cohort_that_keeps_few_more_is_compared_with_the_one_without(
    tmp_path: Path, overlap: Any, refused: bool
) -> None:
    data = columns()
    data["a"] = np.where(np.arange(200) < 4, np.nan, data["y"])
    model = model_of(data)
    site = site_of(tmp_path, model, data, Policy(overlap=overlap))
    y, x = (model.variable("y"),), (model.variable("a"),)
    spec = CohortSpec(model, ("one", "two"), y, x, None, "drop")
    assert open_cohort([site], spec, ACCESS).size.records == 196
    kept = CohortSpec(
        model, ("one", "two"), y, x, None, "drop", adjustable=True, gaps=("a",), keyed=True
    )
    if refused:
        with pytest.raises(Refused, match="fewer than 10"):
            open_cohort([site], kept, ACCESS)
    else:
        assert open_cohort([site], kept, ACCESS).size.records == 200


def test_preparing_alone_makes_no_other_cohort(tmp_path: Path) -> None:
    data = columns()
    model = model_of(data)
    site = site_of(tmp_path, model, data, Policy(overlap="records"))
    y, x = (model.variable("y"),), (model.variable("a"),)
    for prepared in (False, True):
        spec = CohortSpec(
            model, ("one", "two"), y, x, None, "drop", adjustable=prepared, keyed=prepared
        )
        open_cohort([site], spec, ACCESS)
    memory: Any = site.guard._memory
    assert len(memory.cohorts) == 1
