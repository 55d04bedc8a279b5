"""Trees in the making: where records lie in them, and sums by bin that steer their growth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from medmip.fold.bins import BinArray, Bins
from medmip.fold.block import Block
from medmip.fold.draws import weights_by_tree
from medmip.fold.statistic import (
    FloatArray,
    IntArray,
    SearchSum,
    Statistic,
)

Places = NDArray[np.int32]
_TILE = 2**14
"""Records whose cells are found together, so that they stay in the processor's cache."""
_PACKED, _PACKED_RECORDS = 2.0**38, 2**14
"""By so much the number of so many records stands above a sum: both together are below 2^53."""


@dataclass(frozen=True)
class Tree:
    """A binary tree whose nodes m are told by bins; node 0 is the root.

    feature (m,) is the covariate asked about, -1 at a leaf; the children of a node are left and
    left + 1; sides (m,) holds a byte for each bin: 0 to the left, 1 to the right. shallower is
    the tree that this one grew from by one level, where it did.
    """

    feature: tuple[int, ...] = (-1,)
    left: tuple[int, ...] = (0,)
    sides: tuple[bytes, ...] = (b"",)
    shallower: "Tree | None" = None

    @property
    def leaves(self) -> list[int]:
        return [node for node, feature in enumerate(self.feature) if feature < 0]

    @cached_property
    def depths(self) -> list[int]:
        """The depth of every node."""
        depths = [0] * len(self.feature)
        for node, feature in enumerate(self.feature):
            if feature >= 0:
                depths[self.left[node]] = depths[self.left[node] + 1] = depths[node] + 1
        return depths

    def with_splits(self, splits: Iterable[tuple[int, int, bytes]]) -> "Tree":
        """One level deeper: each split is a leaf, the covariate it asks about, and the sides."""
        feature, left, sides = list(self.feature), list(self.left), list(self.sides)
        for node, asked, side in splits:
            feature[node], left[node], sides[node] = asked, len(feature), side
            feature += [-1, -1]
            left += [0, 0]
            sides += [b"", b""]
        return Tree(tuple(feature), tuple(left), tuple(sides), self)

    def cut(self, nodes: set[int]) -> tuple["Tree", list[int]]:
        """The tree in which these nodes are leaves, and which nodes it kept, in its order."""
        alive = [False] * len(self.feature)
        alive[0] = True
        for node, feature in enumerate(self.feature):
            if alive[node] and feature >= 0 and node not in nodes:
                alive[self.left[node]] = alive[self.left[node] + 1] = True
        kept = [node for node, lives in enumerate(alive) if lives]
        place = {node: index for index, node in enumerate(kept)}
        inner = {node for node in kept if self.feature[node] >= 0 and node not in nodes}
        tree = Tree(
            tuple(self.feature[node] if node in inner else -1 for node in kept),
            tuple(place[self.left[node]] if node in inner else 0 for node in kept),
            tuple(self.sides[node] if node in inner else b"" for node in kept),
        )
        return tree, kept

    def places(self, codes: BinArray) -> Places:
        """The leaf of each record, (n,), from its bins (n, p)."""
        place = np.zeros(len(codes), dtype=np.int32)
        for _ in range(max(self.depths)):
            place = self.step(codes, place)
        return place

    def step(self, codes: BinArray, place: Places) -> Places:
        """Where records at these nodes are one level deeper; at a leaf they stay."""
        asked, following = self._tables
        rows = np.arange(0, codes.size, codes.shape[1], dtype=np.int32)
        rows += asked.take(place)
        place = place * np.int32(following.shape[1])
        place += codes.ravel().take(rows)
        stepped: Places = following.ravel().take(place)
        return stepped

    @cached_property
    def _tables(self) -> tuple[Places, Places]:
        asked = np.maximum(np.array(self.feature, dtype=np.int32), 0)
        following = np.repeat(np.arange(len(asked), dtype=np.int32)[:, None], 256, axis=1)
        for node, side in enumerate(self.sides):
            if side:
                held = np.frombuffer(side, dtype=np.uint8)
                following[node, : len(side)] = held.astype(np.int32) + self.left[node]
        return asked, following


def placed(block: Block, codes: BinArray, tree: Tree, name: str) -> Places:
    """The leaf of each record of a block, remembered under this name while the tree grows."""
    known = block.remembered(name)
    if known is not None and (known[0] is tree or known[0] == tree):
        return known[1]
    older = tree.shallower
    if older is not None and known is not None and (known[0] is older or known[0] == older):
        found = tree.step(codes, known[1])
    else:
        found = tree.places(codes)
    block.remember(name, tree, found)
    return found


@dataclass(frozen=True)
class ClassOutcome:
    """A nominal outcome: places (levels,) gives each level's class, of `channels` classes."""

    variable: str
    places: tuple[int, ...]
    channels: int

    def of(self, block: Block) -> tuple[IntArray, int, list[FloatArray]]:
        """A record's class, how many there are, and what is summed beside its weight."""
        places = np.array(self.places, dtype=np.int64)
        held: IntArray = places.take(block.levels(self.variable), mode="wrap")
        return held, self.channels, []


@dataclass(frozen=True)
class NumberOutcome:
    """A numeric outcome in whole steps from its origin, so that its sums are exact.

    Sums of whole numbers below 2^53 are the same in any order: however records are divided into
    blocks and among sites, the same split wins.
    """

    variable: str
    origin: float
    step: float
    channels: int = 2

    @classmethod
    def about(cls, variable: str, mean: float, spread: float, records: int) -> "NumberOutcome":
        """The finest steps that keep sums over the records exact."""
        step = 2.0 ** int(np.ceil(np.log2(spread * records)) - 50)
        coarse = step * 2.0 ** int(max(0, 30 - np.log2(records)))
        return cls(variable, float(np.rint(mean / coarse) * coarse), step)

    def of(self, block: Block) -> tuple[None, int, list[FloatArray]]:
        """No class, and the outcome in steps."""
        return None, 1, [np.rint((block.column(self.variable) - self.origin) / self.step)]


Outcome = ClassOutcome | NumberOutcome


@dataclass(frozen=True)
class SplitSearch:
    """Nodes of growing trees whose records are summed by bin.

    nodes gives the nodes of each tree; features the m covariates looked at in each of them, None
    for all; seeds those of the trees' random weights, None where every record has weight 1.
    """

    bins: Bins
    outcome: Outcome
    trees: tuple[Tree, ...]
    nodes: tuple[tuple[int, ...], ...]
    features: tuple[tuple[tuple[int, ...], ...], ...] | None = None
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class SplitSums(Statistic):
    """Weights by class, or weights and weighted outcomes, (nodes, channels, m, bins)."""

    sums: SearchSum


def split_sums(block: Block, state: SplitSearch) -> SplitSums:
    """The sums of one block by node, covariate and bin."""
    codes = state.bins.codes(block)
    held, classes, values = state.outcome.of(block)
    weighed = weights_by_tree(block, state.seeds, len(state.trees))
    parts = []
    for index, (tree, nodes) in enumerate(zip(state.trees, state.nodes, strict=True)):
        if not nodes:
            continue
        weights = weighed(index)
        slot = slots_of(placed(block, codes, tree, f"place {index}"), nodes, len(tree.feature))
        if state.seeds is not None:
            slot[weights == 0] = -1
        looked = None if state.features is None else np.array(state.features[index])
        summed = sums_by_bin(
            codes,
            slot if held is None else np.where(slot < 0, -1, slot * classes + held),
            len(nodes) * classes,
            state.bins.width,
            [weights, *(weights * value for value in values)],
            None if looked is None else np.repeat(looked, classes, axis=0),
        )
        shape = (len(nodes), classes, *summed.shape[2:])
        parts.append(summed[:, 0].reshape(shape) if held is not None else summed)
    return SplitSums(np.concatenate(parts))


def slots_of(place: Places, nodes: Sequence[int], size: int) -> IntArray:
    """The position among these nodes of the node that each record is in, (n,); -1 for none."""
    slots = np.full(size, -1, dtype=np.int64)
    slots[list(nodes)] = np.arange(len(nodes))
    found: IntArray = slots.take(place)
    return found


def sums_by_bin(
    codes: BinArray,
    slot: IntArray,
    slots: int,
    width: int,
    values: Sequence[NDArray[Any]],
    features: IntArray | None = None,
    *,
    counts: Sequence[NDArray[Any]] = (),
) -> FloatArray:
    """Sums of each of c values by slot, covariate and bin, (slots, c, m, width).

    codes is (n, p), slot (n,) with -1 for records left out, features (slots, m). Sums of counts,
    0 or 1 for each record, come before those of the values, which must be whole numbers then.
    """
    m = codes.shape[1] if features is None else features.shape[1]
    # Records of one slot after another: their sums stay near the processor.
    # Short numbers are sorted by their digits, which is ten times as fast.
    order = np.argsort(slot.astype(np.int16 if slots < 2**15 else np.int32), kind="stable")
    chosen = order[np.count_nonzero(slot < 0) :]
    taken = [value.take(chosen).astype(np.float64) for value in values]
    ones = [value.take(chosen).astype(np.float64) for value in counts]
    # Whole numbers leave room above them in a double for a number of records.
    packed = 0
    if len(chosen) <= _PACKED_RECORDS:
        for index, value in enumerate(taken[: len(ones)]):
            most = max(float(value.max(initial=0.0)), -float(value.min(initial=0.0)))
            if most * len(chosen) >= _PACKED / 2:
                break
            np.multiply(ones[index], _PACKED, out=ones[index])
            np.add(value, ones[index], out=value)
            packed += 1
    taken += ones[packed:]
    total = np.zeros((len(taken), slots * m * width))
    first = np.arange(0, slots * m * width, width, dtype=np.int32).reshape(slots, m)
    filled, ends = _tile(m)
    for start in range(0, len(chosen), _TILE):
        rows = chosen[start : start + _TILE]
        here = slot.take(rows)
        cells = first.take(here, axis=0)
        cells += (
            codes.take(rows, axis=0)
            if features is None
            else codes.ravel().take(features.take(here, axis=0) + (rows * codes.shape[1])[:, None])
        )
        # A sparse product adds up without holding Python's lock, so that threads share the work.
        table = csc_array(
            (filled[: cells.size], cells.ravel(), ends[: len(rows) + 1]),
            shape=(slots * m * width, len(rows)),
        )
        for index, value in enumerate(taken):
            total[index] += table @ value[start : start + _TILE]
    above = np.rint(total[:packed] / _PACKED)
    total[:packed] -= above * _PACKED
    total = np.concatenate([above, total[len(values) :], total[: len(values)]])
    return np.ascontiguousarray(np.moveaxis(total.reshape(len(total), slots, m, width), 0, 1))


@cache
def _tile(m: int) -> tuple[FloatArray, Places]:
    """Ones for every cell of a tile of records with m cells each, and where each record ends."""
    return np.ones(_TILE * m), np.arange(0, _TILE * m + 1, m, dtype=np.int32)
