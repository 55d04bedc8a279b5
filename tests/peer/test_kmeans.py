"""The peer's k-means, whose clusters may be of any size."""

from typing import Any

import numpy as np

from tests.peer.conftest import PeerHospital, close

PEER_CASES = "kmeans"


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    asked = case["input"]["parameters"]
    ours = peer.run(
        "kmeans",
        case["input"]["inputdata"],
        {
            "k": asked["k"],
            "tolerance": asked["tol"],
            "max_iterations": asked["maxiter"],
            "standardise": False,
        },
    )

    theirs = np.array(sorted(case["output"]["centers"]))
    assert np.array(sorted(ours.centres)) == close(theirs)
