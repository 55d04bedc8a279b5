"""Whatever travels arrives bit for bit; whatever else arrives is refused in one way."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from medmip.algorithms.registry import registry
from medmip.federation.kernels import described, kernels_of, name_of
from medmip.federation.question import Change
from medmip.federation.wire import Malformed, decoded_as, encoded
from medmip.fold.adjustment import Observed, Scale, Scaled
from medmip.fold.design import Column, Design, Factor
from medmip.fold.moments import MomentsState
from medmip.fold.statistic import Count, FloatArray, IntArray, Statistic, Sum
from tests.federation.recording import Asked, asked_by, asked_by_the_rest


def same(one: Any, other: Any) -> bool:
    """Whether two values are of the same types and bits, but for what a mask hides."""
    if isinstance(one, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(one)
        kept = np.array_equal(one.filled(0)[~mask], np.ma.asarray(other).filled(0)[~mask])
        return bool(kept) and bool(np.array_equal(mask, np.ma.getmaskarray(other)))
    if isinstance(one, np.ndarray | np.generic):
        one, other = np.asarray(one), np.asarray(other)
        same_kind = one.dtype == other.dtype and one.shape == other.shape
        return bool(same_kind) and bool(one.tobytes() == other.tobytes())
    if is_dataclass(one):
        shown = [field.name for field in fields(one) if field.init]
        return type(one) is type(other) and all(
            same(getattr(one, name), getattr(other, name)) for name in shown
        )
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return np.float64(one).tobytes() == np.float64(other).tobytes()
    return bool(one == other)


def carried(asked: Asked) -> Iterator[str]:
    """What does not arrive as it was sent."""
    kernel = described(asked.question.kernel)
    state, answer = asked.question.state, asked.answer
    if not same(state, decoded_as(encoded(state, kernel.state), kernel.state)):
        yield f"the state of {kernel.name}"
    if not same(answer, decoded_as(encoded(answer, kernel.statistic), kernel.statistic)):
        yield f"the statistic of {kernel.name}"
    for change in asked.question.road.adjustments:
        if not same(change, decoded_as(encoded(change, Change), Change)):
            yield f"the adjustment {type(change).__name__}"


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_round_of_every_algorithm_arrives_bit_for_bit(name: str) -> None:
    rounds = asked_by(name)
    assert rounds
    assert [lost for asked in rounds for lost in carried(asked)] == []


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_kernel_that_an_algorithm_runs_is_found_in_its_code(name: str) -> None:
    run = {name_of(asked.question.kernel) for asked in asked_by(name)}
    assert run
    assert run <= kernels_of(registry()[name]).keys()


def test_preparation_and_validation_arrive_bit_for_bit() -> None:
    rounds = asked_by_the_rest()
    kinds = {
        type(change).__name__ for asked in rounds for change in asked.question.road.adjustments
    }
    assert {"Filled", "Regressed", "Drawn", "Harmonised", "Scaled", "Observed"} <= kinds
    assert [lost for asked in rounds for lost in carried(asked)] == []


def test_preparation_and_validation_may_run_beside_any_algorithm() -> None:
    run = {name_of(asked.question.kernel) for asked in asked_by_the_rest()}
    allowed = kernels_of(registry()["linear_regression"]).keys()
    assert run - allowed <= kernels_of(registry()["logistic_regression"]).keys()
    assert run & allowed


def test_no_algorithm_reaches_another_ones_kernels() -> None:
    assert "medmip.fold.cox:risk_sums" in kernels_of(registry()["cox"])
    assert "medmip.fold.cox:risk_sums" not in kernels_of(registry()["describe"])


@dataclass(frozen=True)
class Told(Statistic):
    patients: Count
    sums: Sum


def test_what_a_mask_hides_does_not_travel() -> None:
    counts = np.ma.masked_array(np.array([3, 40], dtype=np.int64), [True, False])
    content = encoded(Told(counts, np.ma.masked_array([7.25, 1.0], [True, False])), Told)
    found = decoded_as(content, Told)
    assert found.patients.tolist() == [None, 40]
    assert np.ma.getdata(found.patients).tolist() == [0, 40]
    assert np.float64(7.25).tobytes() not in content


def test_an_array_of_another_type_is_refused_on_both_sides() -> None:
    with pytest.raises(Malformed):
        encoded(np.arange(3), FloatArray)
    with pytest.raises(Malformed):
        decoded_as(encoded(np.arange(3), IntArray)[:-1], FloatArray)
    with pytest.raises(Malformed):
        decoded_as(encoded(Told(np.arange(2), np.zeros(2)), Told), MomentsState)


def test_a_class_that_is_no_member_cannot_be_named() -> None:
    good = encoded(Observed("age", True), Change)
    assert decoded_as(good, Change) == Observed("age", True)
    with pytest.raises(Malformed):
        decoded_as(good.replace(b"Observed", b"Datasets"), Change)


STATE = MomentsState(
    Design(
        (("a",), ("b",)), (Column((Factor("a"),), "a", 0), Column((Factor("b", 1, "x"),), "b", 1))
    ),
    np.linspace(0.0, 1.0, 2),
    "w",
)
SCALED = Scaled(scales=(Scale(variable="a", mean=1.5, deviation=float("inf")),))
GOOD: list[tuple[Any, Any]] = [
    (STATE, MomentsState),
    (SCALED, Change),
    (Told(np.ma.masked_array(np.array([3, 40]), [True, False]), np.zeros((2, 2), order="F")), Told),
]


def read(content: bytes, expected: Any) -> None:
    # Anything but Malformed fails the test.
    with contextlib.suppress(Malformed):
        decoded_as(content, expected)


@settings(max_examples=500)
@given(st.binary(max_size=200), st.sampled_from([expected for _, expected in GOOD]))
def test_arbitrary_bytes_are_read_or_refused(content: bytes, expected: Any) -> None:
    read(content, expected)


@settings(max_examples=500)
@given(st.sampled_from(GOOD), st.data())
def test_changed_bytes_are_read_or_refused(good: tuple[Any, Any], data: st.DataObject) -> None:
    content = bytearray(encoded(*good))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    read(bytes(content), good[1])
    read(bytes(content[:cut]), good[1])


def test_deep_nesting_is_refused() -> None:
    read(b"\x91" * 100_000 + b"\x00", MomentsState)
    with pytest.raises(Malformed):
        decoded_as(b"\x91" * 900 + b"\x00", MomentsState)


def test_what_cannot_travel_is_said_by_the_sender() -> None:
    class Other(BaseModel):
        pass

    for value, expected in ((Other(), Change), (object(), MomentsState), (2**70, int)):
        with pytest.raises(Malformed):
            encoded(value, expected)
