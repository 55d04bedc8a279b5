"""The peer's support vector machines, which tell patients' own values.

It fits scikit-learn's SVC, a machine of each pair of classes, and answers with its support
vectors: values of single patients, nearly all of them. Nothing of that may leave a hospital. On
its records the classes overlap wholly, so that the best weight is 0 to four digits; what the peer
tells of it is where its solver happened to stop, and hangs on the records' order.
Ours tells weights alone, of each class against the rest, of the squared hinge loss.
"""

from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC, LinearSVC

from tests.peer.conftest import Explain, PeerHospital, close
from tests.peer.folds import as_logistic, records

PEER_CASES = "svm_scikit"


def _fitted(columns: dict[str, Any], data: dict[str, Any], asked: dict[str, Any]) -> SVC:
    x = np.column_stack([columns[code] for code in data["x"]])
    machine = SVC(kernel="linear", C=asked["C"], gamma=asked["gamma"])
    return machine.fit(x, columns[data["y"][0]])


def test_the_peers_figures_are_scikit_learns_and_its_vectors_patients(
    peer: PeerHospital, case: dict[str, Any], explained: Explain
) -> None:
    data, theirs = case["input"]["inputdata"], case["output"]
    columns = records(peer, data, as_logistic)
    machine = _fitted(columns, data, case["input"]["parameters"])

    explained("its support vectors are single patients' values")
    assert len(columns[data["y"][0]]) == theirs["n_obs"]
    assert machine.coef_.ravel().tolist() == close(theirs["coeff"], floor=1e-12)
    assert sorted(machine.support_vectors_.ravel()) == sorted(theirs["support_vectors"])
    patients = set(columns[data["x"][0]].tolist())
    assert set(theirs["support_vectors"]) <= patients
    assert len(theirs["support_vectors"]) > 0.6 * theirs["n_obs"]


def test_ours_equals_scikit_learns_machine_of_weights_alone(
    peer: PeerHospital, case: dict[str, Any]
) -> None:
    data, penalty = case["input"]["inputdata"], case["input"]["parameters"]["C"]
    columns = records(peer, data, as_logistic)
    ours = peer.run("linear_svm", data, {"penalty": penalty})

    x, held = columns[data["x"][0]], columns[data["y"][0]]
    z = ((x - x.mean()) / x.std())[:, None]
    assert ours.n == len(x)
    for margin in ours.margins:
        # liblinear penalises the intercept too; scaled so far up, that is next to nothing.
        free = LinearSVC(dual=False, C=penalty, tol=1e-14, max_iter=100_000, intercept_scaling=3e4)
        free.fit(z, np.where(held == margin.level, 1.0, -1.0))
        (weight,) = margin.weights
        assert weight.standardised == pytest.approx(free.coef_[0, 0], rel=1e-6, abs=1e-9)
    assert not {"support_vectors", "vectors"} & set(type(ours).model_fields)
