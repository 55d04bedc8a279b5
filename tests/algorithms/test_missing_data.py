"""Missing data against pandas, split, and under the policy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from medmip.privacy.policy import Policy
from tests.analysis import analyse


def cohort(records: int = 500, seed: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    data: dict[str, Any] = {
        "a": rng.normal(size=records),
        "b": rng.normal(size=records),
        "g": rng.choice(["x", "y"], records).astype(object),
        "dataset": rng.choice(["one", "two"], records, p=[0.7, 0.3]),
    }
    data["a"][rng.random(records) < 0.2] = np.nan
    data["b"][np.isnan(data["a"]) & (rng.random(records) < 0.7)] = np.nan
    data["g"][rng.random(records) < 0.3] = None
    return data


def run(data: dict[str, Any], **options: Any) -> Any:
    return analyse("missing_data", data, y=["a", "b", "g"], levels={"g": ("x", "y")}, **options)


@pytest.mark.parametrize("parts", [1, 3])
def test_counts_equal_pandas(parts: int) -> None:
    data = cohort()
    frame = pd.DataFrame({code: data[code] for code in "abg"}).isna()
    found = run(data, parts=parts)
    assert found.n == 500
    assert found.complete == (~frame.any(axis=1)).sum()
    assert found.records == tuple((data["dataset"] == name).sum() for name in found.datasets)
    for part in found.variables:
        lack = frame[part.variable]
        assert part.together == lack.sum()
        assert part.share == pytest.approx(lack.mean(), rel=1e-12)
        assert part.missing == tuple(
            (lack & (data["dataset"] == name)).sum() for name in found.datasets
        )
    for i, one in enumerate("abg"):
        for j, other in enumerate("abg"):
            assert found.both[i][j] == (frame[one] & frame[other]).sum()


def test_few_patients_are_hidden() -> None:
    data = cohort()
    data["b"] = np.zeros(500)
    data["b"][:4] = np.nan
    found = run(data, policy=Policy(overlap="off"))
    assert found.variables[1].together is None
    assert found.variables[1].share is None
    assert found.both[1][1] is None
    assert "hidden" in str(found.views()[-1].rows)


def test_views_are_maps_and_a_table() -> None:
    views = run(cohort()).views()
    assert [view.title for view in views] == [
        "Missing values by dataset", "Missing together", "Records without a value",
    ]  # fmt: skip
