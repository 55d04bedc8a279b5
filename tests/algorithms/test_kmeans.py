"""k-means against scikit-learn on blobs, split over sites, and where it has no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.policy import Policy
from tests.analysis import analyse


def blobs(records: int, k: int, seed: int, spread: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-10, 10, (k, 3))
    values = centres[rng.integers(0, k, records)] + spread * rng.normal(size=(records, 3))
    return {code: values[:, index] for index, code in enumerate("abc")}


def fit(data: dict[str, Any], k: int, **options: Any) -> Any:
    parameters = {"k": k, "standardise": False, "tolerance": 0.0}
    parameters |= options.pop("parameters", {})
    return analyse("kmeans", data, y=list(data), parameters=parameters, **options)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([0.3, 1.0, 3.0]))
def test_spread_is_as_small_as_scikit_learns(seed: int, k: int, spread: float) -> None:
    data = blobs(600, k, seed, spread)
    best = KMeans(k, n_init=10, random_state=0).fit(np.column_stack(list(data.values())))
    assert fit(data, k).within <= 1.01 * best.inertia_


def test_rests_where_scikit_learn_rests() -> None:
    data = blobs(500, 4, 3)
    values = np.column_stack(list(data.values()))
    ours = fit(data, 4)
    theirs = KMeans(4, init=np.array(ours.centres), n_init=1, tol=0).fit(values)

    assert np.array(ours.centres) == pytest.approx(theirs.cluster_centers_, rel=1e-6)
    assert ours.within == pytest.approx(theirs.inertia_, rel=1e-6)
    assert list(ours.sizes) == np.bincount(theirs.labels_).tolist()
    assert ours.within + ours.between == pytest.approx(((values - values.mean(0)) ** 2).sum())


def test_one_cluster_is_the_mean() -> None:
    data = blobs(200, 3, 1)
    (centre,) = fit(data, 1).centres
    assert centre == pytest.approx([values.mean() for values in data.values()], rel=1e-9)


def test_standardising_ignores_units() -> None:
    data = blobs(400, 3, 8)
    scaled = data | {"a": 1e6 + 1000 * data["a"]}
    one = fit(data, 3, parameters={"standardise": True})
    other = fit(scaled, 3, parameters={"standardise": True})
    assert other.sizes == one.sizes
    assert other.within == pytest.approx(one.within, rel=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 10, [range(3), range(3, 3), range(3, 400)]])
def test_federated_equals_pooled(parts: Any) -> None:
    data = blobs(400, 4, 6)
    parts = parts if isinstance(parts, int) else [np.array(rows, dtype=int) for rows in parts]
    pooled, federated = fit(data, 4), fit(data, 4, parts=parts)

    assert federated.sizes == pooled.sizes
    assert np.array(federated.centres) == pytest.approx(np.array(pooled.centres), rel=1e-9)
    assert federated.within == pytest.approx(pooled.within, rel=1e-9)


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_order_and_split_of_records_change_nothing(seed: int, parts: int) -> None:
    data = blobs(120, 3, 4, 0.5)
    shuffled = np.random.default_rng(seed).permutation(120)
    one = fit(data, 3)
    other = fit({code: values[shuffled] for code, values in data.items()}, 3, parts=parts)
    assert np.array(other.centres) == pytest.approx(np.array(one.centres), rel=1e-12)


def test_same_seed_gives_the_same_bits() -> None:
    data = blobs(300, 5, 2)
    assert fit(data, 5) == fit(data, 5)


def test_small_clusters_are_dropped_with_a_note() -> None:
    data = blobs(300, 2, 9, 0.2)
    data["a"][:4] += 500.0
    ours = fit(data, 3, policy=Policy(overlap="off"))
    assert min(ours.sizes) >= 10
    if len(ours.sizes) < 3:
        assert "dropped" in ours.note


def test_longitudinal_records_are_all_assigned() -> None:
    data = blobs(300, 3, 7) | {"subjectid": np.array([f"s{n // 3:03d}" for n in range(300)])}
    parameters = {"k": 3, "standardise": False, "tolerance": 0.0}
    ours = analyse("kmeans", data, y=["a", "b", "c"], parameters=parameters)
    assert sum(ours.sizes) == 300


def test_constant_variable_is_named() -> None:
    with pytest.raises(CannotCompute, match="constant: a"):
        fit(blobs(100, 2, 1) | {"a": np.full(100, 3.0)}, 2)


def test_more_clusters_than_records() -> None:
    with pytest.raises(CannotCompute, match="12 clusters cannot be made of 8 records"):
        fit(blobs(8, 2, 1), 12)


def test_no_silent_last_iterate() -> None:
    with pytest.raises(CannotCompute, match="still move"):
        fit(blobs(2000, 8, 3, 4.0), 8, parameters={"max_iterations": 1})


def test_many_records_settle_where_scikit_learn_does_from_a_sample_first() -> None:
    data = blobs(90_000, 5, 4, spread=3.0)
    values = np.column_stack(list(data.values()))
    best = KMeans(5, n_init=5, random_state=0, tol=1e-6).fit(values)
    ours = fit(data, 5, parameters={"tolerance": 1e-6, "max_iterations": 1000})
    assert ours.within <= (1 + 1e-5) * best.inertia_


@pytest.mark.parametrize("parts", [2, 3, 10])
def test_the_sample_is_the_same_however_records_are_divided(parts: int) -> None:
    data = blobs(50_000, 3, 5, spread=4.0)
    pooled = fit(data, 3, parameters={"tolerance": 1e-4})
    split = fit(data, 3, parameters={"tolerance": 1e-4}, parts=parts)
    assert split.iterations == pooled.iterations
    assert split.sizes == pooled.sizes
    assert np.array(split.centres) == pytest.approx(np.array(pooled.centres), rel=1e-9)
