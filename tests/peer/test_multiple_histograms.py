"""The peer's histograms; it writes null for an empty bin and shows every other count."""

from typing import Any

from tests.peer.conftest import PeerHospital, close

PEER_CASES = "multiple_histograms"


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    data, parameters = case["input"]["inputdata"], case["input"]["parameters"]
    ours = peer.run("histogram", data, parameters)

    for theirs in case["output"]["histogram"]:
        group = next(
            group
            for group in ours.groups
            if (group.variable, group.level) == (theirs["grouping_var"], theirs["grouping_enum"])
        )
        counts = [count or None for count in group.counts]
        if ours.levels:
            expected = dict(zip(theirs["bins"], theirs["counts"], strict=True))
            assert dict(zip(ours.levels, counts, strict=True)) == expected
        else:
            assert list(ours.edges) == close(theirs["bins"])
            assert counts == theirs["counts"]
