"""A grid's choice against scikit-learn's nested search over the very same folds."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.registry import find
from medmip.experiments.tuning import Choice, Tuning, combinations, trainings
from medmip.experiments.validate import Folds, LeaveOneDatasetOut, tuned
from medmip.store.engine import Partition
from tests.analysis import cohort_of
from tests.experiments.test_validate import folds_of

FOLDS = 4
GRID = {"penalty": (0.02, 0.2, 0.6), "mixing": (0.3, 1.0)}
NAMES = ["a", "b", "c", "d", "e"]


def columns(records: int = 240, seed: int = 8) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(records, len(NAMES)))
    return {
        **dict(zip(NAMES, x.T, strict=True)),
        "y": 2 + x[:, 0] - 0.4 * x[:, 1] + rng.normal(0, 1.5, records),
        "k": np.where(x[:, 0] * (1 + 3 * x[:, 1]) + rng.logistic(size=records) > 0, "yes", "no"),
        "dataset": rng.choice(["one", "two", "three"], records),
        "subjectcode": np.array([f"P{index:05d}" for index in rng.permutation(records)]),
    }


def search(data: dict[str, Any], grid: dict[str, Any], name: str, y: str, **options: Any) -> Any:
    algorithm = find(name)
    fixed = options.pop("parameters", {})
    choices = [
        Choice(algorithm.parameters(**fixed, **values), values) for values in combinations(grid)
    ]
    asked = options.pop("asked", Folds(folds=FOLDS))
    partition = (
        Partition(FOLDS, 1, "subjectcode", None)
        if isinstance(asked, Folds)
        else Partition(0, 0, "subjectcode")
    )
    cohort = cohort_of(data, y=[y], x=options.pop("x", NAMES), partition=partition, **options)
    return tuned(cohort, algorithm, choices, asked), cohort


def theirs(
    data: dict[str, Any], train: np.ndarray, test: np.ndarray, values: dict[str, float]
) -> np.ndarray:
    """scikit-learn's squared errors of the tested records."""
    x = np.column_stack([data[name] for name in NAMES])
    net = ElasticNet(
        alpha=values["penalty"], l1_ratio=values["mixing"], tol=1e-12, max_iter=100_000
    )
    fitted = make_pipeline(StandardScaler(), net).fit(x[train], data["y"][train])
    errors: np.ndarray = (fitted.predict(x[test]) - data["y"][test]) ** 2
    return errors


def test_the_choice_and_its_nested_judgement_are_scikit_learns() -> None:
    data = columns()
    (parameters, tuning, validation), cohort = search(data, GRID, "elastic_net", "y")
    folds = folds_of(cohort, data)
    combined = combinations(GRID)
    alone = [
        np.concatenate([theirs(data, folds != g, folds == g, v) for g in range(FOLDS)])
        for v in combined
    ]
    for trial, errors in zip(tuning.trials, alone, strict=True):
        assert trial.loss == pytest.approx(errors.mean(), rel=1e-6)
    assert tuning.chosen == int(np.argmin([errors.mean() for errors in alone]))
    assert parameters.penalty == combined[tuning.chosen]["penalty"]
    outer, squares = [], []
    for group in range(FOLDS):
        inner = [
            np.concatenate(
                [
                    theirs(data, (folds != group) & (folds != other), folds == other, values)
                    for other in range(FOLDS)
                    if other != group
                ]
            ).mean()
            for values in combined
        ]
        outer.append(int(np.argmin(inner)))
        squares.append(theirs(data, folds != group, folds == group, combined[outer[-1]]))
    assert tuning.outer == tuple(outer)
    rmse = float(np.sqrt(np.concatenate(squares).mean()))
    assert validation.measure("RMSE").value == pytest.approx(rmse, rel=1e-6)


def test_sites_do_not_change_a_search() -> None:
    data = columns()
    # Every site deals folds by a key of its own; datasets are the same everywhere.
    asked = LeaveOneDatasetOut(kind="leave_one_dataset_out")
    (_, pooled, _), _ = search(data, GRID, "elastic_net", "y", asked=asked)
    (_, split, _), _ = search(data, GRID, "elastic_net", "y", asked=asked, parts=3)
    for one, other in zip(pooled.trials, split.trials, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-9)
    assert (pooled.chosen, pooled.outer) == (split.chosen, split.outer)


def test_a_class_is_learnt_by_its_log_loss_over_datasets() -> None:
    data = columns()
    (_, tuning, validation), _ = search(
        data,
        {"interactions": ((), (("a", "b"),))},
        "logistic_regression",
        "k",
        x=["a", "b"],
        parameters={"positive_class": "yes"},
        asked=LeaveOneDatasetOut(kind="leave_one_dataset_out"),
    )
    assert tuning.measure == "Log loss"
    assert tuning.groups == ("one", "three", "two")
    losses = [trial.loss for trial in tuning.trials]
    assert tuning.chosen == losses.index(min(losses))
    assert set(tuning.outer) == {tuning.chosen}
    assert validation.measure("Log loss").value == pytest.approx(min(losses), rel=1e-12)


def test_a_choice_without_an_answer_is_told_and_not_taken() -> None:
    data = columns()
    data["same"] = 1 / data["a"]
    # The product of a and same is constant; without it both have their place.
    grid = {"interactions": ((("a", "same"),), ())}
    (_, tuning, _), _ = search(data, grid, "linear_regression", "y", x=["a", "same"])
    assert tuning.trials[0].loss is None
    assert "constant" in tuning.trials[0].problem
    assert (tuning.chosen, tuning.outer) == (1, (1,) * FOLDS)


def test_where_no_choice_has_an_answer_the_reason_is_told() -> None:
    data = columns()
    data["twin"] = data["a"]
    grid = {"interactions": ((), (("a", "b"),))}
    with pytest.raises(CannotCompute, match="No choice of parameters has an answer"):
        search(data, grid, "linear_regression", "y", x=["a", "b", "twin"])


def test_a_search_counts_its_trainings() -> None:
    assert trainings(6, 4) == 6 * (4 + 6)


def test_a_search_is_shown_as_table_and_picture() -> None:
    (_, tuning, _), _ = search(columns(), GRID, "elastic_net", "y")
    shown, drawn = tuning.views({"penalty": "Penalty", "mixing": "Mixing"})
    assert [column.label for column in shown.columns[:3]] == [
        "Penalty", "Mixing", "Mean squared error",
    ]  # fmt: skip
    assert sum(row["outer"] for row in shown.rows) == FOLDS
    assert [row["note"] for row in shown.rows].count("chosen") == 1
    assert "Penalty" in drawn.alt
    assert Tuning.model_validate_json(tuning.model_dump_json()) == tuning
