"""Gradient boosting by histograms: scores that trees add up to, and what the next trees need."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from medmip.fold.bins import BinArray, Bins
from medmip.fold.block import Block
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
    Tree,
    placed,
    slots_of,
    sums_by_bin,
)

Loss = Literal["squared error", "binomial", "multinomial"]
_LEAST_CURVATURE = 1e-3
"""Second derivatives that a child must hold, as scikit-learn's and LightGBM's do."""
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

    @property
    def channels(self) -> int:
        """The sums of a bin: records, derivatives, perhaps the records of classes."""
        others = self.outcome.channels - 1 if self.second and self.counted else 0
        return 2 + self.second + others

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
    """The channels of a state by bin, (nodes, channels, covariates, bins)."""

    sums: SearchSum


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
    derivatives = _derivatives(block, state, codes)
    held, classes, _ = state.outcome.of(block)
    counts = [np.ones(block.records, dtype=np.bool_)]
    if held is not None and state.counted:
        counts += [held == index for index in range(1, classes)]
    parts = []
    for index, (tree, nodes) in enumerate(zip(state.trees, state.nodes, strict=True)):
        if nodes:
            slot = slots_of(placed(block, codes, tree, f"place {index}"), nodes, len(tree.feature))
            width, values = state.bins.width, list(derivatives[index])
            sums = sums_by_bin(codes, slot, len(nodes), width, values, counts=counts)
            order = [0, *range(len(counts), sums.shape[1]), *range(1, len(counts))]
            parts.append(sums[:, order] if len(counts) > 1 else sums)
    return BoostSums(np.concatenate(parts))


def boost_leaves(block: Block, state: BoostState) -> BoostLeaves:
    """The derivatives of one block's records in each leaf of the growing trees."""
    codes = state.bins.codes(block)
    derivatives = _derivatives(block, state, codes)
    held, classes, _ = state.outcome.of(block)
    shape, size = (len(state.trees), state.most, classes), state.most * classes
    patients = np.zeros(shape, dtype=np.int64)
    sums = np.zeros((*shape, 1 + derivatives.shape[1]))
    for index, tree in enumerate(state.trees):
        cell = placed(block, codes, tree, f"place {index}").astype(np.int64)
        if held is not None:
            cell = cell * classes + held
        records = np.bincount(cell, minlength=size)
        sums[index, ..., 0] = records.reshape(shape[1:])
        for channel, values in enumerate(derivatives[index], start=1):
            found = np.bincount(cell, values, minlength=size)
            sums[index, ..., channel] = found.reshape(shape[1:])
        counted = records if block.patient is None else block.cells(cell, size)
        patients[index] = counted.reshape(shape[1:])
    return BoostLeaves(patients, sums)


def boost_loss(block: Block, state: BoostState) -> BoostLoss:
    """How far the model of all rounds is from one block."""
    scores = _scores(block, state, state.bins.codes(block))
    held, _, values = state.outcome.of(block)
    if held is None:
        return BoostLoss(np.array(((scores[0] - values[0]) ** 2).sum()))
    if len(scores) == 1:
        wrong = np.where(held == 1, -scores[0], scores[0])
        tail = np.log1p(np.exp(-np.abs(wrong)))
        return BoostLoss(np.array((tail + np.maximum(wrong, 0.0)).sum()))
    own = scores[held, np.arange(len(held))]
    return BoostLoss(np.array((logsumexp(scores, axis=0) - own).sum()))


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
        scores = scores.copy()
    else:
        done, scores = 0, np.repeat(np.array(state.base)[:, None], block.records, axis=1)
    for added in state.rounds[done:]:
        for index, part in enumerate(added):
            place = placed(block, codes, part.tree, f"place {index}")
            scores[index] += np.array(part.values).take(place)
    block.remember("scores", _Scored(state.outcome, state.base, state.rounds), scores)
    return scores


def _derivatives(
    block: Block, state: BoostState, codes: BinArray
) -> NDArray[np.int32] | FloatArray:
    """First and perhaps second derivatives of the loss by each score, (k, 1 or 2, n), in steps."""
    known = block.remembered("derivatives")
    key = known[0] if known is not None else None
    if isinstance(key, _Scored) and len(key.rounds) == len(state.rounds) and key.begins(state):
        assert known is not None
        return known[1]
    scores = _scores(block, state, codes)
    now = _Scored(state.outcome, state.base, state.rounds)
    if isinstance(state.outcome, NumberOutcome):
        _, _, (value,) = state.outcome.of(block)
        residual = np.rint(scores[:, None] - value)
        block.remember("derivatives", now, residual)
        return residual
    held, _, _ = state.outcome.of(block)
    if len(scores) == 1:
        chances = expit(scores)
        right = (held == 1)[None]
    else:
        chances = softmax(scores, axis=0)
        right = held == np.arange(len(scores))[:, None]
    found = np.empty((len(scores), 2, block.records), dtype=np.int32)
    found[:, 0] = np.rint((chances - right) * 2.0**state.digits)
    found[:, 1] = np.rint(chances * (1.0 - chances) * 2.0**state.digits)
    block.remember("derivatives", now, found)
    return found
