"""Fixed-point numbers hold what Python's integers and fractions say."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.federation.fixed_point import (
    FRACTION,
    RANGE,
    Adding,
    OutOfRange,
    Words,
    added,
    decoded,
    decoded_counts,
    encoded,
    encoded_counts,
    negated,
)

STEP = Fraction(1, 2**FRACTION)
within = st.floats(-(2.0**RANGE) / 32, 2.0**RANGE / 32)
columns = st.integers(1, 8).flatmap(
    lambda size: st.lists(st.lists(within, min_size=size, max_size=size), min_size=1, max_size=31)
)
limbs = st.integers(0, 2**192 - 1)


def whole(number: Words) -> int:
    """The integer that one number's limbs are of, in two's complement."""
    found = sum(int(limb) << 64 * place for place, limb in enumerate(number))
    return found - 2**192 if found >> 191 else found


def words(*integers: int) -> Words:
    return np.array(
        [[integer >> 64 * place & (2**64 - 1) for integer in integers] for place in range(3)],
        dtype=np.uint64,
    )


@given(st.lists(within, max_size=20))
def test_a_float_becomes_the_nearest_number(values: list[float]) -> None:
    found = encoded(np.array(values), 31)
    # round() takes halves to even, as the machine does.
    assert [whole(one) for one in found.T] == [round(Fraction(v) / STEP) for v in values]


@given(st.floats(min_value=2.0**-44, max_value=2.0**80))
def test_a_float_that_is_not_tiny_loses_nothing(value: float) -> None:
    assert decoded(encoded(np.array([value, -value]), 1)).tolist() == [value, -value]


@given(columns)
def test_a_total_is_the_exact_total_rounded_once(rows: list[list[float]]) -> None:
    total = added(np.stack([encoded(np.array(row), 31) for row in rows]))
    for place, found in enumerate(decoded(total).tolist()):
        exact = sum(round(Fraction(row[place]) / STEP) for row in rows)
        assert whole(total[:, place]) == exact
        assert found == float(exact * STEP)


@given(st.lists(st.tuples(limbs, limbs, limbs), min_size=1, max_size=5))
def test_any_words_add_up_modulo_2_to_the_192(rows: list[tuple[int, int, int]]) -> None:
    total = added(np.stack([words(*row) for row in rows]))
    assert [whole(one) % 2**192 for one in total.T] == [
        sum(column) % 2**192 for column in zip(*rows, strict=True)
    ]


@given(limbs)
def test_any_words_become_the_nearest_float(number: int) -> None:
    exact = whole(words(number)[:, 0])
    assert decoded(words(number)).tolist() == [float(exact * STEP)]


@pytest.mark.parametrize("lead", range(52, 191))
@pytest.mark.parametrize("ending", ["half", "above", "below", "odd half"])
def test_halves_are_rounded_to_even_wherever_they_lie(lead: int, ending: str) -> None:
    low = lead - 53
    number = 1 << lead
    if low > 0:
        number |= {"half": 1 << low, "above": (1 << low) + 1, "below": (1 << low) - 1}.get(
            ending, 3 << low
        )
    for exact in (number, -number):
        assert decoded(words(exact % 2**192)).tolist() == [float(exact * STEP)]


@given(limbs)
def test_a_number_and_its_negative_are_nothing(number: int) -> None:
    one = words(number)
    assert not added(np.stack([one, negated(one)])).any()


@given(st.lists(limbs, min_size=1, max_size=5), st.lists(limbs, min_size=1, max_size=5))
def test_rows_are_added_and_taken_off_as_numbers_one_by_one(on: list[int], off: list[int]) -> None:
    adding = Adding()
    adding.add(np.tile(words(7), (1, 2)))
    for numbers, more in ((on, adding.add_rows), (off, adding.take_rows)):
        more(np.stack([np.repeat(words(number), 2, axis=1).reshape(-1) for number in numbers]))
    expected = (whole(words(7)[:, 0]) + sum(on) - sum(off)) % 2**192
    assert [whole(column) % 2**192 for column in adding.total().T] == [expected] * 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0**RANGE / 3, -(2.0**RANGE)])
def test_what_could_overflow_is_refused(value: float) -> None:
    with pytest.raises(OutOfRange) as refusal:
        encoded(np.array([1.0, value]), 3)
    assert str(value) not in str(refusal.value)


@given(st.integers(1, 200))
def test_the_largest_addends_do_not_overflow(addends: int) -> None:
    most = np.nextafter(2.0**RANGE / addends, 0.0)
    for sign in (1, -1):
        total = added(np.stack([encoded(np.array([sign * most]), addends)] * addends))
        assert decoded(total)[0] == float(sign * addends * Fraction(most))


@given(st.lists(st.integers(-(2**63) // 7 + 2, 2**63 // 7 - 1), min_size=1, max_size=7))
def test_counts_add_up_exactly(values: list[int]) -> None:
    total = np.sum([encoded_counts(np.array([value]), 7) for value in values], axis=0)
    assert decoded_counts(total.astype(np.uint64)).tolist() == [sum(values)]


@pytest.mark.parametrize("count", [2**63 // 3, -(2**63)])
def test_counts_that_could_overflow_are_refused(count: int) -> None:
    with pytest.raises(OutOfRange):
        encoded_counts(np.array([1, count]), 3)
