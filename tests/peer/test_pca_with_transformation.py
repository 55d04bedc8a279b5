"""The peer's components of transformed variables."""

from typing import Any

import numpy as np
import pytest

from tests.peer.conftest import Explain, PeerHospital, close

PEER_CASES = "pca_with_transformation"


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any], explained: Explain) -> None:
    theirs = case["output"]
    transformed = case["input"]["parameters"]["data_transformation"]
    ours = peer.run("pca", case["input"]["inputdata"], transformed)

    assert ours.n == theirs["n_obs"]
    assert list(ours.means) == close(theirs["means"])
    # The peer standardises by the spread with denominator n and reports the one with n - 1.
    standard = [
        code in transformed.get("standardize", ()) for code in case["input"]["inputdata"]["y"]
    ]
    if any(standard):
        explained("it standardises by n and reports n − 1")
    spreads = np.where(standard, np.sqrt(ours.n / (ours.n - 1)), ours.standard_deviations)
    assert list(spreads) == close(theirs["sigmas"])
    assert list(ours.eigenvalues) == close(theirs["eigen_vals"])
    for vector, other in zip(ours.vectors, theirs["eigen_vecs"], strict=True):
        sign = np.sign(np.dot(vector, other))
        assert np.array(vector) * sign == pytest.approx(np.array(other), rel=1e-6, abs=1e-9)
