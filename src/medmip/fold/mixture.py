"""One round of expectation and maximisation for a mixture of normal distributions."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.special import logsumexp

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import FloatArray, IntArray, Shift, Statistic, Sum, count_with, sum_over

_LEAST = 1e-9
"""Chances below this count as 0, so that records far from a component add nothing to it."""


@dataclass(frozen=True)
class MixtureState:
    """k normal distributions of p columns z = (x - shift) / scale.

    weights (k,), means (k, p); roots (k, p, p) whiten: root' covariance root = 1. crossed tells
    whether cross-products are wanted, or squares alone; parameters, how many the model has.
    """

    design: Design
    shift: FloatArray
    scale: FloatArray
    weights: FloatArray
    means: FloatArray
    roots: FloatArray
    crossed: bool
    parameters: int


@dataclass(frozen=True)
class MixtureStep(Statistic):
    """Patients and records (k,) by their likeliest component; sums over records by their chances.

    weight (k,): chances r; total (k, p): r (z - mean); spread: r (z - mean)(z - mean)', (k, p, p),
    or its diagonals (k, p). log_likelihood () is of z; free () is the model's number of parameters.
    """

    patients: Annotated[IntArray, count_with(())]
    records: Annotated[FloatArray, sum_over("patients")]
    weight: Annotated[FloatArray, sum_over("patients")]
    total: Annotated[FloatArray, sum_over("patients")]
    spread: Annotated[FloatArray, sum_over("patients")]
    log_likelihood: Sum
    free: Shift

    def supported_parameters(self) -> int:
        return int(self.free)


def mixture_step(block: Block, state: MixtureState) -> MixtureStep:
    """The sums of one block under one mixture.

    Source: Dempster, Laird & Rubin, Journal of the Royal Statistical Society B 39 (1977) 1-38.
    """
    z = (block.matrix(state.design) - state.shift) / state.scale
    size, p = state.means.shape
    logs = np.empty((block.records, size))
    for index in range(size):
        white = np.dot(z - state.means[index], state.roots[index])
        _, sharpness = np.linalg.slogdet(state.roots[index])
        logs[:, index] = np.log(state.weights[index]) + sharpness - p / 2 * np.log(2 * np.pi)
        logs[:, index] -= np.einsum("np,np->n", white, white) / 2
    whole = logsumexp(logs, axis=1) if block.records else np.zeros(0)
    chances = np.exp(logs - whole[:, None])
    chances[chances < _LEAST] = 0.0
    likeliest = logs.argmax(axis=1)
    total, spread = np.empty((size, p)), np.empty((size, p, p) if state.crossed else (size, p))
    for index in range(size):
        chance, apart = chances[:, index], z - state.means[index]
        total[index] = np.dot(chance, apart)
        weighted = apart * chance[:, None]
        spread[index] = (
            np.dot(weighted.T, apart) if state.crossed else np.einsum("np,np->p", weighted, apart)
        )
    return MixtureStep(
        patients=block.cells(likeliest, size),
        records=np.bincount(likeliest, minlength=size).astype(np.float64),
        weight=chances.sum(axis=0),
        total=total,
        spread=spread,
        log_likelihood=np.array(whole.sum()),
        free=np.array(float(state.parameters)),
    )
