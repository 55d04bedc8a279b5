"""box_plot against NumPy, pandas and R; small groups and outer values stay hidden."""

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.group_values import GroupSumState, group_sums
from medmip.fold.quantiles import quantiles
from medmip.fold.value_grid import Columns
from medmip.privacy.policy import Policy
from tests.algorithms.samples import brains, splits
from tests.analysis import analyse
from tests.blocks import cohort_over

COLUMNS = brains()
CLOSED = Policy(overlap="off")
KEYS = ("low", "q1", "median", "q3", "high")


def boxes(data: Any = COLUMNS, y: str = "abcd", x: str = "g", **options: Any) -> Any:
    return analyse("box_plot", data, y=list(y), x=list(x), **options)


def figures(box: Any) -> list[float]:
    return [getattr(box, key) for key in KEYS]


@pytest.mark.parametrize("parts", splits(400), ids=str)
@pytest.mark.parametrize("whisker", [0.05, 0.1])
def test_equals_pandas_by_group(parts: Any, whisker: float) -> None:
    found = boxes(parts=parts, parameters={"whisker": whisker})
    frame = pd.DataFrame(COLUMNS)
    assert [(box.variable, box.group) for box in found.boxes] == [
        (code, level) for code in "abcd" for level in "xyz"
    ]
    for box in found.boxes:
        own = frame[frame.g == box.group][box.variable].dropna()
        shares = [whisker, 0.25, 0.5, 0.75, 1 - whisker]
        assert figures(box) == np.quantile(own, shares).tolist()
        assert [box.n, box.mean, box.sd] == pytest.approx(
            [len(own), own.mean(), own.std()], rel=1e-9
        )


def test_equals_r_without_groups(tmp_path: Any) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("needs Rscript")
    values = COLUMNS["c"][~np.isnan(COLUMNS["c"])]
    (tmp_path / "v.txt").write_text("\n".join(repr(float(value)) for value in values))
    script = (
        f'x <- scan("{tmp_path}/v.txt", quiet = TRUE); '
        'cat(paste0("[", paste(format(quantile(x, c(.05, .25, .5, .75, .95), type = 7), '
        'digits = 17, trim = TRUE), collapse = ","), "]"))'
    )
    out = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
    (box,) = boxes(y="c", x="").boxes
    assert box.group is None
    assert figures(box) == pytest.approx(json.loads(out.stdout), rel=1e-14)


@given(
    values=st.lists(
        st.tuples(st.floats(-1e3, 1e3) | st.just(np.nan), st.integers(-1, 2)),
        min_size=1,
        max_size=40,
    ),
    cut=st.integers(0, 40),
)
def test_blocks_in_any_split_give_the_same(values: list[tuple[float, int]], cut: int) -> None:
    column = np.array([value for value, _ in values])
    codes = {"g": (np.array([code for _, code in values]), ("k", "l", "m"))}
    found = []
    for cuts in ([], [min(cut, len(values))]):
        cohort = cohort_over({"v": column}, y=["v"], x=["g"], codes=codes, cuts=cuts)
        sums = cohort.fold(group_sums, GroupSumState(("v",), "g", np.full((1, 3), 0.5)))
        cut_points = quantiles(
            cohort, Columns(("v",)), (0.1, 0.5), center=np.zeros(1), spread=np.full(1, 100.0),
            datasets=3, group="g",
        )  # fmt: skip
        found.append((sums, cut_points))
    (one, points), (other, same) = found
    assert np.array_equal(one.records, other.records)
    assert one.total == pytest.approx(other.total, rel=1e-12, abs=1e-9)
    assert one.square == pytest.approx(other.square, rel=1e-12)
    assert np.array_equal(points, same, equal_nan=True)


def test_whiskers_end_where_the_minimum_of_patients_lies_beyond() -> None:
    values = brains(300, missing=0.0)
    found = boxes(values, y="c", policy=CLOSED)
    assert [box.n >= 40 for box in found.boxes] == [True, True, False]
    for box in found.boxes[:2]:
        assert box.share == pytest.approx(max(0.05, 10 / box.n))
        own = values["c"][values["g"] == box.group]
        assert np.count_nonzero(own <= box.low) >= 10
        assert np.count_nonzero(own >= box.high) >= 10
    assert found.boxes[1].share > 0.05
    assert (found.boxes[2].share, found.boxes[2].low, found.boxes[2].high) == (None, None, None)
    assert found.boxes[2].q1 is not None
    assert "further in" in found.views()[0].note


def test_a_small_group_is_hidden_with_one_that_would_tell_it() -> None:
    data = brains(300, missing=0.0)
    data["g"] = np.array(["x"] * 6 + ["y"] * 94 + ["z"] * 200)
    found = boxes(data, y="a", policy=CLOSED)
    assert [box.n for box in found.boxes] == [None, None, 200]
    assert figures(found.boxes[0]) == figures(found.boxes[1]) == [None] * 5
    drawing, table = found.views()
    assert len(drawing.spec["data"]["values"]) == 1
    assert [row["n"] for row in table.rows] == ["hidden", "hidden", 200]
    assert "Filter small levels" in table.note


def test_an_empty_group_is_told_as_empty() -> None:
    found = boxes(y="a", levels={"g": ["x", "y", "z", "none"]})
    assert found.boxes[-1].model_dump(exclude_none=True) == {
        "variable": "a", "group": "none", "n": 0
    }  # fmt: skip


def test_a_constant_variable_has_a_flat_box() -> None:
    (box,) = boxes({"v": np.full(40, 2.5)}, y="v", x="", policy=CLOSED).boxes
    assert figures(box) == [2.5] * 5
    assert (box.mean, box.sd) == (2.5, 0.0)


def test_several_visits_of_a_patient_are_records_but_one_patient() -> None:
    patient = np.repeat(np.arange(9), 4)
    data = {
        "subjectid": np.array([f"P{index}" for index in patient]),
        "visitid": np.array([f"V{index % 4}" for index in range(36)]),
        "v": np.arange(36.0),
    }
    with pytest.raises(CannotCompute, match="10 values of v"):
        boxes(data, y="v", x="", policy=Policy(overlap="off", minimum_patients=1))
    more = {code: np.concatenate([values, values]) for code, values in data.items()}
    more["subjectid"] = np.array([f"P{index:02d}" for index in np.repeat(np.arange(18), 4)])
    (box,) = boxes(more, y="v", x="", policy=CLOSED).boxes
    assert box.n == 72
    assert (box.share, box.low) == (None, None)


def test_no_values_is_an_error_that_names_the_variable() -> None:
    with pytest.raises(CannotCompute, match="of e"):
        boxes(brains(60) | {"e": np.full(60, np.nan)}, y="e")
