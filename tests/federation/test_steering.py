"""Totals that steer a search never tell of one or two sites, whatever they are combined with."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from medmip.authoring.analysis import Witnessed
from medmip.catalogue.home import Home
from medmip.federation.steering import KeptSets, SteeringRule, tells_of_few
from medmip.fold.moments import Moments
from medmip.privacy.guard import Access, Refused
from medmip.store.state import open_state
from tests.federation.statistics import Steering

ACCESS = Access("tester", "e1", "decision_tree", cohort="c" * 64)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    state = open_state(Home(tmp_path).prepare())
    yield state
    state.dispose()


def sets(*names: str) -> list[frozenset[str]]:
    return [frozenset(one) for one in names]


@pytest.mark.parametrize(
    "safe, earlier",
    [
        (True, ["ABC"]),
        (True, ["ABC", "ABC"]),
        (True, ["ABCDEF", "ABC"]),
        (True, ["ABC", "DEF"]),
        (True, ["ABC", "ADE"]),
        (False, ["AB"]),
        (False, ["A"]),
        (False, ["ABCD", "ABC"]),
        (False, ["ABCDE", "ABC"]),
        (False, ["ABC", "ABD"]),
        (False, ["ABCDEF", "ABC", "DEFGH"]),
        (True, ["ABCDEF", "ABC", "DEFGHI"]),
    ],
)
def test_sets_that_differ_by_fewer_than_three_sites_tell(safe: bool, earlier: list[str]) -> None:
    assert tells_of_few(sets(*earlier)) is not safe


@given(st.lists(st.frozensets(st.sampled_from("ABCDEF"), min_size=3), min_size=1, max_size=3))
def test_the_rule_finds_what_a_search_over_all_small_combinations_finds(
    chosen: list[frozenset[str]],
) -> None:
    table = np.array([[site in one for site in "ABCDEF"] for one in chosen], dtype=int)
    weights = np.array(list(np.ndindex(*(7,) * len(chosen)))) - 3
    resting = np.count_nonzero(weights @ table, axis=1)
    assert tells_of_few(chosen) is bool(((resting > 0) & (resting < 3)).any())


def test_a_steering_statistic_leaves_under_secure_aggregation_only(engine: Engine) -> None:
    witness = Witnessed()
    rule = SteeringRule(KeptSets(engine), witness)
    rule.in_clear(ACCESS, Moments, consent=False)
    rule.in_clear(ACCESS, Steering, consent=True)
    with pytest.raises(Refused, match="secure aggregation") as refusal:
        rule.in_clear(ACCESS, Steering, consent=False)
    assert refusal.value.rule == "steering"
    assert witness.rows == [("Steering", "refused", "steering", 0)]
    rule.aggregated(ACCESS, Steering, {"a", "b", "c"})


def test_the_memory_outlives_the_agent(engine: Engine, tmp_path: Path) -> None:
    SteeringRule(KeptSets(engine), Witnessed()).aggregated(ACCESS, Steering, {"a", "b", "c", "d"})
    engine.dispose()
    again = open_state(Home(tmp_path).prepare())
    rule = SteeringRule(KeptSets(again), Witnessed())
    with pytest.raises(Refused, match="nearly the same hospitals"):
        rule.aggregated(ACCESS, Steering, {"a", "b", "c"})
    rule.aggregated(ACCESS, Steering, {"a", "b", "c", "d"})
    rule.aggregated(ACCESS, Moments, {"a", "b", "c"})
    elsewhere = Access("tester", "e2", "decision_tree", cohort="d" * 64)
    rule.aggregated(elsewhere, Steering, {"a", "b", "c"})
    again.dispose()


def test_what_is_refused_is_not_remembered(engine: Engine) -> None:
    rule = SteeringRule(KeptSets(engine), Witnessed())
    with pytest.raises(Refused):
        rule.aggregated(ACCESS, Steering, {"a", "b"})
    assert KeptSets(engine).of(ACCESS.cohort) == []
    rule.aggregated(ACCESS, Steering, {"a", "b", "c", "d", "e"})
    assert KeptSets(engine).of(ACCESS.cohort) == [frozenset("abcde")]
