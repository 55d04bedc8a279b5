"""Firth's penalised likelihood of the logit: Jeffreys' prior keeps every estimate finite."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.logit import NewtonState
from medmip.fold.newton import NotSettled
from medmip.fold.scratch import scratch
from medmip.fold.statistic import FloatArray, Statistic, Sum, Symmetric

ROUNDS = 300
"""Scoring rounds at the most; each gains the same share, as the information lacks the penalty's."""
_SETTLED = 1e-10
"""Settled needs that no standardised coefficient moves by more than this share."""
_LONGEST = 5.0
"""No standardised coefficient moves by more in one round."""


@dataclass(frozen=True)
class FirthState:
    """The model at m points at once: betas (m, q) in the place of point's beta.

    inverses (m, q, q) are those of the information there, None while it is not known.
    """

    point: NewtonState
    betas: FloatArray
    inverses: FloatArray | None = None


@dataclass(frozen=True)
class Likelihoods(Statistic):
    """Log-likelihood (m,) and information (m, q, q) at m points."""

    log_likelihood: Sum
    information: Symmetric

    def supported_parameters(self) -> int:
        return int(self.information.shape[1])


@dataclass(frozen=True)
class FirthScores(Statistic):
    """The penalised likelihood's gradients at m points, (m, q)."""

    score: Sum

    def supported_parameters(self) -> int:
        return int(self.score.shape[1])


@dataclass(frozen=True)
class Problem:
    """To maximise the penalised likelihood where constraints (k, q) times beta are zero.

    Or, where side is 1 or -1, to find the point of likelihood `level` that leads furthest along
    the only constraint or against it: the limit of a profile interval.
    """

    constraints: FloatArray
    side: float = 0.0
    level: float = 0.0


@dataclass(frozen=True)
class Solution:
    """Points (m, q), the plain and the penalised log-likelihood (m,), inverses (m, q, q)."""

    betas: FloatArray
    plain: FloatArray
    penalised: FloatArray
    inverses: FloatArray
    rounds: int


def likelihoods(block: Block, state: FirthState) -> Likelihoods:
    """Log-likelihood and information of one block at every point."""
    z, sides, weights, offset = _columns(block, state)
    values = np.zeros(len(state.betas))
    information = np.zeros((len(state.betas), len(z), len(z)))
    for index, beta in enumerate(state.betas):
        eta = np.dot(beta, z) + offset
        values[index] = -np.dot(np.logaddexp(0.0, -sides * eta), weights)
        spread = expit(eta) * expit(-eta) * weights
        information[index] = np.dot(z * spread, z.T)
    return Likelihoods(values, (information + information.transpose(0, 2, 1)) / 2)


def firth_scores(block: Block, state: FirthState) -> FirthScores:
    """The gradients of one block: residuals, and hat values' pull towards even chances.

    Source: Firth, Biometrika 80 (1993) 27-38, as in Heinze & Schemper, Statistics in Medicine 21
    (2002) 2409-2419.
    """
    assert state.inverses is not None
    z, sides, weights, offset = _columns(block, state)
    score = np.zeros(state.betas.shape)
    for index, (beta, inverse) in enumerate(zip(state.betas, state.inverses, strict=True)):
        eta = np.dot(beta, z) + offset
        chance = expit(eta)
        hat = np.einsum("qn,qn->n", z, np.dot(inverse, z)) * chance * expit(-eta)
        residual = np.where(sides > 0, expit(-eta), -chance) + hat * (0.5 - chance)
        score[index] = np.dot(z, residual * weights)
    return FirthScores(score)


def _columns(
    block: Block, state: FirthState
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Standardised columns (q, n), then (n,): sides, 1 or -1, weights and offsets."""
    point = state.point
    block, weights, offset = point.prior.of(block)
    x = block.matrix(point.design)
    z = scratch(x.shape[1] + 1, block.records)
    z[0] = 1.0
    np.subtract(x.T, point.shift[:, None], out=z[1:])
    z[1:] /= point.scale[:, None]
    positive = block.levels(point.classes.outcome) == point.classes.positive
    ones, none = np.ones(block.records), np.zeros(block.records)
    return (
        z,
        2.0 * positive - 1.0,
        ones if weights is None else weights,
        none if offset is None else offset,
    )


def solved(
    cohort: Cohort, point: NewtonState, start: FloatArray, problems: Sequence[Problem]
) -> Solution:
    """The solutions of m problems in shared rounds of two folds; start is (m, q).

    Raises NotSettled. Source: scoring with Firth's gradient; for a profile's limits, Venzon &
    Moolgavkar, Applied Statistics 37 (1988) 87-94.
    """
    betas = start.copy()
    found = _at(cohort, point, betas)
    left, latest = list(range(len(problems))), np.zeros_like(start)
    for rounds in range(1, ROUNDS + 1):
        state = FirthState(point, betas[left], found.inverses[left])
        scores = cohort.fold(firth_scores, state).score
        steps = np.zeros_like(betas)
        for score, index in zip(scores, left, strict=True):
            steps[index] = _step(
                problems[index],
                betas[index],
                score,
                found.inverses[index],
                float(found.penalised[index]),
            )
        size = np.abs(steps).max(axis=1)
        settled = size <= _SETTLED * (1.0 + np.abs(betas).max(axis=1))
        steps, latest = _lengthened(steps, latest)
        size = np.abs(steps).max(axis=1)
        moved = betas + steps / np.maximum(size / _LONGEST, 1.0)[:, None]
        betas, found = _climbed(cohort, point, problems, betas, moved, found, left)
        left = [index for index in left if not settled[index]]
        if not left:
            return replace(found, rounds=rounds)
    raise NotSettled


def _step(
    problem: Problem, beta: FloatArray, score: FloatArray, inverse: FloatArray, value: float
) -> FloatArray:
    free = inverse @ score
    rows = problem.constraints
    if not len(rows):
        return free
    across = inverse @ rows.T
    if problem.side:
        # Where a parabola with this slope and bend has come down to the level.
        room = value - problem.level + 0.5 * float(score @ free)
        pull = problem.side * np.sqrt(max(2.0 * room, 0.0) / float(rows[0] @ across[:, 0]))
        limit: FloatArray = free + pull * across[:, 0]
        return limit
    step: FloatArray = free - across @ np.linalg.solve(rows @ across, rows @ (beta + free))
    return step


def _lengthened(steps: FloatArray, latest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Steps (m, q) that go on along the latest ones, or back, go to the end of the series.

    Also the steps to compare the next ones with, zero where there are none. Source: Aitken,
    Proceedings of the Royal Society of Edinburgh 46 (1926) 289-305.
    """
    across, before, after = (
        (one * other).sum(axis=1)
        for one, other in ((steps, latest), (latest, latest), (steps, steps))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        share, straight = across / before, across**2 / (before * after)
    long = (straight > 0.999) & (np.abs(share) > 0.3) & (np.abs(share) < 0.995)
    factor = np.where(long, 1.0 / (1.0 - np.where(long, share, 0.0)), 1.0)
    return steps * factor[:, None], np.where(long[:, None], 0.0, steps)


def _climbed(
    cohort: Cohort,
    point: NewtonState,
    problems: Sequence[Problem],
    before: FloatArray,
    moved: FloatArray,
    found: Solution,
    left: Sequence[int],
) -> tuple[FloatArray, Solution]:
    """The points moved to; half way wherever a maximum's likelihood would fall, up to ten times."""
    betas, after = moved.copy(), found
    tried = list(left)
    for _ in range(10):
        there = _at(cohort, point, betas[tried])
        after = Solution(
            betas,
            _put(after.plain, tried, there.plain),
            _put(after.penalised, tried, there.penalised),
            _put(after.inverses, tried, there.inverses),
            0,
        )
        slack = 1e-10 * (1.0 + np.abs(found.penalised))
        tried = [
            index
            for index in tried
            if not problems[index].side
            and _holds(problems[index], before[index])
            and not after.penalised[index] >= found.penalised[index] - slack[index]
        ]
        if not tried:
            break
        betas = _put(betas, tried, (before[tried] + betas[tried]) / 2)
    return betas, replace(after, betas=betas)


def _holds(problem: Problem, beta: FloatArray) -> bool:
    return bool(np.all(np.abs(problem.constraints @ beta) < 1e-9))


def _put(values: FloatArray, places: Sequence[int], given: FloatArray) -> FloatArray:
    changed = values.copy()
    changed[list(places)] = given
    return changed


def _at(cohort: Cohort, point: NewtonState, betas: FloatArray) -> Solution:
    sums = cohort.fold(likelihoods, FirthState(point, betas))
    # In the units of the columns themselves, as log-likelihoods are usually told.
    units = 2.0 * float(np.log(point.scale).sum())
    sign, logarithm = np.linalg.slogdet(sums.information)
    if not np.all(sign > 0):
        raise NotSettled
    return Solution(
        betas,
        sums.log_likelihood,
        sums.log_likelihood + 0.5 * (logarithm + units),
        np.asarray(np.linalg.inv(sums.information), dtype=np.float64),
        0,
    )
