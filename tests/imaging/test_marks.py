"""The marks of accuracy are judged as they are written, and what was not measured is missed."""

import pytest

from benchmarks.imaging_page import Result, missed, written
from medmip.imaging.errors import ImagingError
from medmip.imaging.volumetry import proof
from medmip.imaging.volumetry.region import TOTALS

REGIONS = ("hippocampus_l", "hippocampus_r", *(f"cortex_{number}" for number in range(18)))
KEYS = ("real fast", "drawn fast", "wilted fast", "retest fast")


def result(*, error=0.0, deep=0.0, dice=0.97, total=0.0, shrunk=0.0, seen=1.0, seconds=60):
    """Errors in per cent; shrunk is a loss of the hippocampi, of which so much is seen."""
    truth = dict.fromkeys(REGIONS, 4.0) | dict.fromkeys(TOTALS, 1000.0)
    found = {code: true * (1 + error / 100) for code, true in truth.items()}
    for code in REGIONS[:2]:
        truth[code] = 4 * (1 - shrunk)
        found[code] = 4 * (1 - shrunk * seen) * (1 + deep / 100)
    for code in TOTALS:
        found[code] = truth[code] * (1 + total / 100)
    return Result(truth, found, dict.fromkeys(REGIONS, dice), seconds, 1.5)


def results(**changed):
    shrunk = {"wilted fast": result(shrunk=0.3, seen=0.99)}
    return {key: result() for key in KEYS} | shrunk | changed


def test_what_meets_every_mark_misses_none():
    assert missed(results(), KEYS) == []
    assert "**Every mark below is met.**" in written(results(), KEYS, {"dipy": "1"})


@pytest.mark.parametrize(
    "key, one, said",
    [
        ("real fast", result(error=1.6), "median error"),
        ("real fast", result(error=-5.5), "90th percentile"),
        ("drawn fast", result(deep=-2.1), "drawn fast, deep"),
        ("drawn fast", result(dice=0.94), "Dice"),
        ("drawn fast", result(total=-3.2), "Grey matter"),
        ("real fast", result(seconds=130), "seconds"),
        ("wilted fast", result(shrunk=0.3, seen=0.94), "slope of hippocampus_r"),
        ("retest fast", result(error=-1.6), "retest"),
    ],
)
def test_each_mark_is_judged(key, one, said):
    told = missed(results(**{key: one}), KEYS)
    assert any(said in line for line in told)
    assert said in "\n".join(written(results(**{key: one}), KEYS, {"dipy": "1"}))


def test_what_was_not_measured_is_missed():
    there = {key: one for key, one in results().items() if key != "retest fast"}
    assert missed(there, KEYS) == ["retest fast: not measured"]
    assert "retest fast: not measured" in "\n".join(written(there, KEYS, {"dipy": "1"}))
    assert missed({}, KEYS) == [f"{key}: not measured" for key in KEYS]
    assert "".join(written({}, KEYS, {"dipy": "1"}))


def test_the_proof_that_is_shipped_is_of_the_steps_as_they_are():
    """Where this fails, steps or tools changed: `make validate-imaging` measures anew."""
    validation = pytest.importorskip("benchmarks.validate_imaging")
    assert proof.proof() == validation.proof()


@pytest.mark.parametrize(
    "marks, said",
    [
        (("deep: 3.1, mark 2",), "yet: deep: 3.1, mark 2 (docs"),
        (("one", "two", "three", "four", "five"), "one; two; three; and 2 more (docs"),
    ],
)
def test_the_gate_is_shut_where_a_mark_is_missed(monkeypatch, marks, said):
    monkeypatch.setattr(proof, "proof", lambda: proof.Proof(missed=marks))
    with pytest.raises(ImagingError, match="do not meet every mark") as refusal:
        proof.refuse_unproven(allowed=False)
    assert said in str(refusal.value)
    proof.refuse_unproven(allowed=True)


def test_the_gate_is_open_where_all_marks_are_met(monkeypatch):
    monkeypatch.setattr(proof, "proof", lambda: proof.Proof(missed=()))
    proof.refuse_unproven(allowed=False)
    assert proof.unproven() is None
