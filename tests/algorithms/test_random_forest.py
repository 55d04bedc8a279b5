"""Random forests: one tree of them by hand, beside scikit-learn's, split over sites, out of bag."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from medmip.algorithms import random_forest as module
from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.fold.block import hashed
from medmip.fold.draws import drawn_weights
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.algorithms.trees import NOMINAL, NUMERIC, block_of, patients
from tests.analysis import analyse

GUARDED = Policy(overlap="off")
ASKED = {"trees": 20, "depth": 6}


def fit(data: dict[str, Any], y: str, x: list[str], **options: Any) -> Any:
    return analyse("random_forest", data, y=[y], x=x, **options)


@pytest.mark.parametrize("y", ["stage", "ill", "outcome"])
def test_without_draws_a_tree_of_it_is_the_decision_tree(y: str) -> None:
    data, x = patients(), NUMERIC + NOMINAL
    tree = analyse("decision_tree", data, y=[y], x=x, parameters={"depth": 6, "least": 10})
    asked = {"trees": 2, "depth": 6, "covariates": 6, "sample": False}
    ours = fit(data, y, x, parameters=asked)
    assert ours.model.trees == (tree.model.trees[0],) * 2
    for one, other in zip(tree.importance, ours.importance, strict=True):
        assert (one.variable, one.importance) == (other.variable, pytest.approx(other.importance))
    assert (ours.accuracy, ours.r_squared, ours.confusion) == (None, None, ())


@pytest.mark.parametrize("y", ["stage", "ill", "outcome"])
def test_it_predicts_new_patients_as_well_as_scikit_learn(y: str) -> None:
    seen, new = patients(3000, seed=5), patients(3000, seed=6)
    kind = RandomForestRegressor if y == "outcome" else RandomForestClassifier
    share = 1 / 3 if y == "outcome" else "sqrt"
    theirs = kind(60, max_depth=8, min_samples_leaf=10, max_features=share, random_state=1)
    x, fresh = (np.column_stack([part[code] for code in NUMERIC]) for part in (seen, new))
    theirs.fit(x, seen[y])
    ours = fit(seen, y, NUMERIC, parameters={"trees": 60, "depth": 8})
    given = ours.model.predict(block_of(new, NUMERIC))
    if y == "outcome":
        score = 1 - ((given - new[y]) ** 2).mean() / new[y].var()
        assert ours.r_squared == pytest.approx(score, abs=0.04)
    else:
        score = (np.array(ours.classes)[given.argmax(axis=1)] == new[y]).mean()
        assert ours.accuracy == pytest.approx(score, abs=0.03)
    # Two forests of these sizes differ by a percentage point or so.
    assert score == pytest.approx(theirs.score(fresh, new[y]), abs=0.025)


@pytest.mark.parametrize("y", ["stage", "outcome"])
def test_split_equals_pooled(y: str) -> None:
    data, x = patients(), NUMERIC + NOMINAL
    pooled = fit(data, y, x, parameters=ASKED)
    block = block_of(data, x)
    for parts in splits(900):
        split = fit(data, y, x, parameters=ASKED, parts=parts)
        for one, other in zip(pooled.model.trees, split.model.trees, strict=True):
            assert (one.threshold, one.levels) == (other.threshold, other.levels)
        assert split.model.predict(block) == pytest.approx(pooled.model.predict(block), rel=1e-9)
        assert split.confusion == pooled.confusion
        if y == "outcome":
            assert split.r_squared == pytest.approx(pooled.r_squared, rel=1e-9)


def test_few_trees_at_a_time_make_the_same_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    data = patients()
    together = fit(data, "ill", NUMERIC, parameters=ASKED)
    monkeypatch.setattr(module, "_FEW", 0)
    assert fit(data, "ill", NUMERIC, parameters=ASKED) == together


def test_a_seed_makes_a_forest_and_another_another() -> None:
    data = patients()
    one, again, other = (
        fit(data, "ill", NUMERIC, parameters=ASKED | {"seed": seed}) for seed in (1, 1, 2)
    )
    assert one == again
    assert one.model != other.model


def test_a_leaf_is_the_mean_of_its_drawn_records() -> None:
    data = patients()
    ours = fit(data, "outcome", ["age"], parameters={"trees": 1, "depth": 2, "seed": 7})
    block = block_of({"age": data["age"], "outcome": data["outcome"]}, ["age", "outcome"])
    seed = int(np.random.default_rng(7).integers(0, 2**31, 1)[0])
    weights = drawn_weights(hashed(block), seed)
    given = ours.model.predict(block)
    for value in np.unique(given):
        rows = given == value
        assert weights[rows].sum() >= 10
        mean = np.average(data["outcome"][rows], weights=weights[rows])
        assert value == pytest.approx(mean, rel=1e-9)


def test_out_of_bag_judges_by_trees_that_did_not_draw() -> None:
    rng = np.random.default_rng(3)
    data = {"a": rng.normal(size=1500), "c": rng.choice(["no", "yes"], 1500)}
    ours = fit(data, "c", ["a"], parameters={"trees": 30, "depth": 10, "least": 1})
    block = block_of(data, ["a"])
    of_seen = (ours.model.predict(block).argmax(axis=1) == (data["c"] == "yes")).mean()
    assert of_seen > 0.55
    assert ours.accuracy == pytest.approx(0.5, abs=0.05)
    assert sum(map(sum, ours.confusion)) == 1500


def test_no_class_in_a_leaf_is_of_a_few_patients() -> None:
    data = patients()
    x = NUMERIC + NOMINAL
    held = fit(data, "ill", x, parameters={"trees": 15, "depth": 6}, policy=GUARDED)
    assert held.leaves > 30
    order = [*NUMERIC, *NOMINAL, "ill"]
    block = block_of({code: data[code] for code in order}, order)
    drawn, bins = hashed(block), held.model._bins
    codes, _ = bins.of(block)
    ill = data["ill"] == "yes"
    for tree, seed in zip(
        held.model.trees, np.random.default_rng(1).integers(0, 2**31, 15), strict=True
    ):
        bag = drawn_weights(drawn, int(seed)) > 0
        place = tree.by_bins(bins).places(codes)
        for group in (bag & ill, bag & ~ill):
            sizes = np.bincount(place[group], minlength=len(tree.variable))
            assert ((sizes == 0) | (sizes >= 10)).all()


def test_a_rare_class_is_refused_by_name() -> None:
    data = patients()
    data["stage"] = data["stage"].astype(object)
    data["stage"][:5] = "odd"
    with pytest.raises(Refused, match="odd"):
        fit(data, "stage", NUMERIC, policy=GUARDED)


@pytest.mark.parametrize(
    "change, y, message",
    [
        ({"outcome": np.full(900, 2.0)}, "outcome", "outcome is constant"),
        ({"ill": np.full(900, "no")}, "ill", "single level"),
        ({"age": np.ones(900)}, "ill", "do not tell patients apart: age"),
    ],
)
def test_without_an_answer_it_says_why(change: dict[str, Any], y: str, message: str) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(patients() | change, y, ["age"])


def test_a_model_that_would_grow_too_large_is_refused() -> None:
    with pytest.raises(RequestError, match="more than 32768 leaves"):
        fit(patients(), "ill", NUMERIC, parameters={"trees": 500, "depth": 10})


def test_views_show_importance_and_what_is_out_of_the_bag() -> None:
    found = fit(patients(), "ill", NUMERIC, parameters=ASKED)
    assert [view.title for view in found.views()] == [
        "Importance of covariates",
        "Importance",
        "Fit",
        "Out of the bag by class",
        "Confusion matrix",
    ]
    assert found.importance[-1].variable == "noise"
