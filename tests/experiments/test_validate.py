"""Validation against scikit-learn's measures over the very same folds, and what it keeps back."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.naive_bayes import GaussianNB

from medmip.algorithms.registry import find
from medmip.algorithms.validation import Validation
from medmip.experiments.validate import Folds, HoldOut, LeaveOneDatasetOut, validated
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from medmip.store.engine import Partition
from tests.analysis import OPEN, cohort_of

RECORDS = 1200


def columns(seed: int = 3, records: int = RECORDS) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, records))
    chance = 1 / (1 + np.exp(-(0.4 + 1.2 * a - 0.8 * b)))
    third = np.where(b > 0.7, "w", np.where(a > 0, "v", "u"))
    return {
        "a": a,
        "b": b,
        "y": 3 + 2 * a - b + rng.normal(size=records),
        "c": np.where(rng.random(records) < chance, "yes", "no"),
        "t": np.where(rng.random(records) < 0.8, third, "u"),
        "dataset": rng.choice(["one", "two", "three"], records),
        "subjectcode": np.array([f"P{index:05d}" for index in rng.permutation(records)]),
    }


def divided(
    data: dict[str, Any], y: str, partition: Partition, policy: Policy = OPEN, parts: int = 1
) -> Cohort:
    return cohort_of(data, y=[y], x=["a", "b"], partition=partition, policy=policy, parts=parts)


def by_fold(y: str, folds: int = 4, seed: int = 1) -> Partition:
    return Partition(folds, seed, "subjectcode", y if y in ("c", "t") else None)


def judged(
    name: str, data: dict[str, Any], y: str, asked: Any, parameters: dict[str, Any] | None = None
) -> Validation:
    algorithm = find(name)
    partition = by_fold(y, asked.folds, asked.seed) if isinstance(asked, Folds) else None
    cohort = divided(data, y, partition or Partition(0, 0, "subjectcode"))
    return validated(cohort, algorithm, algorithm.parameters(**(parameters or {})), asked)


def folds_of(cohort: Cohort, data: dict[str, Any], code: str = "a") -> np.ndarray:
    """The fold of each record of data, found by its value of a numeric variable."""
    found = np.full(len(data[code]), -1)
    place = {float(value): index for index, value in enumerate(data[code])}

    def look(block: Block) -> None:
        assert block.group is not None
        for value, group in zip(block.column(code), block.group, strict=True):
            found[place[float(value)]] = group

    transport: Any = cohort.transport
    for member in transport.members:
        for block in member.part.blocks():
            look(block)
    assert (found >= 0).all()
    return found


def predicted(estimator: Any, data: dict[str, Any], y: str, folds: np.ndarray, method: str) -> Any:
    x = np.column_stack([data["a"], data["b"]])
    made: Any = None
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        part = getattr(estimator.fit(x[train], data[y][train]), method)(x[test])
        if made is None:
            made = np.zeros((len(x), *part.shape[1:]))
        made[test] = part
    return made


def test_linear_regression_is_judged_as_scikit_learn_does() -> None:
    data = columns()
    found = judged("linear_regression", data, "y", Folds(folds=4))
    folds = folds_of(divided(data, "y", by_fold("y")), data)
    given = predicted(LinearRegression(), data, "y", folds, "predict")
    assert found.n == RECORDS
    assert found.measure("R²").value == pytest.approx(r2_score(data["y"], given), rel=1e-9)
    assert found.measure("RMSE").value == pytest.approx(
        root_mean_squared_error(data["y"], given), rel=1e-9
    )
    assert found.measure("MAE").value == pytest.approx(
        mean_absolute_error(data["y"], given), rel=1e-9
    )
    for index, value in enumerate(found.measure("RMSE").folds):
        held = folds == index
        assert value == pytest.approx(
            root_mean_squared_error(data["y"][held], given[held]), rel=1e-9
        )
    rmse = found.measure("RMSE")
    assert (rmse.lower or np.nan) < (rmse.value or np.nan) < (rmse.upper or np.nan)


def test_curves_and_offsets_are_judged_on_records_that_set_no_knot() -> None:
    data = columns()
    data["y"] = np.sin(2 * data["a"]) + 0.3 * np.random.default_rng(1).normal(size=RECORDS)
    straight, curved = (
        judged("linear_regression", data, "y", Folds(folds=4), asked).measure("R²").value
        for asked in ({}, {"splines": ["a"], "knots": 7})
    )
    assert straight is not None
    assert curved is not None
    assert curved > straight + 0.2
    asked = {"positive_class": "yes", "offset": "b", "polynomials": ["a"]}
    found = judged("logistic_regression", data, "c", Folds(folds=4), asked)
    assert found.n == RECORDS


def test_logistic_regression_is_judged_as_scikit_learn_does() -> None:
    data = columns()
    found = judged("logistic_regression", data, "c", Folds(folds=4), {"positive_class": "yes"})
    folds = folds_of(divided(data, "c", by_fold("c")), data)
    estimator = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky")
    chances = predicted(estimator, data, "c", folds, "predict_proba")
    truth, given = data["c"] == "yes", chances[:, 1] > 0.5
    for name, value in {
        "Accuracy": accuracy_score(truth, given),
        "Precision": precision_score(truth, given),
        "Recall": recall_score(truth, given),
        "F1": f1_score(truth, given),
        "Brier score": brier_score_loss(truth, chances[:, 1]),
        "Log loss": log_loss(truth, chances),
    }.items():
        assert found.measure(name).value == pytest.approx(value, rel=1e-8), name
    # Scores are put in bins before they are compared, so ties count half.
    assert found.measure("AUC").value == pytest.approx(
        roc_auc_score(truth, chances[:, 1]), abs=5e-5
    )
    (curve,) = found.curves
    assert curve.sensitivity[-1] == curve.fall_out[-1] == 1.0
    assert list(curve.sensitivity) == sorted(curve.sensitivity)


def test_three_classes_are_judged_each_against_the_others() -> None:
    data = columns()
    found = judged("naive_bayes", data, "t", Folds(folds=4))
    folds = folds_of(divided(data, "t", by_fold("t")), data)
    chances = predicted(GaussianNB(), data, "t", folds, "predict_proba")
    assert found.classes == ("u", "v", "w")
    assert found.measure("Accuracy").value == pytest.approx(
        accuracy_score(data["t"], np.array(["u", "v", "w"])[chances.argmax(axis=1)]), rel=1e-12
    )
    for index, level in enumerate(found.classes):
        assert found.measure(f"AUC of {level}").value == pytest.approx(
            roc_auc_score(data["t"] == level, chances[:, index]), abs=1e-4
        )


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_even_stratified_and_the_same_again(folds: int) -> None:
    data = columns()
    first = folds_of(divided(data, "c", by_fold("c", folds)), data)
    again = folds_of(divided(data, "c", by_fold("c", folds)), data)
    other = folds_of(divided(data, "c", by_fold("c", folds, seed=2)), data)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    for level in ("yes", "no"):
        for dataset in ("one", "two", "three"):
            held = first[(data["c"] == level) & (data["dataset"] == dataset)]
            sizes = np.bincount(held, minlength=folds)
            assert sizes.max() - sizes.min() <= 1


def test_all_visits_of_a_patient_are_in_one_fold() -> None:
    data = columns(records=600)
    patients = np.repeat([f"P{index:03d}" for index in range(200)], 3)
    data = {key: data[key] for key in ("a", "b", "y")} | {
        "subjectid": patients,
        "visitid": np.tile(["BL", "FL1", "FL2"], 200),
    }
    cohort = divided(data, "y", Partition(4, 1, "subjectid"))
    folds = folds_of(cohort, data)
    for patient in np.unique(patients):
        assert len(set(folds[patients == patient].tolist())) == 1
    assert np.bincount(folds).tolist() == [150] * 4


def test_each_dataset_is_held_out_in_turn() -> None:
    data = columns()
    found = judged("linear_regression", data, "y", LeaveOneDatasetOut(kind="leave_one_dataset_out"))
    assert found.groups == ("one", "three", "two")
    place = np.unique(data["dataset"], return_inverse=True)[1]
    given = predicted(LinearRegression(), data, "y", place, "predict")
    assert found.measure("R²").value == pytest.approx(r2_score(data["y"], given), rel=1e-9)
    alone = judged("linear_regression", data, "y", HoldOut(kind="hold_out", dataset="two"))
    held = data["dataset"] == "two"
    assert alone.n == held.sum()
    assert alone.measure("R²").value == pytest.approx(
        r2_score(data["y"][held], given[held]), rel=1e-9
    )


def test_split_over_sites_every_fold_is_dealt_at_its_site() -> None:
    data = columns()
    algorithm = find("linear_regression")
    cohort = divided(data, "y", by_fold("y"), parts=3)
    found = validated(cohort, algorithm, algorithm.parameters(), Folds(folds=4))
    folds = folds_of(cohort, data)
    given = predicted(LinearRegression(), data, "y", folds, "predict")
    assert found.measure("R²").value == pytest.approx(r2_score(data["y"], given), rel=1e-9)


def test_a_fold_below_the_minimum_is_refused() -> None:
    data = columns(records=60) | {"dataset": np.full(60, "d")}
    algorithm = find("linear_regression")
    cohort = divided(data, "y", by_fold("y", 10), policy=Policy(overlap="off"))
    with pytest.raises(Refused, match="fewer than 10"):
        validated(cohort, algorithm, algorithm.parameters(), Folds(folds=10))


def test_small_cells_of_the_confusion_are_hidden_with_what_rests_on_them() -> None:
    data = columns(records=300) | {"dataset": np.full(300, "d")}
    data["c"] = np.where(3 * data["a"] + 0.4 * np.sin(40 * data["b"]) > 0, "yes", "no")
    data["a"] = data["a"] + 0.3 * np.cos(60 * data["b"])
    algorithm = find("naive_bayes")
    cohort = divided(data, "c", by_fold("c"), policy=Policy(overlap="off"))
    found = validated(cohort, algorithm, algorithm.parameters(), Folds(folds=4))
    assert None in {count for row in found.confusion for count in row}
    assert found.measure("Accuracy").value is None
    assert found.measure("AUC").value is not None
    (curve,) = found.curves
    positives = (data["c"] == "yes").sum()
    steps = np.diff([0.0, *curve.sensitivity]) * positives
    assert all(step < 1e-6 or step > 9.5 for step in steps)
    assert "hidden counts" in found.views()[0].note


def test_a_level_that_no_training_held_is_counted_apart() -> None:
    data = columns(records=600)
    data["s"] = np.where(data["dataset"] == "two", "new", np.where(data["b"] > 0, "m", "f"))
    algorithm = find("linear_regression")
    cohort = cohort_of(data, y=["y"], x=["a", "s"], partition=Partition(0, 0, "subjectcode"))
    asked = HoldOut(kind="hold_out", dataset="two")
    found = validated(cohort, algorithm, algorithm.parameters(), asked)
    assert found.unknown == (data["dataset"] == "two").sum()
    assert found.n == 0


@pytest.mark.parametrize("name", ["multinomial_regression", "elastic_net"])
def test_curves_of_every_class_are_drawn_one_against_the_rest(name: str) -> None:
    data = columns(records=600)
    y = "t" if name == "multinomial_regression" else "c"
    asked = {"calibration": False} if y == "t" else {"positive_class": "yes", "penalty": 0.01}
    found = judged(name, data, y, Folds(folds=3), asked)
    classes = np.unique(data[y])
    folds = folds_of(divided(data, y, by_fold(y, 3)), data)
    drawn = {curve.name: curve for curve in found.curves}
    assert set(drawn) == (set(classes) if y == "t" else {"yes"})
    for curve in drawn.values():
        assert curve.fall_out[-1] == curve.sensitivity[-1] == 1.0
        assert list(curve.sensitivity) == sorted(curve.sensitivity)
        assert len(curve.precision) == len(curve.thresholds)
    titles = {view.title for view in found.views()}
    assert {"ROC curve", "Precision and recall", "Calibration"} <= titles
    if y == "t":
        fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
        chances = predicted(fitted, data, y, folds, "predict_proba")
        for index, level in enumerate(classes):
            area = roc_auc_score(data[y] == level, chances[:, index])
            assert drawn[level].auc == pytest.approx(area, abs=1e-4)
