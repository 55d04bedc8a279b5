"""How a logistic model's chances agree with what happened: groups of risk, and recalibration."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.special import expit

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.logit import LogOdds
from medmip.fold.statistic import (
    FloatArray,
    IntArray,
    Rank,
    Statistic,
    Sum,
    count_with,
    sum_over,
)
from medmip.fold.weights import weighed

_ROUNDS = 40
_LAST = 1e-8
"""A step that moves no coefficient by more is the last, and takes no round of its own: Newton's
steps square their length, so that what is left of it is rounding."""


@dataclass(frozen=True)
class RiskGroups:
    """Groups of records by log odds: up to each of the ascending cuts, then beyond the last."""

    odds: LogOdds
    cuts: tuple[float, ...]


@dataclass(frozen=True)
class RiskRanks(Statistic):
    """Patients by group of risk, without and with the positive class, (groups, 2)."""

    patients: Rank


@dataclass(frozen=True)
class RiskSums(Statistic):
    """By group and class, (groups, 2): patients, and sums of records and of predicted chances.

    A record counts as often as its weight says.
    """

    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]
    expected: Annotated[FloatArray, sum_over("patients")]


@dataclass(frozen=True)
class RecalibrationState:
    """Log odds as a polynomial of t = (the model's - center) / scale; gamma is (m + 1,)."""

    odds: LogOdds
    center: float
    scale: float
    gamma: FloatArray


@dataclass(frozen=True)
class RecalibrationStep(Statistic):
    """Log-likelihood (), gradient (m + 1,), information (m + 1, m + 1)."""

    log_likelihood: Sum
    gradient: Sum
    information: Sum

    def supported_parameters(self) -> int:
        return len(self.gradient)


@dataclass(frozen=True)
class Recalibration:
    """The polynomial of greatest likelihood: gamma (m + 1,) and covariance (m + 1, m + 1)."""

    gamma: FloatArray
    covariance: FloatArray
    log_likelihood: float


def risk_ranks(block: Block, state: RiskGroups) -> RiskRanks:
    """The patients of one block."""
    block, _ = weighed(block, state.odds.classes.weights)
    cell, _ = _cells(block, state)
    groups = len(state.cuts) + 1
    return RiskRanks(block.cells(cell, 2 * groups).reshape(groups, 2))


def risk_sums(block: Block, state: RiskGroups) -> RiskSums:
    """The sums of one block."""
    block, held = weighed(block, state.odds.classes.weights)
    weights = np.ones(block.records) if held is None else held
    cell, chance = _cells(block, state)
    groups = len(state.cuts) + 1
    size = 2 * groups

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(cell, values, minlength=size).astype(np.float64).reshape(groups, 2)

    return RiskSums(
        patients=block.cells(cell, size).reshape(groups, 2),
        records=summed(weights),
        expected=summed(weights * chance),
    )


def _cells(block: Block, state: RiskGroups) -> tuple[IntArray, FloatArray]:
    eta = state.odds.of(block)[:, 0]
    positive = block.levels(state.odds.classes.outcome) == state.odds.classes.positive
    cell: IntArray = 2 * np.searchsorted(np.array(state.cuts), eta, side="left") + positive
    chance: FloatArray = expit(eta)
    return cell, chance


def recalibration_step(block: Block, state: RecalibrationState) -> RecalibrationStep:
    """The sums of one block at one point, weighed as the model's are."""
    block, held = weighed(block, state.odds.classes.weights)
    weights = 1.0 if held is None else held
    t = (state.odds.of(block)[:, 0] - state.center) / state.scale
    columns = np.empty((len(state.gamma), block.records))
    columns[0] = 1.0
    for power in range(1, len(columns)):
        np.multiply(columns[power - 1], t, out=columns[power])
    eta = np.dot(state.gamma, columns)
    positive = block.levels(state.odds.classes.outcome) == state.odds.classes.positive
    tail = np.exp(-np.abs(eta))
    whole = 1.0 + tail
    chance = np.where(eta >= 0.0, 1.0, tail) / whole
    against = np.where(positive, -eta, eta)
    return RecalibrationStep(
        log_likelihood=np.array(
            -np.sum(weights * np.log(whole)) - np.sum(weights * np.maximum(against, 0.0))
        ),
        gradient=np.dot(columns, weights * (positive - chance)),
        information=np.dot(columns * (weights * tail / (whole * whole)), columns.T),
    )


def recalibrated(cohort: Cohort, state: RecalibrationState) -> Recalibration | None:
    """The greatest likelihood of this degree by Newton's method; None where it is not found."""
    step = cohort.fold(recalibration_step, state)
    for _ in range(_ROUNDS):
        try:
            change = np.linalg.solve(step.information, step.gradient)
        except np.linalg.LinAlgError:
            return None
        size = float(np.abs(change).max())
        if size <= _LAST:
            covariance = np.asarray(np.linalg.inv(step.information), dtype=np.float64)
            risen = float(step.log_likelihood) + float(change @ step.gradient) / 2
            return Recalibration(state.gamma + change, covariance, risen)
        length = 1.0
        while True:
            gamma = state.gamma + length * change
            tried = RecalibrationState(state.odds, state.center, state.scale, gamma)
            found = cohort.fold(recalibration_step, tried)
            slack = 1e-12 * abs(float(step.log_likelihood))
            if float(found.log_likelihood) >= float(step.log_likelihood) - slack:
                break
            length /= 2
            if length < 1e-6:
                return None
        state, step = tried, found
    return None
