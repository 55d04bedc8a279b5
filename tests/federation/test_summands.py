"""A statistic's words add up to the words of the sum, and tell nothing of hidden cells."""

import secrets
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from medmip.federation.fixed_point import OutOfRange
from medmip.federation.summands import NotTheSame, Sums, nothing, summands, total
from medmip.fold.statistic import Statistic, field_kinds
from tests.federation import statistics
from tests.federation.statistics import Extremes, steering_of, sums_of

S = TypeVar("S", bound=Statistic)
RNG = np.random.default_rng(7)


def through(parts: list[S], empty: int = 0) -> S:
    """The total of these parts, and of some sites without records, by way of words."""
    sites = len(parts) + empty
    sent = [summands(part, sites, secrets.token_bytes, extremes=True) for part in parts]
    sent += [nothing(type(parts[0]), sent[0].shapes)] * empty
    added = Sums.of([one.sums for one in sent])
    return total(type(parts[0]), sent[0].shapes, added, [one.clear for one in sent])


def plain(parts: list[S]) -> S:
    found = parts[0]
    for part in parts[1:]:
        found = found + part
    return found


def assert_alike(one: Statistic, other: Statistic) -> None:
    for field, kind in field_kinds(type(one)).items():
        if kind.tail is not None:
            continue
        a, b = getattr(one, field), getattr(other, field)
        np.testing.assert_array_equal(np.ma.getmaskarray(a), np.ma.getmaskarray(b))
        a, b = np.ma.filled(a, 0), np.ma.filled(b, 0)
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-9, err_msg=field)
        assert np.asarray(a).dtype == np.asarray(b).dtype, field


@pytest.mark.parametrize("sites", [1, 3, 20])
def test_words_add_up_to_the_plain_sum(sites: int) -> None:
    parts = [sums_of(RNG) for _ in range(sites)]
    assert_alike(plain(parts), through(parts))
    searching = [steering_of(RNG) for _ in range(sites)]
    assert_alike(plain(searching), through(searching))


def test_a_cell_that_one_site_hides_is_hidden_in_the_total() -> None:
    parts = [sums_of(RNG), sums_of(RNG, hidden=True), sums_of(RNG)]
    found = through(parts)
    assert_alike(plain(parts), found)
    assert isinstance(found.by_cell, np.ma.MaskedArray)
    assert not np.ma.getdata(found.patients)[np.ma.getmaskarray(found.patients)].any()


def test_hidden_cells_are_random_words_and_so_are_their_flags() -> None:
    part = sums_of(RNG, hidden=True)
    one, other = (summands(part, 3, secrets.token_bytes, extremes=True).sums for _ in range(2))
    # A patients' cell, a table's two, each with its flag; two sums over the cell, of 3 limbs each.
    assert np.count_nonzero(one.counts != other.counts) == 2 * 3
    assert np.count_nonzero(one.numbers != other.numbers) == 2 * 3
    bare = replace(part, patients=np.ma.masked_array(np.array([11, 3, 12]), [False, True, False]))
    told = summands(bare, 3, bytes, extremes=True).sums.counts
    assert 3 not in told.tolist()


def test_sites_without_records_change_no_total() -> None:
    parts = [sums_of(RNG, hidden=True), sums_of(RNG)]
    assert_alike(plain(parts), through(parts, empty=3))


def test_a_double_keeps_its_tail() -> None:
    parts = [sums_of(RNG) for _ in range(4)]
    found = through(parts)
    exact = sum(
        int(high * 2**96) + int(low * 2**96)
        for part in parts
        for high, low in [(float(part.high[0]), float(part.low[0]))]
    )
    assert abs(int(found.high[0] * 2**96) + int(found.low[0] * 2**96) - exact) <= 8


def test_what_must_be_the_same_is_compared_and_never_told_where_it_differs() -> None:
    parts = [sums_of(RNG) for _ in range(3)]
    parts[1] = replace(parts[1], shift=np.nextafter(statistics.SHIFT, 2.0))
    with pytest.raises(NotTheSame, match="shift is not the same"):
        through(parts)


def test_what_is_the_same_comes_back_to_the_bit() -> None:
    for sites in range(1, 9):
        found = through([sums_of(RNG) for _ in range(sites)])
        assert found.shift.tobytes() == statistics.SHIFT.tobytes()


def test_minima_and_maxima_travel_in_clear_by_consent_only() -> None:
    masked = np.ma.masked_array(np.array([1.0, 2.0]), [True, False])
    parts = [
        Extremes(
            np.ma.masked_array(np.array([3, 20]), [True, False]),
            np.array([-1.0, 5.0]),
            np.array([9.0, np.nan]),
            masked,
        ),
        Extremes(
            np.array([30, 20]), np.array([0.0, 4.0]), np.array([8.0, 1.0]), np.array([7.0, 1.0])
        ),
    ]
    found = through(parts, empty=1)
    assert_alike(plain(parts), found)
    assert found.low.tolist() == [-1.0, 4.0]
    assert np.ma.getmaskarray(found.narrow).tolist() == [True, False]
    sent = summands(parts[0], 3, secrets.token_bytes, extremes=True).clear
    assert sent[2].tolist() == [-np.inf, 2.0]
    with pytest.raises(ValueError, match="consent"):
        summands(parts[0], 3, secrets.token_bytes, extremes=False)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0**94])
def test_a_sum_that_cannot_be_added_exactly_is_refused(value: float) -> None:
    with pytest.raises(OutOfRange):
        through([replace(sums_of(RNG), total=np.array(value)), sums_of(RNG), sums_of(RNG)])


def test_counts_are_whole_numbers() -> None:
    with pytest.raises(ValueError, match="whole number"):
        through([replace(sums_of(RNG), cells=np.array([1.5, 2.0]))])


def test_shapes_that_do_not_fit_the_words_are_refused() -> None:
    sent = summands(sums_of(RNG), 3, secrets.token_bytes, extremes=True)
    for shapes in [sent.shapes[:-1], ((4,), *sent.shapes[1:]), ((-3,), *sent.shapes[1:])]:
        with pytest.raises(NotTheSame):
            total(statistics.Sums, shapes, sent.sums, [()])
