"""ComBat against neuroCombat's figures and a plain NumPy reference, however records are split."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.algorithms.combat import Combat
from medmip.algorithms.declaration import CannotCompute
from medmip.experiments.preparation import Preparation
from medmip.fold.batches import BatchState, Harmonised, batch_residuals
from medmip.fold.block import Block
from medmip.fold.imputing import LinearScores
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.preparing import completions, prepared, values, variables_of
from tests.algorithms.samples import splits
from tests.analysis import cohort_of
from tests.blocks import Blocks, cohort_over

VOLUMES = ("v0", "v1", "v2", "v3")
BATCHES = ("one", "three", "two")

# neuroCombat 0.2.12 on scans(), its iteration taken to 1e-14, by batch in the order of BATCHES.
POOLED_VARIANCES = [
    0.28038181653154015,
    0.16666043197387603,
    0.2140068936839597,
    0.16279602994511322,
]
SHIFTS = [
    [-0.23943891024834932, 0.21496140416610837, -0.3242738778881189, 0.061996675210133294],
    [0.30304310212731567, -0.3045769228880894, 0.4321661508609852, 0.257455669667017],
    [-0.29847137338165614, 0.3667976472163433, -0.3500762236418548, -0.7179307219617839],
]
VARIANCES = [
    [0.5044660799652144, 0.4808088631842553, 0.8136969238104728, 0.7059342737674122],
    [1.5255688194322246, 1.4555356268656199, 0.6178351984376039, 1.4797469978817908],
    [0.6739280040976419, 0.9019437454456555, 2.17874120344375, 0.39095895906753503],
]
FIRST = [2.8847540664842732, 4.143644758478629, 5.830165798073108, 6.3093614568068626]
SUMS = [349.7889330779016, 458.5203735808809, 604.1846672969415, 703.8999111197679]
# The same without empirical Bayes.
PLAIN_SHIFTS = [
    [-0.2628991406824648, 0.25445475437785264, -0.38165785778725386, 0.0894108025724442],
    [0.32940521216696905, -0.3912632321410045, 0.4529306129836583, 0.2744955980457436],
    [-0.304052841675717, 0.4536515037050868, -0.3857947761050757, -0.7469475998173896],
]
PLAIN_VARIANCES = [
    [0.4598354249224722, 0.42431046609506307, 0.9078486382891412, 0.7533485697136735],
    [1.6107716070865512, 1.515585096834674, 0.46731090875090237, 1.5534489624754575],
    [0.6285313185562421, 0.9004290247175059, 2.473296418090616, 0.28054840864549835],
]


def scans() -> dict[str, Any]:
    """Volumes of three hospitals that differ in shift and scale; whole ages, as float32 has."""
    rng = np.random.default_rng(5)
    batch = np.repeat(np.arange(3), (40, 55, 25))
    n = len(batch)
    age = np.round(65 + 8 * rng.standard_normal(n) + 2 * batch)
    sick = (rng.random(n) < 0.3 + 0.1 * batch).astype(int)
    noise = rng.standard_normal((n, 4))
    shift = np.array([[0.0, 0.6, -0.4], [0.3, -0.5, 0.1], [-0.2, 0.9, 0.5], [0.1, 0.2, -0.8]])
    scale = np.array([[1.0, 1.5, 0.8], [0.7, 1.2, 1.0], [1.1, 0.9, 1.6], [1.0, 1.3, 0.6]])
    columns: dict[str, Any] = {}
    for index, code in enumerate(VOLUMES):
        value = noise[:, index] * scale[index, batch] + shift[index, batch]
        columns[code] = 3.0 + index + 0.4 * value - 0.02 * (age - 65) - 0.3 * sick
    dataset = np.array(BATCHES)[batch]
    return columns | {"age": age, "sick": np.where(sick, "AD", "CN"), "dataset": dataset}


def harmonised(data: dict[str, Any], combat: dict[str, Any], **options: Any) -> Harmonised:
    asked = {"combat": {"preserve": ["sick", "age"]} | combat}
    (step,) = completions(data, asked, y=["v0"], x=VOLUMES[1:], **options)[1][0]
    assert isinstance(step, Harmonised)
    return step


def figures(step: Harmonised) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pooled variances, shifts and variance ratios, in the order of VOLUMES."""
    order = [step.variables.index(code) for code in VOLUMES]
    shifts = np.array([batch.shifts for batch in step.batches])[:, order]
    ratios = np.array([batch.ratios for batch in step.batches])[:, order]
    return np.square(np.array(step.deviations)[order]), shifts, np.square(ratios)


@pytest.mark.parametrize(
    "combat, shifts, variances",
    [({}, SHIFTS, VARIANCES), ({"empirical_bayes": False}, PLAIN_SHIFTS, PLAIN_VARIANCES)],
    ids=["empirical Bayes", "as estimated"],
)
def test_estimates_are_those_of_neurocombat(
    combat: dict[str, Any], shifts: list[list[float]], variances: list[list[float]]
) -> None:
    step = harmonised(scans(), combat)
    assert [batch.level for batch in step.batches] == list(BATCHES)
    assert [batch.records for batch in step.batches] == [40, 55, 25]
    pooled, found_shifts, found_variances = figures(step)
    assert pooled == pytest.approx(np.array(POOLED_VARIANCES), rel=1e-10)
    assert found_shifts == pytest.approx(np.array(shifts), rel=1e-10)
    assert found_variances == pytest.approx(np.array(variances), rel=1e-10)


def test_harmonised_values_are_those_of_neurocombat() -> None:
    data = scans()
    asked = {"combat": {"preserve": ["sick", "age"]}}
    cohort, ((step,),) = completions(data, asked, y=["v0"], x=VOLUMES[1:])
    found = values(cohort, VOLUMES, [step])
    assert found[0] == pytest.approx(np.array(FIRST), rel=1e-12)
    assert found.sum(axis=0) == pytest.approx(np.array(SUMS), rel=1e-12)


@pytest.mark.parametrize("parts", splits(120), ids=["1", "2", "10", "lop-sided"])
def test_split_over_sites_equals_pooled(parts: Any) -> None:
    shuffled = np.random.default_rng(0).permutation(120)
    data = {code: column[shuffled] for code, column in scans().items()}
    pooled, split = (harmonised(data, {}, parts=part) for part in (1, parts))
    for one, other in zip(figures(pooled), figures(split), strict=True):
        assert other == pytest.approx(one, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 120), max_size=6))
def test_residuals_by_batch_are_the_same_in_any_blocks(cuts: list[int]) -> None:
    data = scans()
    codes = np.unique(data["dataset"], return_inverse=True)[1]
    state = BatchState(
        "site",
        np.array([0, 1, 2, -1]),
        ("v0", "v1"),
        LinearScores(intercepts=(3.0, 4.0)),
        np.zeros((3, 2)),
    )
    whole, cut = (
        cohort_over(
            {code: data[code] for code in ("v0", "v1")},
            y=["v0"],
            x=["v1"],
            cuts=places,
            codes={"site": (codes, BATCHES)},
        ).fold(batch_residuals, state)
        for places in ([], cuts)
    )
    assert whole.patients.tolist() == cut.patients.tolist() == [40, 55, 25]
    assert cut.total == pytest.approx(whole.total, rel=1e-12, abs=1e-12)
    assert cut.squares == pytest.approx(whole.squares, rel=1e-12)
    assert whole.squares[0, 0] == pytest.approx(((data["v0"][codes == 0] - 3.0) ** 2).sum())


def test_no_variable_but_one_is_taken_as_estimated() -> None:
    data = scans()
    step = harmonised(data, {"variables": ["v2"]})
    shifts = [batch.shifts[0] for batch in step.batches]
    assert shifts == pytest.approx([row[2] for row in PLAIN_SHIFTS], rel=1e-10)


def test_variables_that_are_alike_are_shrunk_to_what_they_have_in_common() -> None:
    data = scans()
    data |= dict.fromkeys(VOLUMES, data["v0"])
    step = harmonised(data, {})
    plain = harmonised(data, {"variables": ["v0"]})
    for batch, alone in zip(step.batches, plain.batches, strict=True):
        assert batch.shifts == pytest.approx([alone.shifts[0]] * 4, rel=1e-9)
        assert batch.ratios == pytest.approx([alone.ratios[0]] * 4, rel=1e-9)


def test_batches_are_the_levels_of_any_nominal_variable() -> None:
    data = scans()
    renamed = data | {"scanner": data["dataset"], "dataset": np.full(120, "d")}
    named = harmonised(data, {})
    other = harmonised(renamed, {"batch": "scanner"})
    for one, two in zip(figures(named), figures(other), strict=True):
        assert two == pytest.approx(one, rel=1e-12)


def test_a_far_origin_costs_no_digits() -> None:
    data = scans()
    moved = data | {code: data[code] + 1e6 for code in VOLUMES} | {"age": data["age"] + 1e6}
    for one, two in zip(figures(harmonised(data, {})), figures(harmonised(moved, {})), strict=True):
        assert two == pytest.approx(one, rel=1e-8)


def test_a_small_batch_is_refused_by_name() -> None:
    data = scans()
    few = np.r_[0:95, 95:102]
    data = {code: column[few] for code, column in data.items()}
    with pytest.raises(Refused, match=r"dataset\[two\]"):
        harmonised(data, {}, policy=Policy(overlap="off"))


def test_what_cannot_be_told_from_the_batches_is_named() -> None:
    data = scans()
    data["sick"] = np.where(data["dataset"] == "two", "AD", "CN")
    with pytest.raises(CannotCompute, match=r"dataset\[two\], sick\[CN\]"):
        harmonised(data, {})


def test_one_batch_alone_has_no_shift() -> None:
    data = scans() | {"dataset": np.full(120, "one")}
    with pytest.raises(CannotCompute, match="of one batch"):
        harmonised(data, {})


def test_a_variable_that_does_not_vary_is_named() -> None:
    data = scans()
    data["v1"] = np.where(data["dataset"] == "two", 4.0, data["v1"])
    with pytest.raises(CannotCompute, match="v1 in two"):
        harmonised(data, {"preserve": []})
    with pytest.raises(CannotCompute, match=r"scale them: v1\n"):
        harmonised(data | {"v1": np.full(120, 4.0)}, {"preserve": []})


def test_records_without_a_preserved_value_are_dropped() -> None:
    data = scans()
    data["age"][:7] = np.nan
    asked = Preparation(combat=Combat(preserve=("age",)))
    cohort = cohort_of(data, y=["v0"], x=["v1"], preparation=asked)
    assert cohort.size.records == 113
    assert cohort.size.excluded == 7


def test_some_variables_alone_are_harmonised_as_among_all() -> None:
    data = scans()
    asked = {"combat": {"preserve": ["sick", "age"]}}
    cohort, ((step,),) = completions(data, asked, y=["v0"], x=VOLUMES[1:])
    assert isinstance(step, Harmonised)
    part = step.only(["v2", "age"])
    assert part is not None
    assert part.reads == ("v2", "dataset", "sick", "age")
    assert np.array_equal(values(cohort, ["v2"], [part]), values(cohort, ["v2"], [step]))
    assert np.array_equal(values(cohort, ["v1"], [part]), values(cohort, ["v1"]))
    assert step.only(["age"]) is None
    assert Harmonised.model_validate_json(step.model_dump_json()) == step


def test_a_batch_that_was_not_there_has_no_values() -> None:
    data = scans()
    step = harmonised(data, {"preserve": []})
    seen = cohort_over(
        {code: data[code] for code in VOLUMES},
        y=["v0"],
        codes={"dataset": (np.repeat([0, 1], 60), ("one", "new"))},
    )
    assert isinstance(seen.transport, Blocks)
    (raw,) = seen.transport.blocks
    block: Block = raw.adjusted((step,))
    assert np.isfinite(block.numeric[:60]).all()
    assert np.isnan(block.numeric[60:]).all()


def test_the_result_tells_what_was_taken_out() -> None:
    data = scans()
    asked = {"combat": {"preserve": ["sick", "age"]}}
    result, done = prepared("linear_regression", data, asked, y=["v0"], x=VOLUMES[1:])
    assert result.n == 120
    views = {view.title: view for view in done.views()}
    assert list(views) == ["Preparation", "What ComBat took out", "Shifts by dataset"]
    rows: Any = views["What ComBat took out"].model_dump()["rows"]
    assert len(rows) == 12
    row = next(row for row in rows if (row["variable"], row["batch"]) == ("v0", "three"))
    assert row["shift_sd"] == pytest.approx(SHIFTS[1][0])
    assert row["shift"] == pytest.approx(SHIFTS[1][0] * POOLED_VARIANCES[0] ** 0.5)
    assert "v3 in two" in views["Shifts by dataset"].model_dump()["alt"]


def test_every_algorithm_runs_on_harmonised_records() -> None:
    data = scans()
    known = variables_of(data)
    asked = Preparation(combat=Combat(preserve=("age",)))
    cohort = cohort_of(data, y=VOLUMES, preparation=asked)
    (steps,) = asked.completions(cohort, known)
    found = values(cohort, VOLUMES, steps)
    result, _ = prepared("pca", data, {"combat": {"preserve": ["age"]}}, y=VOLUMES)
    expected = np.linalg.eigvalsh(np.corrcoef(found.T))[::-1]
    assert result.eigenvalues == pytest.approx(expected, rel=1e-9)
