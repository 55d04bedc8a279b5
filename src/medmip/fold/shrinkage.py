"""The least of a smooth loss and an elastic net's penalty: coordinate descent, proximal Newton."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medmip.fold.statistic import FloatArray

_PASSES = 100_000
_STILL = 1e-10
"""Coefficients of standardised columns rest once a pass moves none of them by more than this."""
_ROUNDS = 100
OPTIMAL = 1e-9
"""The optimality conditions hold to this share of the loss's curvature at the start."""


class NotAtRest(Exception):
    """No point was found where the optimality conditions hold."""


@dataclass(frozen=True)
class Penalty:
    """strength (mixing |b|₁ + (1 - mixing) |b|² / 2); an intercept, first, where free."""

    strength: float
    mixing: float
    free: bool

    @property
    def lasso(self) -> float:
        return self.strength * self.mixing

    @property
    def ridge(self) -> float:
        return self.strength * (1.0 - self.mixing)

    def weights(self, size: int) -> FloatArray:
        """1.0 for each penalised coefficient, 0.0 for the intercept; (size,)."""
        weights = np.ones(size)
        weights[: int(self.free)] = 0.0
        return weights

    def of(self, beta: FloatArray) -> float:
        """The penalty of coefficients (q,)."""
        slopes = beta[int(self.free) :]
        return float(self.lasso * np.abs(slopes).sum() + 0.5 * self.ridge * slopes @ slopes)

    def violation(self, gradient: FloatArray, beta: FloatArray) -> float:
        """How far beta (q,) is from optimal, by the largest subgradient; gradient is the loss's.

        Source: Friedman, Hastie & Tibshirani, Journal of Statistical Software 33 (2010) 1-22, 2.5.
        """
        weights = self.weights(len(beta))
        pull = gradient + self.ridge * weights * beta
        lasso = self.lasso * weights
        short = np.where(
            beta != 0, np.abs(pull + lasso * np.sign(beta)), np.maximum(np.abs(pull) - lasso, 0.0)
        )
        return float(short.max(initial=0.0))


@dataclass(frozen=True)
class Loss:
    """A smooth loss at one point: its value, gradient (q,) and second derivatives (q, q)."""

    value: float
    gradient: FloatArray
    curvature: FloatArray


def quadratic_minimum(
    square: FloatArray, pull: FloatArray, penalty: Penalty, start: FloatArray
) -> FloatArray:
    """The least b'Sb / 2 - c'b + penalty of b, (q,), descending from start; raises NotAtRest.

    Once a pass leaves the signs as they were, the equations that hold for those signs are solved,
    which gives the answer to the last digits where they are the right ones.
    """
    size = len(pull)
    weights = penalty.weights(size)
    lasso, ridge = penalty.lasso * weights, penalty.ridge * weights
    beta = start.copy()
    fitted: FloatArray = square @ beta
    diagonal = np.diag(square)
    reach = float(np.abs(pull).max(initial=0.0)) + 1e-300
    signs = np.sign(beta)
    steps = list(zip(range(size), lasso.tolist(), (diagonal + ridge).tolist(), strict=True))
    for _ in range(_PASSES):
        solved = _solved(square, pull, penalty, signs)
        if solved is not None:
            return solved
        moved = 0.0
        for index, short, bend in steps:
            if bend <= 0.0:
                continue
            old = float(beta[index])
            aim = float(pull[index] - fitted[index]) + float(diagonal[index]) * old
            new = (aim - short if aim > short else aim + short if aim < -short else 0.0) / bend
            change = new - old
            if change:
                fitted += change * square[:, index]
                beta[index] = new
                moved = max(moved, abs(change) * bend)
        now = np.sign(beta)
        if moved <= _STILL * reach:
            return beta
        signs = now
    raise NotAtRest


def _solved(
    square: FloatArray, pull: FloatArray, penalty: Penalty, signs: FloatArray
) -> FloatArray | None:
    """The optimum where these are its coefficients' signs, (q,), else None."""
    weights = penalty.weights(len(pull))
    lasso = penalty.lasso * weights
    held = np.flatnonzero((signs != 0) | (lasso == 0))
    beta = np.zeros(len(pull))
    if held.size:
        bent = square[np.ix_(held, held)] + np.diag(penalty.ridge * weights[held])
        try:
            beta[held] = np.linalg.solve(bent, pull[held] - (lasso * signs)[held])
        except np.linalg.LinAlgError:
            return None
    bound = lasso > 0
    if (np.sign(beta)[bound] != signs[bound]).any():
        return None
    reach = float(np.abs(pull).max(initial=0.0))
    short = penalty.violation(square @ beta - pull, beta)
    return beta if short <= 1e-12 * max(reach, penalty.strength) else None


def penalised_minimum(
    loss: Callable[[FloatArray], Loss], penalty: Penalty, start: FloatArray, scale: float
) -> tuple[FloatArray, Loss]:
    """The coefficients (q,) of least loss and penalty, and the loss there; raises NotAtRest.

    Each round replaces the loss by its quadratic expansion, and halves the step while the sum
    falls too little. It ends where the optimality conditions hold to OPTIMAL of scale.
    Source: Lee, Sun & Saunders, SIAM Journal on Optimization 24 (2014) 1420-1443.
    """
    beta, at = start, loss(start)
    for _ in range(_ROUNDS):
        if penalty.violation(at.gradient, beta) <= OPTIMAL * scale:
            return beta, at
        pull = at.curvature @ beta - at.gradient
        aim = quadratic_minimum(at.curvature, pull, penalty, beta)
        change = aim - beta
        hoped = float(at.gradient @ change) + penalty.of(aim) - penalty.of(beta)
        before = at.value + penalty.of(beta)
        slack = 1e-13 * (abs(before) + scale)
        length = 1.0
        while True:
            # The aim itself, so that what it holds at zero stays at zero.
            tried = aim if length == 1.0 else beta + length * change
            found = loss(tried)
            after = found.value + penalty.of(tried)
            if after <= before + 1e-4 * length * hoped + slack:
                break
            length /= 2
            if length < 1e-8:
                raise NotAtRest
        beta, at = tried, found
    raise NotAtRest
