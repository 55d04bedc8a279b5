"""The peer's correlations; its alpha is one minus our confidence level."""

from typing import Any

from tests.peer.conftest import PeerHospital, close

PEER_CASES = "pearson_correlation"


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    theirs = case["output"]
    confidence = 1 - case["input"]["parameters"]["alpha"]
    ours = peer.run("pearson_correlation", case["input"]["inputdata"], {"confidence": confidence})

    assert ours.n == theirs["n_obs"]
    pairs = {
        "correlations": ours.correlations,
        "p-values": ours.p_values,
        "low_confidence_intervals": ours.lower,
        "high_confidence_intervals": ours.upper,
    }
    for name, matrix in pairs.items():
        assert theirs[name]["variables"] == list(ours.columns)
        for row, values in zip(ours.rows, matrix, strict=True):
            assert list(values) == close(theirs[name][row])
