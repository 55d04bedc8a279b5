"""The peer's requests for cross-validated naive Bayes, to which its suite gives no figures.

What there is to prove is that ours gives them right: over stratified folds of the peer's records,
class by class, as scikit-learn does.
"""

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.preprocessing import OrdinalEncoder

from tests.peer.conftest import Explain, PeerHospital, close
from tests.peer.folds import as_logistic, held_out, records

PEER_CASES = ("naive_bayes_gauss_cv", "naive_bayes_categorical_cv")


def test_our_validation_is_scikit_learns(
    peer: PeerHospital, case: dict[str, Any], explained: Explain
) -> None:
    assert "output" not in case
    explained("the suite gives no figures")
    data = case["input"]["inputdata"]
    columns = records(peer, data, as_logistic)
    held = columns[data["y"][0]]
    splits = list(StratifiedKFold(case["input"]["parameters"]["n_splits"]).split(held, held))
    ours = held_out("naive_bayes", columns, data, [test for _, test in splits])

    given = np.empty_like(held)
    if columns[data["x"][0]].dtype.kind == "f":
        x = np.column_stack([columns[code] for code in data["x"]])
        method: Any = GaussianNB()
    else:
        x = OrdinalEncoder().fit_transform(np.column_stack([columns[code] for code in data["x"]]))
        method = CategoricalNB(min_categories=x.max(axis=0).astype(int) + 1)
    right = []
    for train, test in splits:
        given[test] = method.fit(x[train], held[train]).predict(x[test])
        right.append((given[test] == held[test]).mean())
    assert (
        np.array(ours.confusion).tolist()
        == confusion_matrix(held, given, labels=list(ours.classes)).tolist()
    )
    assert list(ours.measure("Accuracy").folds) == close(right)
