"""Predictions of records held out, beside scikit-learn."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from benchmarks.references.comparison import ITERATED, LEVELS, Comparison, Pair
from medmip.algorithms.registry import find
from medmip.experiments.validate import LeaveOneDatasetOut, validated
from medmip.store.engine import Partition
from tests.analysis import cohort_of


def _validation(data: dict[str, Any]) -> Pair:
    """Each of two datasets held out; levels alone, so that few chances differ and none share."""
    held = np.where(np.arange(600) % 3 == 0, "one", "two")
    patients = np.array([f"P{index:03d}" for index in range(600)])
    seen = data | {"dataset": held, "subjectcode": patients}
    cohort = cohort_of(
        seen, y=["died"], x=["sex", "stage"], levels=LEVELS,
        partition=Partition(0, 0, "subjectcode"),
    )  # fmt: skip
    algorithm = find("logistic_regression")
    asked = algorithm.parameters(positive_class="yes")
    found = validated(cohort, algorithm, asked, LeaveOneDatasetOut(kind="leave_one_dataset_out"))
    pairs = (("sex", "M"), ("stage", "mild"), ("stage", "severe"))
    x = np.column_stack([data[name] == level for name, level in pairs]).astype(float)
    truth, chances = data["died"] == "yes", np.zeros(600)
    for name in ("one", "two"):
        model = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky")
        model.fit(x[held != name], truth[held != name])
        chances[held == name] = model.predict_proba(x[held == name])[:, 1]
    ours = [found.measure(name).value for name in ("AUC", "Brier score", "Log loss")]
    return ours, [
        roc_auc_score(truth, chances),
        brier_score_loss(truth, chances),
        log_loss(truth, chances),
    ]


COMPARISONS = (
    Comparison(
        "validation",
        "logistic_regression",
        "AUC, Brier score, log loss",
        "scikit-learn",
        ITERATED,
        _validation,
    ),
)
