"""describe against pandas, whatever the split; what is withheld stays withheld."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from medmip.privacy.policy import Policy
from tests.algorithms.samples import brains, splits
from tests.analysis import analyse

COLUMNS = brains()
NUMERIC = ["a", "b", "c", "d"]
CLOSED = Policy(overlap="off", complementary=False)


@pytest.mark.parametrize("parts", splits(400), ids=str)
def test_equals_pandas_by_dataset_and_overall(parts: Any) -> None:
    found = analyse("describe", COLUMNS, y=[*NUMERIC, "g"], parts=parts)
    frame = pd.DataFrame(COLUMNS)
    assert [row.dataset for row in found.numeric[:4]] == ["all datasets", "one", "three", "two"]
    for row in found.numeric:
        chosen = frame if row.dataset == "all datasets" else frame[frame.dataset == row.dataset]
        column = chosen[row.variable]
        assert (row.n, row.missing) == (column.count(), column.isna().sum())
        assert row.mean == pytest.approx(column.mean(), rel=1e-13)
        assert row.sd == pytest.approx(column.std(), rel=1e-9)
        assert [row.q1, row.median, row.q3] == column.quantile([0.25, 0.5, 0.75]).tolist()
        assert (row.minimum, row.maximum) == (column.min(), column.max())
    for part in found.nominal:
        chosen = frame if part.dataset == "all datasets" else frame[frame.dataset == part.dataset]
        assert part.counts == chosen.g.value_counts().reindex(["x", "y", "z"]).to_dict()
        assert part.missing == chosen.g.isna().sum()


def test_far_from_zero_keeps_the_spread() -> None:
    found = analyse("describe", COLUMNS, y=["b"], parts=3)
    column = COLUMNS["b"][~np.isnan(COLUMNS["b"])]
    exact = np.std(column - 1e8, ddof=1)
    assert found.numeric[0].sd == pytest.approx(exact, rel=1e-12)


def test_extremes_are_withheld_with_the_tables_columns() -> None:
    found = analyse("describe", COLUMNS, y=NUMERIC, policy=CLOSED)
    assert all(row.minimum is None and row.maximum is None for row in found.numeric)
    table = found.views()[0]
    assert {column.key for column in table.columns}.isdisjoint({"minimum", "maximum"})
    assert "withheld" in table.note


def test_small_dataset_is_suppressed_as_a_whole() -> None:
    columns = brains(100) | {"dataset": np.array(["big"] * 93 + ["tiny"] * 7)}
    found = analyse("describe", columns, y=["a", "g"], policy=CLOSED)
    tiny = [row for row in found.numeric if row.dataset == "tiny"]
    assert [row.model_dump(exclude={"variable", "dataset"}) for row in tiny] == [
        dict.fromkeys(("n", "missing", "mean", "sd", "minimum", "q1", "median", "q3", "maximum"))
    ]
    levels = next(row for row in found.nominal if row.dataset == "tiny")
    assert levels.n is None
    assert all(count is None or count == 0 for count in levels.counts.values())
    rows = found.views()[0].rows
    assert "hidden" in [row["n"] for row in rows if row["dataset"] == "tiny"]


def test_one_suppressed_dataset_hides_a_second_from_the_total() -> None:
    columns = brains(100, missing=0.0)
    columns["dataset"] = np.array(["one"] * 60 + ["two"] * 33 + ["tiny"] * 7)
    policy = Policy(overlap="off")
    found = analyse("describe", columns, y=["a"], policy=policy)
    told = {row.dataset: row.n for row in found.numeric}
    assert told == {"all datasets": 100, "one": 60, "two": None, "tiny": None}


def test_variable_without_values_has_none() -> None:
    columns = brains(50) | {"empty": np.full(50, np.nan)}
    found = analyse("describe", columns, y=["empty", "a"])
    row = found.numeric[0]
    assert (row.n, row.missing, row.mean, row.median) == (0, 50, None, None)


def test_visits_are_counted_as_records_and_checked_as_patients() -> None:
    columns = {
        "subjectid": np.array([f"p{index // 3}" for index in range(24)]),
        "visitid": np.array([str(index % 3) for index in range(24)]),
        "v": np.arange(24.0),
        "g": np.array(["x", "y"] * 12),
    }
    open_ = Policy(overlap="off", minimum_patients=8, minimum_cell=8, complementary=False)
    found = analyse("describe", columns, y=["v", "g"], policy=open_)
    assert found.numeric[0].n == 24
    assert found.nominal[0].counts == {"x": 12, "y": 12}
    strict = Policy(overlap="off", minimum_patients=8, minimum_cell=9, complementary=False)
    hidden = analyse("describe", columns, y=["v", "g"], policy=strict)
    assert hidden.numeric[0].n is None
    assert hidden.nominal[0].counts == {"x": None, "y": None}
