"""Gradient boosting by histograms: scores that trees add up to, and what the next trees need."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from medmip.fold.bin_sums import Packing, bin_sums, slot_sums
from medmip.fold.bins import BinArray, Bins
from medmip.fold.block import Block
from medmip.fold.compiled import compiled
from medmip.fold.statistic import (
    FloatArray,
    IntArray,
    SearchSum,
    Statistic,
    Sum,
    count_with,
    sum_over,
)
from medmip.fold.tree_growth import Rule
from medmip.fold.trees import (
    ClassOutcome,
    NumberOutcome,
    Outcome,
    Places,
    Tree,
    node_sums,
    placed,
    placed_finer,
    slots_of,
)

Loss = Literal["squared error", "binomial", "multinomial"]
_LEAST_CURVATURE = 1e-3
"""Second derivatives that a child must hold, as scikit-learn's and LightGBM's do."""
_NEAR, _LARGE = 1e-3, 1e200
_FEW = 2**16
"""Records up to which derivatives keep more digits, for speed does not matter there."""
_DIGITS = 23
"""Binary digits of a derivative of many records: about as many as scikit-learn keeps, and so few
that their sums leave room for the number of records."""


@dataclass(frozen=True)
class BoostRule(Rule):
    """Newton's gain: sums are records, first derivatives, second ones unless they are 1, and the
    records of every class but the first where none of a few may be in a leaf.

    l2 is added to the second derivatives of every node.
    Source: Chen & Guestrin, KDD 2016, 785-794, equation 7, without its factor of one half.
    """

    l2: float = 0.0
    second: bool = False

    def weight(self, sums: FloatArray) -> FloatArray:
        """The second derivatives."""
        return np.asarray(sums[2] if self.second else sums[0])

    def score(self, sums: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            scored = sums[1] ** 2 / (self.weight(sums) + self.l2)
            return np.asarray(np.where(sums[0] > 0, scored, 0.0))

    def order(self, sums: FloatArray) -> FloatArray | None:
        return np.asarray(sums[1] / self.weight(sums))

    def allowed(self, sums: FloatArray) -> NDArray[np.bool_]:
        enough = (sums[0] >= self.least) & (self.weight(sums) >= _LEAST_CURVATURE)
        others = sums[3 if self.second else 2 :]
        if len(others):
            every = np.concatenate([others, (sums[0] - others.sum(axis=0))[None]])
            enough &= ((every == 0) | (every >= self.minimum)).all(axis=0)
        return np.asarray(enough)

    def values(self, sums: FloatArray, rate: float) -> FloatArray:
        """What a tree adds to the score in each node, (m,), from sums (m, channels)."""
        return np.asarray(-rate * sums[:, 1] / (self.weight(sums.T) + self.l2))


@dataclass(frozen=True)
class AddedTree:
    """A finished tree and what it adds to the score, by node (m,)."""

    tree: Tree
    values: tuple[float, ...]


Rounds = tuple[tuple[AddedTree, ...], ...]


@dataclass(frozen=True)
class BoostState:
    """A model of so many rounds, with growing trees and the nodes that are to be summed.

    base (k,) are the scores before any tree; every round, and the growing trees, hold a tree for
    each score. Derivatives are summed in whole steps of 2^-digits, so that sums are exact in any
    order; those of a number's squared error in the outcome's own steps. counted tells the search
    of the classes' records in each bin.
    """

    bins: Bins
    outcome: Outcome
    base: tuple[float, ...]
    rounds: Rounds
    digits: int
    trees: tuple[Tree, ...]
    nodes: tuple[tuple[int, ...], ...] = ()
    counted: bool = False

    @property
    def second(self) -> bool:
        """Whether second derivatives differ from 1."""
        return isinstance(self.outcome, ClassOutcome)

    @cached_property
    def packing(self) -> Packing:
        """How the sums of a bin share words: records, derivatives, perhaps classes' records."""
        if not self.second:
            return Packing.apart(2)
        return Packing.beside(2, self.outcome.channels if self.counted else 1)

    @property
    def channels(self) -> int:
        """The sums of a bin."""
        return len(self.packing.word)

    @property
    def loss(self) -> Loss:
        """What the derivatives are of."""
        if isinstance(self.outcome, NumberOutcome):
            return "squared error"
        return "binomial" if len(self.base) == 1 else "multinomial"

    @property
    def most(self) -> int:
        """The nodes of the growing tree that has the most."""
        return max(len(tree.feature) for tree in self.trees)


def digits_for(records: int) -> int:
    """Binary digits of derivatives of at most 1 whose sums over the records are exact."""
    most = 30 if records <= _FEW else _DIGITS
    return int(min(most, 52 - np.ceil(np.log2(max(records, 2)))))


def steps_for(outcome: NumberOutcome, spread: float, records: int) -> NumberOutcome:
    """The outcome in steps of which, of many records, its standard deviation has about 2^22."""
    if records <= _FEW:
        return outcome
    step = 2.0 ** (int(np.ceil(np.log2(spread))) - 22)
    return outcome if outcome.step >= step else replace(outcome, step=step)


@dataclass(frozen=True)
class BoostSums(Statistic):
    """The channels of a state by bin, (nodes, channels, covariates, bins).

    loss is that of all records before the trees that grow; of a number, in squared steps.
    """

    sums: SearchSum
    loss: Sum


@dataclass(frozen=True)
class BoostLeaves(Statistic):
    """Patients by tree, node and class, (trees, m, k); none where a node is no leaf; k may be 1.

    sums (trees, m, k, 2 or 3): of records and derivatives.
    """

    patients: Annotated[IntArray, count_with(())]
    sums: Annotated[FloatArray, sum_over("patients")]

    def supported_parameters(self) -> int:
        return int((self.patients.sum(axis=2) > 0).sum(axis=1).max())


@dataclass(frozen=True)
class BoostLoss(Statistic):
    """The loss of all records; of a number, the squared error in squared steps."""

    loss: Sum


@dataclass(frozen=True)
class BoostClasses(Statistic):
    """Patients and records by class and likeliest class, (k, k)."""

    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]


def boost_sums(block: Block, state: BoostState) -> BoostSums:
    """The sums of one block by node, covariate and bin."""
    codes = state.bins.codes(block)
    words, loss = _derived(block, state, codes)
    parts = []
    for index, (tree, nodes) in enumerate(zip(state.trees, state.nodes, strict=True)):
        if nodes:
            slot = slots_of(placed(block, codes, tree, f"place {index}"), nodes, len(tree.feature))
            width = state.bins.width
            parts.append(bin_sums(codes, slot, len(nodes), width, words[index], state.packing))
    return BoostSums(np.concatenate(parts), np.array(loss))


def boost_leaves(block: Block, state: BoostState) -> BoostLeaves:
    """The derivatives of one block's records in each leaf of the growing trees."""
    codes = state.bins.codes(block)
    outcome, now = state.outcome, _Scored.of(state)
    classes = outcome.channels if isinstance(outcome, ClassOutcome) else 1
    patients = np.zeros((len(state.trees), state.most, classes), dtype=np.int64)
    sums = np.zeros((*patients.shape, 2 + state.second))
    for index, tree in enumerate(state.trees):
        nodes = len(tree.feature)

        def cells(index: int = index, tree: Tree = tree) -> Places:
            cell = placed(block, codes, tree, f"place {index}")
            if isinstance(outcome, ClassOutcome):
                cell = cell * np.int32(classes) + outcome.held(block).astype(np.int32)
            return cell

        def made(index: int = index, nodes: int = nodes) -> FloatArray:
            words, _ = _derived(block, state, codes)
            found = slot_sums(cells(), nodes * classes, words[index], state.packing)
            return found[:, : 2 + state.second].reshape(nodes, classes, -1)

        sums[index, :nodes] = node_sums(block, f"leaves {index}", now, tree, made)
        if block.patient is None:
            patients[index] = sums[index, :, :, 0]
        else:
            counted = block.cells(cells(), nodes * classes)
            patients[index, :nodes] = counted.reshape(nodes, classes)
    return BoostLeaves(patients, sums)


def boost_loss(block: Block, state: BoostState) -> BoostLoss:
    """How far the model of all rounds is from one block."""
    _, loss = _derived(block, state, state.bins.codes(block))
    return BoostLoss(np.array(loss))


def boost_classes(block: Block, state: BoostState) -> BoostClasses:
    """How the model of all rounds classes one block."""
    scores = _scores(block, state, state.bins.codes(block))
    held, size, _ = state.outcome.of(block)
    assert held is not None
    given = (scores[0] > 0).astype(np.int64) if len(scores) == 1 else scores.argmax(axis=0)
    cells = held * size + given
    return BoostClasses(
        block.cells(cells, size * size).reshape(size, size),
        np.bincount(cells, minlength=size * size).reshape(size, size).astype(np.float64),
    )


@dataclass(frozen=True)
class _Scored:
    """Which scores a block remembers."""

    outcome: Outcome
    base: tuple[float, ...]
    rounds: Rounds
    counted: bool = False

    @classmethod
    def of(cls, state: BoostState) -> "_Scored":
        return cls(state.outcome, state.base, state.rounds, state.counted)

    def begins(self, state: BoostState) -> bool:
        """Whether a model goes on from here, or is here already."""
        mine, wanted = self.rounds, state.rounds
        return (
            len(mine) <= len(wanted)
            and self.base == state.base
            and self.outcome == state.outcome
            and all(one is other or one == other for one, other in zip(mine, wanted, strict=False))
        )


def _scores(block: Block, state: BoostState, codes: BinArray) -> FloatArray:
    """The scores of each record, (k, n), remembered from round to round."""
    known = block.remembered("scores")
    if known is not None and isinstance(known[0], _Scored) and known[0].begins(state):
        done, scores = len(known[0].rounds), known[1]
        if done == len(state.rounds):
            return scores
    else:
        done, scores = 0, np.repeat(np.array(state.base)[:, None], block.records, axis=1)
    for added in state.rounds[done:]:
        risen = np.empty_like(scores)
        for index, part in enumerate(added):
            finer, place = placed_finer(block, codes, part.tree, f"place {index}")
            values = np.array(part.values)
            values = values if finer is None else values[finer]
            _raised(scores[index], values, place, risen[index])
        scores = risen
    block.remember("scores", _Scored(state.outcome, state.base, state.rounds), scores)
    return scores


@compiled("void(float64[::1],float64[::1],int32[::1],float64[::1])")
def _raised(scores: FloatArray, values: FloatArray, place: Places, risen: FloatArray) -> None:
    for i in range(len(scores)):
        risen[i] = scores[i] + values[np.uint64(place[i])]


def _derived(block: Block, state: BoostState, codes: BinArray) -> tuple[IntArray, float]:
    """What a search sums of each record, packed, (k, n, words); and the loss of all of them.

    Of each score: 1, its derivatives of the loss in steps, and the classes but the first.
    """
    now = _Scored.of(state)
    known, lost = block.remembered("words"), block.remembered("loss")
    if known is not None and lost is not None and known[0] == lost[0] == now:
        return known[1], float(lost[1])
    scores = _scores(block, state, codes)
    held, classes, values = state.outcome.of(block)
    one = np.ones(block.records, dtype=np.int64)
    if held is None:
        apart = scores[0] - values[0]
        words = state.packing.packed([one, np.rint(apart).astype(np.int64)])[None]
        loss = float(np.dot(apart, apart))
    elif len(scores) == 1:
        words = np.empty((1, block.records, state.packing.words), dtype=np.int64)
        loss = _binomial(
            scores[0], held, 2.0**state.digits, state.packing.shift[0], state.counted, words[0]
        )
    else:
        steps = 2.0**state.digits
        chances = softmax(scores, axis=0)
        classed = [held == index for index in range(1, classes if state.counted else 1)]
        found = []
        for index, chance in enumerate(chances):
            first = np.rint((chance - (held == index)) * steps).astype(np.int64)
            second = np.rint(chance * (1.0 - chance) * steps).astype(np.int64)
            found.append(state.packing.packed([one, first, second, *classed]))
        words = np.stack(found)
        own = scores[held, np.arange(len(held))]
        loss = float((logsumexp(scores, axis=0) - own).sum())
    block.remember("words", now, words)
    block.remember("loss", now, np.array(loss))
    return words, loss


@compiled("float64(float64[::1],int64[::1],float64,int64,boolean,int64[:,::1])")
def _binomial(
    scores: FloatArray, held: IntArray, steps: float, shift: int, counted: bool, words: IntArray
) -> float:
    """The loss of two classes; the packed derivatives of every record go into words.

    A logarithm is taken of products of many chances, not of each, save of those near 1.
    """
    loss, product = 0.0, 1.0
    for i in range(len(scores)):
        score = scores[i]
        tail = math.exp(-abs(score))
        small, large = tail / (1.0 + tail), 1.0 / (1.0 + tail)
        other = score if held[i] != 1 else -score
        wrong = large if other >= 0.0 else small
        first = wrong if held[i] != 1 else -wrong
        words[i, 0] = np.int64(np.rint(first * steps)) + (1 << shift)
        words[i, 1] = np.int64(np.rint(small * large * steps))
        if counted and held[i] == 1:
            words[i, 1] += 1 << shift
        loss += max(other, 0.0)
        if tail < _NEAR:
            loss += math.log1p(tail)
        else:
            product *= 1.0 + tail
            if product > _LARGE:
                loss += math.log(product)
                product = 1.0
    return loss + math.log(product)
