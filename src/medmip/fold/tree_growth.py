"""How trees grow: the best question of every node, level by level, and what is told in the end."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from medmip.fold.bins import Bins
from medmip.fold.cohort import Cohort
from medmip.fold.leaves import LeafState, leaf_classes, leaf_numbers
from medmip.fold.statistic import FloatArray
from medmip.fold.trees import (
    ClassOutcome,
    Outcome,
    Tree,
)

BoolArray = NDArray[np.bool_]
_BUDGET = 2**20
"""Sums of one fold at the most, which bounds what a block adds up and what travels."""
_TOGETHER = 2**17
"""Sums of nodes whose splits are sought together: few steps of Python, within the cache."""
_GAIN = 1e-12
"""The least gain of a split, as a share of the node's own score: less is rounding."""


@dataclass(frozen=True)
class Rule(ABC):
    """What makes a split good, and who may split; sums are (channels, ...).

    least: records on each side of a split; minimum: patients that a group must have before its
    outcome may decide anything.
    """

    least: int
    minimum: int

    def records(self, sums: FloatArray) -> FloatArray:
        """The weight of the records."""
        weight: FloatArray = sums[0]
        return weight

    @abstractmethod
    def score(self, sums: FloatArray) -> FloatArray:
        """What a split raises: a node's score against the sum of its children's."""

    def order(self, sums: FloatArray) -> FloatArray | None:
        """The order in which levels are divided; None where each stands against all others."""
        return np.asarray(sums[1] / sums[0])

    def allowed(self, sums: FloatArray) -> BoolArray:
        """Whether a child may hold these records."""
        return np.asarray(self.records(sums) >= self.least)

    def splittable(self, sums: FloatArray) -> bool:
        """Whether any split of a node could be allowed."""
        return bool(self.records(sums) >= 2 * self.least)


@dataclass(frozen=True)
class ClassRule(Rule):
    """Of classes: sums are weights by class; impurities are per record.

    A class has nobody in a child or at least the minimum, so that no leaf tells of a few.
    Source: Breiman, Friedman, Olshen & Stone, Classification and Regression Trees (1984), 4.
    """

    criterion: Literal["gini", "entropy"] = "gini"

    def records(self, sums: FloatArray) -> FloatArray:
        return np.asarray(sums.sum(axis=0))

    def score(self, sums: FloatArray) -> FloatArray:
        n = self.records(sums)
        if self.criterion == "entropy":
            return np.asarray((xlogy(sums, sums).sum(axis=0) - xlogy(n, n)) / np.log(2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(n > 0, (sums * sums).sum(axis=0) / n, 0.0))

    def order(self, sums: FloatArray) -> FloatArray | None:
        # Of two classes the best division of levels is among those by their share.
        return np.asarray(sums[1] / sums.sum(axis=0)) if len(sums) == 2 else None

    def allowed(self, sums: FloatArray) -> BoolArray:
        enough: BoolArray = ((sums == 0) | (sums >= self.minimum)).all(axis=0)
        return enough & (self.records(sums) >= self.least)

    def splittable(self, sums: FloatArray) -> bool:
        return super().splittable(sums) and int(np.count_nonzero(sums)) > 1

    def impurity(self, sums: FloatArray) -> FloatArray:
        """Gini's index, or the entropy in bits."""
        n = self.records(sums)
        whole = n if self.criterion == "gini" else 0.0
        return np.asarray((whole - self.score(sums)) / n)


@dataclass(frozen=True)
class NumberRule(Rule):
    """Of numbers: sums are weights, weighted outcomes and, once fitted, their squares."""

    def score(self, sums: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(sums[0] > 0, sums[1] ** 2 / sums[0], 0.0))

    def impurity(self, sums: FloatArray) -> FloatArray:
        """The variance, with denominator n."""
        return np.asarray(np.maximum(sums[2] / sums[0] - (sums[1] / sums[0]) ** 2, 0.0))


@dataclass(frozen=True)
class Split:
    """A node's best split: its gain, the covariate, the side of each bin, the children's sums."""

    gain: float
    feature: int
    sides: bytes
    left: FloatArray
    right: FloatArray


@dataclass
class Growing:
    """A tree while it grows; stats are the search's sums of every node, (channels,) each."""

    tree: Tree = field(default_factory=Tree)
    stats: list[FloatArray] = field(default_factory=list)
    ends: list[int] = field(default_factory=lambda: [0])
    tables: dict[int, FloatArray] = field(default_factory=dict)


Nodes = tuple[tuple[int, ...], ...]
Looked = tuple[tuple[tuple[int, ...], ...], ...]
Search = Callable[[tuple[Tree, ...], Nodes, Looked | None], FloatArray]
"""Sums of some nodes of the trees, tree after tree: (nodes, channels, covariates, bins)."""


def grown(
    search: Search,
    rule: Rule,
    bins: Bins,
    depth: int,
    *,
    trees: int = 1,
    channels: int,
    draw: Callable[[int, int], tuple[int, ...]] | None = None,
) -> list[Growing]:
    """Trees of at most this depth, all of them one level deeper with every fold.

    draw gives the covariates that a node of a tree may ask about; without it a node asks about
    any, and of two siblings only the smaller is summed: the other is what is left of their parent.
    """
    growing = [Growing() for _ in range(trees)]
    for _ in range(depth):
        asked = [_asked(part, rule, whole=draw is not None) for part in growing]
        if not any(asked):
            break
        looked = [
            tuple(draw(index, node) for node in nodes) if draw else ()
            for index, nodes in enumerate(asked)
        ]
        summed = _summed(search, growing, asked, looked if draw else None, bins, channels)
        for index, part in enumerate(growing):
            features = dict(zip(asked[index], looked[index], strict=False))
            _deepen(part, summed[index], features, rule, bins)
    return growing


def _asked(part: Growing, rule: Rule, *, whole: bool) -> tuple[int, ...]:
    """The nodes to be summed: those that may split, or of each pair the smaller."""
    if not part.stats:
        return (0,)
    able = [node for node in part.ends if rule.splittable(part.stats[node])]
    if whole:
        return tuple(able)
    pairs = sorted({node - (node - 1) % 2 for node in able})
    return tuple(
        node + int(rule.records(part.stats[node + 1]) < rule.records(part.stats[node]))
        for node in pairs
    )


def _summed(
    search: Search,
    growing: Sequence[Growing],
    asked: Sequence[tuple[int, ...]],
    looked: Sequence[tuple[tuple[int, ...], ...]] | None,
    bins: Bins,
    channels: int,
) -> list[dict[int, FloatArray]]:
    """The sums (channels, covariates, bins) of each asked node, by tree."""
    places = [(index, spot) for index, nodes in enumerate(asked) for spot in range(len(nodes))]
    covariates = len(bins.features) if looked is None else len(next(filter(None, looked))[0])
    size = max(1, _BUDGET // (channels * covariates * bins.width))
    found: list[dict[int, FloatArray]] = [{} for _ in growing]
    for start in range(0, len(places), size):
        chunk = places[start : start + size]
        spots = [[spot for tree, spot in chunk if tree == index] for index in range(len(growing))]
        nodes = tuple(
            tuple(held[spot] for spot in chosen) for held, chosen in zip(asked, spots, strict=True)
        )
        features = None
        if looked is not None:
            pairs = zip(looked, spots, strict=True)
            features = tuple(tuple(held[spot] for spot in chosen) for held, chosen in pairs)
        sums = search(tuple(part.tree for part in growing), nodes, features)
        for (index, spot), part in zip(chunk, sums, strict=True):
            found[index][asked[index][spot]] = part
    return found


def _deepen(
    part: Growing,
    summed: dict[int, FloatArray],
    looked: dict[int, tuple[int, ...]],
    rule: Rule,
    bins: Bins,
) -> None:
    tables = dict(summed)
    if not looked:
        for node, table in summed.items():
            if node:
                sibling = node + 1 if node % 2 else node - 1
                parent = next(
                    up for up, left in enumerate(part.tree.left) if left == min(node, sibling)
                )
                tables[sibling] = part.tables[parent] - table
    if not part.stats:
        part.stats.append(tables[0][:, 0].sum(axis=-1))
    splits, ends = [], []
    able = [node for node in part.ends if node in tables and rule.splittable(part.stats[node])]
    everything = tuple(range(len(bins.features)))
    found = best_splits(
        [tables[node] for node in able], [looked.get(node, everything) for node in able], rule, bins
    )
    for node, best in zip(able, found, strict=True):
        if best is not None:
            ends += [len(part.stats), len(part.stats) + 1]
            part.stats += [best.left, best.right]
            splits.append((node, best.feature, best.sides))
    part.tree = part.tree.with_splits(splits)
    part.ends, part.tables = ends, {} if looked else tables


def best_splits(
    tables: Sequence[FloatArray], features: Sequence[Sequence[int]], rule: Rule, bins: Bins
) -> list[Split | None]:
    """The best allowed split of each node, from its sums (channels, m, bins); None without one.

    Of equal splits the first covariate's wins, and among borders with nobody between them the
    middle one. A level whose patients are fewer than the minimum goes with the larger side, so
    that their outcome does not decide where.
    """
    found = []
    cells = max(1, _TOGETHER // tables[0].size) if tables else 1
    for start in range(0, len(tables), cells):
        looked = features[start : start + cells]
        sums = np.stack(tables[start : start + cells], axis=1)
        found += _best_of(sums, looked, rule, bins)
    return found


def _best_of(
    sums: FloatArray, features: Sequence[Sequence[int]], rule: Rule, bins: Bins
) -> list[Split | None]:
    """The same of nodes that are looked at together, from their sums (channels, nodes, m, bins)."""
    parents = sums[:, :, 0].sum(axis=-1)
    least = _GAIN * np.abs(rule.score(parents))
    nominal = np.array([feature.is_nominal for feature in bins.features])[np.array(features)]
    best: list[Split | None] = [None] * len(features)
    if not nominal.all() and bins.width > 1:
        left = np.cumsum(sums, axis=-1)[..., :-1]
        gains = _gains(left, parents[..., None, None] - left, parents[..., None, None], rule)
        gains[nominal] = -np.inf
        for node, flat in enumerate(gains.reshape(len(features), -1).argmax(axis=1).tolist()):
            spot, border = divmod(flat, gains.shape[-1])
            gain = float(gains[node, spot, border])
            if gain > least[node]:
                filled = np.flatnonzero(sums[:, node, spot].any(axis=0))
                following = int(filled[np.searchsorted(filled, border, side="right")])
                middle = (border + following) // 2
                sides = bytes(middle + 1) + b"\1" * (bins.width - middle - 1)
                here = left[:, node, spot, border]
                best[node] = Split(gain, features[node][spot], sides, here, parents[:, node] - here)
    for node, spot in np.argwhere(nominal).tolist():
        index = features[node][spot]
        split = _by_levels(sums[:, node, spot, : bins.features[index].bins], index, rule)
        if split is not None and split.gain > least[node] and _better(split, best[node]):
            best[node] = split
    return best


def _better(one: Split, other: Split | None) -> bool:
    if other is None or one.gain != other.gain:
        return other is None or one.gain > other.gain
    return one.feature < other.feature


def _gains(left: FloatArray, right: FloatArray, parent: FloatArray, rule: Rule) -> FloatArray:
    allowed = rule.allowed(left) & rule.allowed(right)
    gains = rule.score(left) + rule.score(right) - rule.score(parent)
    return np.where(allowed, gains, -np.inf)


def _by_levels(sums: FloatArray, index: int, rule: Rule) -> Split | None:
    """The best division of a nominal covariate's levels, from sums (channels, levels).

    Source: Breiman, Friedman, Olshen & Stone, Classification and Regression Trees (1984), 4.2.2.
    """
    n = rule.records(sums)
    known = np.flatnonzero((n > 0) & (n >= rule.minimum))
    if len(known) < 2:
        return None
    order = rule.order(sums[:, known])
    if order is None:
        one = sums[:, known]
        groups = [known[spot : spot + 1] for spot in range(len(known))]
    else:
        known = known[np.argsort(order, kind="stable")]
        one = np.cumsum(sums[:, known], axis=1)[:, :-1]
        groups = [known[: spot + 1] for spot in range(len(known) - 1)]
    other = sums[:, known].sum(axis=1)[:, None] - one
    few = sums.sum(axis=1) - sums[:, known].sum(axis=1)
    larger = rule.records(one) > rule.records(other)
    one = one + np.where(larger, few[:, None], 0.0)
    other = other + np.where(larger, 0.0, few[:, None])
    gains = _gains(one, other, sums.sum(axis=1), rule)
    spot = int(gains.argmax())
    if not np.isfinite(gains[spot]):
        return None
    sides = np.full(sums.shape[1], 0 if larger[spot] else 1, dtype=np.uint8)
    sides[known] = 1
    sides[groups[spot]] = 0
    return Split(float(gains[spot]), index, sides.tobytes(), one[:, spot], other[:, spot])


class TooFew(Exception):
    """Even the whole cohort is a group that may not be told of."""


def told(
    cohort: Cohort,
    bins: Bins,
    outcome: Outcome,
    trees: Sequence[Tree],
    seeds: tuple[int, ...] | None = None,
) -> list[tuple[Tree, FloatArray]]:
    """Each tree with the guarded sums of its nodes, (m, channels).

    A leaf with a group of fewer patients than the guard lets out is joined with its sibling.
    Raises TooFew where the whole cohort has one.
    """
    held = list(trees)
    while True:
        state = LeafState(bins, outcome, tuple(held), seeds)
        found: Any = (
            cohort.fold(leaf_classes, state)
            if isinstance(outcome, ClassOutcome)
            else cohort.fold(leaf_numbers, state)
        )
        masks: BoolArray = np.ma.getmaskarray(found.patients)
        masks = np.asarray(masks.reshape(len(held), state.most, -1).any(axis=2))
        if not masks.any():
            sums = np.asarray(found.sums)
            return [
                (tree, added(tree, part[: len(tree.feature)]))
                for tree, part in zip(held, sums, strict=True)
            ]
        held = [joined(tree, mask) for tree, mask in zip(held, masks, strict=True)]


def joined(tree: Tree, masked: BoolArray) -> Tree:
    """The tree in which the parents of masked leaves are leaves; raises TooFew at the root."""
    parents = {
        child: node
        for node in range(len(tree.feature))
        if tree.feature[node] >= 0
        for child in (tree.left[node], tree.left[node] + 1)
    }
    small = [node for node in tree.leaves if masked[node]]
    if 0 in small:
        raise TooFew
    return tree.cut({parents[node] for node in small})[0] if small else tree


def added(tree: Tree, leaves: FloatArray) -> FloatArray:
    """The sums of every node, (m, channels), from those of the leaves."""
    sums = np.array(leaves, dtype=np.float64)
    for node in reversed(range(len(tree.feature))):
        if tree.feature[node] >= 0:
            sums[node] = sums[tree.left[node]] + sums[tree.left[node] + 1]
    return sums


def gains_of(tree: Tree, sums: FloatArray, rule: Rule) -> FloatArray:
    """What each node's split gained, (m,), 0 at leaves."""
    score = rule.score(sums.T)
    gains = np.zeros(len(sums))
    for node, feature in enumerate(tree.feature):
        if feature >= 0:
            left = tree.left[node]
            gains[node] = score[left] + score[left + 1] - score[node]
    return gains


def importance(tree: Tree, gains: FloatArray, covariates: int) -> FloatArray:
    """The gains of a tree by covariate, (covariates,)."""
    feature = np.array(tree.feature)
    inner = feature >= 0
    return np.bincount(feature[inner], gains[inner], minlength=covariates).astype(np.float64)


def pruned(
    tree: Tree, sums: FloatArray, rule: ClassRule | NumberRule, alpha: float
) -> tuple[Tree, FloatArray]:
    """The subtree of least cost plus alpha a leaf, where cost is the impurity of the leaves.

    Source: Breiman, Friedman, Olshen & Stone, Classification and Regression Trees (1984), 3.3.
    """
    while len(tree.feature) > 1:
        n = rule.records(sums.T)
        cost = n * rule.impurity(sums.T) / n[0]
        below, leaves = cost.copy(), np.ones(len(cost))
        for node in reversed(range(len(cost))):
            if tree.feature[node] >= 0:
                left = tree.left[node]
                below[node] = below[left] + below[left + 1]
                leaves[node] = leaves[left] + leaves[left + 1]
        inner = [node for node, feature in enumerate(tree.feature) if feature >= 0]
        link = [(cost[node] - below[node]) / (leaves[node] - 1) for node in inner]
        weakest = int(np.argmin(link))
        if link[weakest] > alpha:
            break
        tree, kept = tree.cut({inner[weakest]})
        sums = sums[kept]
    return tree, sums
