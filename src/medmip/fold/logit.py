"""Newton's method for the logit: what each round adds up, and the search for the maximum."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.moments import Moments, MomentsState, centred_columns, moments_of
from medmip.fold.scratch import scratch
from medmip.fold.statistic import Cells, FloatArray, Statistic, Sum

MAX_ROUNDS = 60
GAIN = 1e-8
"""Settled needs that the gain still to be had is below this share of the log-likelihood."""
STEP = 1e-6
"""Settled needs that no coefficient of a standardised column moves by more than this share."""
_LARGEST = 700.0
"""Log odds beyond which their exponential would overflow."""
SEPARATED = 1e-6
"""Fitted chances all nearer to 0 or 1 than this mean that the covariates tell the classes apart."""
_SMALL_PRODUCT = 1_000_000
"""Multiplications in one product at the most: OpenBLAS has a kernel for small ones that is twice as
fast, and so few records' columns stay in the processor's cache."""
_PRODUCTS = 4
"""Products made of records that are prepared together: fewer and longer calls, between which
threads have to wait for each other."""


class Separated(Exception):
    """The covariates in columns tell the classes apart, so no finite maximum exists."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        super().__init__(", ".join(columns))


class NotSettled(Exception):
    """No maximum was found within MAX_ROUNDS rounds."""


@dataclass(frozen=True)
class ClassState:
    """The outcome's variable and its positive level."""

    outcome: str
    positive: int


@dataclass(frozen=True)
class ClassCounts(Statistic):
    """Patients without and with the positive level, and such records, (2,)."""

    patients: Cells
    records: Sum


@dataclass(frozen=True)
class ClassMomentsState:
    """The covariates' columns and the classes."""

    design: Design
    classes: ClassState


@dataclass(frozen=True)
class ClassMoments(Moments):
    """Moments of p columns; positive (): records of the positive class.

    towards (p,): sum of x - shift over the positive class.
    """

    positive: Sum
    towards: Sum

    def about(self, shift: FloatArray) -> Self:
        moved = super().about(shift)
        step = self.shift - shift
        return replace(moved, towards=self.towards + float(self.positive) * step)

    def select(self, keep: list[int]) -> Self:
        return replace(super().select(keep), towards=self.towards[keep])


@dataclass(frozen=True)
class NewtonState:
    """The model at one point: columns z = (x - shift) / scale, beta (p + 1,) intercept first."""

    design: Design
    shift: FloatArray
    scale: FloatArray
    classes: ClassState
    beta: FloatArray

    @property
    def slopes(self) -> FloatArray:
        """The coefficients of the columns themselves, (p,)."""
        return self.beta[1:] / self.scale


@dataclass(frozen=True)
class NewtonStep(Statistic):
    """Log-likelihood (), gradient (p + 1,), information (p + 1, p + 1) at one point.

    unsettled () counts records whose fitted chance is not yet next to 0 or 1.
    """

    log_likelihood: Sum
    gradient: Sum
    information: Sum
    unsettled: Sum

    def supported_parameters(self) -> int:
        return len(self.gradient)


def class_counts(block: Block, state: ClassState) -> ClassCounts:
    """Patients and records of one block by class."""
    held = block.levels(state.outcome) == state.positive
    positive = int(np.count_nonzero(held))
    records = np.array([block.records - positive, positive])
    patients = records if block.patient is None else block.cells(held.astype(np.int64), 2)
    return ClassCounts(patients, records.astype(np.float64))


def class_moments(block: Block, state: ClassMomentsState) -> ClassMoments:
    """The moments of one block's covariates, and their sums over the positive class."""
    positive = (block.levels(state.classes.outcome) == state.classes.positive).astype(np.float64)
    shift, centred = centred_columns(block, MomentsState(state.design))
    plain = moments_of(block, state.design, shift, centred)
    return ClassMoments(
        plain.records,
        plain.cells,
        plain.shift,
        plain.total,
        plain.cross,
        positive.sum(),
        np.dot(centred, positive),
    )


def newton_step(block: Block, state: NewtonState) -> NewtonStep:
    """Log-likelihood, gradient and information of one block.

    The scale is folded into beta; columns are taken about the shift, so that no digits cancel.
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., 4.4.
    """
    x = block.matrix(state.design)
    size, records = x.shape[1] + 1, block.records
    beta = np.concatenate([state.beta[:1], state.slopes])
    columns, origin = x.T, state.shift[:, None]
    positive = block.levels(state.classes.outcome) == state.classes.positive
    sides = 2.0 * positive - 1.0
    products = np.zeros((size, size + 1))
    log_likelihood, unsettled = 0.0, 0
    narrow = max(256, _SMALL_PRODUCT // (size * (size + 1)))
    wide = _PRODUCTS * narrow
    for start in range(0, records, wide):
        stop = min(start + wide, records)
        memory = scratch(2 * size + 3, stop - start)
        z, other, residual = memory[:size], memory[size], memory[size + 1]
        spare = memory[size + 2 :].reshape(-1)
        z[0] = 1.0
        np.subtract(columns[:, start:stop], origin, out=z[1:])
        # The log odds of each record's own class, and the chance that it were the other one.
        own, side = np.dot(beta, z), sides[start:stop]
        own *= side
        np.minimum(own, _LARGEST, out=own)
        odds = np.exp(own)
        wrong = np.reciprocal(1.0 + odds)
        log_likelihood += own.sum() + np.log(wrong).sum()
        np.multiply(side, wrong, out=residual)
        unsettled += int(np.count_nonzero(wrong > SEPARATED))
        np.multiply(odds, wrong, out=other)
        other *= wrong
        for first in range(0, stop - start, narrow):
            last = min(first + narrow, stop - start)
            weighted = spare[: (size + 1) * (last - first)].reshape(size + 1, last - first)
            np.multiply(z[:, first:last], other[first:last], out=weighted[:-1])
            weighted[-1] = residual[first:last]
            # The residual rides along as a last row, so one product gives the gradient too.
            products += np.dot(z[:, first:last], weighted.T)
    scale = np.concatenate([[1.0], state.scale])
    information = products[:, :size] / np.outer(scale, scale)
    return NewtonStep(
        log_likelihood=np.array(log_likelihood),
        gradient=products[:, size] / scale,
        information=(information + information.T) / 2,
        unsettled=np.array(float(unsettled)),
    )


def maximised(
    cohort: Cohort, state: NewtonState, null: NewtonState, null_log_likelihood: float
) -> tuple[NewtonState, NewtonStep, int]:
    """The state at the maximum, the statistic there, and the number of Newton steps.

    state is where to start; null, where only the intercept is not zero, if that is likelier.
    Raises Separated or NotSettled. Where classes can be told apart the likelihood has no maximum:
    it goes on rising, ever less, while each round's step stays as long as the last.
    Source: Albert & Anderson, Biometrika 71 (1984) 1-10.
    """
    step = cohort.fold(newton_step, state)
    if not step.log_likelihood >= null_log_likelihood:
        state = null
        step = cohort.fold(newton_step, state)
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
        state, step = _climbed(cohort, state, step, change, settled)
        if settled:
            return state, step, rounds
    raise NotSettled


def _climbed(
    cohort: Cohort, state: NewtonState, step: NewtonStep, change: FloatArray, settled: bool
) -> tuple[NewtonState, NewtonStep]:
    """The state after a step, halved until the likelihood does not fall."""
    length = 1.0
    slack = 1e-12 * abs(float(step.log_likelihood))
    while length > 1e-6:
        tried = replace(state, beta=state.beta + length * change)
        found = cohort.fold(newton_step, tried)
        if settled or found.log_likelihood >= step.log_likelihood - slack:
            return tried, found
        length /= 2
    raise NotSettled


def _separated(state: NewtonState, direction: FloatArray) -> Separated:
    """The columns that the endless direction (p + 1,) leads along, by their part in the odds."""
    reach = np.where(state.design.indicators > 0, 1.0 / state.scale, 2.0)
    weights = np.abs(direction[1:]) * reach
    return Separated(
        tuple(
            label
            for label, weight in zip(state.design.labels, weights, strict=True)
            if weight >= 0.3 * weights.max(initial=0.0)
        )
    )


@dataclass(frozen=True)
class DevianceResiduals:
    """Each record's deviance residual under a fitted model, as the values of a quantile search."""

    design: Design
    classes: ClassState
    shift: tuple[float, ...]
    beta: tuple[float, ...]

    def of(self, block: Block) -> FloatArray:
        x = block.matrix(self.design)
        # Column by column, so that a record's bits do not depend on its neighbours.
        eta = np.full(block.records, self.beta[0])
        for index, (origin, slope) in enumerate(zip(self.shift, self.beta[1:], strict=True)):
            eta += slope * (x[:, index] - origin)
        positive = block.levels(self.classes.outcome) == self.classes.positive
        margin = np.where(positive, eta, -eta)
        deviance = np.log1p(np.exp(-np.abs(margin))) - np.minimum(margin, 0.0)
        return (np.where(positive, 1.0, -1.0) * np.sqrt(2.0 * deviance))[:, None]
