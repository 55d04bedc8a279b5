"""Blocks kept between rounds stay within bounds, and are never kept by halves."""

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medmip.federation.in_process import open_cohort
from medmip.federation.specification import CohortSpec
from medmip.fold.block import Block, Layout
from medmip.fold.block_cache import BlockCache
from medmip.fold.column_sums import ColumnState, ColumnSums, column_sums
from medmip.fold.local import Cancelled, fold_blocks
from medmip.fold.value_grid import Columns
from tests.analysis import ACCESS, model_of, site_of

RECORDS = 10
SIZE = RECORDS * (8 + 4 + 1 + 36)
"""Bytes of one block of these tests: a number and a dataset for each record, and room for the
number's bin, a place in a tree, a score and its derivatives."""


@dataclass
class Source:
    """Loads blocks of the numbers first, first + 1, … and counts how often."""

    blocks: int = 4
    first: int = 0
    loads: int = 0
    given: int = 0

    def load(self) -> Iterator[Block]:
        self.loads += 1
        for index in range(self.blocks):
            self.given += 1
            yield Block(
                Layout(("v",), (), ()),
                np.full((RECORDS, 1), float(self.first + index), order="F"),
                np.empty((RECORDS, 0), dtype=np.int32),
                np.zeros(RECORDS, dtype=np.int32),
                None,
            )


def read(cache: BlockCache, key: str, source: Source, expected: int = 0) -> list[float]:
    return [float(block.numeric[0, 0]) for block in cache.blocks(key, expected, source.load)]


def test_what_fits_is_loaded_once() -> None:
    cache, source = BlockCache(4 * SIZE), Source()
    assert [read(cache, "a", source) for _ in range(3)] == [[0, 1, 2, 3]] * 3
    assert source.loads == 1
    cache.clear()
    assert read(cache, "a", source) == [0, 1, 2, 3]
    assert source.loads == 2


@pytest.mark.parametrize("expected", [0, 4 * SIZE])
def test_what_does_not_fit_is_streamed_in_every_round(expected: int) -> None:
    cache, source, kept = BlockCache(4 * SIZE - 1), Source(), Source(1)
    read(cache, "small", kept)
    assert [read(cache, "a", source, expected) for _ in range(3)] == [[0, 1, 2, 3]] * 3
    assert source.loads == 3
    read(cache, "small", kept)
    assert kept.loads == 1, "it drove out what fits"


def test_what_is_expected_not_to_fit_is_not_collected() -> None:
    cache, source = BlockCache(4 * SIZE), Source()
    read(cache, "a", source, 4 * SIZE + 1)
    read(cache, "a", source, 4 * SIZE)
    read(cache, "a", source, 4 * SIZE)
    assert source.loads == 2


def test_the_least_recently_used_goes_first() -> None:
    cache = BlockCache(8 * SIZE)
    sources = {key: Source(first=index) for index, key in enumerate("abc")}
    for key in "abac":  # c drives out b, as a was used since.
        read(cache, key, sources[key])
    for key in "ac":
        read(cache, key, sources[key])
    assert {key: source.loads for key, source in sources.items()} == {"a": 1, "b": 1, "c": 1}
    read(cache, "b", sources["b"])
    read(cache, "a", sources["a"])
    assert {key: source.loads for key, source in sources.items()} == {"a": 2, "b": 2, "c": 1}


def test_a_reader_that_stops_leaves_nothing_by_halves() -> None:
    cache, source = BlockCache(), Source()
    reader = cache.blocks("a", 0, source.load)
    next(reader)
    assert isinstance(reader, Generator)
    reader.close()
    assert read(cache, "a", source) == [0, 1, 2, 3]
    assert source.loads == 2


def test_a_load_that_fails_leaves_nothing_by_halves() -> None:
    def failing() -> Iterator[Block]:
        yield from Source(2).load()
        raise OSError("the disk is gone")

    cache, source = BlockCache(), Source()
    with pytest.raises(OSError, match="disk is gone"):
        list(cache.blocks("a", 0, failing))
    assert read(cache, "a", source) == [0, 1, 2, 3]


def test_a_reader_keeps_its_blocks_while_they_are_driven_out() -> None:
    cache, source = BlockCache(4 * SIZE), Source()
    read(cache, "a", source)
    reader = cache.blocks("a", 0, source.load)
    first = next(reader)
    read(cache, "b", Source(first=10))
    rest = [float(block.numeric[0, 0]) for block in reader]
    assert (float(first.numeric[0, 0]), rest) == (0.0, [1.0, 2.0, 3.0])
    assert source.loads == 1


def test_readers_at_once_all_read_the_same() -> None:
    cache, source = BlockCache(9 * SIZE), Source()
    others = [Source(first=10 * index) for index in range(1, 4)]
    found: list[tuple[int, list[float]]] = []
    start = threading.Barrier(8)

    def reader(number: int) -> None:
        start.wait()
        for turn in range(40):
            which = (number + turn) % 4
            chosen = [source, *others][which]
            found.append((chosen.first, read(cache, str(which), chosen)))

    threads = [threading.Thread(target=reader, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 320
    assert all(numbers == [first, first + 1, first + 2, first + 3] for first, numbers in found)


def test_what_is_kept_shrinks_with_the_memory_that_is_free() -> None:
    free = 20 * SIZE
    asked: list[int] = []

    def most(held: int) -> int:
        asked.append(held)
        return (free + held) // 4

    cache, sources = BlockCache(most), {key: Source() for key in "ab"}
    read(cache, "a", sources["a"])
    assert cache.held == 4 * SIZE
    read(cache, "a", sources["a"])
    assert (sources["a"].loads, max(asked)) == (1, 4 * SIZE)
    read(cache, "b", sources["b"])
    assert cache.held == 4 * SIZE, "both do not fit"
    free = SIZE
    read(cache, "b", sources["b"])
    assert (cache.held, sources["b"].loads) == (0, 1)
    read(cache, "b", sources["b"])
    assert (cache.held, sources["b"].loads) == (0, 2)


def test_what_is_collected_at_once_is_bounded_too() -> None:
    cache, sources = BlockCache(9 * SIZE), [Source(first=10 * i) for i in range(4)]
    readers = [cache.blocks(str(i), 0, one.load) for i, one in enumerate(sources)]
    most = 0
    found: list[list[float]] = [[] for _ in readers]
    for _ in range(4):
        for number, reader in enumerate(readers):
            found[number].append(float(next(reader).numeric[0, 0]))
            most = max(most, cache.held)
    for reader in readers:
        assert next(reader, None) is None
    assert found == [[10.0 * i + j for j in range(4)] for i in range(4)]
    assert SIZE * 4 < most <= SIZE * 10
    assert cache.held <= 9 * SIZE
    assert cache.held % (4 * SIZE) == 0


def test_a_reader_that_stops_gives_back_what_it_had_collected() -> None:
    cache = BlockCache(9 * SIZE)
    reader = cache.blocks("a", 0, Source().load)
    next(reader)
    next(reader)
    assert cache.held == SIZE
    assert isinstance(reader, Generator)
    reader.close()
    assert cache.held == 0


@dataclass
class Impatient:
    """Follows a run, and cancels it once it has seen so many blocks."""

    patience: int
    asked: int = 0

    def advanced(self, rounds: int, fraction: float | None) -> None:
        pass

    def held_up(self, by: str) -> None:
        pass

    def cancelled(self) -> bool:
        self.asked += 1
        return self.asked > self.patience


@pytest.mark.parametrize("patience", [0, 1, 5])
def test_a_cancelled_fold_stops_within_a_block(patience: int) -> None:
    cache, source, watcher, ran = BlockCache(), Source(blocks=500), Impatient(patience), []

    def kernel(block: Block, state: ColumnState) -> ColumnSums:
        ran.append(block)
        return column_sums(block, state)

    def each(_block: Block) -> None:
        if watcher.cancelled():
            raise Cancelled

    state = ColumnState(Columns(("v",)), 0, np.zeros((1, 1)))
    with pytest.raises(Cancelled):
        fold_blocks(cache.blocks("a", 0, source.load), kernel, state, each=each)
    assert source.given == patience + 1
    assert len(ran) <= patience

    total = fold_blocks(cache.blocks("a", 0, source.load), column_sums, state)
    assert total is not None
    assert total.records.tolist() == [[500 * RECORDS]]
    assert source.loads == 2


def test_a_cancelled_cohort_caches_nothing_by_halves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = {"v": rng.normal(size=400_000)}
    model = model_of(data)
    site = site_of(tmp_path, model, data)
    spec = CohortSpec(model, ("d",), (model.variable("v"),), (), None, "drop")
    with pytest.raises(Cancelled):
        open_cohort([site], spec, ACCESS, Impatient(1))
    cohort = open_cohort([site], spec, ACCESS)
    assert cohort.size.records == 400_000
    state = ColumnState(Columns(("v",)), 0, np.zeros((1, 1)))
    assert cohort.fold(column_sums, state).total == pytest.approx(data["v"].sum(), rel=1e-12)

    late = open_cohort([site], spec, ACCESS, Impatient(4))
    with pytest.raises(Cancelled):
        late.fold(column_sums, state)
    assert cohort.fold(column_sums, state).records.tolist() == [[400_000]]


def test_a_site_serves_cohorts_that_name_its_datasets_in_another_order(tmp_path: Path) -> None:
    data = {"v": np.arange(60.0), "dataset": np.repeat(["one", "two"], [20, 40])}
    model = model_of(data, {"dataset": ("one", "two")})
    site = site_of(tmp_path, model, data)
    for names in ("one", "two"), ("two", "one"), ("zero", "one", "two"):
        spec = CohortSpec(model, names, (model.variable("v"),), (), None, "drop")
        sizes = open_cohort([site], spec, ACCESS).size.datasets
        found = {size.dataset: size.records for size in sizes if size.records}
        assert found == {"one": 20, "two": 40}
