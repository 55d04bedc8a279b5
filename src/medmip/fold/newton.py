"""Newton's method over a cohort: to the greatest likelihood, or to the word that there is none."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.statistic import FloatArray, Statistic, Sum, Symmetric

MAX_ROUNDS = 60
GAIN = 1e-8
"""Settled needs that the gain still to be had is below this share of the log-likelihood."""
STEP = 1e-6
"""Settled needs that no coefficient of a standardised column moves by more than this share."""
LAST = 1e-8
"""A step of standardised columns' coefficients that is shorter than this is taken without another
round: likelihood and errors change by less than its share."""
SEPARATED = 1e-6
"""Fitted chances all nearer to 0 or 1 than this mean that the covariates tell the classes apart."""


class Separated(Exception):
    """The covariates in columns tell the classes apart, so no finite maximum exists."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        super().__init__(", ".join(columns))


class NotSettled(Exception):
    """No maximum was found within MAX_ROUNDS rounds."""


class Point(Protocol):
    """A model at one point: a frozen dataclass with its parameters beta.

    design and scale (p,) are of its covariates' standardised columns.
    """

    @property
    def beta(self) -> FloatArray: ...
    @property
    def design(self) -> Design: ...
    @property
    def scale(self) -> FloatArray: ...

    def slope_parts(self, direction: FloatArray) -> FloatArray:
        """How far a direction of beta leads along each standardised column, (p,)."""


@dataclass(frozen=True)
class NewtonStep(Statistic):
    """Log-likelihood (), gradient (q,), information (q, q) at one point of q parameters.

    unsettled () counts records whose fitted chance is not yet next to 0 or 1.
    """

    log_likelihood: Sum
    gradient: Sum
    information: Symmetric
    unsettled: Sum

    def supported_parameters(self) -> int:
        return len(self.gradient)


State = TypeVar("State", bound=Point)
Kernel = Callable[[Block, State], NewtonStep]


def maximised(
    cohort: Cohort,
    kernel: Kernel[State],
    state: State,
    null: State,
    null_log_likelihood: float,
) -> tuple[State, NewtonStep, int]:
    """The state at the maximum, the statistic there, and the number of Newton steps.

    state is where to start; null, where no covariate counts, if that is likelier. Raises
    Separated or NotSettled. Where classes can be told apart the likelihood has no maximum: it
    goes on rising, ever less, while each round's step stays as long as the last.
    Source: Albert & Anderson, Biometrika 71 (1984) 1-10.
    """
    step = cohort.fold(kernel, state)
    if not step.log_likelihood >= null_log_likelihood:
        state = null
        step = cohort.fold(kernel, state)
    before, stuck = np.inf, 0
    for rounds in range(1, MAX_ROUNDS + 1):
        try:
            change: FloatArray = np.asarray(
                np.linalg.solve(step.information, step.gradient), dtype=np.float64
            )
        except np.linalg.LinAlgError:
            raise _separated(state, state.beta) from None
        size = float(np.abs(change).max())
        gain = 0.5 * float(change @ step.gradient)
        little = gain <= GAIN * (abs(float(step.log_likelihood)) + 0.1)
        settled = little and size <= STEP * (1.0 + float(np.abs(state.beta).max()))
        if float(step.unsettled) == 0.0:
            raise _separated(state, state.beta)
        stuck = stuck + 1 if little and size > 0.5 * before else 0
        if stuck > 2 and not settled:
            raise _separated(state, change)
        before = size
        if settled and size <= LAST:
            risen = replace(step, log_likelihood=step.log_likelihood + gain)
            return _moved(state, change), risen, rounds
        state, step = _climbed(cohort, kernel, state, step, change, settled)
        if settled:
            return state, step, rounds
    raise NotSettled


def _climbed(
    cohort: Cohort,
    kernel: Kernel[State],
    state: State,
    step: NewtonStep,
    change: FloatArray,
    settled: bool,
) -> tuple[State, NewtonStep]:
    """The state after a step, halved until the likelihood does not fall."""
    length = 1.0
    slack = 1e-12 * abs(float(step.log_likelihood))
    while length > 1e-6:
        tried = _moved(state, length * change)
        found = cohort.fold(kernel, tried)
        if settled or found.log_likelihood >= step.log_likelihood - slack:
            return tried, found
        length /= 2
    raise NotSettled


def _moved(state: State, change: FloatArray) -> State:
    point: Any = state
    moved: State = replace(point, beta=state.beta + change)
    return moved


def _separated(state: Point, direction: FloatArray) -> Separated:
    """The columns that an endless direction of beta leads along, by their part in the odds."""
    reach = np.where(state.design.indicators > 0, 1.0 / state.scale, 2.0)
    weights = state.slope_parts(direction) * reach
    return Separated(
        tuple(
            label
            for label, weight in zip(state.design.labels, weights, strict=True)
            if weight >= 0.3 * weights.max(initial=0.0)
        )
    )
