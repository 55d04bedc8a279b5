"""The peer's summaries.

Its x are variables like its y, and it passes over the variable `dataset`. It leaves out a dataset
with fewer than ten values of a variable, also from `all datasets`, and gives no quartiles there;
`model_based` takes complete cases only.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from medmip.privacy.guard import Refused
from tests.peer.conftest import PeerHospital, close

PEER_CASES = "descriptive_stats"
MINIMUM = 10
OVERALL = "all datasets"


@pytest.mark.parametrize("kind", ["variable_based", "model_based"])
def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any], kind: str) -> None:
    data = case["input"]["inputdata"]
    variables = [code for code in (*(data["x"] or ()), *data["y"]) if code != "dataset"]
    filters = _complete(variables) if kind == "model_based" else None
    expected = {(row["variable"], row["dataset"]): row["data"] for row in case["output"][kind]}

    told: dict[str, list[str]] = {variable: [] for variable in variables}
    summaries = _summaries(peer, data, variables, data["datasets"], filters)
    for (variable, dataset), summary in summaries.items():
        theirs = expected[variable, dataset]
        if dataset == OVERALL and len(data["datasets"]) > 1:
            continue
        if summary["n"] < MINIMUM:
            assert theirs is None
        else:
            _compare(summary, theirs)
            told[variable].append(data["datasets"][0] if dataset == OVERALL else dataset)
    for datasets in {tuple(names) for names in told.values()}:
        alike = [variable for variable in variables if tuple(told[variable]) == datasets]
        if not datasets:
            hidden = [
                expected[code, part] for code in alike for part in (*data["datasets"], OVERALL)
            ]
            assert not any(hidden)
            continue
        overall = _summaries(peer, data, alike, datasets, filters)
        for variable in alike:
            _compare(overall[variable, OVERALL], expected[variable, OVERALL])


def _compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    assert ours["n"] == theirs["num_dtps"]
    assert ours["missing"] == theirs["num_na"]
    if "counts" in theirs:
        assert {level: n for level, n in ours["counts"].items() if n} == theirs["counts"]
        return
    names = {"mean": "mean", "sd": "std", "minimum": "min", "maximum": "max"}
    names |= {"q1": "q1", "median": "q2", "q3": "q3"}
    for name, peers in names.items():
        if theirs[peers] is not None:
            assert ours[name] == close(theirs[peers]), name


def _summaries(
    peer: PeerHospital,
    data: Mapping[str, Any],
    variables: list[str],
    datasets: Any,
    filters: object,
) -> dict[tuple[str, str], dict[str, Any]]:
    try:
        ours = peer.run("describe", data, y=variables, x=(), datasets=datasets, filters=filters)
    except Refused:
        return {(variable, OVERALL): {"n": 0} for variable in variables}
    return {(row.variable, row.dataset): row.model_dump() for row in (*ours.numeric, *ours.nominal)}


def _complete(variables: list[str]) -> dict[str, Any]:
    rules = [
        {"id": code, "field": code, "operator": "is_not_null", "value": None} for code in variables
    ]
    return {"condition": "AND", "rules": rules, "valid": True}
