"""Fits of a shrunken regression at one penalty after another, by the outcome's distribution."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.glm import check_outcome
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.glm import Family, GlmState, glm_step
from medmip.fold.logit import ClassState, NewtonState, newton_step
from medmip.fold.moments import Moments
from medmip.fold.shrinkage import (
    Loss,
    NotAtRest,
    Penalty,
    penalised_minimum,
    quadratic_minimum,
)
from medmip.fold.statistic import FloatArray

WEAKEST = 1e-3
"""The last penalty of a path, as a share of the first."""


@dataclass(frozen=True)
class Fit:
    """Intercept and slopes of standardised columns, (p + 1,), at one penalty.

    deviance is the sum of squares of a linear model; explained is the share of it that the slopes
    take off.
    """

    penalty: float
    beta: FloatArray
    deviance: float
    explained: float
    bic: float

    @property
    def slopes(self) -> FloatArray:
        return self.beta[1:]

    @property
    def kept(self) -> int:
        return int(np.count_nonzero(self.slopes))


class Problem(Protocol):
    """What is fitted: n records, the mixing of the penalty, and the pull of each column, (p,)."""

    @property
    def n(self) -> float: ...
    @property
    def mixing(self) -> float: ...
    @property
    def pulls(self) -> FloatArray:
        """The slopes of the loss where no covariate counts."""

    @property
    def null(self) -> FloatArray:
        """Intercept and slopes where no covariate counts, (p + 1,)."""

    def fit(self, penalty: float, start: FloatArray) -> Fit:
        """The fit at one penalty, descending from start (p + 1,); raises CannotCompute."""


def path(problem: Problem, steps: int) -> list[Fit]:
    """Fits at penalties from the least that drops every covariate down to WEAKEST of it."""
    strongest = float(np.abs(problem.pulls).max()) / max(problem.mixing, 1e-3)
    if not strongest > 0:
        raise CannotCompute("No covariate has anything to do with the outcome")
    found, start = [], problem.null
    for penalty in strongest * np.logspace(0, np.log10(WEAKEST), steps):
        fit = problem.fit(float(penalty), start)
        start = fit.beta
        found.append(fit)
    return found


@dataclass(frozen=True)
class LinearProblem:
    """Correlations of the covariates (p, p), their covariances with y (p,), y's mean, variance."""

    correlations: FloatArray
    covariances: FloatArray
    mean: float
    variance: float
    mixing: float
    n: float

    @property
    def pulls(self) -> FloatArray:
        return self.covariances

    @property
    def null_deviance(self) -> float:
        return self.n * self.variance

    @property
    def null(self) -> FloatArray:
        return np.concatenate([[self.mean], np.zeros(len(self.covariances))])

    def fit(self, penalty: float, start: FloatArray) -> Fit:
        asked = Penalty(penalty, self.mixing, free=False)
        try:
            slopes = quadratic_minimum(self.correlations, self.covariances, asked, start[1:])
        except NotAtRest:
            raise _unsettled() from None
        explained = slopes @ (2 * self.covariances - self.correlations @ slopes)
        rest = max(self.variance - float(explained), 0.0)
        freedom = _freedom(self.correlations, slopes, asked)
        return Fit(
            penalty,
            np.concatenate([[self.mean], slopes]),
            self.n * rest,
            1.0 - rest / self.variance,
            float(self.n * np.log(max(rest, 1e-300)) + np.log(self.n) * freedom),
        )


@dataclass(frozen=True)
class LikelihoodProblem:
    """A loss minus log-likelihood by record, with the deviance of a point by its loss.

    loss takes intercept and slopes of standardised columns, (p + 1,).
    """

    loss: Callable[[FloatArray], Loss]
    deviance: Callable[[float], float]
    null: FloatArray
    mixing: float
    n: float
    at_null: Loss

    @classmethod
    def of(
        cls,
        loss: Callable[[FloatArray], Loss],
        deviance: Callable[[float], float],
        null: FloatArray,
        mixing: float,
        n: float,
    ) -> "LikelihoodProblem":
        """The problem of a loss, looked at where no covariate counts."""
        return cls(loss, deviance, null, mixing, n, loss(null))

    @property
    def pulls(self) -> FloatArray:
        return self.at_null.gradient[1:]

    @property
    def null_deviance(self) -> float:
        """The deviance where no covariate counts."""
        return self.deviance(self.at_null.value)

    def fit(self, penalty: float, start: FloatArray) -> Fit:
        asked = Penalty(penalty, self.mixing, free=True)
        # Standardised columns bend the loss as the intercept does, where no covariate counts.
        scale = float(self.at_null.curvature[0, 0])
        try:
            beta, at = penalised_minimum(self.loss, asked, start, scale)
        except NotAtRest:
            raise _unsettled() from None
        centre = at.curvature[0, 1:] / at.curvature[0, 0]
        bend = at.curvature[1:, 1:] - np.outer(centre, at.curvature[0, 1:])
        freedom = _freedom(bend, beta[1:], asked)
        deviance = self.deviance(at.value)
        return Fit(
            penalty,
            beta,
            deviance,
            1.0 - deviance / self.null_deviance,
            float(2 * self.n * at.value + np.log(self.n) * freedom),
        )


@dataclass(frozen=True)
class Columns:
    """The p covariates' columns with means and standard deviations (p,), of n records.

    A linear model's outcome is the last column of folded, with all columns' spread.
    """

    design: Design
    n: float
    mean: FloatArray
    scale: FloatArray
    folded: Moments
    spread: FloatArray

    @classmethod
    def of(cls, design: Design, folded: Moments, outcome: str) -> "Columns":
        """Raises CannotCompute where a column is constant, or with fewer than three records."""
        n, p = float(folded.records), len(design.labels)
        if n < 3:
            raise CannotCompute("An elastic net needs at least three records")
        if not p:
            raise CannotCompute("No covariate varies", remedy="Choose others.")
        spread = np.sqrt(np.diag(folded.scatter) / n)
        constant = ~(spread > 1e-14 * np.abs(folded.mean))
        if constant.any():
            names = [*design.labels, outcome]
            told = ", ".join(names[index] for index in np.flatnonzero(constant))
            raise CannotCompute(f"These variables are constant: {told}", remedy="Leave them out.")
        return cls(design, n, folded.mean[:p], spread[:p], folded, spread)

    def linear(self, mixing: float) -> LinearProblem:
        """Least squares of the outcome, the last of the folded columns."""
        scatter = self.folded.scatter / self.n
        return LinearProblem(
            scatter[:-1, :-1] / np.outer(self.scale, self.scale),
            scatter[:-1, -1] / self.scale,
            float(self.folded.mean[-1]),
            float(scatter[-1, -1]),
            mixing,
            self.n,
        )

    def logistic(
        self, cohort: Cohort, classes: ClassState, odds: float, mixing: float
    ) -> LikelihoodProblem:
        """Logistic regression; odds are the second class's in the whole cohort."""
        null = np.zeros(len(self.scale) + 1)
        state = NewtonState(self.design, self.mean, self.scale, classes, null)
        null[0] = np.log(odds)

        def loss(beta: FloatArray) -> Loss:
            step = cohort.fold(newton_step, replace(state, beta=beta))
            return Loss(
                -float(step.log_likelihood) / self.n,
                -step.gradient / self.n,
                step.information / self.n,
            )

        return LikelihoodProblem.of(loss, lambda value: 2 * self.n * value, null, mixing, self.n)

    def poisson(self, cohort: Cohort, outcome: str, mixing: float) -> LikelihoodProblem:
        """Poisson regression; raises CannotCompute by check_outcome."""
        null = np.zeros(len(self.scale) + 1)
        state = GlmState(self.design, outcome, Family.POISSON, self.mean, self.scale, null.copy())
        glance = cohort.fold(glm_step, state)
        check_outcome(outcome, Family.POISSON, glance)
        # Deviance and twice the log-likelihood add up to the same at every point.
        whole = float(glance.deviance) + 2 * float(glance.log_likelihood)
        null[0] = np.log(float(glance.total) / self.n)

        def loss(beta: FloatArray) -> Loss:
            step = cohort.fold(glm_step, replace(state, beta=beta))
            return Loss(
                -float(step.log_likelihood) / self.n,
                -step.gradient / self.n,
                step.information / self.n,
            )

        return LikelihoodProblem.of(
            loss, lambda value: whole + 2 * self.n * value, null, mixing, self.n
        )


def _freedom(square: FloatArray, slopes: FloatArray, penalty: Penalty) -> float:
    """Degrees of freedom: of the kept columns, less what ridge takes from them.

    Source: Zou, Hastie & Tibshirani, The Annals of Statistics 35 (2007) 2173-2192.
    """
    kept = np.flatnonzero(slopes)
    values = np.maximum(np.linalg.eigvalsh(square[np.ix_(kept, kept)]), 0.0)
    return float((values / (values + penalty.ridge + 1e-300)).sum())


def _unsettled() -> CannotCompute:
    return CannotCompute(
        "The coefficients do not come to rest",
        remedy="Leave out covariates that nearly determine each other, or lower the mixing.",
    )
