"""How well a model predicts records that it has not seen, as sums that disclose nobody."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.special import expit

from medmip.fold.block import Block
from medmip.fold.model import Model, Target
from medmip.fold.statistic import (
    FloatArray,
    IntArray,
    Rank,
    Statistic,
    Sum,
    count_with,
    sum_over,
)

BINS = 16_384
"""Equal steps of a chance's logit: so narrow that ties hardly change an area under a curve."""
REACH = 15.0
"""The logit at which the outermost bins begin."""
_LEAST = 1e-15
"""The smallest chance whose logarithm is taken."""


@dataclass(frozen=True)
class ScoreState:
    """The model to judge; shift is about the mean of a numeric outcome."""

    model: Model
    shift: float = 0.0


@dataclass(frozen=True)
class ClassScores(Statistic):
    """Of k classes, and c = k scores, or one of two classes.

    patients and records (k, k): by class and by the likeliest class; bins and people (c, 2, BINS):
    records and patients not of, and of, the class that a score is of, by the logit of its chance;
    brier, log_loss: sums over records; unknown: records that the model cannot judge.
    """

    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]
    bins: Rank
    people: Rank
    brier: Sum
    log_loss: Sum
    unknown: Sum


@dataclass(frozen=True)
class NumberScores(Statistic):
    """Sums over records of the error e = predicted - y, and of y and predicted about a shift.

    sums (10,): of 1, e, e², |e|, e⁴, y, y², predicted, predicted², then y predicted; unknown as in
    ClassScores.
    """

    sums: Sum
    unknown: Sum


def class_scores(block: Block, state: ScoreState) -> ClassScores:
    """How one block's records are classed."""
    target = _target(state.model)
    size = len(target.classes)
    truth = target.truth(block, state.model.outcome)
    chances = state.model.predict(block)
    judged = (truth >= 0) & ~np.isnan(chances).any(axis=1)
    held, given = truth[judged], chances[judged]
    pairs = np.full(block.records, -1, dtype=np.int64)
    pairs[judged] = held * size + given.argmax(axis=1)
    records = np.bincount(pairs[judged], minlength=size * size).astype(np.float64)
    right = np.zeros_like(given)
    right[np.arange(len(held)), held] = 1.0
    scored = [1] if size == 2 else range(size)
    bins, people = [], []
    for index in scored:
        cell = np.full(block.records, -1, dtype=np.int64)
        cell[judged] = (held == index) * BINS + _bin(given[:, index])
        bins.append(np.bincount(cell[judged], minlength=2 * BINS).reshape(2, BINS))
        people.append(block.cells(cell, 2 * BINS).reshape(2, BINS))
    likely = np.maximum(given[np.arange(len(held)), held], _LEAST)
    return ClassScores(
        patients=block.cells(pairs, size * size).reshape(size, size),
        records=records.reshape(size, size),
        bins=np.stack(bins).astype(np.int64),
        people=np.stack(people),
        brier=np.array(((given - right) ** 2).sum()),
        log_loss=np.array(-np.log(likely).sum()),
        unknown=np.array(float(block.records - len(held))),
    )


def number_scores(block: Block, state: ScoreState) -> NumberScores:
    """How near one block's records are predicted."""
    predicted = state.model.predict(block)
    judged = ~np.isnan(predicted)
    y = block.column(state.model.outcome)[judged] - state.shift
    predicted = predicted[judged] - state.shift
    error = predicted - y
    square = error**2
    terms = (
        np.ones_like(y),
        error,
        square,
        np.abs(error),
        square**2,
        y,
        y**2,
        predicted,
        predicted**2,
        y * predicted,
    )
    return NumberScores(
        sums=np.array([float(term.sum()) for term in terms]),
        unknown=np.array(float(block.records - len(y))),
    )


def chance_of_bin(index: IntArray) -> FloatArray:
    """The chance at the middle of each bin."""
    chance: FloatArray = expit((index + 0.5) / BINS * 2 * REACH - REACH)
    return chance


def chance_at(index: int) -> float:
    """The least chance of a bin."""
    return float(expit(index / BINS * 2 * REACH - REACH))


def _bin(chance: FloatArray) -> IntArray:
    with np.errstate(divide="ignore"):
        logit = np.clip(np.log(chance) - np.log1p(-chance), -REACH, REACH)
    place = np.floor((logit + REACH) / (2 * REACH) * BINS).astype(np.int64)
    binned: IntArray = np.clip(place, 0, BINS - 1)
    return binned


def _target(model: Model) -> Target:
    if model.target is None:
        raise ValueError("the model's outcome is a number")
    return model.target
