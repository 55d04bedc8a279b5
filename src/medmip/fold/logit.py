"""Newton's method for the logit of two classes: what each round adds up."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.moments import Moments, MomentsState, centred_columns, moments_of
from medmip.fold.newton import SEPARATED, NewtonStep
from medmip.fold.scratch import scratch
from medmip.fold.statistic import Cells, FloatArray, Statistic, Sum
from medmip.fold.value_grid import Values
from medmip.fold.weights import Offset, Prior, weighed

_LARGEST = 700.0
"""Log odds beyond which their exponential would overflow."""
_SMALL_PRODUCT = 1_000_000
"""Multiplications in one product at the most: OpenBLAS has a kernel for small ones that is twice as
fast, and so few records' columns stay in the processor's cache."""
_PRODUCTS = 4
"""Products made of records that are prepared together: fewer and longer calls, between which
threads have to wait for each other."""


@dataclass(frozen=True)
class ClassState:
    """The outcome's variable and its positive level; weights as MomentsState."""

    outcome: str
    positive: int
    weights: str | None = None


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
    """Moments of p columns; positive (): records of the positive class, or their weights.

    towards (p,): sum of x - shift over the positive class, weighed likewise.
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
    """The model at one point: columns z = (x - shift) / scale, beta (p + 1,) intercept first.

    Log odds are beta'(1, z) and the offset.
    """

    design: Design
    shift: FloatArray
    scale: FloatArray
    classes: ClassState
    beta: FloatArray
    offset: Offset | None = None

    @property
    def prior(self) -> Prior:
        return Prior(self.classes.weights, self.offset)

    @property
    def slopes(self) -> FloatArray:
        """The coefficients of the columns themselves, (p,)."""
        return self.beta[1:] / self.scale

    def slope_parts(self, direction: FloatArray) -> FloatArray:
        """How far a direction (p + 1,) leads along each standardised column, (p,)."""
        return np.abs(direction[1:])


def class_counts(block: Block, state: ClassState) -> ClassCounts:
    """Patients and records of one block by class."""
    block, _ = weighed(block, state.weights)
    held = block.levels(state.outcome) == state.positive
    positive = int(np.count_nonzero(held))
    records = np.array([block.records - positive, positive])
    patients = records if block.patient is None else block.cells(held.astype(np.int64), 2)
    return ClassCounts(patients, records.astype(np.float64))


def class_moments(block: Block, state: ClassMomentsState) -> ClassMoments:
    """The moments of one block's covariates, and their sums over the positive class."""
    block, weights = weighed(block, state.classes.weights)
    positive = (block.levels(state.classes.outcome) == state.classes.positive).astype(np.float64)
    shift, centred = centred_columns(block, MomentsState(state.design))
    plain = moments_of(block, state.design, shift, centred, weights)
    if weights is not None:
        positive *= weights
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
    block, weights, offset = state.prior.of(block)
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
        if offset is not None:
            own += offset[start:stop]
        own *= side
        np.minimum(own, _LARGEST, out=own)
        odds = np.exp(own)
        wrong = np.reciprocal(1.0 + odds)
        if weights is None:
            log_likelihood += own.sum() + np.log(wrong).sum()
        else:
            log_likelihood += float(np.dot(own + np.log(wrong), weights[start:stop]))
        np.multiply(side, wrong, out=residual)
        unsettled += int(np.count_nonzero(wrong > SEPARATED))
        np.multiply(odds, wrong, out=other)
        other *= wrong
        if weights is not None:
            other *= weights[start:stop]
            residual *= weights[start:stop]
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


@dataclass(frozen=True)
class LogOdds(Values):
    """Each record's log odds under a fitted model, as the values of a quantile search.

    shift is (p,), beta (p + 1,), of the columns in their own units; records without weight are
    missing.
    """

    design: Design
    classes: ClassState
    shift: tuple[float, ...]
    beta: tuple[float, ...]
    offset: Offset | None = None

    @classmethod
    def at(cls, state: NewtonState) -> "LogOdds":
        """Those of a model at its present point."""
        beta = (float(state.beta[0]), *state.slopes.tolist())
        return cls(state.design, state.classes, tuple(state.shift.tolist()), beta, state.offset)

    def of(self, block: Block) -> FloatArray:
        return block.derived("log odds", self, lambda: self._made(block))

    def _made(self, block: Block) -> FloatArray:
        x = block.matrix(self.design)
        # Column by column, so that a record's bits do not depend on its neighbours.
        eta = np.full(block.records, self.beta[0])
        for index, (origin, slope) in enumerate(zip(self.shift, self.beta[1:], strict=True)):
            part = x[:, index] - origin
            part *= slope
            eta += part
        if self.offset is not None:
            eta += self.offset.of(block)
        if self.classes.weights is not None:
            eta[~(block.column(self.classes.weights) > 0)] = np.nan
        return eta[:, None]


@dataclass(frozen=True)
class DevianceResiduals(Values):
    """Each record's deviance residual under a fitted model, as the values of a quantile search."""

    odds: LogOdds

    def of(self, block: Block) -> FloatArray:
        eta, classes = self.odds.of(block)[:, 0], self.odds.classes
        positive = block.levels(classes.outcome) == classes.positive
        margin = np.where(positive, eta, -eta)
        deviance = np.log1p(np.exp(-np.abs(margin))) - np.minimum(margin, 0.0)
        if classes.weights is not None:
            deviance *= block.column(classes.weights)
        return (np.where(positive, 1.0, -1.0) * np.sqrt(2.0 * deviance))[:, None]
