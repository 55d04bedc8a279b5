"""The peer's principal components; the sign of a component means nothing, so it is aligned."""

from typing import Any

import numpy as np
import pytest

from tests.peer.conftest import PeerHospital, close

PEER_CASES = "pca"


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    theirs = case["output"]
    ours = peer.run("pca", case["input"]["inputdata"])

    assert ours.n == theirs["n_obs"]
    assert list(ours.eigenvalues) == close(theirs["eigen_vals"])
    for vector, other in zip(ours.vectors, theirs["eigen_vecs"], strict=True):
        sign = np.sign(np.dot(vector, other))
        assert np.array(vector) * sign == pytest.approx(np.array(other), rel=1e-6, abs=1e-9)
