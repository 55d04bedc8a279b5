"""Binary logistic regression by Newton's method."""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.coefficients import (
    INTERCEPT,
    Coefficient,
    coefficient_table,
    coefficients,
    forest_plot,
)
from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm, level_of
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.views import View, table
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.moments import Moments, MomentsState, moments
from medmip.fold.statistic import Cells, FloatArray, Statistic, Sum

MAX_ROUNDS = 30
TOLERANCE = 1e-8
"""Newton's method stops when its decrement, half the gain still to be had, is below this share."""
SEPARATED = 1e-6
"""Fitted chances all nearer to 0 or 1 than this mean that the covariates tell the classes apart."""


class LogisticRegressionParameters(Parameters):
    """Parameters of a logistic regression."""

    positive_class: str = level_of("y", "Positive class", "The level whose chance is modelled.")
    interactions: tuple[Interaction, ...] = Field(
        (),
        title="Interactions",
        description="Pairs or triples of covariates whose products enter the model.",
        json_schema_extra={"variables_of": "x"},
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )


class OddsRatio(BaseModel):
    """The factor by which one unit of a covariate multiplies the odds."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    ratio: float
    lower: float
    upper: float


class LogisticRegressionResult(Result):
    """A fitted logistic model; deviances as in R, null model: intercept alone."""

    outcome: str
    positive_class: str
    n: int
    positive: int
    excluded: int
    coefficients: tuple[Coefficient, ...]
    odds_ratios: tuple[OddsRatio, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    df_model: int
    df_residual: int
    null_deviance: float
    residual_deviance: float
    log_likelihood: float
    null_log_likelihood: float
    aic: float
    bic: float
    r_squared_mcfadden: float
    r_squared_cox_snell: float
    likelihood_ratio_p_value: float
    iterations: int
    confidence: float

    def views(self) -> list[View]:
        note = "; ".join(f"reference of {name}: {level}" for name, level in self.references.items())
        fit = [
            ("Observations", self.n),
            (f"of them {self.positive_class}", self.positive),
            ("Dropped for missing values", self.excluded),
            ("Null deviance", self.null_deviance),
            ("Residual deviance", self.residual_deviance),
            ("Likelihood-ratio p-value", self.likelihood_ratio_p_value),
            ("AIC", self.aic),
            ("BIC", self.bic),
            ("McFadden's R²", self.r_squared_mcfadden),
            ("Cox & Snell's R²", self.r_squared_cox_snell),
            ("Newton iterations", self.iterations),
        ]
        percent = f"{100 * self.confidence:g} %"
        return [
            coefficient_table(self.coefficients, self.confidence, "z").model_copy(
                update={"note": note}
            ),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Coefficients for {self.outcome} = {self.positive_class}",
                "Change in log odds for one unit",
            ),
            table(
                "Odds ratios",
                [
                    ("term", "Term", "text"),
                    ("ratio", "Odds ratio", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                [part.model_dump() for part in self.odds_ratios],
            ),
            table(
                "Fit",
                [("measure", "Measure", "text"), ("value", "Value", "number")],
                [{"measure": name, "value": value} for name, value in fit],
            ),
        ]


@dataclass(frozen=True)
class ClassState:
    """The outcome's variable and its positive level."""

    outcome: str
    positive: int


@dataclass(frozen=True)
class ClassCounts(Statistic):
    """Patients with and without the positive level, and such records, (2,)."""

    patients: Cells
    records: Sum


@dataclass(frozen=True)
class NewtonState:
    """The model at one point: columns z = (x - shift) / scale, beta (p + 1,) intercept first."""

    design: Design
    shift: FloatArray
    scale: FloatArray
    classes: ClassState
    beta: FloatArray


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
    positive = (block.levels(state.outcome) == state.positive).astype(np.int64)
    return ClassCounts(
        block.cells(positive, 2), np.bincount(positive, minlength=2).astype(np.float64)
    )


def newton_step(block: Block, state: NewtonState) -> NewtonStep:
    """Log-likelihood, gradient and information of one block.

    Shift and scale are folded into beta, so that the block's columns are used as they are.
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., 4.4.
    """
    x = block.matrix(state.design)
    slopes = state.beta[1:] / state.scale
    eta = np.dot(x, slopes)
    eta += state.beta[0] - np.dot(state.shift, slopes)
    positive = block.levels(state.classes.outcome) == state.classes.positive
    # log(1 + e^-|eta|) never overflows; the sign decides which class is the likelier.
    small = np.exp(-np.abs(eta))
    log_likelihood = np.where(positive, np.minimum(eta, 0), np.minimum(-eta, 0)).sum()
    log_likelihood -= np.log1p(small).sum()
    likelier = 1.0 / (1.0 + small)
    chance = np.where(eta >= 0, likelier, small * likelier)
    residual = positive - chance
    weight = small * likelier * likelier
    weighted = np.empty((block.records, x.shape[1] + 1), order="F")
    root = np.sqrt(weight)
    weighted[:, 0] = root
    np.multiply(x - state.shift, root[:, None], out=weighted[:, 1:])
    scale = np.concatenate([[1.0], state.scale])
    information = np.dot(weighted.T, weighted) / np.outer(scale, scale)
    total = residual.sum()
    slope_gradient = (np.dot(residual, x) - total * state.shift) / state.scale
    return NewtonStep(
        log_likelihood=np.array(log_likelihood),
        gradient=np.concatenate([[total], slope_gradient]),
        information=information,
        unsettled=np.array(float(np.count_nonzero(np.abs(residual) > SEPARATED))),
    )


@algorithm(
    "logistic_regression",
    label="Logistic regression",
    question="Predict an outcome",
    description=(
        "How covariates change the odds of one level of a nominal outcome against all others."
    ),
    discloses=(
        "Coefficients, their errors and the quality of the fit over the whole cohort; no class and "
        "no level that fewer patients than the minimum have."
    ),
    y=one(NOMINAL, "Outcome"),
    x=many(ANY, "Covariates"),
    parameters=LogisticRegressionParameters,
)
def logistic_regression(
    cohort: Cohort, parameters: LogisticRegressionParameters
) -> LogisticRegressionResult:
    """The maximum-likelihood fit of log odds = b0 + x'b.

    Raises CannotCompute where only one class is there, where covariates are constant or
    collinear or separate the classes, naming them, or where the method does not converge.
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., chapter 4.
    """
    (outcome,) = cohort.y
    level = cohort.level(outcome, parameters.positive_class, "parameters.positive_class")
    classes = ClassState(outcome.code, level)
    names = (f"not {parameters.positive_class}", parameters.positive_class)
    counts = cohort.fold(class_counts, classes, cells=names)
    negative, positive = (float(value) for value in counts.records)
    if not positive or not negative:
        lone = names[0] if not positive else names[1]
        raise CannotCompute(
            f"Every record of the cohort is {lone}",
            remedy="Choose another positive class, or widen the filter.",
        )
    full = cohort.design(cohort.x, parameters.interactions)
    everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
    kept = full.estimable(everything.cells)
    design, folded = full.select(kept), everything.select(kept)
    n, p = positive + negative, len(kept)
    if n - p - 1 < 1:
        raise CannotCompute(
            f"{p + 1} coefficients cannot be estimated from {int(n)} records",
            remedy="Choose fewer covariates.",
        )
    shift, scale = folded.mean, np.sqrt(np.diag(folded.scatter) / n)
    _check_columns(design, folded, scale)
    start = np.zeros(p + 1)
    start[0] = np.log(positive / negative)
    state = NewtonState(design, shift, scale, classes, start)
    state, step, rounds = _maximised(cohort, state, n)

    scaled = np.linalg.inv(step.information)
    # From standardised columns back to the covariates' own units.
    back = np.zeros((p + 1, p + 1))
    back[0, 0] = 1.0
    back[0, 1:] = -shift / scale
    back[1:, 1:] = np.diag(1.0 / scale)
    estimates = back @ state.beta
    errors = np.sqrt(np.diag(back @ scaled @ back.T))
    fitted = coefficients(
        (INTERCEPT, *design.labels), estimates, errors, stats.norm(), parameters.confidence
    )
    log_likelihood = float(step.log_likelihood)
    null = positive * np.log(positive / n) + negative * np.log(negative / n)
    ratio = 2 * (log_likelihood - null)
    with np.errstate(over="ignore"):
        odds = tuple(
            OddsRatio(
                term=part.term,
                ratio=float(np.exp(part.estimate)),
                lower=float(np.exp(part.lower)),
                upper=float(np.exp(part.upper)),
            )
            for part in fitted
            if part.term != INTERCEPT
        )
    return LogisticRegressionResult(
        outcome=outcome.code,
        positive_class=parameters.positive_class,
        n=int(n),
        positive=int(positive),
        excluded=cohort.size.excluded,
        coefficients=fitted,
        odds_ratios=odds,
        references=full.references(everything.cells),
        dropped=tuple(
            label
            for label, patients in zip(full.labels, everything.cells, strict=True)
            if not patients
        ),
        df_model=p,
        df_residual=int(n) - p - 1,
        null_deviance=-2 * null,
        residual_deviance=-2 * log_likelihood,
        log_likelihood=log_likelihood,
        null_log_likelihood=null,
        aic=2 * (p + 1) - 2 * log_likelihood,
        bic=np.log(n) * (p + 1) - 2 * log_likelihood,
        r_squared_mcfadden=1 - log_likelihood / null,
        r_squared_cox_snell=1 - float(np.exp(-ratio / n)),
        likelihood_ratio_p_value=float(stats.chi2.sf(ratio, p)),
        iterations=rounds,
        confidence=parameters.confidence,
    )


def _check_columns(design: Design, folded: Moments, scale: FloatArray) -> None:
    constant = np.flatnonzero(scale <= 1e-14 * np.abs(folded.mean))
    if constant.size or not np.all(scale > 0):
        names = ", ".join(
            label
            for label, spread, mean in zip(design.labels, scale, folded.mean, strict=True)
            if spread <= 1e-14 * abs(mean)
        )
        raise CannotCompute(f"These covariates are constant: {names}", remedy="Leave them out.")
    deviations = np.sqrt(np.diag(folded.scatter))
    values, vectors = np.linalg.eigh(folded.scatter / np.outer(deviations, deviations))
    if len(values) and values[0] < 1e-12:
        weights = np.abs(vectors[:, 0])
        names = ", ".join(
            label
            for label, weight in zip(design.labels, weights, strict=True)
            if weight > 1e-3 * weights.max()
        )
        raise CannotCompute(
            f"These covariates determine each other: {names}", remedy="Leave one of them out."
        )


def _maximised(
    cohort: Cohort, state: NewtonState, records: float
) -> tuple[NewtonState, NewtonStep, int]:
    """The state at the maximum, the statistic there, and the number of Newton steps."""
    step = cohort.fold(newton_step, state)
    for rounds in range(1, MAX_ROUNDS + 1):
        _check_separation(state, step)
        try:
            change = np.linalg.solve(step.information, step.gradient)
        except np.linalg.LinAlgError:
            raise _separated(state) from None
        gain = 0.5 * float(change @ step.gradient)
        settled = gain <= TOLERANCE * (abs(float(step.log_likelihood)) + 0.1)
        length = 1.0
        while True:
            beta = state.beta + length * change
            tried = NewtonState(state.design, state.shift, state.scale, state.classes, beta)
            following = cohort.fold(newton_step, tried)
            if settled or following.log_likelihood >= step.log_likelihood - 1e-10 * records:
                break
            length /= 2
            if length < 1e-6:
                raise _not_converged()
        state, step = tried, following
        if settled:
            return state, step, rounds
    _check_separation(state, step)
    raise _not_converged()


def _check_separation(state: NewtonState, step: NewtonStep) -> None:
    certain = float(step.unsettled) == 0.0
    runaway = np.abs(state.beta[1:]).max(initial=0.0) > 50.0
    flat = np.linalg.eigvalsh(step.information)[0] < 1e-10 * max(1.0, np.trace(step.information))
    if certain or (runaway and flat):
        raise _separated(state)


def _separated(state: NewtonState) -> CannotCompute:
    weights = np.abs(state.beta[1:])
    names = ", ".join(
        label
        for label, weight in zip(state.design.labels, weights, strict=True)
        if weight > 0.3 * weights.max(initial=0.0)
    )
    return CannotCompute(
        "The covariates tell the classes apart without error, so no finite estimate exists: "
        f"{names}",
        remedy="Leave out the covariate that separates, or join levels.",
    )


def _not_converged() -> CannotCompute:
    return CannotCompute(
        f"The estimate did not settle within {MAX_ROUNDS} rounds",
        remedy="Leave out covariates that hardly vary or that nearly determine each other.",
    )
