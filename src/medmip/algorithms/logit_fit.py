"""The fit of a logistic regression: the greatest likelihood, plain or under Firth's penalty."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy import stats

from medmip.algorithms.coefficients import INTERCEPT, Coefficient, coefficients
from medmip.algorithms.declaration import CannotCompute
from medmip.fold.cohort import Cohort
from medmip.fold.firth import ROUNDS, Problem, solved
from medmip.fold.logit import NewtonState, newton_step
from medmip.fold.newton import MAX_ROUNDS, NotSettled, Separated, maximised
from medmip.fold.statistic import FloatArray


class Penalty(StrEnum):
    """What is added to the log-likelihood."""

    NONE = "none"
    FIRTH = "firth"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Penalty.NONE: "None: the greatest likelihood",
            Penalty.FIRTH: "Firth: finite also where covariates separate the classes",
        }[self]


@dataclass(frozen=True)
class LogitFit:
    """A fit of standardised columns: state, and covariance (q, q), intercept first.

    coefficients are of the columns themselves. log_likelihood is the plain one; ratio is twice the
    gain in the likelihood that was made greatest over the intercept alone.
    """

    state: NewtonState
    covariance: FloatArray
    coefficients: tuple[Coefficient, ...]
    log_likelihood: float
    ratio: float
    rounds: int


def logit_fit(
    cohort: Cohort,
    start: NewtonState,
    null: FloatArray,
    null_log_likelihood: float,
    back: FloatArray,
    penalty: Penalty,
    confidence: float,
) -> LogitFit:
    """The fit of log odds = b0 + x'b.

    start is where to begin, null (q,) where no covariate counts; back (q, q) leads from the
    coefficients of standardised columns to the columns' own. Raises CannotCompute where no finite
    estimate exists, naming the covariates that separate, or where the method does not converge.
    """
    rounds_allowed = ROUNDS if penalty is Penalty.FIRTH else MAX_ROUNDS
    try:
        if penalty is Penalty.FIRTH:
            return _firth(cohort, replace(start, beta=null), back, confidence)
        state, step, rounds = maximised(
            cohort, newton_step, start, replace(start, beta=null), null_log_likelihood
        )
    except Separated as error:
        raise CannotCompute(
            "The covariates tell the classes apart without error, so no finite estimate exists: "
            f"{error}",
            remedy="Choose Firth's penalty, leave out what separates, or join levels.",
        ) from None
    except NotSettled:
        raise CannotCompute(
            f"The estimate did not settle within {rounds_allowed} rounds",
            remedy="Leave out covariates that hardly vary or that nearly determine each other.",
        ) from None
    covariance: FloatArray = np.asarray(np.linalg.inv(step.information), dtype=np.float64)
    log_likelihood = float(step.log_likelihood)
    return LogitFit(
        state,
        covariance,
        coefficients(
            _terms(start),
            back @ state.beta,
            np.sqrt(np.diag(back @ covariance @ back.T)),
            stats.norm(),
            confidence,
        ),
        log_likelihood,
        2 * (log_likelihood - null_log_likelihood),
        rounds,
    )


def _firth(cohort: Cohort, start: NewtonState, back: FloatArray, confidence: float) -> LogitFit:
    """The greatest penalised likelihood, with tests by its ratios and intervals by its profile.

    A coefficient's statistic is the root of its ratio with the estimate's sign. Every restricted
    fit keeps the penalty of the whole model. Raises NotSettled.
    Source: Heinze & Schemper, Statistics in Medicine 21 (2002) 2409-2419.
    """
    size = len(start.beta)
    free = solved(cohort, start, start.beta[None, :], [Problem(np.zeros((0, size)))])
    beta, top = free.betas[0], float(free.penalised[0])
    level = top - float(stats.chi2.ppf(confidence, 1)) / 2
    rows = [row[None, :] for row in back]
    problems = [
        Problem(np.eye(size)[1:]),
        *(Problem(row) for row in rows),
        *(Problem(row, side, level) for side in (-1.0, 1.0) for row in rows),
    ]
    found = solved(cohort, start, np.tile(beta, (len(problems), 1)), problems)
    ratios = np.maximum(2 * (top - found.penalised[: size + 1]), 0.0)
    limits = np.einsum("jq,sjq->sj", back, found.betas[size + 1 :].reshape(2, size, size))
    estimates = back @ beta
    errors = np.sqrt(np.diag(back @ free.inverses[0] @ back.T))
    return LogitFit(
        replace(start, beta=beta),
        free.inverses[0],
        tuple(
            Coefficient(
                term=term,
                estimate=float(estimates[index]),
                std_error=float(errors[index]),
                statistic=float(np.sign(estimates[index]) * np.sqrt(ratios[index + 1])),
                p_value=float(stats.chi2.sf(ratios[index + 1], 1)),
                lower=float(limits[0, index]),
                upper=float(limits[1, index]),
            )
            for index, term in enumerate(_terms(start))
        ),
        float(free.plain[0]),
        float(ratios[0]),
        free.rounds + found.rounds,
    )


def _terms(state: NewtonState) -> tuple[str, ...]:
    return (INTERCEPT, *state.design.labels)
