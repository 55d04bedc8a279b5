"""Newton's method for outcomes of several classes, unordered or ordered: what a round adds up."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.newton import SEPARATED, NewtonStep
from medmip.fold.scratch import scratch
from medmip.fold.statistic import Cells, FloatArray, IntArray, Statistic, Sum

_TILE = 2048
"""Records whose columns stay in the processor's cache."""


@dataclass(frozen=True)
class LevelCounts(Statistic):
    """Patients and records of each of an outcome's k levels, (k,)."""

    patients: Cells
    records: Sum


@dataclass(frozen=True)
class LevelState:
    """An outcome and how many levels it has."""

    outcome: str
    size: int


def level_counts(block: Block, state: LevelState) -> LevelCounts:
    """Patients and records of one block by level."""
    held = block.levels(state.outcome)
    records = np.bincount(held[held >= 0], minlength=state.size).astype(np.float64)
    return LevelCounts(block.cells(held, state.size), records)


@dataclass(frozen=True)
class ClassesState:
    """A model of k classes at one point; columns are z = (x - shift) / scale, (p,) each.

    present (k,) are the levels of the outcome, in the order of the classes. beta of the
    multinomial logit is (k - 1) * (p + 1): for each class but the first its intercept and slopes;
    of the ordinal logit p + k - 1: the slopes, then the thresholds between the classes.
    """

    design: Design
    outcome: str
    present: tuple[int, ...]
    shift: FloatArray
    scale: FloatArray
    beta: FloatArray
    ordered: bool

    def slope_parts(self, direction: FloatArray) -> FloatArray:
        """How far a direction of beta leads along each standardised column, (p,)."""
        p = len(self.scale)
        if self.ordered:
            return np.abs(direction[:p])
        parts: FloatArray = np.abs(direction.reshape(-1, p + 1)[:, 1:]).max(axis=0)
        return parts

    def held(self, block: Block) -> IntArray:
        """The class of each record, (n,)."""
        places = np.zeros(max(self.present) + 1, dtype=np.int64)
        places[list(self.present)] = np.arange(len(self.present))
        held: IntArray = places[block.levels(self.outcome)]
        return held


def multinomial_step(block: Block, state: ClassesState) -> NewtonStep:
    """Log-likelihood, gradient and information of one block under the multinomial logit.

    Source: Agresti, Categorical Data Analysis, 3rd ed., 8.1.
    """
    x, held = block.matrix(state.design), state.held(block)
    size, others = x.shape[1] + 1, len(state.present) - 1
    beta = state.beta.reshape(others, size)
    gradient = np.zeros((others, size))
    information = np.zeros((others, size, others, size))
    log_likelihood, unsettled = 0.0, 0
    for start in range(0, block.records, _TILE):
        stop = min(start + _TILE, block.records)
        z, weighted = _columns(x, state, start, stop)
        score = np.dot(beta, z)
        highest = np.maximum(score.max(axis=0), 0.0)
        chance = np.exp(score - highest)
        total = chance.sum(axis=0) + np.exp(-highest)
        chance /= total
        own = held[start:stop] == np.arange(1, others + 1)[:, None]
        residual = own - chance
        log_likelihood += (score * own).sum() - highest.sum() - np.log(total).sum()
        wrong = np.abs(residual).max(axis=0)
        unsettled += int(np.count_nonzero(wrong > SEPARATED))
        gradient += np.dot(residual, z.T)
        for one in range(others):
            for other in range(one, others):
                weight = -chance[one] * chance[other]
                if one == other:
                    weight += chance[one]
                np.multiply(z, weight, out=weighted)
                part = np.dot(z, weighted.T)
                information[one, :, other, :] += part
                if one != other:
                    information[other, :, one, :] += part
    flat = information.reshape(others * size, others * size)
    return NewtonStep(
        log_likelihood=np.array(log_likelihood),
        gradient=gradient.reshape(-1),
        information=(flat + flat.T) / 2,
        unsettled=np.array(float(unsettled)),
    )


def ordinal_step(block: Block, state: ClassesState) -> NewtonStep:
    """Log-likelihood, gradient and observed information under proportional odds.

    The chance of class j or below is the logistic function of threshold j less x'b. Not a number
    where the thresholds are out of order.
    Source: McCullagh, Journal of the Royal Statistical Society B 42 (1980) 109-142.
    """
    x, held = block.matrix(state.design), state.held(block)
    p, cuts = x.shape[1], len(state.present) - 1
    slopes, thresholds = state.beta[:p], state.beta[p:]
    gradient = np.zeros(p + cuts)
    information = np.zeros((p + cuts, p + cuts))
    log_likelihood, unsettled = 0.0, 0
    upper, lower = np.append(thresholds, np.inf), np.append(-np.inf, thresholds)
    for start in range(0, block.records, _TILE):
        stop = min(start + _TILE, block.records)
        z, weighted = _columns(x, state, start, stop)
        z, weighted = z[1:], weighted[1:]
        own = held[start:stop]
        eta = np.dot(slopes, z)
        above, below = upper[own] - eta, lower[own] - eta
        # Of a logistic function only differences near 0 keep their digits, so both tails do.
        mirrored = below > 0
        chance = np.where(mirrored, expit(-below) - expit(-above), expit(above) - expit(below))
        high, low = expit(above) * expit(-above), expit(below) * expit(-below)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_likelihood += np.log(chance).sum()
            a, b = high / chance, low / chance
            c = a * a - a * (expit(-above) - expit(above))
            d = b * b + b * (expit(-below) - expit(below))
        e = -a * b
        unsettled += int(np.count_nonzero(chance < 1 - SEPARATED))
        gradient[:p] -= np.dot(z, a - b)
        np.multiply(z, c + d + 2 * e, out=weighted)
        information[:p, :p] += np.dot(z, weighted.T)
        for index in range(cuts):
            at, after = own == index, own == index + 1
            gradient[p + index] += a[at].sum() - b[after].sum()
            cross = np.dot(z[:, at], (c + e)[at]) + np.dot(z[:, after], (d + e)[after])
            information[:p, p + index] -= cross
            information[p + index, :p] -= cross
            information[p + index, p + index] += c[at].sum() + d[after].sum()
            if index:
                information[p + index, p + index - 1] += e[at].sum()
                information[p + index - 1, p + index] += e[at].sum()
    return NewtonStep(
        log_likelihood=np.array(log_likelihood),
        gradient=gradient,
        information=(information + information.T) / 2,
        unsettled=np.array(float(unsettled)),
    )


def _columns(
    x: FloatArray, state: ClassesState, start: int, stop: int
) -> tuple[FloatArray, FloatArray]:
    """Ones and the standardised columns of some records, (p + 1, n), and room for as many."""
    size = x.shape[1] + 1
    memory = scratch(2 * size, stop - start)
    z = memory[:size]
    z[0] = 1.0
    np.subtract(x.T[:, start:stop], state.shift[:, None], out=z[1:])
    z[1:] /= state.scale[:, None]
    return z, memory[size:]
