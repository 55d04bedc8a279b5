"""The linear support vector machine against scikit-learn and SciPy, split over sites."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.svm import LinearSVC

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.registry import find
from medmip.errors import RequestError
from medmip.experiments.validate import Folds, validated
from medmip.fold import descent
from medmip.fold.block import Block, Layout
from medmip.fold.margins import (
    ChanceState,
    MarginState,
    chance_curvature,
    decision_counts,
    margin_curvature,
)
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from medmip.store.engine import Partition
from tests.algorithms.samples import splits
from tests.analysis import analyse, cohort_of
from tests.blocks import cohort_over

X = ["volume", "score", "gene"]
LEVELS = {"group": ("ad", "cn", "mci"), "gene": ("e2", "e3", "e4")}
STRICT = Policy(overlap="off")


def cohort(records: int = 500, seed: int = 3, mean: float = 0.0) -> dict[str, Any]:
    """Two numeric covariates and a nominal one; three classes that overlap."""
    rng = np.random.default_rng(seed)
    group = rng.choice(LEVELS["group"], records, p=[0.3, 0.4, 0.3])
    lean = np.select([group == "ad", group == "mci"], [-1.0, -0.3], 0.6)
    return {
        "group": group,
        "volume": mean + 3 + lean + rng.normal(size=records),
        "score": 25 + 3 * lean + 4 * rng.normal(size=records),
        "gene": np.where(
            rng.random(records) < 0.35 * (group == "ad"),
            "e4",
            rng.choice(["e2", "e3", "e4"], records, p=[0.2, 0.6, 0.2]),
        ),
    }


def fit(data: dict[str, Any], x: Any = X, **options: Any) -> Any:
    options.setdefault("parameters", {"positive_class": "ad"})
    levels = LEVELS | options.pop("levels", {})
    return analyse("linear_svm", data, y=["group"], x=x, levels=levels, **options)


def standardised(data: dict[str, Any]) -> np.ndarray:
    columns = [data["volume"], data["score"], data["gene"] == "e3", data["gene"] == "e4"]
    x = np.column_stack(columns).astype(float)
    scaled: np.ndarray = (x - x.mean(axis=0)) / x.std(axis=0)
    return scaled


def optimum(z: np.ndarray, side: np.ndarray, penalty: float) -> np.ndarray:
    """(p + 1,), intercept first and free, by SciPy, then to rest by its active set's equations."""

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        short = np.maximum(0.0, 1 - side * (z @ beta[1:] + beta[0]))
        slope = -2 * penalty * short * side
        gradient = np.concatenate([[slope.sum()], z.T @ slope + beta[1:]])
        return 0.5 * beta[1:] @ beta[1:] + penalty * short @ short, gradient

    found = minimize(
        loss,
        np.zeros(z.shape[1] + 1),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-9, "maxiter": 5000},
    ).x
    one = np.column_stack([np.ones(len(z)), z])
    active = side * (one @ found) < 1
    square = 2 * penalty * one[active].T @ one[active] + np.diag([0.0, *np.ones(z.shape[1])])
    return np.linalg.solve(square, 2 * penalty * one[active].T @ side[active])


def told(margin: Any) -> np.ndarray:
    return np.array([part.standardised for part in margin.weights])


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_equals_scikit_learn_and_scipy(penalty: float) -> None:
    data = cohort()
    margin = fit(data, parameters={"positive_class": "ad", "penalty": penalty}).margins[0]
    z, side = standardised(data), np.where(data["group"] == "ad", 1.0, -1.0)
    theirs = optimum(z, side, penalty)
    assert told(margin) == pytest.approx(theirs[1:], rel=1e-9, abs=1e-12)
    # liblinear penalises the intercept too; scaled so far up, that is next to nothing.
    free = LinearSVC(loss="squared_hinge", dual=False, C=penalty, tol=1e-14, max_iter=100_000,
                     intercept_scaling=3e4).fit(z, side)  # fmt: skip
    assert told(margin) == pytest.approx(free.coef_[0], rel=1e-6, abs=1e-9)
    own = margin.intercept + sum(
        part.weight * mean for part, mean in zip(margin.weights, _means(data), strict=True)
    )
    assert own == pytest.approx(theirs[0], rel=1e-9)
    assert own == pytest.approx(free.intercept_[0], rel=1e-6)
    short = np.maximum(0, 1 - side * (z @ theirs[1:] + theirs[0]))
    value = 0.5 * theirs[1:] @ theirs[1:] + penalty * short @ short
    assert margin.objective == pytest.approx(value, rel=1e-10)


def _means(data: dict[str, Any]) -> list[float]:
    return [
        data["volume"].mean(),
        data["score"].mean(),
        (data["gene"] == "e3").mean(),
        (data["gene"] == "e4").mean(),
    ]


def test_three_classes_are_taken_each_against_the_rest() -> None:
    data = cohort()
    ours = fit(data, parameters={})
    z = standardised(data)
    theirs = LinearSVC(loss="squared_hinge", dual=False, tol=1e-14, max_iter=100_000,
                       intercept_scaling=3e4).fit(z, data["group"])  # fmt: skip
    assert ours.classes == tuple(theirs.classes_)
    for margin, level, weights in zip(ours.margins, ours.classes, theirs.coef_, strict=True):
        best = optimum(z, np.where(data["group"] == level, 1.0, -1.0), 1.0)[1:]
        assert told(margin) == pytest.approx(best, rel=1e-9, abs=1e-12)
        # On some processors liblinear's search stops 5e-8 short of the optimum.
        assert told(margin) == pytest.approx(weights, rel=1e-6, abs=1e-7)


def test_two_levels_need_no_positive_class() -> None:
    data = cohort() | {"group": np.where(cohort()["group"] == "ad", "ad", "cn")}
    ours, named = fit(data, parameters={}), fit(data, parameters={"positive_class": "cn"})
    assert len(ours.margins) == 1
    assert ours.margins[0].level == "cn"
    assert told(ours.margins[0]) == pytest.approx(told(named.margins[0]), rel=1e-12)


def decisions(data: dict[str, Any], margin: Any) -> np.ndarray:
    columns = [data["volume"], data["score"], data["gene"] == "e3", data["gene"] == "e4"]
    weights = np.array([part.weight for part in margin.weights])
    values: np.ndarray = np.column_stack(columns) @ weights + margin.intercept
    return values


def platt(values: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Platt's line, intercept first, by SciPy."""
    yes, no = held.sum(), (~held).sum()
    aim = np.where(held, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        odds = line[0] + line[1] * values
        apart = expit(odds) - aim
        return (np.logaddexp(0, odds) - aim * odds).sum(), np.array([apart.sum(), apart @ values])

    return np.asarray(
        minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-10}).x
    )


def test_chances_are_platts() -> None:
    data, unseen = cohort(), cohort(50, seed=9)
    ours = fit(data, parameters={})
    chances = []
    for margin in ours.margins:
        line = platt(decisions(data, margin), data["group"] == margin.level)
        assert [margin.chance_intercept, margin.chance_slope] == pytest.approx(line, rel=1e-6)
        chances.append(expit(line[0] + line[1] * decisions(unseen, margin)))
    shares = np.array(chances) / np.sum(chances, axis=0)
    assert ours.model.predict(block_of(unseen)) == pytest.approx(shares.T, rel=1e-6)
    binary = fit(data)
    (margin,) = binary.margins
    line = platt(decisions(data, margin), data["group"] == "ad")
    chance = expit(line[0] + line[1] * decisions(unseen, margin))
    assert binary.model.predict(block_of(unseen))[:, 1] == pytest.approx(chance, rel=1e-6)
    assert binary.model.target.classes == ("not ad", "ad")


def block_of(data: dict[str, Any]) -> Block:
    codes = [LEVELS["gene"].index(level) for level in data["gene"]]
    return Block(
        Layout(("volume", "score"), ("gene",), (LEVELS["gene"],)),
        np.column_stack([data["volume"], data["score"]]),
        np.array(codes, dtype=np.int32)[:, None],
        np.zeros(len(codes), dtype=np.int32),
        None,
    )


def test_confusion_and_decisions_count_the_cohort() -> None:
    data = cohort()
    ours = fit(data, parameters={})
    given = ours.model.predict(block_of(data)).argmax(axis=1)
    truth = np.array([ours.classes.index(level) for level in data["group"]])
    expected = [[int(((truth == i) & (given == j)).sum()) for j in range(3)] for i in range(3)]
    assert [list(row) for row in ours.confusion] == expected
    assert ours.accuracy == pytest.approx((truth == given).mean())
    margin = ours.margins[0]
    values = decisions(data, margin)
    edges = [-np.inf, *np.arange(-3, 3.01, 0.25), np.inf]
    for own, counts in enumerate(margin.decisions):
        held = (data["group"] == margin.level) == bool(own)
        assert list(counts) == np.histogram(values[held], edges)[0].tolist()


@pytest.mark.parametrize("parts", [*splits(500)[1:], 3])
@pytest.mark.parametrize("asked", [{}, {"positive_class": "ad", "penalty": 10.0}])
def test_federated_equals_pooled(asked: dict[str, Any], parts: Any) -> None:
    data = cohort(mean=1e6)
    pooled = fit(data, parameters=asked)
    split = fit(data, parameters=asked, parts=parts)
    for one, other in zip(pooled.margins, split.margins, strict=True):
        assert told(other) == pytest.approx(told(one), rel=1e-9, abs=1e-12)
        lines = [(part.chance_intercept, part.chance_slope) for part in (one, other)]
        assert lines[0] == pytest.approx(lines[1], rel=1e-9)
        assert one.objective == pytest.approx(other.objective, rel=1e-11)
        assert one.decisions == other.decisions
    assert pooled.confusion == split.confusion


@settings(max_examples=15)
@given(st.permutations(range(60)), st.lists(st.integers(1, 59), max_size=5))
def test_blocks_in_any_split_and_order_add_up_alike(order: list[int], cuts: list[int]) -> None:
    data = cohort(60)

    def sums(rows: list[int], cuts: list[int]) -> Any:
        held = np.array([LEVELS["group"].index(one) for one in data["group"][rows]])
        over = cohort_over(
            {code: data[code][rows] for code in ("volume", "score")},
            y=["group"],
            x=["volume", "score"],
            codes={"group": (held, LEVELS["group"])},
            cuts=cuts,
        )
        beta = np.array([[0.3, 0.4, -0.2], [-0.1, 0.2, 0.5]])
        state = MarginState(
            over.design(over.x), "group", (0, 2), np.array([3.0, 25.0]), np.array([1.0, 5.0]),
            beta, 2.0,
        )  # fmt: skip
        found = over.fold(margin_curvature, state)
        aims, lines = np.array([[0.1, 0.9], [0.2, 0.8]]), np.array([[0.5, 2.0], [-0.5, 1.0]])
        chances = over.fold(chance_curvature, ChanceState(state, aims, lines))
        return found, chances, over.fold(decision_counts, state).patients

    (one, first, here), (other, second, there) = sums(list(range(60)), []), sums(order, cuts)
    assert second.value == pytest.approx(first.value, rel=1e-12)
    assert second.gradient == pytest.approx(first.gradient, rel=1e-12, abs=1e-12)
    assert second.hessian == pytest.approx(first.hessian, rel=1e-12, abs=1e-12)
    assert other.value == pytest.approx(one.value, rel=1e-12)
    assert other.gradient == pytest.approx(one.gradient, rel=1e-12, abs=1e-10)
    assert other.hessian == pytest.approx(one.hessian, rel=1e-12, abs=1e-10)
    assert other.within.tolist() == one.within.tolist()
    assert here.tolist() == there.tolist()


def test_separable_classes_have_a_border() -> None:
    rng = np.random.default_rng(1)
    a = np.concatenate([rng.normal(-3, 0.3, 40), rng.normal(3, 0.3, 40)])
    data = {"group": np.repeat(["cn", "ad"], 40), "a": a}
    ours = fit(data, ["a"], levels={"group": ("ad", "cn")}, parameters={"penalty": 0.01})
    assert ours.accuracy == 1.0
    assert 0 < ours.model.predict(_one(a)).min() < 0.05
    assert ours.views()


def _one(values: np.ndarray) -> Block:
    zeros = np.zeros(len(values), dtype=np.int32)
    return Block(
        Layout(("a",), (), ()), values[:, None], np.zeros((len(values), 0), np.int32), zeros, None
    )


def test_collinear_covariates_have_an_answer() -> None:
    data = cohort()
    both = fit(data | {"again": 2 * data["volume"] + 1}, ["volume", "again"])
    weights = told(both.margins[0])
    assert weights[0] == pytest.approx(weights[1], rel=1e-9)


def test_a_margin_within_which_few_are_is_refused() -> None:
    rng = np.random.default_rng(1)
    a = np.concatenate([rng.normal(-3, 0.3, 40), rng.normal(3, 0.3, 40)])
    data = {"group": np.repeat(["cn", "ad"], 40), "a": a}
    with pytest.raises(Refused, match=r"within the margin of cn"):
        fit(
            data,
            ["a"],
            levels={"group": ("ad", "cn")},
            parameters={"penalty": 100.0},
            policy=STRICT,
        )


def test_small_classes_and_levels_are_refused_by_name() -> None:
    data = cohort()
    data["group"][:4] = "few"
    levels = {"group": ("ad", "cn", "few", "mci")}
    with pytest.raises(Refused, match=r"\(few\)"):
        fit(data, parameters={}, levels=levels, policy=STRICT)
    data = cohort()
    data["gene"] = np.where(np.arange(500) < 5, "e2", "e3")
    with pytest.raises(Refused, match=r"gene\[e2\]"):
        fit(data, policy=STRICT)


def test_small_cells_are_hidden() -> None:
    ours = fit(cohort(), parameters={}, policy=STRICT)
    counts = [
        count
        for margin in ours.margins
        for part in (*margin.decisions, *ours.confusion)
        for count in part
    ]
    assert None in counts
    assert [count for count in counts if count is not None and 0 < count < 10] == []
    assert "left out" in next(view for view in ours.views() if view.title == "Decision values").note


def test_repeated_visits_count_patients() -> None:
    data = cohort()
    data["subjectid"] = np.array([f"s{index // 2:03d}" for index in range(500)])
    ours = fit(data)
    once = fit(cohort())
    assert told(ours.margins[0]) == pytest.approx(told(once.margins[0]), rel=1e-12)
    assert sum(map(sum, ours.margins[0].decisions)) < 500


@pytest.mark.parametrize(
    "change, asked, message",
    [
        ({"volume": np.full(500, 2.0)}, {}, "constant: volume"),
        ({"group": np.full(500, "cn")}, {}, "single level"),
        ({"group": np.full(500, "cn")}, {"positive_class": "ad"}, "is not ad"),
        ({"group": np.full(500, "ad")}, {"positive_class": "ad"}, "is ad"),
        ({"gene": np.full(500, "e3"), "volume": np.full(500, 2.0)}, {}, "constant"),
    ],
)
def test_without_an_answer_it_says_why(
    change: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(cohort() | change, parameters=asked)
    with pytest.raises(CannotCompute, match="No covariate varies"):
        fit(cohort() | {"gene": np.full(500, "e3")}, ["gene"])


def test_no_settling_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "MAX_ROUNDS", 1)
    with pytest.raises(CannotCompute, match="did not settle within"):
        fit(cohort())


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(RequestError, match="positive_class"):
        fit(cohort(), parameters={"positive_class": "perhaps"})
    with pytest.raises(CannotCompute, match="among its own"):
        fit(cohort(), ["volume", "group"])


def test_views_show_what_a_paper_prints() -> None:
    for asked, title in (({}, "each class"), ({"positive_class": "ad"}, "ad")):
        views = fit(cohort(), parameters=asked).views()
        assert [view.title for view in views] == [
            f"Weights for group: {title}",
            "Weights",
            "Decision values",
            "Classes",
            "Confusion matrix",
            "Fit",
        ]
        assert "Reference of gene: e2" in views[1].note


def test_it_can_be_validated() -> None:
    data = cohort(900)
    data["subjectcode"] = np.array([f"P{index:05d}" for index in range(900)])
    over = cohort_of(
        data, y=["group"], x=X, levels=LEVELS, partition=Partition(3, 1, "subjectcode", "group")
    )
    algorithm = find("linear_svm")
    asked = Folds(kind="folds", folds=3, seed=1)
    found = validated(over, algorithm, algorithm.parameters(), asked)
    assert found.n == 900
    assert min(curve.auc for curve in found.curves) > 0.6
