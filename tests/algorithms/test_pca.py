"""pca against scikit-learn, whatever the split."""

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from medmip.algorithms.declaration import CannotCompute
from tests.algorithms.samples import brains, complete, splits
from tests.analysis import analyse

COLUMNS = brains()


@pytest.mark.parametrize("parts", splits(400), ids=str)
@pytest.mark.parametrize("scale", [True, False])
def test_equals_scikit_learn(parts: Any, scale: bool) -> None:
    found = analyse("pca", COLUMNS, y=list("abcd"), parameters={"scale": scale}, parts=parts)
    values = complete(COLUMNS, "abcd")
    values = values - values.mean(axis=0)
    if scale:
        values = values / values.std(axis=0, ddof=1)
    expected = PCA(svd_solver="full").fit(values)
    assert found.n == len(values)
    assert found.eigenvalues == pytest.approx(expected.explained_variance_, rel=1e-8)
    assert found.explained == pytest.approx(expected.explained_variance_ratio_, rel=1e-8)
    for vector, other in zip(found.vectors, expected.components_, strict=True):
        sign = np.sign(other[np.abs(other).argmax()])
        assert vector == pytest.approx(sign * other, rel=1e-6, abs=1e-9)


def test_largest_loading_is_positive() -> None:
    found = analyse("pca", COLUMNS, y=list("abcd"))
    assert all(max(vector, key=abs) > 0 for vector in found.vectors)


def test_views_show_every_component() -> None:
    views = analyse("pca", COLUMNS, y=list("abcd")).views()
    assert [view.kind for view in views] == ["chart", "chart", "table", "table"]
    assert len(views[2].rows) == 4


def test_constant_variable_cannot_be_standardised() -> None:
    columns = brains(50, missing=0.0) | {"k": np.full(50, 0.1)}
    with pytest.raises(CannotCompute, match="k"):
        analyse("pca", columns, y=["a", "k"])
    found = analyse("pca", columns, y=["a", "k"], parameters={"scale": False})
    assert found.eigenvalues[1] == pytest.approx(0.0, abs=1e-12)
