"""pearson_correlation against SciPy, whatever the split."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from medmip.algorithms.declaration import CannotCompute
from tests.algorithms.samples import brains, complete, splits
from tests.analysis import analyse

COLUMNS = brains()


@pytest.mark.parametrize("parts", splits(400), ids=str)
def test_equals_scipy(parts: Any) -> None:
    found = analyse(
        "pearson_correlation",
        COLUMNS,
        y=["a", "b", "c"],
        parameters={"confidence": 0.9},
        parts=parts,
    )
    values = complete(COLUMNS, "abc")
    values[:, 1] -= 1e8  # SciPy loses digits of b's spread beside its mean; we do not.
    assert found.n == len(values)
    assert found.excluded == 400 - len(values)
    for i, j in combinations(range(3), 2):
        expected = stats.pearsonr(values[:, i], values[:, j])
        interval = expected.confidence_interval(0.9)
        assert found.correlations[i][j] == pytest.approx(expected.statistic, rel=1e-8)
        assert found.p_values[i][j] == pytest.approx(expected.pvalue, rel=1e-6)
        assert found.lower[i][j] == pytest.approx(interval.low, rel=1e-8)
        assert found.upper[i][j] == pytest.approx(interval.high, rel=1e-8)
        assert found.correlations[j][i] == found.correlations[i][j]
    assert all(found.correlations[i][i] == 1.0 and found.p_values[i][i] == 0.0 for i in range(3))


def test_y_with_x_is_a_block() -> None:
    found = analyse("pearson_correlation", COLUMNS, y=["a", "c"], x=["b", "d", "a"])
    square = analyse("pearson_correlation", COLUMNS, y=["a", "c", "b", "d"])
    assert (found.rows, found.columns) == (("a", "c"), ("b", "d", "a"))
    assert found.correlations[1][0] == pytest.approx(square.correlations[1][2], rel=1e-12)
    assert found.correlations[0][2] == 1.0


def test_constant_variable_has_no_correlation() -> None:
    columns = brains(50, missing=0.0) | {"k": np.full(50, 0.1)}
    found = analyse("pearson_correlation", columns, y=["a", "k"])
    assert found.correlations[0] == (1.0, None)
    assert found.correlations[1] == (None, None)
    assert found.views()


def test_perfect_correlation_is_certain() -> None:
    columns = brains(50, missing=0.0)
    columns["e"] = 2 * columns["a"]
    found = analyse("pearson_correlation", columns, y=["a", "e"])
    assert found.correlations[0][1] == pytest.approx(1.0, rel=1e-12)
    assert found.p_values[0][1] < 1e-100


def test_one_variable_and_two_records_are_refused() -> None:
    with pytest.raises(CannotCompute, match="two variables"):
        analyse("pearson_correlation", COLUMNS, y=["a"], x=["a"])
    with pytest.raises(CannotCompute, match="three records"):
        analyse("pearson_correlation", {"a": [1.0, 2.0], "b": [1.0, 3.0]}, y=["a", "b"])
