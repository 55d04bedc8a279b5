"""Trees in the making: where records lie in them, and sums by bin that steer their growth."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medmip.fold.bin_sums import Packing, bin_sums
from medmip.fold.bins import BinArray, Bins
from medmip.fold.block import Block
from medmip.fold.compiled import compiled
from medmip.fold.draws import weights_by_tree
from medmip.fold.statistic import (
    CodeArray,
    FloatArray,
    IntArray,
    SearchSum,
    Statistic,
)

Places = NDArray[np.int32]


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

    def within(self, finer: "Tree") -> Places | None:
        """This tree's node for each node of a finer one, (m,); None where it is not that, cut."""
        known = self._within.get(id(finer))
        if known is None:
            known = self._within[id(finer)] = (finer, self._node_of_each(finer))
        return known[1]

    def cells_within(self, finer: "Tree", nodes: Places, each: int) -> IntArray:
        """The cell of each number of a finer tree's sums, of so many a node, in this tree's."""
        known = self._cells.get((id(finer), each))
        if known is None:
            found: IntArray = (nodes[:, None].astype(np.int64) * each + np.arange(each)).ravel()
            known = self._cells[id(finer), each] = (finer, found)
        return known[1]

    @cached_property
    def _cells(self) -> dict[tuple[int, int], tuple["Tree", IntArray]]:
        return {}

    @cached_property
    def _within(self) -> dict[int, tuple["Tree", Places | None]]:
        return {}

    def _node_of_each(self, finer: "Tree") -> Places | None:
        found = np.zeros(len(finer.feature), dtype=np.int32)
        # Children stand behind their parents.
        for node, (feature, left) in enumerate(zip(finer.feature, finer.left, strict=True)):
            here = int(found[node])
            if self.feature[here] < 0:
                below = (here, here)
            elif (feature, finer.sides[node]) == (self.feature[here], self.sides[here]):
                below = (self.left[here], self.left[here] + 1)
            else:
                return None
            if feature >= 0:
                found[left], found[left + 1] = below
        return found

    def places(self, codes: BinArray) -> Places:
        """The leaf of each record, (n,), from its bins (n, p)."""
        return self._walked(codes, np.zeros(len(codes), dtype=np.int32), max(self.depths))

    def step(self, codes: BinArray, place: Places) -> Places:
        """Where records at these nodes are one level deeper; at a leaf they stay."""
        return self._walked(codes, place, 1)

    def _walked(self, codes: BinArray, place: Places, levels: int) -> Places:
        found = np.empty_like(place)
        _walked(codes, *self._tables, levels, place, found)
        return found

    @cached_property
    def _tables(self) -> tuple[Places, Places, BinArray]:
        asked, left = (np.array(part, dtype=np.int32) for part in (self.feature, self.left))
        sides = np.zeros((len(asked), 256), dtype=np.uint8)
        for node, side in enumerate(self.sides):
            if side:
                sides[node, : len(side)] = np.frombuffer(side, dtype=np.uint8)
        return asked, left, sides


@compiled("void(uint8[:,::1],int32[::1],int32[::1],uint8[:,::1],int64,int32[::1],int32[::1])")
def _walked(
    codes: BinArray,
    asked: Places,
    left: Places,
    sides: BinArray,
    levels: int,
    place: Places,
    found: Places,
) -> None:
    # Unsigned places need no look at whether they count from the end.
    u = np.uint64
    for i in range(len(place)):
        node = place[i]
        for _ in range(levels):
            feature = asked[u(node)]
            if feature < 0:
                break
            node = left[u(node)] + sides[u(node), codes[u(i), u(feature)]]
        found[i] = node


def placed(block: Block, codes: BinArray, tree: Tree, name: str) -> Places:
    """The leaf of each record of a block, remembered under this name while the tree grows."""
    known = block.remembered(name)
    if known is not None and (known[0] is tree or known[0] == tree):
        return known[1]
    older = tree.shallower
    if older is not None and known is not None and (known[0] is older or known[0] == older):
        found = tree.step(codes, known[1])
    elif (
        known is not None
        and isinstance(known[0], Tree)
        and (nodes := tree.within(known[0])) is not None
    ):
        found = np.empty_like(known[1])
        _looked_up(nodes, known[1], found)
    else:
        found = tree.places(codes)
    block.remember(name, tree, found)
    return found


def placed_finer(
    block: Block, codes: BinArray, tree: Tree, name: str
) -> tuple[Places | None, Places]:
    """Where records are in a tree, or, with this tree's node for each of that one, a finer one.

    What is looked up by a tree that was cut need not place all records anew.
    """
    known = block.remembered(name)
    if known is not None and isinstance(known[0], Tree) and known[0] is not tree:
        nodes = tree.within(known[0])
        if nodes is not None:
            return nodes, known[1]
    return None, placed(block, codes, tree, name)


@dataclass(frozen=True)
class _Leaves:
    """Of what, and of which tree, a block remembers its sums by node."""

    key: object
    tree: Tree


def node_sums(
    block: Block, name: str, key: object, tree: Tree, made: Callable[[], FloatArray]
) -> FloatArray:
    """The sums of a block's records by the tree's nodes, (m, ...), else made and remembered.

    Leaves that were joined hold what they held apart; but not so where a patient may have come to
    both, so that nothing is remembered then. key tells what is summed.
    """
    known = block.remembered(name) if block.patient is None else None
    if known is not None and isinstance(known[0], _Leaves) and known[0].key == key:
        nodes = tree.within(known[0].tree)
        if nodes is not None:
            shape = (len(tree.feature), *known[1].shape[1:])
            cells = tree.cells_within(known[0].tree, nodes, math.prod(shape[1:]))
            summed = np.bincount(cells, known[1].ravel(), minlength=math.prod(shape))
            return summed.reshape(shape)
    found = made()
    block.remember(name, _Leaves(key, tree), found)
    return found


@dataclass(frozen=True)
class ClassOutcome:
    """A nominal outcome: places (levels,) gives each level's class, of `channels` classes."""

    variable: str
    places: tuple[int, ...]
    channels: int

    def of(self, block: Block) -> tuple[IntArray, int, list[FloatArray]]:
        """A record's class, how many there are, and what is summed beside its weight."""
        return self.held(block), self.channels, []

    def held(self, block: Block) -> IntArray:
        """The class of each record, (n,), remembered by the block where it has room."""
        return block.derived("classes", self, lambda: self._held(block)).astype(np.int64)

    def _held(self, block: Block) -> CodeArray:
        places = np.array(self.places, dtype=np.int32)
        return places.take(block.levels(self.variable), mode="wrap")


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
    packing = Packing.apart(1 + len(values))
    parts = []
    for index, (tree, nodes) in enumerate(zip(state.trees, state.nodes, strict=True)):
        if not nodes:
            continue
        weights = weighed(index)
        slot = slots_of(placed(block, codes, tree, f"place {index}"), nodes, len(tree.feature))
        if state.seeds is not None:
            slot[weights == 0] = -1
        if held is not None:
            slot = np.where(slot < 0, slot, slot * classes + held)
        looked = None
        if state.features is not None:
            looked = np.repeat(np.array(state.features[index], dtype=np.int32), classes, axis=0)
        words = np.column_stack([weights, *(weights * value for value in values)])
        summed = bin_sums(
            codes,
            slot.astype(np.int32),
            len(nodes) * classes,
            state.bins.width,
            words.astype(np.int64),
            packing,
            looked,
        )
        shape = (len(nodes), classes, *summed.shape[2:])
        parts.append(summed[:, 0].reshape(shape) if held is not None else summed)
    return SplitSums(np.concatenate(parts))


def slots_of(place: Places, nodes: Sequence[int], size: int) -> CodeArray:
    """The position among these nodes of the node that each record is in, (n,); -1 for none."""
    slots = np.full(size, -1, dtype=np.int32)
    slots[list(nodes)] = np.arange(len(nodes))
    found = np.empty_like(place)
    _looked_up(slots, place, found)
    return found


@compiled("void(int32[::1],int32[::1],int32[::1])")
def _looked_up(slots: CodeArray, place: Places, found: CodeArray) -> None:
    for i in range(len(place)):
        found[i] = slots[np.uint64(place[i])]
