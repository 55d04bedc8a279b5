"""Threads share the blocks of a fold; what they add up, and what they fail of, is as without."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from medmip.fold import local
from medmip.fold.block import Block, Layout
from medmip.fold.column_sums import ColumnState, ColumnSums, column_sums
from medmip.fold.local import THREADS, Cancelled, Folding, fold_blocks
from medmip.fold.value_grid import Columns

STATE = ColumnState(Columns(("v",)), 0, np.zeros((1, 1)))


def block(values: np.ndarray) -> Block:
    return Block(
        Layout(("v",), (), ()),
        np.asfortranarray(values[:, None]),
        np.empty((len(values), 0), dtype=np.int32),
        np.zeros(len(values), dtype=np.int32),
        None,
    )


def blocks(number: int, seed: int = 0) -> list[Block]:
    rng = np.random.default_rng(seed)
    return [block(rng.lognormal(0, 9, size)) for size in rng.integers(1, 400, number)]


def one_after_another(parts: list[Block]) -> ColumnSums | None:
    total: ColumnSums | None = None
    for part in parts:
        found = column_sums(part, STATE)
        total = found if total is None else total + found
    return total


@pytest.mark.parametrize("size", [1, 3, 40, 300])
def test_the_sum_has_the_bits_of_its_blocks_in_order(size: int) -> None:
    whole = blocks(size, size)
    found, expected = fold_blocks(whole, column_sums, STATE), one_after_another(whole)
    assert found is not None
    assert expected is not None
    assert np.array_equal(found.total, expected.total)
    assert np.array_equal(found.square, expected.square)


def test_what_a_block_remembers_is_not_added_to() -> None:
    whole = blocks(5)
    held = [column_sums(part, STATE) for part in whole]
    before = [(part.total.copy(), part.square.copy()) for part in held]
    places = {id(part): index for index, part in enumerate(whole)}
    for _ in range(2):
        found = fold_blocks(whole, lambda part, _: held[places[id(part)]], STATE)
        expected = one_after_another(whole)
        assert found is not None
        assert expected is not None
        assert np.array_equal(found.total, expected.total)
    for part, (total, square) in zip(held, before, strict=True):
        assert np.array_equal(part.total, total)
        assert np.array_equal(part.square, square)


def test_no_block_has_no_sum() -> None:
    assert fold_blocks([], column_sums, STATE) is None


def test_a_slow_block_changes_nothing_and_holds_back_no_thread_for_ever() -> None:
    whole, first = blocks(20 * THREADS), threading.Event()

    def kernel(part: Block, state: ColumnState) -> ColumnSums:
        if part is whole[0]:
            first.wait(0.2)
        return column_sums(part, state)

    found = fold_blocks(whole, kernel, STATE)
    expected = one_after_another(whole)
    assert found is not None
    assert expected is not None
    assert np.array_equal(found.total, expected.total)


@pytest.mark.parametrize("broken", [0, 1, 60])
def test_what_a_kernel_raises_in_any_thread_ends_the_fold(broken: int) -> None:
    whole, ran = blocks(61), []

    def kernel(part: Block, state: ColumnState) -> ColumnSums:
        ran.append(part)
        if part is whole[broken]:
            raise ZeroDivisionError
        return column_sums(part, state)

    with pytest.raises(ZeroDivisionError):
        fold_blocks(whole, kernel, STATE)
    assert len(ran) <= broken + 1 + 4 * THREADS


def test_a_fold_goes_on_while_all_helpers_are_busy() -> None:
    over = threading.Event()

    def waiting(part: Block, state: ColumnState) -> ColumnSums:
        over.wait(30)
        return column_sums(part, state)

    with ThreadPoolExecutor(THREADS) as runs:
        try:
            for _ in range(THREADS):
                runs.submit(fold_blocks, blocks(2 * THREADS), waiting, STATE)
            found = fold_blocks(blocks(9), column_sums, STATE)
        finally:
            over.set()
    assert found is not None
    assert found.records.sum() == sum(part.records for part in blocks(9))


def test_folds_begun_together_are_each_as_they_are_alone() -> None:
    wholes = [blocks(size, size) for size in (1, 7, 0, 90, 3, 2, 40)]
    begun = [Folding(whole, lambda part: column_sums(part, STATE)) for whole in wholes]
    for whole, folding in zip(wholes, begun, strict=True):
        found, expected = folding.total(), one_after_another(whole)
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            assert np.array_equal(found.total, expected.total)


def test_one_fold_that_fails_leaves_the_others_whole() -> None:
    def broken(part: Block) -> ColumnSums:
        raise ZeroDivisionError

    first, second = blocks(30), blocks(50, 1)
    begun = [
        Folding(first, lambda part: column_sums(part, STATE)),
        Folding(blocks(9), broken),
        Folding(second, lambda part: column_sums(part, STATE)),
    ]
    one, expected = begun[0].total(), one_after_another(first)
    assert one is not None
    assert expected is not None
    assert np.array_equal(one.total, expected.total)
    with pytest.raises(ZeroDivisionError):
        begun[1].total()
    three, expected = begun[2].total(), one_after_another(second)
    assert three is not None
    assert expected is not None
    assert np.array_equal(three.total, expected.total)


def test_one_block_at_a_time_is_told_of() -> None:
    inside, told = [], []

    def each(part: Block) -> None:
        inside.append(part)
        assert len(inside) == 1
        told.append(part)
        inside.pop()

    whole = blocks(200)
    fold_blocks(whole, column_sums, STATE, each=each)
    assert told == whole

    def stop(_: Block) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fold_blocks(whole, column_sums, STATE, each=stop)


def test_threads_that_fold_first_together_share_their_helpers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "_only", cache(local._Helpers))
    together = threading.Barrier(8)

    def first(_: int) -> object:
        together.wait()
        return local._helpers()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(first, range(8)))) == 1
