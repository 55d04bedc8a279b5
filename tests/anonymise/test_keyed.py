"""Pseudonyms and date shifts: stable with the key, without it nothing."""

import hashlib
import hmac

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from medmip.anonymise.keyed import (
    LENGTH,
    derived,
    parameters,
    pseudonym,
    pseudonym_sql,
    shift,
    shift_sql,
)

KEYS = st.binary(min_size=32, max_size=32)
CODES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def in_sql(key, code, most):
    parts = [pseudonym_sql(key, "code"), shift_sql(key, "code", most)]
    with duckdb.connect() as connection:
        return connection.execute(
            f"SELECT {parts[0].sql}, {parts[1].sql} FROM (SELECT ?::VARCHAR AS code)",
            [*parameters(parts), code],
        ).fetchone()


@given(KEYS, CODES, st.integers(1, 3650))
def test_sql_says_what_python_says(key, code, most):
    assert in_sql(key, code, most) == (pseudonym(key, code), shift(key, code, most))


@given(KEYS, CODES)
def test_a_pseudonym_is_an_hmac(key, code):
    assert pseudonym(key, code) == hmac.new(key, code.encode(), hashlib.sha256).hexdigest()[:LENGTH]


@given(KEYS, KEYS, CODES)
def test_another_key_gives_another_pseudonym(key, other, code):
    assert (pseudonym(key, code) == pseudonym(other, code)) == (key == other)


@given(KEYS, CODES, st.integers(1, 400))
def test_a_shift_moves_and_keeps_its_bounds(key, code, most):
    days = shift(key, code, most)
    assert 1 <= abs(days) <= most


def test_every_shift_comes_about_equally_often():
    days = [shift(b"k" * 32, f"p{index}", 5) for index in range(20_000)]
    counts = [days.count(day) for day in range(-5, 6) if day]
    assert min(counts) > 1800
    assert max(counts) < 2200


def test_keys_of_two_purposes_have_nothing_in_common():
    purposes = [("patients",), ("patients", "a", "bc"), ("patients", "ab", "c"), ("dates",)]
    assert len({derived(b"k" * 32, *purpose) for purpose in purposes}) == len(purposes)
