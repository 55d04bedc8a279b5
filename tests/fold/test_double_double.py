"""Double-double arithmetic against exact fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medmip.fold.double_double import Double2, exact, exact_product, exact_sum

NUMBER = st.floats(-1e15, 1e15).filter(lambda value: value == 0 or abs(value) > 1e-15)


def value(number: Double2) -> Fraction:
    return Fraction(float(number.high)) + Fraction(float(number.low))


@given(NUMBER, NUMBER)
def test_sum_and_product_are_exact(a: float, b: float) -> None:
    left, right = np.array(a), np.array(b)
    assert value(exact_sum(left, right)) == Fraction(a) + Fraction(b)
    assert value(exact_product(left, right)) == Fraction(a) * Fraction(b)


@given(st.lists(st.tuples(NUMBER, NUMBER), max_size=40))
def test_dot_product_has_twice_the_digits(pairs: list[tuple[float, float]]) -> None:
    a = np.array([pair[0] for pair in pairs])
    b = np.array([pair[1] for pair in pairs])
    found = value((exact(a) * exact(b)).sum())
    terms = [Fraction(x) * Fraction(y) for x, y in pairs]
    assert abs(found - sum(terms)) <= sum(map(abs, terms)) * Fraction(1, 2**98)
