"""Gaussian mixtures against scikit-learn, split over sites, and where they have no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.registry import find
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse
from tests.blocks import cohort_over

KINDS = {"full": "full", "diagonal": "diag", "spherical": "spherical", "tied": "tied"}


def cohort(records: int = 600, seed: int = 5, apart: float = 4.0) -> dict[str, Any]:
    """Three groups of unequal size and shape."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, records, p=[0.5, 0.3, 0.2])
    noise = rng.normal(size=(records, 3))
    noise[:, 1] += np.array([0.8, -0.5, 0.0])[group] * noise[:, 0]
    noise *= np.array([1.0, 0.6, 1.4])[group][:, None]
    centres = apart * np.array([[0.0, 0.0, 0.0], [1.0, 0.6, -0.5], [-0.4, 1.0, 0.8]])
    values = centres[group] + noise
    values[:, 2] = 1e4 + 50 * values[:, 2]
    return {code: values[:, index] for index, code in enumerate("abc")}


def fit(data: dict[str, Any], k: int = 3, *, parts: Any = 1, **parameters: Any) -> Any:
    options = {"policy": parameters.pop("policy")} if "policy" in parameters else {}
    settings = {"k": k, "tolerance": 1e-12} | parameters
    y = [code for code in data if code in "abc"]
    return analyse("gaussian_mixture", data, y=y, parameters=settings, parts=parts, **options)


def standardised(data: dict[str, Any]) -> tuple[Any, Any, Any]:
    x = np.column_stack(list(data.values()))
    return (x - x.mean(axis=0)) / x.std(axis=0), x.mean(axis=0), x.std(axis=0)


def precisions(covariances: Any, kind: str) -> Any:
    """As scikit-learn takes them."""
    match kind:
        case "full":
            return np.linalg.inv(covariances)
        case "tied":
            return np.linalg.inv(covariances[0])
        case "diagonal":
            return 1 / np.diagonal(covariances, axis1=1, axis2=2)
    return 1 / covariances[:, 0, 0]


def from_the_same_start(data: dict[str, Any], k: int, kind: str, tolerance: float) -> Any:
    """scikit-learn's mixture, begun where ours begins: the clusters of k-means, one spread."""
    z, _, _ = standardised(data)
    start = analyse(
        "kmeans",
        data,
        y=list(data),
        parameters={"k": k, "tolerance": 1e-3, "max_iterations": 1000},
    )
    variance = start.within / z.size + 1e-6
    return GaussianMixture(
        k,
        covariance_type=KINDS[kind],
        tol=tolerance,
        max_iter=10_000,
        means_init=np.array(start.standardised_centres),
        weights_init=np.array(start.sizes) / start.n,
        precisions_init=precisions(np.stack([variance * np.eye(z.shape[1])] * k), kind),
    ).fit(z)


def check_against(theirs: Any, ours: Any, data: dict[str, Any], kind: str, rel: float) -> None:
    z, mean, scale = standardised(data)
    order = np.argsort(-theirs.weights_, kind="stable")
    assert [part.weight for part in ours.components] == pytest.approx(
        theirs.weights_[order], rel=rel
    )
    means = np.array([part.mean for part in ours.components])
    assert (means - mean) / scale == pytest.approx(theirs.means_[order], rel=rel, abs=rel)
    found = np.array([part.covariance for part in ours.components]) / np.outer(scale, scale)
    expected = theirs.precisions_ if kind == "tied" else theirs.precisions_[order]
    assert precisions(found, kind) == pytest.approx(expected, rel=10 * rel, abs=10 * rel)
    whole = theirs.score(z) * len(z) - len(z) * np.log(scale).sum()
    assert ours.log_likelihood == pytest.approx(whole, rel=rel)
    assert ours.parameters == theirs._n_parameters()
    shift = 2 * len(z) * np.log(scale).sum()
    assert ours.bic == pytest.approx(theirs.bic(z) + shift, rel=rel)
    assert ours.aic == pytest.approx(theirs.aic(z) + shift, rel=rel)
    assert [part.records for part in ours.components] == np.bincount(theirs.predict(z))[
        order
    ].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("apart", [4.0, 2.5])
def test_converged_mixture_equals_scikit_learns(kind: str, apart: float) -> None:
    data = cohort(apart=apart)
    theirs = from_the_same_start(data, 3, kind, 1e-12)
    check_against(theirs, fit(data, covariance=kind), data, kind, 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_round_equals_scikit_learns(kind: str) -> None:
    data = cohort()
    theirs = from_the_same_start(data, 3, kind, 1e-4)
    ours = fit(data, covariance=kind, tolerance=1e-4)
    # scikit-learn compares the likelihoods before two rounds, ours those after: one round more.
    assert theirs.n_iter_ - ours.iterations in (0, 1)
    rounds = fit(data, covariance=kind, tolerance=1e-12).iterations
    assert ours.iterations < rounds


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_is_as_high_as_scikit_learn_finds(kind: str) -> None:
    data = cohort(apart=3.0)
    z, _, scale = standardised(data)
    best = GaussianMixture(
        3, covariance_type=KINDS[kind], n_init=10, tol=1e-9, max_iter=5000, random_state=0
    ).fit(z)
    whole = best.score(z) * len(z) - len(z) * np.log(scale).sum()
    assert fit(data, covariance=kind, tolerance=1e-9).log_likelihood >= whole - 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [2, 3, 10, [range(3), range(3, 3), range(3, 600)]], ids=str)
def test_split_equals_pooled(kind: str, parts: Any) -> None:
    data = cohort()
    if not isinstance(parts, int):
        parts = [np.array(rows, dtype=int) for rows in parts]
    pooled, split = fit(data, covariance=kind), fit(data, covariance=kind, parts=parts)
    assert split.log_likelihood == pytest.approx(pooled.log_likelihood, rel=1e-9)
    for one, other in zip(pooled.components, split.components, strict=True):
        assert other.records == one.records
        assert other.weight == pytest.approx(one.weight, rel=1e-9)
        assert other.mean == pytest.approx(one.mean, rel=1e-9)
        assert np.array(other.covariance) == pytest.approx(np.array(one.covariance), rel=1e-9)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 99), max_size=8), st.integers(0, 10**6))
def test_blocks_in_any_order_change_nothing(cuts: list[int], seed: int) -> None:
    data = cohort(100)
    order = np.random.default_rng(seed).permutation(100)
    shuffled = {code: values[order] for code, values in data.items()}
    algorithm = find("gaussian_mixture")
    asked = algorithm.parameters(k=3, covariance="tied", tolerance=1e-3)
    one = algorithm.run(cohort_over(data, y=list(data)), asked)
    other = algorithm.run(cohort_over(shuffled, y=list(data), cuts=cuts), asked)
    assert other.iterations == one.iterations
    assert other.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-12)
    for mine, theirs in zip(one.components, other.components, strict=True):
        assert theirs.mean == pytest.approx(mine.mean, rel=1e-9)


def test_one_component_is_the_normal_distribution() -> None:
    data = cohort()
    x = np.column_stack(list(data.values()))
    (part,) = fit(data, 1, floor=0.0).components
    assert part.mean == pytest.approx(x.mean(axis=0), rel=1e-8)
    assert np.array(part.covariance) == pytest.approx(np.cov(x.T, bias=True), rel=1e-8)
    assert (part.weight, part.records) == (1.0, 600)


def test_one_variable_is_drawn_as_densities() -> None:
    data = {"a": cohort()["a"]}
    ours = fit(data, 2)
    check_against(from_the_same_start(data, 2, "full", 1e-12), ours, data, "full", 1e-5)
    assert ours.views()[0].title == "Components of a"


def test_units_change_nothing() -> None:
    data = cohort()
    moved = data | {"a": 1e6 + 1000 * data["a"]}
    one, other = fit(data), fit(moved)
    assert other.parameters == one.parameters
    assert [part.weight for part in other.components] == pytest.approx(
        [part.weight for part in one.components], rel=1e-6
    )
    assert other.log_likelihood == pytest.approx(one.log_likelihood - 600 * np.log(1000), rel=1e-9)


def test_a_lower_bic_finds_the_number_of_groups() -> None:
    data = cohort(apart=5.0)
    found = {k: fit(data, k, tolerance=1e-6).bic for k in (1, 2, 3, 4)}
    assert min(found, key=lambda k: found[k]) == 3


def test_repeated_visits_are_all_counted() -> None:
    data = cohort() | {"subjectid": np.array([f"s{index // 3:03d}" for index in range(600)])}
    assert sum(part.records for part in fit(data, tolerance=1e-6).components) == 600


def test_a_small_component_is_not_told() -> None:
    data = cohort(300)
    for values in data.values():
        values[:6] += 40 * values.std()
    closed = Policy(overlap="off")
    with pytest.raises(CannotCompute, match="10 patients"):
        fit(data, 4, policy=closed)
    assert min(part.records for part in fit(cohort(300), policy=closed).components) >= 10


def test_a_component_that_shrinks_below_the_minimum_is_not_told() -> None:
    data = cohort(apart=0.5)
    assert len(fit(data, 10, tolerance=1e-6).components) == 10
    with pytest.raises(CannotCompute, match="come to hold fewer than 10 patients"):
        fit(data, 10, tolerance=1e-6, policy=Policy(overlap="off"))


def test_a_small_part_at_one_hospital_is_not_told() -> None:
    data = cohort(600, apart=12.0)
    z, _, _ = standardised(data)
    labels = GaussianMixture(3, n_init=5, random_state=0).fit_predict(z)
    few = np.flatnonzero(labels == 0)[:4]
    here = np.concatenate([few, np.flatnonzero(labels == 1), np.flatnonzero(labels == 2)[:40]])
    there = np.setdiff1d(np.arange(600), here)
    with pytest.raises(CannotCompute, match="10 patients"):
        fit(data, policy=Policy(overlap="off"), parts=[here, there])


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(Refused, match="parameters need at least"):
        fit(cohort(80), 3, policy=Policy(overlap="off"))


def test_no_silent_last_iterate() -> None:
    with pytest.raises(CannotCompute, match=r"still changes by .* after 3 rounds"):
        fit(cohort(apart=2.0), max_iterations=3)


@pytest.mark.parametrize(
    "data, k, floor, message",
    [
        (cohort() | {"b": np.full(600, 0.1)}, 3, 1e-6, "constant: b"),
        (cohort() | {"b": 3 * cohort()["a"]}, 3, 0.0, "determine each other"),
        ({code: values[:5] for code, values in cohort().items()}, 6, 1e-6, "of 5 records"),
        (
            {"a": np.repeat([0.0, 1.0, 5.0], 20), "b": np.repeat([0.0, 2.0, 1.0], 20)},
            3,
            0.0,
            "one is constant",
        ),
    ],
)
def test_without_an_answer_it_says_why(
    data: dict[str, Any], k: int, floor: float, message: str
) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(data, k, floor=floor)


def test_same_seed_gives_the_same_bits() -> None:
    assert fit(cohort()) == fit(cohort())


def test_views_show_what_a_paper_prints() -> None:
    views = fit(cohort(), tolerance=1e-4).views()
    assert [view.title for view in views] == [
        "Components in the plane of the first two principal axes",
        "Components",
        "Fit",
    ]
    assert len(views[1].rows) == 3
