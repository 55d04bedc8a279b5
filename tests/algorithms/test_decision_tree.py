"""Decision trees against scikit-learn on the same bins, by hand, split over sites; who is told."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.block import Block
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.algorithms.trees import NOMINAL, NUMERIC, binned, block_of, patients
from tests.analysis import analyse

GUARDED = Policy(overlap="off")


def fit(data: dict[str, Any], y: str, x: list[str], **options: Any) -> Any:
    return analyse("decision_tree", data, y=[y], x=x, **options)


@pytest.mark.parametrize(
    "y, criterion, alpha",
    [
        ("stage", "gini", 0.0),
        ("ill", "gini", 0.0),
        ("stage", "entropy", 0.0),
        ("ill", "entropy", 0.0),
        ("stage", "gini", 0.004),
        ("ill", "entropy", 0.01),
        ("outcome", None, 0.0),
        ("outcome", None, 0.05),
    ],
)
def test_equals_scikit_learn_on_the_same_bins(y: str, criterion: str | None, alpha: float) -> None:
    data = patients()
    x = binned(data, y, NUMERIC)
    kind = DecisionTreeClassifier if criterion else DecisionTreeRegressor
    chosen = {"criterion": criterion} if criterion else {}
    ours = fit(data, y, NUMERIC, parameters={"depth": 6, "alpha": alpha} | chosen)
    given = ours.model.predict(block_of(data, NUMERIC))
    # Where two questions are equally good, the seed decides which scikit-learn asks.
    for seed in range(6):
        theirs = kind(
            max_depth=6, min_samples_leaf=20, ccp_alpha=alpha, random_state=seed, **chosen
        ).fit(x, data[y])
        expected = theirs.predict_proba(x) if criterion else theirs.predict(x)
        if np.allclose(given, expected, rtol=1e-12, atol=1e-11):
            break
    assert ours.leaves == theirs.get_n_leaves() > 5
    assert ours.depth == theirs.get_depth()
    assert given == pytest.approx(expected, rel=1e-10)
    weights = {part.variable: part.importance for part in ours.importance}
    found = [weights[code] for code in NUMERIC]
    assert found == pytest.approx(theirs.feature_importances_, rel=1e-8)
    assert ours.nodes[0].impurity == pytest.approx(theirs.tree_.impurity[0], rel=1e-12)
    score = theirs.score(x, data[y])
    assert (ours.accuracy if criterion else ours.r_squared) == pytest.approx(score, rel=1e-10)


def test_bins_are_alike_in_size_and_their_borders_round() -> None:
    data = patients(4000)
    codes = binned(data, "ill", NUMERIC, bins=32)
    for index in range(len(NUMERIC)):
        sizes = np.bincount(codes[:, index].astype(int))
        assert len(sizes) == 32
        assert sizes.min() > 0.6 * 4000 / 32
    asked = [node for node in fit(data, "ill", NUMERIC).nodes if node.threshold is not None]
    assert asked
    for node in asked:
        assert node.threshold not in set(data[node.variable].tolist())
        assert node.threshold == round(node.threshold, 3)


def test_whole_numbers_are_divided_at_whole_numbers_or_halves() -> None:
    data = patients()
    data["age"] = np.round(data["age"])
    asked = [node.threshold for node in fit(data, "ill", ["age"]).nodes if node.threshold]
    assert asked
    assert all(threshold % 0.5 == 0 for threshold in asked)


def _impurity(values: np.ndarray) -> float:
    if values.dtype.kind == "f":
        return float(values.var() * len(values))
    shares = np.unique(values, return_counts=True)[1] / len(values)
    return float((1 - (shares**2).sum()) * len(values))


@pytest.mark.parametrize("y", ["outcome", "ill"])
def test_levels_are_divided_as_trying_every_division_says(y: str) -> None:
    data = patients()
    levels = sorted(set(data["gene"]))
    tried = {}
    for size in range(1, len(levels)):
        for group in combinations(levels, size):
            left = np.isin(data["gene"], group)
            tried[group] = _impurity(data[y][left]) + _impurity(data[y][~left])
    best = min(tried.values())
    root = fit(data, y, ["gene"], parameters={"depth": 1}).nodes[0]
    assert tried[root.levels] == pytest.approx(best, rel=1e-12)
    assert root.improvement == pytest.approx((_impurity(data[y]) - best) / 900, rel=1e-9)


def test_of_more_classes_one_level_stands_against_all_others() -> None:
    data = patients()
    tried = {}
    for level in sorted(set(data["gene"])):
        left = data["gene"] == level
        tried[level] = _impurity(data["stage"][left]) + _impurity(data["stage"][~left])
    root = fit(data, "stage", ["gene"], parameters={"depth": 1}).nodes[0]
    assert root.levels == (min(tried, key=lambda level: tried[level]),)


@pytest.mark.parametrize("y", ["stage", "outcome"])
def test_split_equals_pooled(y: str) -> None:
    data = patients()
    pooled = fit(data, y, NUMERIC + NOMINAL, parameters={"depth": 7}).model_dump()
    for parts in splits(900):
        split = fit(data, y, NUMERIC + NOMINAL, parameters={"depth": 7}, parts=parts).model_dump()
        assert [(n["variable"], n["threshold"], n["levels"], n["n"]) for n in split["nodes"]] == [
            (n["variable"], n["threshold"], n["levels"], n["n"]) for n in pooled["nodes"]
        ]
        for one, other in zip(pooled["nodes"], split["nodes"], strict=True):
            assert other["impurity"] == pytest.approx(one["impurity"], rel=1e-9)
            assert other["counts"] == one["counts"]
            if y == "outcome":
                assert other["mean"] == pytest.approx(one["mean"], rel=1e-9)


@pytest.mark.parametrize("y", ["stage", "ill"])
def test_no_leaf_and_no_class_of_it_is_of_a_few_patients(y: str) -> None:
    data = patients()
    free = fit(data, y, NUMERIC + NOMINAL, parameters={"depth": 6})
    assert any(0 < count < 10 for node in free.nodes for count in node.counts)
    held = fit(data, y, NUMERIC + NOMINAL, parameters={"depth": 6}, policy=GUARDED)
    assert held.leaves > 5
    assert all(count == 0 or count >= 10 for node in held.nodes for count in node.counts)
    assert all(count == 0 or count >= 10 for row in held.confusion for count in row)
    assert all(node.n >= 20 for node in held.nodes)


def test_visits_of_few_patients_make_no_leaf_of_their_own() -> None:
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(60), 10)
    few = patient < 6
    data = {
        "subjectid": np.array([f"P{index:03d}" for index in patient]),
        "a": np.where(few, 5.0, 0.0) + rng.normal(size=600),
        "b": rng.normal(size=600),
        "y": np.where(few, 100.0, 0.0) + rng.normal(size=600),
    }
    free = fit(data, "y", ["a", "b"], parameters={"depth": 1})
    assert 20 <= min(node.n for node in free.nodes) <= 60
    held = fit(data, "y", ["a", "b"], parameters={"depth": 1}, policy=GUARDED)
    assert [node.n for node in held.nodes] == [600]


def test_the_outcome_of_a_rare_level_does_not_decide_its_side() -> None:
    sides = []
    for value in (-50.0, 50.0):
        data = patients()
        data["gene"] = data["gene"].astype(object)
        data["gene"][:3] = "rare"
        data["outcome"][:3] = value
        found = fit(data, "outcome", ["gene"], parameters={"depth": 1}, policy=GUARDED)
        sides.append((found.nodes[0].levels, found.nodes[1].n))
    assert sides[0] == sides[1]


def test_the_model_tells_nothing_of_what_it_never_saw() -> None:
    data = patients()
    x = ["age", "gene"]
    model = fit(data, "ill", x).model
    assert model.variables == ("age", "gene")
    probe = {code: data[code][:4].astype(object if code == "gene" else float) for code in x}
    probe["age"][0], probe["gene"][1], probe["gene"][2] = np.nan, None, "new"
    given = model.predict(block_of(probe, x))
    assert np.isnan(given).any(axis=1).tolist() == [True, True, True, False]
    assert given[3].sum() == pytest.approx(1.0)


def test_the_model_read_back_predicts_the_same() -> None:
    data = patients()
    model = fit(data, "stage", NUMERIC + NOMINAL).model
    again = type(model).model_validate_json(model.model_dump_json())
    block: Block = block_of(data, NUMERIC + NOMINAL)
    assert np.array_equal(again.predict(block), model.predict(block))


def test_a_class_of_few_patients_is_refused_by_name() -> None:
    data = patients()
    data["stage"] = data["stage"].astype(object)
    data["stage"][:4] = "odd"
    with pytest.raises(Refused, match="odd"):
        fit(data, "stage", NUMERIC, policy=GUARDED)


@pytest.mark.parametrize(
    "change, y, x, message",
    [
        ({"outcome": np.full(900, 2.0)}, "outcome", ["age"], "outcome is constant"),
        ({"ill": np.full(900, "no")}, "ill", ["age"], "single level"),
        ({"age": np.ones(900), "sex": np.full(900, "F")}, "ill", ["age", "sex"], "age, sex"),
        ({}, "outcome", ["age", "outcome"], "among its own covariates"),
    ],
)
def test_without_an_answer_it_says_why(
    change: dict[str, Any], y: str, x: list[str], message: str
) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(patients() | change, y, x)


def test_where_no_question_helps_the_tree_is_its_root() -> None:
    data = patients(100) | {
        "ill": np.array(["no", "yes"] * 50),
        "age": np.repeat(np.arange(50.0), 2),
    }
    found = fit(data, "ill", ["age"])
    assert (found.leaves, found.depth, found.accuracy) == (1, 0, 0.5)
    assert len(found.views()) == 5


def test_views_show_the_tree_its_leaves_and_what_counted() -> None:
    found = fit(patients(), "stage", NUMERIC + NOMINAL)
    titles = [view.title for view in found.views()]
    assert titles == [
        "Tree for stage",
        "Leaves",
        "Importance of covariates",
        "Fit",
        "Confusion matrix",
    ]
    rules = found.views()[1].rows
    assert len(rules) == found.leaves
    assert sum(int(row["n"]) for row in rules) == 900
    assert "volume < " in rules[0]["rule"]


def test_of_a_large_tree_the_first_part_is_drawn() -> None:
    found = fit(patients(4000), "outcome", NUMERIC, parameters={"depth": 8})
    assert found.leaves > 40
    assert "Only the first" in found.views()[0].note
