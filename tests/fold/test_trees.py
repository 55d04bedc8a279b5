"""Sums by bin are the same however records are cut into blocks, and trees find every record."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.fold.bin_sums import Packing, bin_sums, slot_sums
from medmip.fold.bins import Bins, Feature
from medmip.fold.block import Block, hashed
from medmip.fold.draws import drawn_weights
from medmip.fold.leaves import LeafState, leaf_classes, leaf_numbers
from medmip.fold.trees import (
    ClassOutcome,
    NumberOutcome,
    SplitSearch,
    Tree,
    placed,
    placed_finer,
    slots_of,
    split_sums,
)
from tests.algorithms.trees import block_of
from tests.blocks import cohort_over

BINS = Bins((Feature("a", (-1.0, 0.0, 1.0)), Feature("g", levels=("u", "v", "w"))))
GROWN = Tree().with_splits([(0, 0, bytes([0, 0, 1, 1]))])
CODED = (("g", "uvw"), ("c", "01"))
DEEPER = GROWN.with_splits([(1, 1, bytes([0, 1, 0])), (2, 0, bytes([0, 0, 0, 1]))])


def columns(records: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    return {
        "a": rng.normal(size=records),
        "y": 1e7 + rng.normal(size=records),
        "g": rng.integers(0, 3, records),
        "c": rng.integers(0, 2, records),
    }


def sums(data: dict[str, Any], cuts: list[int], state: SplitSearch) -> np.ndarray:
    cohort = cohort_over(
        {"a": data["a"], "y": data["y"]},
        y=["y"],
        x=["a"],
        cuts=cuts,
        codes={"g": (data["g"], "uvw"), "c": (data["c"], "01")},
    )
    found: np.ndarray = cohort.fold(split_sums, state).sums
    return found


NUMBERS = NumberOutcome.about("y", 1e7, 1.0, 400)
OUTCOMES = [ClassOutcome("c", (0, 1), 2), NUMBERS]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=["classes", "numbers"])
@pytest.mark.parametrize("seeds", [None, (3,)], ids=["all", "drawn"])
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_blocks_in_any_split_have_the_same_bits(outcome: Any, seeds: Any, cuts: list[int]) -> None:
    state = SplitSearch(BINS, outcome, (DEEPER,), ((3, 4, 6),), seeds=seeds)
    assert np.array_equal(sums(columns(), cuts, state), sums(columns(), [], state))


def test_sums_equal_those_of_a_loop() -> None:
    data = columns()
    state = SplitSearch(BINS, NUMBERS, (GROWN,), ((2, 1),), ((((1, 0)), ((0, 1))),))
    found = sums(data, [], state)
    assert found.shape == (2, 2, 2, 4)
    y = (data["y"] - NUMBERS.origin) / NUMBERS.step
    right, bin_of_a = data["a"] >= 0, np.searchsorted([-1.0, 0.0, 1.0], data["a"], side="right")
    for slot, (held, looked) in enumerate([(right, (1, 0)), (~right, (0, 1))]):
        for spot, feature in enumerate(looked):
            code = bin_of_a if feature == 0 else data["g"]
            for place in range(4):
                rows = held & (code == place)
                assert found[slot, 0, spot, place] == rows.sum()
                assert found[slot, 1, spot, place] == pytest.approx(y[rows].sum(), rel=1e-12)


def test_records_left_out_are_in_no_sum() -> None:
    codes = np.zeros((5, 2), dtype=np.uint8)
    slot, none = np.array([-1, 0, -1, 1, 1], dtype=np.int32), np.full(5, -1, dtype=np.int32)
    one, ones = Packing.apart(1), np.ones((5, 1), dtype=np.int64)
    assert bin_sums(codes, slot, 2, 3, ones, one)[:, 0, 0, 0].tolist() == [1, 2]
    assert bin_sums(codes, none, 2, 3, ones, one).sum() == 0
    assert slot_sums(slot, 2, ones, one).tolist() == [[1], [2]]


def test_a_record_is_found_level_by_level_as_at_once() -> None:
    data = columns()
    x: dict[str, Any] = {"a": data["a"], "g": np.array(list("uvw"))[data["g"]]}
    block = block_of(x, ["a", "g"])
    codes = BINS.codes(block)
    assert BINS.codes(block) is codes
    for tree in (Tree(), GROWN, DEEPER):
        assert np.array_equal(placed(block, codes, tree, "place"), tree.places(codes))
    low, u_or_w = data["a"] < 0, data["g"] != 1
    expected = np.where(low, np.where(u_or_w, 3, 4), np.where(data["a"] < 1, 5, 6))
    assert DEEPER.places(codes).tolist() == expected.tolist()
    assert DEEPER.depths == [0, 1, 1, 2, 2, 2, 2]


def deeply_placed() -> tuple[Block, Any, Any]:
    """Records, their bins, and where they are in the deepest tree, which the block remembers."""
    data = columns()
    x: dict[str, Any] = {"a": data["a"], "g": np.array(list("uvw"))[data["g"]]}
    block = block_of(x, ["a", "g"])
    codes = BINS.codes(block)
    return block, codes, placed(block, codes, DEEPER, "place")


def test_records_of_joined_leaves_are_found_without_a_walk() -> None:
    block, codes, deep = deeply_placed()
    for nodes in ({1}, {2}, {1, 2}, {0}):
        cut, _ = DEEPER.cut(nodes)
        within = cut.within(DEEPER)
        assert within is not None
        assert np.array_equal(within[deep], cut.places(codes))
        assert np.array_equal(placed(block, codes, cut, "place"), cut.places(codes))
        assert np.array_equal(placed(block, codes, DEEPER, "place"), deep)
    assert DEEPER.within(DEEPER.cut({1})[0]) is None
    other = Tree().with_splits([(0, 1, DEEPER.sides[0])])
    assert other.within(DEEPER) is None


@pytest.mark.parametrize("visits", [1, 3])
@pytest.mark.parametrize("seeds", [None, (3,)], ids=["all", "drawn"])
@pytest.mark.parametrize("outcome", OUTCOMES, ids=["classes", "numbers"])
def test_joined_leaves_are_told_as_if_looked_at_anew(outcome: Any, seeds: Any, visits: int) -> None:
    def told(block: Block, tree: Tree) -> Any:
        kernel: Any = leaf_classes if isinstance(outcome, ClassOutcome) else leaf_numbers
        return kernel(block, LeafState(BINS, outcome, (tree,), seeds))

    def made() -> Block:
        data = columns()
        levels: dict[str, Any] = {name: np.array(list(known))[data[name]] for name, known in CODED}
        whole = block_of({"a": data["a"], "y": data["y"], **levels}, ["a", "y", "g", "c"])
        patient = np.arange(whole.records, dtype=np.int64) // visits
        return replace(whole, patient=None if visits == 1 else patient)

    block = made()
    told(block, DEEPER)
    for nodes in ({1}, {2}, {1, 2}, {0}):
        cut, _ = DEEPER.cut(nodes)
        found, expected = told(block, cut), told(made(), cut)
        assert np.array_equal(found.patients, expected.patients)
        assert np.array_equal(found.sums[..., :2], expected.sums[..., :2])
        # Squares have more digits than a sum keeps.
        assert np.allclose(found.sums, expected.sums, rtol=1e-14, atol=0)


def test_a_cut_tree_needs_no_record_placed_anew() -> None:
    block, codes, deep = deeply_placed()
    cut, _ = DEEPER.cut({1})
    nodes, place = placed_finer(block, codes, cut, "place")
    assert nodes is not None
    assert place is deep
    assert np.array_equal(nodes[place], cut.places(codes))
    other = Tree().with_splits([(0, 1, bytes([0, 1, 0]))])
    nodes, place = placed_finer(block, codes, other, "place")
    assert nodes is None
    assert np.array_equal(place, other.places(codes))


def test_trees_of_many_nodes_lead_everywhere() -> None:
    tree = Tree()
    for level in range(9):
        side = bytes(int(place >> (8 - level) & 1) if level else 0 for place in range(4))
        side = bytes([0, 0, 1, 1]) if level == 0 else bytes([0, 1, 0, 1]) if level == 1 else side
        ends = [node for node in tree.leaves if tree.depths[node] == level]
        tree = tree.with_splits([(node, 0, side) for node in ends])
    assert len(tree.feature) == 2**10 - 1
    for code in range(4):
        node = 0
        while tree.feature[node] >= 0:
            node = tree.left[node] + tree.sides[node][code]
        assert tree.places(np.array([[code, 0]], dtype=np.uint8)).tolist() == [node]
    assert len({int(tree.places(np.array([[c, 0]], dtype=np.uint8))[0]) for c in range(4)}) == 4


def of_a_loop(
    codes: np.ndarray, slot: np.ndarray, slots: int, channels: list[np.ndarray], looked: np.ndarray
) -> np.ndarray:
    """Sums by slot, channel, covariate and bin, one value after another."""
    found = np.zeros((slots, len(channels), looked.shape[1], 9))
    for here in range(slots):
        rows = np.flatnonzero(slot == here)
        for spot, feature in enumerate(looked[here].tolist()):
            for channel, values in enumerate(channels):
                found[here, channel, spot] = np.bincount(
                    codes[rows, feature], values[rows].astype(float), minlength=9
                )
    return found


@pytest.mark.parametrize("records", [3000, 100_000])
@pytest.mark.parametrize("classes", [1, 2, 3, 7])
def test_sums_in_shared_words_equal_those_of_a_loop(records: int, classes: int) -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 9, (records, 3)).astype(np.uint8)
    slot = rng.integers(-1, 4, records).astype(np.int32)
    held = rng.integers(0, classes, records)
    # The largest that derivatives can be, and all of one sign in a slot.
    first = np.where(slot == 0, -(2**30), rng.integers(-(2**30), 2**30 + 1, records))
    second = np.where(slot == 1, 2**28, rng.integers(0, 2**28 + 1, records))
    one = np.ones(records, dtype=np.int64)
    channels = [one, first, second, *(held == index for index in range(1, classes))]
    looked = np.tile(np.arange(3, dtype=np.int32), (4, 1))
    expected = of_a_loop(codes, slot, 4, channels, looked)
    for packing in (Packing.beside(2, classes), Packing.apart(len(channels))):
        words = packing.packed(channels)
        assert np.array_equal(bin_sums(codes, slot, 4, 9, words, packing), expected)
        assert np.array_equal(slot_sums(slot, 4, words, packing), expected[:, :, 0].sum(axis=2))
    some = np.array([[2, 0], [1, 1], [0, 2], [2, 1]], dtype=np.int32)
    assert np.array_equal(
        bin_sums(codes, slot, 4, 9, words, packing, some),
        of_a_loop(codes, slot, 4, channels, some),
    )


def test_a_block_remembers_no_more_than_it_has_room_for() -> None:
    block = block_of({"a": np.arange(10.0)}, ["a"])
    before = block.full_size
    block.remember("large", "key", np.zeros(100))
    assert block.remembered("large") is None
    block.remember("small", "key", np.zeros(10))
    block.remember("small", "other", np.ones(10))
    kept = block.remembered("small")
    assert kept is not None
    assert (kept[0], kept[1].sum()) == ("other", 10)
    assert block.full_size == before


def test_cut_nodes_become_leaves_and_lose_their_children() -> None:
    tree, kept = DEEPER.cut({1})
    assert kept == [0, 1, 2, 5, 6]
    assert (tree.feature, tree.left) == ((0, -1, 0, -1, -1), (1, 0, 3, 0, 0))
    assert DEEPER.cut({0}) == (Tree(), [0])


def test_nodes_stand_in_the_order_asked() -> None:
    place = np.array([3, 4, 5, 6, 4], dtype=np.int32)
    assert slots_of(place, (6, 4), 7).tolist() == [-1, 1, -1, 0, 1]


def test_drawn_weights_follow_a_poisson_law_and_differ_between_trees() -> None:
    rng = np.random.default_rng(1)
    block = block_of({"a": rng.normal(size=40_000), "b": rng.normal(size=40_000)}, ["a", "b"])
    drawn = hashed(block)
    one, other = drawn_weights(drawn, 1), drawn_weights(drawn, 2)
    for weights in (one, other):
        assert weights.mean() == pytest.approx(1.0, abs=0.02)
        assert weights.var() == pytest.approx(1.0, abs=0.04)
        assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.01)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
    assert np.array_equal(drawn_weights(hashed(block), 1), one)
