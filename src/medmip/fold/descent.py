"""Newton's method for several convex problems at once, each a sum over records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, Statistic, Sum

MAX_ROUNDS = 100
_SETTLED = 1e-10
"""A step of this size, beside the parameters, is taken without another round."""
_SLOPE = 1e-4
"""Share of the promised fall that a step must bring (Armijo)."""
_SHORTEST = 1e-10


class NotMinimised(Exception):
    """No minimum was found within MAX_ROUNDS rounds."""


@dataclass(frozen=True)
class Curvature(Statistic):
    """Of k problems of q parameters: value (k,), gradient (k, q), Hessian matrix (k, q, q)."""

    value: Sum
    gradient: Sum
    hessian: Sum

    def supported_parameters(self) -> int:
        return int(self.gradient.size)


State = TypeVar("State")


def minimised(
    cohort: Cohort,
    kernel: Callable[[Block, State], Curvature],
    state_at: Callable[[FloatArray], State],
    start: FloatArray,
    ridge: FloatArray,
    cells: tuple[str, ...] = (),
) -> tuple[FloatArray, FloatArray, int]:
    """The minima (k, q) of value + ridge · beta² / 2, their values (k,), and the rounds it took.

    state_at makes the kernel's state of parameters (k, q), which start is too; ridge is (q,).
    Steps are halved until they bring a fall. Raises NotMinimised.
    """

    def at(beta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        found = cohort.fold(kernel, state_at(beta), cells=cells)
        return (
            found.value + 0.5 * (ridge * beta**2).sum(axis=1),
            found.gradient + ridge * beta,
            found.hessian + np.diag(ridge),
        )

    beta = start
    value, gradient, hessian = at(beta)
    change = _steps(gradient, hessian)
    length = np.ones(len(beta))
    for rounds in range(1, MAX_ROUNDS + 1):
        size, reach = np.abs(change).max(axis=1), 1.0 + np.abs(beta).max(axis=1)
        settled = size <= _SETTLED * reach
        promise = np.einsum("kq,kq->k", gradient, change)
        if settled.all():
            return beta + change, value + promise / 2, rounds
        tried = beta + np.where(settled, 0.0, length)[:, None] * change
        after = at(tried)
        slack = 1e-12 * np.abs(value)
        taken = settled | (after[0] <= value + _SLOPE * length * promise + slack)
        beta = np.where(taken[:, None], tried, beta)
        value = np.where(taken, after[0], value)
        gradient = np.where(taken[:, None], after[1], gradient)
        hessian = np.where(taken[:, None, None], after[2], hessian)
        change = _steps(gradient, hessian)
        length = np.where(taken, 1.0, length / 2)
        if length.min() < _SHORTEST:
            break
    raise NotMinimised


def _steps(gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """Newton's steps (k, q); along a direction without curvature there is no step."""
    steps = np.empty_like(gradient)
    for index, (slope, matrix) in enumerate(zip(gradient, hessian, strict=True)):
        scale = np.sqrt(np.diag(matrix))
        scale[scale == 0] = 1.0
        square = matrix / np.outer(scale, scale)
        steps[index] = -np.linalg.lstsq(square, slope / scale, rcond=1e-13)[0] / scale
    return steps
