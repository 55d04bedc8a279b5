"""No analysis is made of a variable whose sums would tell one patient's value."""

from typing import Any

import numpy as np
import pytest

from medmip.fold.dominance import dominated
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from medmip.store.engine import Partition
from tests.analysis import analyse, cohort_of
from tests.blocks import cohort_over

STRICT = Policy(overlap="off")


def patients(records: int = 80) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    return {"cost": rng.gamma(2.0, 50.0, records), "age": rng.normal(70, 8, records)}


def outlying(size: float = 1e5) -> dict[str, Any]:
    data = patients()
    data["cost"][11] = size
    return data


@pytest.mark.parametrize("parts", [1, 3])
def test_a_patient_who_carries_a_sum_refuses_the_cohort(parts: int) -> None:
    with pytest.raises(Refused, match="sums would tell it: cost") as refused:
        analyse("describe", outlying(), y=["age", "cost"], policy=STRICT, parts=parts)
    assert refused.value.rule == "dominance"
    assert "100000" not in str(refused.value)
    # Without that variable, and without that patient, there is nothing to refuse.
    assert analyse("describe", outlying(), y=["age"], policy=STRICT, parts=parts)
    assert analyse("describe", patients(), y=["age", "cost"], policy=STRICT, parts=parts)


def test_the_policy_says_how_much_is_too_much() -> None:
    data = outlying(1000.0)
    squares = (data["cost"] - data["cost"].mean()) ** 2
    share = float(squares.max() / squares.sum())
    for allowed, passes in ((share - 0.01, False), (share + 0.01, True), (1.0, True)):
        policy = Policy(overlap="off", dominance=allowed)
        if passes:
            assert analyse("describe", data, y=["cost"], policy=policy)
        else:
            with pytest.raises(Refused):
                analyse("describe", data, y=["cost"], policy=policy)


def test_all_visits_of_a_patient_count_together() -> None:
    rng = np.random.default_rng(1)
    values, patient = rng.normal(size=90), np.repeat(np.arange(30), 3)
    values[patient == 4] += 25.0
    alone, together = (
        cohort_over({"a": values}, y=["a"], cuts=[12, 45], patient=people)
        for people in (None, patient)
    )
    fold: Any = {
        False: lambda kernel, state: alone.transport.fold(kernel, state, ()),
        True: lambda kernel, state: together.transport.fold(kernel, state, ()),
    }
    squares = (values - values.mean()) ** 2
    assert squares.max() < 0.5 * squares.sum() < np.bincount(patient, squares).max()
    assert dominated(fold[False], ["a"], 0.5) == ()
    assert dominated(fold[True], ["a"], 0.5) == ("a",)


def test_it_looks_about_the_mean_without_losing_digits() -> None:
    rng = np.random.default_rng(1)
    values = 1e9 + rng.normal(size=200)
    cohort = cohort_over({"a": values}, y=["a"], cuts=[60])
    assert (
        dominated(lambda kernel, state: cohort.transport.fold(kernel, state, ()), ["a"], 0.5) == ()
    )
    values[3] += 100.0
    cohort = cohort_over({"a": values}, y=["a"], cuts=[60])
    found = dominated(lambda kernel, state: cohort.transport.fold(kernel, state, ()), ["a"], 0.5)
    assert found == ("a",)


def test_a_share_of_a_cohort_is_held_to_it_too() -> None:
    data = patients(120) | {"dataset": np.repeat(["one", "two"], 60)}
    data["age"] = np.where(data["dataset"] == "two", data["age"] + 400 * (np.arange(120) % 2), 70.0)
    data["age"][3] = 100.0
    data["subjectcode"] = np.array([f"P{number}" for number in range(120)])
    cohort = cohort_of(data, y=["age"], policy=STRICT, partition=Partition(0, 0, "subjectcode"))
    assert cohort.share([1]).size.patients == 60
    with pytest.raises(Refused, match="sums would tell it: age"):
        cohort.share([0])


def test_missing_values_are_nobodys() -> None:
    data = patients()
    data["cost"][::3] = np.nan
    assert analyse("describe", data, y=["cost"], policy=STRICT).numeric
