"""Measurements of a cluster are kept beside those of other sizes, and its price is told."""

from dataclasses import replace

from benchmarks.scale import TASKS, Row, merged, page, price

NAME = next(iter(TASKS))
ONE = Row(NAME, 0, 1000, 2.0, 1.0, 300.0, 0.0, 0.0, 0.5)
TWO = replace(ONE, workers=2, first=2.4, again=1.3, worker=200.0, sent=3.0)


def test_a_new_row_takes_the_place_of_its_own_alone() -> None:
    larger = replace(ONE, records=5000)
    assert merged([larger, ONE], [replace(ONE, first=9.0), TWO]) == [
        replace(ONE, first=9.0),
        TWO,
        larger,
    ]


def test_the_price_is_of_the_largest_size_and_both_runs_keep_the_mark() -> None:
    assert f"| {NAME} | 1.20 / 1.30 | not kept |" in price([ONE, TWO], 2)
    assert f"| {NAME} | 1.20 / 1.20 | kept |" in price([ONE, replace(TWO, again=1.2)], 2)
    assert NAME not in price([ONE, TWO, replace(ONE, records=5000)], 2)


def test_the_page_has_a_line_for_each_row() -> None:
    told = page([ONE, TWO], 2)
    assert f"| {NAME} | embedded DuckDB | 1,000 | 2.00 / 1.00 | 300 / |  | 0.5 |" in told
    assert f"| {NAME} | dask, 2 workers | 1,000 | 2.40 / 1.30 | 300 / 200 | 3.0 | 0.5 |" in told
