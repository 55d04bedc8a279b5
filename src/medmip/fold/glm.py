"""Generalised linear models with a log link: what each round adds up, and the fit."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.scratch import scratch
from medmip.fold.statistic import FloatArray, Statistic, Sum, Symmetric
from medmip.fold.weights import PLAIN, Prior

MAX_ROUNDS = 60
GAIN = 1e-9
"""Settled needs that the next step would lower the deviance by less than this share."""
STEP = 1e-7
"""Settled needs that no coefficient of a standardised column moves by more than this share."""
LAST = 1e-8
"""A step of standardised columns' coefficients that is shorter than this is taken without another
round: likelihood and errors change by less than its share."""
_TILE = 2048
_LARGEST = 700.0
"""Linear predictors beyond this are cut: e to it is the largest double."""


class Family(StrEnum):
    """How the outcome scatters about its mean."""

    POISSON = "poisson"
    NEGATIVE_BINOMIAL = "negative binomial"
    GAMMA = "gamma"


class NoFit(Exception):
    """The fit did not settle within MAX_ROUNDS rounds."""


@dataclass(frozen=True)
class GlmState:
    """The model at one point: columns z = (x - shift) / scale, beta (p + 1,) intercept first.

    theta is the negative binomial's size: its variance is mu + mu² / theta. prior holds weights, by
    which every sum is weighed, and the offset, which is added to the log of the mean.
    """

    design: Design
    outcome: str
    family: Family
    shift: FloatArray
    scale: FloatArray
    beta: FloatArray
    theta: float = np.inf
    prior: Prior = PLAIN


@dataclass(frozen=True)
class GlmStep(Statistic):
    """Log-likelihood (), deviance (), Pearson's χ² (), gradient (p + 1,), Fisher information.

    information is (p + 1, p + 1); both are for a dispersion of one. score () and curvature () are
    the derivatives of the log-likelihood by theta. outside () counts records whose outcome the
    family does not know. records () are the records, or their weights; total () sums the outcome.
    """

    records: Sum
    outside: Sum
    total: Sum
    log_likelihood: Sum
    deviance: Sum
    pearson: Sum
    gradient: Sum
    information: Symmetric
    score: Sum
    curvature: Sum

    def supported_parameters(self) -> int:
        return len(self.gradient)


def glm_step(block: Block, state: GlmState) -> GlmStep:
    """The sums of one block at one point.

    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., 2.5; Lawless, The Canadian
    Journal of Statistics 15 (1987) 209-225, for the negative binomial.
    """
    block, prior, offset = state.prior.of(block)
    x, y = block.matrix(state.design), block.column(state.outcome)
    size, records = x.shape[1] + 1, block.records
    beta = np.concatenate([state.beta[:1], state.beta[1:] / state.scale])
    products = np.zeros((size, size + 1))
    sums = np.zeros(6)
    own = _logs(block, state.outcome)
    steady = state.family is Family.GAMMA
    for start in range(0, records, _TILE):
        stop = min(start + _TILE, records)
        memory = scratch(2 * size + 1, stop - start)
        z, weighted, working = memory[:size], memory[size:-1], memory[-1]
        _centred(x, state.shift, slice(start, stop), z)
        eta = np.dot(beta, z)
        if offset is not None:
            eta += offset[start:stop]
        np.minimum(eta, _LARGEST, out=eta)
        part = None if prior is None else prior[start:stop]
        held = y[start:stop], own[start:stop]
        weight, residual, found = _terms(state.family, *held, eta, state.theta, part)
        if part is not None:
            weight, residual = weight * part, residual * part
        sums += found
        if steady:
            products[:, size] += np.dot(z, residual)
            continue
        working[:] = residual
        np.multiply(z, weight, out=weighted)
        # The residual rides along as a last row, so one product gives the gradient too.
        products += np.dot(z, memory[size:].T)
    if steady:
        products[:, :size] = _steady_products(block, state, prior)
    scale = np.concatenate([[1.0], state.scale])
    information = products[:, :size] / np.outer(scale, scale)
    known = y >= 0 if state.family is not Family.GAMMA else y > 0
    log_likelihood, deviance, pearson, score, curvature, _ = sums
    if state.family is not Family.GAMMA:
        log_likelihood -= _log_factorials(block, state.outcome, prior, state.prior.weights)
    return GlmStep(
        records=np.array(float(records) if prior is None else prior.sum()),
        outside=np.array(float(records - np.count_nonzero(known))),
        total=np.array(y.sum() if prior is None else np.dot(y, prior)),
        log_likelihood=np.array(log_likelihood),
        deviance=np.array(deviance),
        pearson=np.array(pearson),
        gradient=products[:, size] / scale,
        information=(information + information.T) / 2,
        score=np.array(score),
        curvature=np.array(curvature),
    )


def _centred(x: FloatArray, shift: FloatArray, rows: slice, z: FloatArray) -> None:
    """Fills z (p + 1, m) with ones and these rows of x (n, p), each column less its shift."""
    z[0] = 1.0
    np.subtract(x.T[:, rows], shift[:, None], out=z[1:])


def _steady_products(block: Block, state: GlmState, prior: FloatArray | None) -> FloatArray:
    """The sum of z z', (p + 1, p + 1), weighed by prior (n,): of no coefficient, so remembered.

    A gamma outcome's Fisher weights under a log link are one, whatever the fit.
    """

    def made() -> FloatArray:
        x, size = block.matrix(state.design), len(state.shift) + 1
        products = np.zeros((size, size))
        for start in range(0, block.records, _TILE):
            rows = slice(start, min(start + _TILE, block.records))
            memory = scratch(2 * size, rows.stop - start)
            z, weighted = memory[:size], memory[size:]
            _centred(x, state.shift, rows, z)
            np.multiply(z, 1.0 if prior is None else prior[rows], out=weighted)
            products += np.dot(z, weighted.T)
        return products

    key = state.design, state.shift.tobytes(), state.prior.weights
    return block.derived("steady products", key, made)


def _logs(block: Block, outcome: str) -> FloatArray:
    """The outcome's logarithms, (n,), 0 where it is not positive; remembered between rounds."""

    def made() -> FloatArray:
        y = block.column(outcome)
        logs = np.zeros(block.records)
        np.log(y, out=logs, where=y > 0)
        return logs

    return block.derived("logs", outcome, made)


def _log_factorials(
    block: Block, outcome: str, prior: FloatArray | None, weights: str | None
) -> float:
    """The sum of log y!, weighed; the same in every round, and so remembered."""

    def made() -> FloatArray:
        with np.errstate(invalid="ignore"):
            each = gammaln(block.column(outcome) + 1)
        return np.array(each.sum() if prior is None else np.dot(each, prior))

    return float(block.derived("log factorials", (outcome, weights), made))


def _terms(
    family: Family,
    y: FloatArray,
    own: FloatArray,
    eta: FloatArray,
    theta: float,
    prior: FloatArray | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fisher weights (n,), working residuals (n,), and the sums of a GlmStep's figures, (6,).

    own (n,) are the logarithms of y; prior (n,) weighs the sums alone. Log-likelihoods of counts
    lack log y!.
    """
    mu = np.exp(eta)
    apart = y - mu
    with np.errstate(invalid="ignore", over="ignore"):
        if family is Family.POISSON:
            held = y if prior is None else y * prior
            weighted = apart if prior is None else apart * prior
            total = mu.sum() if prior is None else np.dot(mu, prior)
            likelihood = np.dot(held, eta) - total
            deviance = 2 * (np.dot(held, own - eta) - weighted.sum())
            pearson = np.dot(weighted, apart / mu)
            return mu, apart, np.array([likelihood, deviance, pearson, 0.0, 0.0, 0.0])
        if family is Family.GAMMA:
            ratio = y / mu
            deviance = 2 * (ratio - 1 - own + eta)
            # Of shape one; the dispersion is estimated afterwards.
            return (
                np.ones_like(mu),
                ratio - 1,
                _sums(prior, -ratio - eta, deviance, (ratio - 1) ** 2),
            )
        shared = np.log((y + theta) / (mu + theta))
        likelihood = (
            gammaln(y + theta) - gammaln(theta)
            + y * eta + theta * np.log(theta) - (y + theta) * np.log(mu + theta)
        )  # fmt: skip
        deviance = 2 * (y * (own - eta) - (y + theta) * shared)
        shrunk = theta / (mu + theta)
        score = (
            digamma(y + theta)
            - digamma(theta)
            - np.log1p(mu / theta)
            + 1
            - (y + theta) / (mu + theta)
        )
        curvature = (
            polygamma(1, y + theta) - polygamma(1, theta)
            + 1 / theta - 2 / (mu + theta) + (y + theta) / (mu + theta) ** 2
        )  # fmt: skip
        pearson = apart**2 / (mu + mu**2 / theta)
        return (
            mu * shrunk,
            apart * shrunk,
            _sums(prior, likelihood, deviance, pearson, score, curvature),
        )


def _sums(prior: FloatArray | None, *parts: FloatArray) -> FloatArray:
    each = [part.sum() if prior is None else np.dot(part, prior) for part in parts]
    return np.array([*each, *[0.0] * (6 - len(parts))])


def fitted(cohort: Cohort, state: GlmState) -> tuple[GlmState, GlmStep, int]:
    """The state of least deviance, the sums there, and the number of scoring rounds.

    Raises NoFit. Source: Fisher's scoring with halved steps, as in McCullagh & Nelder 2.5.
    """
    step = cohort.fold(glm_step, state)
    for rounds in range(1, MAX_ROUNDS + 1):
        try:
            change = np.linalg.solve(step.information, step.gradient)
        except np.linalg.LinAlgError:
            raise NoFit from None
        gain = float(change @ step.gradient)
        size = float(np.abs(change).max())
        little = gain <= GAIN * (abs(float(step.deviance)) + 0.1)
        settled = little and size <= STEP * (1.0 + float(np.abs(state.beta).max()))
        if settled and size <= LAST:
            less = replace(
                step,
                log_likelihood=step.log_likelihood + gain / 2,
                deviance=step.deviance - gain,
            )
            return replace(state, beta=state.beta + change), less, rounds
        length, before = 1.0, float(step.deviance)
        while True:
            tried = replace(state, beta=state.beta + length * change)
            found = cohort.fold(glm_step, tried)
            if settled or float(found.deviance) <= before + 1e-10 * (abs(before) + 0.1):
                break
            length /= 2
            if length < 1e-6:
                raise NoFit
        state, step = tried, found
        if settled:
            return state, step, rounds
    raise NoFit
