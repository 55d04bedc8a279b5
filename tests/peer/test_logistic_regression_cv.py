"""The peer's cross-validated logistic regressions.

Its folds are dealt evenly by class from records as they come. Its area under the curve is of the
very chances, ours of chances in steps, in which a pair that falls together counts half: the first
is scikit-learn's over the same folds, the second is scikit-learn's of these steps.
"""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from medmip.fold.scores import BINS, REACH
from tests.peer.conftest import Explain, PeerHospital, close
from tests.peer.folds import as_logistic, held_out, records

PEER_CASES = "logistic_regression_cv"


def test_our_validation_over_the_peers_folds_gives_its_figures(
    peer: PeerHospital, case: dict[str, Any], explained: Explain
) -> None:
    data, theirs = case["input"]["inputdata"], case["output"]
    positive, (outcome,) = case["input"]["parameters"]["positive_class"], data["y"]
    columns = records(peer, data, as_logistic)
    held = columns[outcome] == positive
    splits = list(StratifiedKFold(case["input"]["parameters"]["n_splits"]).split(held, held))
    ours = held_out(
        "logistic_regression",
        columns,
        data,
        [test for _, test in splits],
        {"positive_class": positive, "calibration": False},
    )

    explained("its folds are runs of records; its area under the curve is of single chances")
    names = {"Accuracy": "accuracy", "Recall": "recall", "Precision": "precision", "F1": "fscore"}
    for name, peers in names.items():
        assert list(ours.measure(name).folds) == close(theirs[peers]), name
    x = np.column_stack([columns[code] for code in data["x"]])
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    exact, stepped = [], []
    for train, test in splits:
        odds = fitted.fit(x[train], held[train]).decision_function(x[test])
        exact.append(roc_auc_score(held[test], odds))
        stepped.append(roc_auc_score(held[test], np.floor((odds + REACH) * BINS / (2 * REACH))))
    assert exact == close(theirs["auc"])
    assert list(ours.measure("AUC").folds) == close(stepped)
