"""The peer's t-tests. Its interval's level is 1 - alpha."""

import json
from typing import Any

import pytest

from tests.peer.conftest import SUITE, PeerHospital, close


def _cases(name: str) -> list[Any]:
    file = SUITE / "cases" / f"{name}.json"
    if not file.is_file():
        return [pytest.param(name, {}, id=f"{name}-absent")]
    cases = json.loads(file.read_text())["test_cases"]
    return [pytest.param(name, case, id=f"{name}-{n}") for n, case in enumerate(cases)]


@pytest.mark.parametrize(
    "name,tested",
    [*_cases("ttest_independent"), *_cases("ttest_paired"), *_cases("ttest_onesample")],
)
def test_equals_the_peer(peer: PeerHospital, name: str, tested: dict[str, Any]) -> None:
    asked, theirs = tested["input"]["parameters"], tested["output"]
    parameters = {"alternative": asked["alt_hypothesis"], "confidence": 1 - asked["alpha"]}
    if name == "ttest_independent":
        parameters |= {"group_a": asked["groupA"], "group_b": asked["groupB"]}
    if name == "ttest_onesample":
        parameters["mu"] = asked["mu"]

    ours = peer.run(name, tested["input"]["inputdata"], parameters)

    if "n_obs" in theirs:
        assert ours.n == theirs["n_obs"]
    assert ours.t == close(_only(theirs.get("statistic", theirs.get("t_value"))))
    assert ours.p_value == close(_only(theirs["p_value"]), floor=1e-300)
    assert ours.df == close(_only(theirs["df"]))
    assert ours.difference == close(_only(theirs["mean_diff"]))
    assert ours.std_error == close(_only(theirs.get("se_difference", theirs.get("se_diff"))))
    assert ours.cohens_d == close(_only(theirs["cohens_d"]))
    assert ours.lower == close(float(_only(theirs["ci_lower"])))
    assert ours.upper == close(float(_only(theirs["ci_upper"])))


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
