"""Gradient boosting against scikit-learn on the same bins, split over sites, and who is told."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.registry import find
from medmip.errors import RequestError
from medmip.experiments.validate import Folds, validated
from medmip.fold.boosting import AddedTree, BoostState, boost_loss, boost_sums
from medmip.fold.trees import Tree
from medmip.privacy.policy import Policy
from medmip.store.engine import Partition
from tests.algorithms.confusion import hidden_in_the_picture
from tests.algorithms.samples import splits
from tests.algorithms.trees import NOMINAL, NUMERIC, binned, block_of, patients, ready
from tests.analysis import analyse, cohort_of

ASKED = {"rounds": 40, "learning_rate": 0.2, "depth": 4}
GUARDED = Policy(overlap="off")


def fit(data: dict[str, Any], y: str, x: list[str], **options: Any) -> Any:
    return analyse("gradient_boosting", data, y=[y], x=x, **options)


def theirs_of(y: str, l2: float) -> Any:
    kind = HistGradientBoostingRegressor if y == "outcome" else HistGradientBoostingClassifier
    return kind(
        max_iter=40,
        learning_rate=0.2,
        max_depth=4,
        max_leaf_nodes=None,
        l2_regularization=l2,
        early_stopping=False,
    )


@pytest.mark.parametrize(
    "y, l2",
    [
        ("outcome", 0.0),
        ("outcome", 1.5),
        ("ill", 0.0),
        ("ill", 1.0),
        ("stage", 0.0),
        ("stage", 0.5),
    ],
)
def test_equals_scikit_learn_on_the_same_bins(y: str, l2: float) -> None:
    data = patients()
    x = binned(data, y, NUMERIC)
    theirs = theirs_of(y, l2).fit(x, data[y])
    ours = fit(data, y, NUMERIC, parameters=ASKED | {"l2": l2})
    given = ours.model.predict(block_of(data, NUMERIC))
    if y == "outcome":
        assert given == pytest.approx(theirs.predict(x), abs=1e-6)
        assert ours.r_squared == pytest.approx(theirs.score(x, data[y]), abs=1e-6)
        assert ours.losses[-1] == pytest.approx(((given - data[y]) ** 2).mean() / 2, rel=1e-6)
    else:
        assert given == pytest.approx(theirs.predict_proba(x), abs=1e-6)
        assert ours.accuracy == pytest.approx(theirs.score(x, data[y]), abs=1e-12)
        assert ours.losses[-1] == pytest.approx(log_loss(data[y], given), rel=1e-9)
    assert (ours.rounds, len(ours.losses)) == (40, 41)
    assert (np.diff(ours.losses) < 0).all()
    assert ours.trees == 40 * (3 if y == "stage" else 1) == len(ours.model.trees)


def test_one_round_of_one_question_is_a_newton_step_by_hand() -> None:
    data = patients()
    ours = fit(data, "ill", ["age"], parameters={"rounds": 1, "depth": 1, "l2": 2.0})
    (tree,) = ours.model.trees
    ill = data["ill"] == "yes"
    share = ill.mean()
    assert ours.model.base == (pytest.approx(np.log(share / (1 - share)), rel=1e-12),)
    for node, rows in ((1, data["age"] < tree.threshold[0]), (2, data["age"] >= tree.threshold[0])):
        step = 0.1 * (ill[rows] - share).sum() / (rows.sum() * share * (1 - share) + 2.0)
        assert tree.values[node][0] == pytest.approx(step, rel=1e-6)


@pytest.mark.parametrize("y", ["outcome", "ill", "stage"])
def test_split_equals_pooled(y: str) -> None:
    data = patients()
    x = NUMERIC + NOMINAL
    pooled = fit(data, y, x, parameters=ASKED)
    block = block_of(data, x)
    for parts in splits(900):
        split = fit(data, y, x, parameters=ASKED, parts=parts)
        assert split.losses == pytest.approx(pooled.losses, rel=1e-9)
        assert [tree.threshold for tree in split.model.trees] == [
            tree.threshold for tree in pooled.model.trees
        ]
        assert split.model.predict(block) == pytest.approx(pooled.model.predict(block), rel=1e-9)


def test_a_block_remembers_scores_and_finds_the_same_without() -> None:
    data = patients()
    known = ready(data, "ill", NUMERIC)
    whole = fit(data, "ill", NUMERIC, parameters={"rounds": 5}).model
    block = block_of({code: data[code] for code in [*NUMERIC, "ill"]}, [*NUMERIC, "ill"])
    tree = Tree().with_splits([(0, 0, bytes([0] * 30 + [1] * 34))])
    rounds = tuple((AddedTree(tree, (0.0, 0.1 * step, -0.2)),) for step in range(4))
    for upto in (0, 1, 3, 4, 2):
        state = BoostState(known.bins, known.outcome, (0.3,), rounds[:upto], 26, (Tree(),), ((0,),))
        fresh = block_of({code: data[code] for code in [*NUMERIC, "ill"]}, [*NUMERIC, "ill"])
        assert boost_loss(block, state).loss == boost_loss(fresh, state).loss
        assert np.array_equal(boost_sums(block, state).sums, boost_sums(fresh, state).sums)
    assert whole.joining == "logit"


@pytest.mark.parametrize("y", ["ill", "stage"])
def test_no_leaf_and_no_class_of_it_is_of_a_few_patients(y: str) -> None:
    data = patients()
    asked = {"rounds": 10, "depth": 6, "least": 1}
    held = fit(data, y, NUMERIC + NOMINAL, parameters=asked, policy=GUARDED)
    free = fit(data, y, NUMERIC + NOMINAL, parameters=asked)
    assert held.leaves > 3 * held.trees
    assert min(_sizes(data, y, held.model)) >= 10
    assert min(_sizes(data, y, free.model)) < 10


def _sizes(data: dict[str, Any], y: str, model: Any) -> list[int]:
    """How many of a class are in a leaf, where anybody is."""
    bins = model._bins
    codes, _ = bins.of(block_of(data, NUMERIC + NOMINAL))
    return [
        size
        for tree in model.trees
        for level in np.unique(data[y])
        for size in np.bincount(tree.by_bins(bins).places(codes)[data[y] == level]).tolist()
        if size
    ]


def test_in_many_hospitals_each_holds_enough_of_every_class() -> None:
    data = patients(2000)
    x, asked = NUMERIC + NOMINAL, {"rounds": 3, "depth": 4}
    held = fit(data, "ill", x, parameters=asked, policy=GUARDED, parts=3)
    for part in np.array_split(np.arange(2000), 3):
        own = {code: values[part] for code, values in data.items()}
        assert min(_sizes(own, "ill", held.model)) >= 10


def test_small_numbers_of_the_confusion_are_hidden() -> None:
    asked = {"rounds": 50, "learning_rate": 0.5}
    found = fit(patients(300), "ill", NUMERIC, parameters=asked, policy=GUARDED)
    assert None in [count for row in found.confusion for count in row]
    assert found.accuracy is None
    assert hidden_in_the_picture(found)


def test_it_can_be_validated() -> None:
    data = patients() | {"subjectcode": np.array([f"P{index:04d}" for index in range(900)])}
    cohort = cohort_of(data, y=["ill"], x=NUMERIC, partition=Partition(3, 1, "subjectcode", "ill"))
    algorithm = find("gradient_boosting")
    found = validated(cohort, algorithm, algorithm.parameters(rounds=30), Folds(folds=3, seed=1))
    area = found.measure("AUC").value
    assert area is not None
    assert area > 0.8


def test_it_stops_where_no_tree_asks_anything() -> None:
    data = patients()
    found = fit(data, "ill", ["age"], parameters={"rounds": 9, "least": 500})
    assert (found.rounds, found.trees, len(found.losses)) == (0, 0, 1)
    assert np.allclose(
        found.model.predict(block_of(data, ["age"]))[:, 1], (data["ill"] == "yes").mean()
    )


def test_a_model_that_would_grow_too_large_is_refused() -> None:
    with pytest.raises(RequestError, match="more than 32768 leaves"):
        fit(patients(), "ill", NUMERIC, parameters={"rounds": 500, "depth": 8})


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


def test_views_show_importance_and_the_loss_by_round() -> None:
    found = fit(patients(), "ill", NUMERIC, parameters={"rounds": 10})
    titles = [view.title for view in found.views()]
    assert titles == [
        "Importance of covariates",
        "Importance",
        "Loss by round",
        "Fit",
        "Confusion matrix",
    ]
    assert sum(part.importance for part in found.importance) == pytest.approx(1.0)
    assert found.importance[-1].variable == "noise"


@pytest.mark.parametrize("name", ["gradient_boosting", "random_forest"])
def test_visits_of_few_patients_make_no_leaf_of_their_own(name: str) -> None:
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(60), 10)
    few = patient < 6
    data = {
        "subjectid": np.array([f"P{index:03d}" for index in patient]),
        "a": np.where(few, 5.0, 0.0) + rng.normal(size=600),
        "y": np.where(few, 100.0, 0.0) + rng.normal(size=600),
    }
    asked = {"depth": 1} | ({"rounds": 1} if name == "gradient_boosting" else {"trees": 1})
    free = analyse(name, data, y=["y"], x=["a"], parameters=asked)
    assert free.leaves == 2
    held = analyse(name, data, y=["y"], x=["a"], parameters=asked, policy=GUARDED)
    assert held.leaves < 2
