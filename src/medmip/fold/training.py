"""Training of a network over a cohort: L-BFGS, a fold a round, and Newton's method to settle."""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from medmip.fold.cohort import Cohort
from medmip.fold.network import (
    Activation,
    NetworkState,
    Shape,
    network_curvature,
    network_step,
)
from medmip.fold.statistic import FloatArray

NEAR = (1e-4, 1e-5, 1e-6)
"""Gradients of the mean loss that may be near enough to a minimum for Newton's method."""
_MEMORY = 20
"""Pairs of steps and gradients that L-BFGS keeps."""
_VALUE, _GRADIENT = 2.0**-36, 2.0**-27
"""What the loss and its gradient are rounded to: far above rounding errors, and far below NEAR."""
_NEWTON_ROUNDS = 40
_GAIN = 1e-15
"""Settled needs that the fall still to be had is below this share of the loss."""
_STEP = 1e-6
"""Settled needs that no weight moves by more than this; what is left then is its square."""
_FLAT = 1e-13
"""Curvature below this share of the largest is none: in its direction no weight is moved."""
_IDLE = 1e-6
"""A unit none of whose weights is larger does nothing, and its intercept may be any number."""


class Training(StrEnum):
    """How a network is trained over records that do not leave their hospitals."""

    GRADIENT = "gradient"
    AVERAGING = "averaging"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Training.GRADIENT: "Gradient of all records: the network of the pooled records",
            Training.AVERAGING: "Federated averaging: hospitals train by themselves in between",
        }[self]


@dataclass(frozen=True)
class Trained:
    """The weights found, and the penalised mean loss at the start and after every round.

    gradient is the largest element of the loss's gradient; curvature_rounds, Newton's rounds;
    folds counts how often the records were gone through.
    """

    state: NetworkState
    curve: tuple[float, ...]
    gradient: float
    settled: bool
    rounds: int
    curvature_rounds: int
    folds: int


@dataclass
class _Objective:
    """(Σ loss + penalty |weights|² / 2) / records, as scikit-learn's, at any point."""

    cohort: Cohort
    state: NetworkState
    penalty: float
    records: float
    folds: int = 0

    def at(self, flat: FloatArray) -> tuple[float, FloatArray]:
        """The value and the gradient (q,)."""
        step = self.cohort.fold(network_step, replace(self.state, flat=flat.copy()))
        self.folds += 1
        shrunken = self.penalty * self.state.shape.shrunken * flat
        value = (float(step.loss) + 0.5 * float(shrunken @ flat)) / self.records
        return value, (step.gradient + shrunken) / self.records

    def rounded(self, flat: FloatArray) -> tuple[float, FloatArray]:
        """The value and the gradient to fewer digits than the order of the records can change.

        Else a last digit would grow from round to round, to other weights for other splits.
        """
        value, gradient = self.at(flat)
        return round(value / _VALUE) * _VALUE, np.round(gradient / _GRADIENT) * _GRADIENT

    def curvature(self, flat: FloatArray) -> FloatArray:
        """The Hessian matrix (q, q)."""
        found = self.cohort.fold(network_curvature, replace(self.state, flat=flat))
        self.folds += 1
        hessian: FloatArray = found.hessian + np.diag(self.penalty * self.state.shape.shrunken)
        return hessian / self.records


def starting_weights(shape: Shape, activation: Activation, seed: int) -> FloatArray:
    """Weights and intercepts (q,), uniform within bounds by the units before and after.

    They are those that scikit-learn starts from with the same seed as random_state.
    Source: Glorot & Bengio, AISTATS 2010, 249-256.
    """
    # The old generator's numbers never change with NumPy's version (NEP 19).
    random = np.random.RandomState(seed)
    factor = 2.0 if activation is Activation.LOGISTIC else 6.0
    parts = []
    for before, after in shape.pairs:
        bound = (factor / (before + after)) ** 0.5
        parts += [
            random.uniform(-bound, bound, before * after),
            random.uniform(-bound, bound, after),
        ]
    return np.concatenate(parts)


def trained(
    cohort: Cohort, state: NetworkState, penalty: float, records: float, rounds: int
) -> Trained:
    """The network of state, trained from its weights for so many rounds of L-BFGS at the most.

    Each round goes through all records of the cohort, so the gradient is that of the pooled
    records. Where L-BFGS comes near a minimum, Newton's method goes down to where rounding alone
    is left: so the weights do not hang on how records are split. Where it does not settle, the
    weights are those of L-BFGS's last round.
    Source: Liu & Nocedal, Mathematical Programming 45 (1989) 503-528.
    """
    objective = _Objective(cohort, state, penalty, records)
    curve: list[float] = [objective.at(state.flat)[0]]

    def follow(intermediate_result: OptimizeResult) -> None:
        curve.append(float(intermediate_result.fun))

    flat, done = state.flat, 0
    for near in NEAR:
        found = minimize(
            objective.rounded,
            flat,
            jac=True,
            method="L-BFGS-B",
            callback=follow,
            options={
                "maxiter": rounds - done,
                "maxfun": 20 * rounds,
                "gtol": near,
                "ftol": 0.0,
                "maxcor": _MEMORY,
            },
        )
        flat, gradient = np.asarray(found.x), np.asarray(found.jac)
        done += int(found.nit)
        end = None if done >= rounds else _settled(objective, flat)
        if end is not None or done >= rounds:
            break
    if end is not None:
        flat, gradient, losses = end
        curve += losses
    return Trained(
        state=replace(state, flat=flat),
        curve=tuple(curve),
        gradient=float(np.abs(gradient).max()),
        settled=end is not None,
        rounds=done,
        curvature_rounds=0 if end is None else len(end[2]),
        folds=objective.folds,
    )


def _settled(
    objective: _Objective, flat: FloatArray
) -> tuple[FloatArray, FloatArray, list[float]] | None:
    """The minimum by Newton's method, its gradient, the losses on the way; None without one.

    It goes downhill only where the loss is curved upwards, so that it ends in the nearest hollow.
    """
    losses: list[float] = []
    loss, gradient = objective.at(flat)
    for _ in range(_NEWTON_ROUNDS):
        values, vectors = np.linalg.eigh(objective.curvature(flat))
        curved = np.abs(values) > _FLAT * np.abs(values).max()
        if float(values.min()) < -(_FLAT**0.5) * float(values.max()):
            return None
        along = vectors[:, curved].T @ gradient / np.abs(values[curved])
        change = -vectors[:, curved] @ along
        promise = -float(gradient @ change)
        last = promise <= _GAIN * abs(loss) and float(np.abs(change).max()) <= _STEP
        length = 1.0
        while True:
            tried = flat + length * change
            after, slope = objective.at(tried)
            if last or after <= loss - 1e-4 * length * promise + 1e-14 * abs(loss):
                break
            length /= 2
            if length < 1e-8:
                return None
        flat, loss, gradient = tried, after, slope
        losses.append(loss)
        if last:
            return _rested(objective.state, flat), gradient, losses
    return None


def _rested(state: NetworkState, flat: FloatArray) -> FloatArray:
    """The weights with nothing left of hidden units that do nothing."""
    rested = flat.copy()
    for (weights, intercepts), (onwards, _) in pairwise(state.shape.layers(rested)):
        idle = np.maximum(np.abs(weights).max(axis=0), np.abs(onwards).max(axis=1)) <= _IDLE
        weights[:, idle] = 0.0
        intercepts[idle] = 0.0
        onwards[idle] = 0.0
    return rested
