"""Counts and skewed amounts: generalised linear models with a log link."""

from dataclasses import replace

import numpy as np
from pydantic import Field
from scipy import stats
from scipy.special import gammaln

from medmip.algorithms.calibration import CALIBRATION, mean_calibration
from medmip.algorithms.coefficients import (
    INTERCEPT,
    coefficients,
)
from medmip.algorithms.covariates import covariates_of
from medmip.algorithms.curves import (
    Degree,
    Knots,
    Polynomials,
    Splines,
    curves_of,
)
from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    algorithm,
    variable_field,
)
from medmip.algorithms.glm_result import GlmResult, MeanRatio
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.references import GENERALISED_LINEAR
from medmip.algorithms.role import ANY, NUMERIC, many, one
from medmip.algorithms.weights import (
    WEIGHTS,
    check_parameters,
    checked_offset,
    weighing_of,
    with_covariates,
)
from medmip.errors import RequestError
from medmip.fold.calibration import Scatter
from medmip.fold.cohort import Cohort
from medmip.fold.glm import (
    MAX_ROUNDS,
    Family,
    GlmState,
    GlmStep,
    NoFit,
    fitted,
    glm_step,
)
from medmip.fold.model import LinearModel
from medmip.fold.transform import Transform
from medmip.fold.weights import Offset, Prior

_THETA_ROUNDS = 50


class GlmParameters(Parameters):
    """Parameters of a generalised linear model."""

    family: Family = Field(
        Family.POISSON,
        title="Distribution",
        description=(
            "Of the outcome: poisson for counts, negative binomial for counts that scatter more, "
            "gamma for positive amounts with a long tail."
        ),
    )
    interactions: tuple[Interaction, ...] = Field(
        (),
        title="Interactions",
        description="Pairs or triples of covariates whose products enter the model.",
        json_schema_extra={"variables_of": "covariates"},
    )
    polynomials: Polynomials = ()
    degree: Degree = 2
    splines: Splines = ()
    knots: Knots = 4
    weights: str | None = variable_field("covariates", "Weights", WEIGHTS)
    offset: str | None = variable_field(
        "covariates", "Offset", "A numeric variable that is added to the log of the mean as it is."
    )
    exposure: str | None = variable_field(
        "covariates", "Exposure", "Time, persons or amount at risk: its logarithm is the offset."
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )
    calibration: bool = Field(True, title="Calibration", description=CALIBRATION)


@algorithm(
    "glm",
    label="Poisson, negative binomial and gamma regression",
    question="Predict an outcome",
    description="How covariates multiply the mean of a count or of a positive amount.",
    discloses=(
        "Coefficients, their errors and the quality of the fit over the whole cohort, and mean "
        "outcomes of groups of like predictions; no level and no such group that fewer patients "
        "than the minimum have."
    ),
    y=one(NUMERIC, "Outcome"),
    x=many(ANY, "Covariates"),
    method="a generalised linear model",
    citations=(GENERALISED_LINEAR,),
    parameters=GlmParameters,
)
def glm(cohort: Cohort, parameters: GlmParameters) -> GlmResult:
    """The maximum-likelihood fit with a log link; theta by maximum likelihood as well.

    Raises CannotCompute where the outcome is outside the family's range, all zero or constant
    zero, where covariates are constant or collinear, or where the fit does not settle.
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., chapters 6 and 8; Venables &
    Ripley, Modern Applied Statistics with S, 4th ed., 7.4.
    """
    (outcome,) = cohort.y
    named = {key: getattr(parameters, key) for key in ("weights", "offset", "exposure")}
    cohort = with_covariates(cohort, parameters, named)
    prior = Prior(parameters.weights, checked_offset(cohort, _offset(parameters)))
    weighing = weighing_of(cohort, prior.weights)
    curves = curves_of(cohort, cohort.x, parameters, weighing)
    covariates = covariates_of(
        cohort, parameters.interactions, curves=curves.columns, weighing=weighing
    )
    n, p = float(covariates.n), len(covariates.scale)
    check_parameters(cohort, weighing, p + 1)
    family = parameters.family
    first = Family.POISSON if family is Family.NEGATIVE_BINOMIAL else family
    state = GlmState(
        covariates.design,
        outcome.code,
        first,
        covariates.mean,
        covariates.scale,
        np.zeros(p + 1),
        prior=prior,
    )
    glance = cohort.fold(glm_step, _alone(state))
    check_outcome(outcome.code, family, glance)
    null = np.zeros(p + 1)
    null[0] = _level(glance, first)
    state = replace(state, beta=null)
    try:
        state, step, rounds = fitted(cohort, state)
        if family is Family.NEGATIVE_BINOMIAL:
            state, step, rounds = _with_theta(cohort, state, step, rounds)
        at_null = _at_null(cohort, replace(state, beta=null))
    except NoFit:
        raise CannotCompute(
            f"The estimate did not settle within {MAX_ROUNDS} rounds",
            remedy="Leave out covariates that hardly vary, or choose another distribution.",
        ) from None

    df_residual = int(n) - p - 1
    pearson = float(step.pearson)
    gamma = family is Family.GAMMA
    variance = pearson / df_residual if gamma else 1.0
    back = covariates.back
    covariance = variance * back @ np.linalg.inv(step.information) @ back.T
    estimates = back @ state.beta
    found = coefficients(
        (INTERCEPT, *covariates.design.labels),
        estimates,
        np.sqrt(np.diag(covariance)),
        stats.t(df_residual) if gamma else stats.norm(),
        parameters.confidence,
    )
    likelihood = _gamma_likelihood(step) if gamma else float(step.log_likelihood)
    number = p + 1 + (family is not Family.POISSON)
    with np.errstate(over="ignore"):
        ratios = tuple(
            MeanRatio(
                term=part.term,
                ratio=float(np.exp(part.estimate)),
                lower=float(np.exp(part.lower)),
                upper=float(np.exp(part.upper)),
            )
            for part in found
            if part.term != INTERCEPT
        )
    negative = family is Family.NEGATIVE_BINOMIAL
    model = LinearModel.of(
        outcome.code,
        "log",
        covariates.design,
        estimates[:1],
        estimates[1:, None],
        covariates.known,
        offset=prior.offset,
    )
    mean = float(step.total / step.records)
    return GlmResult(
        outcome=outcome.code,
        family=family,
        n=int(n),
        excluded=cohort.size.excluded,
        coefficients=found,
        ratios=ratios,
        references=covariates.references,
        dropped=covariates.dropped,
        df_model=p,
        df_residual=df_residual,
        null_deviance=float(at_null.deviance),
        residual_deviance=float(step.deviance),
        pearson=pearson,
        dispersion=pearson / df_residual,
        log_likelihood=likelihood,
        aic=2 * number - 2 * likelihood,
        bic=np.log(n) * number - 2 * likelihood,
        theta=state.theta if negative else None,
        theta_std_error=float((-1 / step.curvature) ** 0.5) if negative else None,
        iterations=rounds,
        confidence=parameters.confidence,
        curves=curves.told(
            covariates.design,
            covariates.mean,
            estimates[1:],
            covariance[1:, 1:],
            parameters.confidence,
            df_residual if gamma else None,
        ),
        weighing=weighing,
        offset=parameters.offset,
        exposure=parameters.exposure,
        calibration=(
            mean_calibration(
                cohort,
                model,
                Scatter[family.name],
                center=mean,
                spread=max(mean / 2, 1e-6),
                theta=state.theta,
                dispersion=variance,
                weights=prior.weights,
            )
            if parameters.calibration
            else None
        ),
        model=model,
    )


def _offset(parameters: GlmParameters) -> Offset | None:
    if parameters.offset is not None and parameters.exposure is not None:
        raise RequestError(
            "parameters.exposure: there is an offset already", remedy="Choose one of the two."
        )
    if parameters.exposure is not None:
        return Offset(parameters.exposure, Transform("log"))
    return Offset(parameters.offset) if parameters.offset is not None else None


def _level(step: GlmStep, family: Family) -> float:
    """The intercept of greatest likelihood alone; step is at coefficients of zero."""
    if family is Family.GAMMA:
        return float(np.log1p(step.gradient[0] / step.records))
    return float(np.log(step.total / step.information[0, 0]))


def _at_null(cohort: Cohort, state: GlmState) -> GlmStep:
    """The sums at the greatest likelihood of an intercept alone; state is there but for theta."""
    alone = _alone(state)
    if state.prior.offset is None or state.family is not Family.NEGATIVE_BINOMIAL:
        return cohort.fold(glm_step, alone)
    return fitted(cohort, alone)[1]


def _alone(state: GlmState) -> GlmState:
    """The model without covariates, which is summed in a fraction of the time."""
    none = np.zeros(0)
    design, beta = state.design.select([]), state.beta[:1]
    return replace(state, design=design, shift=none, scale=none, beta=beta)


def check_outcome(code: str, family: Family, glance: GlmStep) -> None:
    """Raises CannotCompute where an outcome has values that the family does not know."""
    if float(glance.outside):
        least = "positive" if family is Family.GAMMA else "zero or more"
        raise CannotCompute(
            f"{code} has values that are not {least}, which a {family} outcome must be",
            remedy="Choose another distribution, or filter these values out.",
        )
    if not float(glance.total):
        raise CannotCompute(f"{code} is zero everywhere in this cohort")


def _with_theta(
    cohort: Cohort, state: GlmState, step: GlmStep, rounds: int
) -> tuple[GlmState, GlmStep, int]:
    """The negative binomial's fit, coefficients and theta in turn until neither moves."""
    n = float(step.records)
    excess = float(step.pearson) / n - 1.0
    if excess <= 0:
        raise CannotCompute(
            "The counts scatter no more than Poisson's law says, so theta is infinite",
            remedy="Choose the poisson distribution.",
        )
    mean = float(step.total) / n
    state = replace(state, family=Family.NEGATIVE_BINOMIAL, theta=max(mean / excess, 1e-3))
    before = np.inf
    for _ in range(_THETA_ROUNDS):
        state, step, more = fitted(cohort, state)
        rounds += more
        state, step = _theta(cohort, state, step)
        likelihood = float(step.log_likelihood)
        if abs(likelihood - before) <= 1e-11 * abs(likelihood):
            state, step, more = fitted(cohort, state)
            return state, step, rounds + more
        before = likelihood
    raise NoFit


def _theta(cohort: Cohort, state: GlmState, step: GlmStep) -> tuple[GlmState, GlmStep]:
    """Theta of greatest likelihood at these coefficients, by Newton's method on its logarithm."""
    for _ in range(_THETA_ROUNDS):
        slope = float(step.score) * state.theta
        bend = float(step.curvature) * state.theta**2 + slope
        change = -slope / bend if bend < 0 else float(np.sign(slope))
        change = float(np.clip(change, -2.0, 2.0))
        state = replace(state, theta=state.theta * float(np.exp(change)))
        if state.theta > 1e8:
            raise CannotCompute(
                "The counts scatter no more than Poisson's law says, so theta is infinite",
                remedy="Choose the poisson distribution.",
            )
        step = cohort.fold(glm_step, state)
        if abs(change) < 1e-9:
            return state, step
    raise NoFit


def _gamma_likelihood(step: GlmStep) -> float:
    """The log-likelihood at the shape n / deviance, which R's AIC of a gamma model takes.

    At the fit the ratios y / mu add up to n, so that the sums of log mu and log y follow.
    """
    n = float(step.records)
    shape = n / float(step.deviance)
    log_mean = -float(step.log_likelihood) - n
    log_y = log_mean - float(step.deviance) / 2
    each = shape * np.log(shape) - gammaln(shape) - shape
    return float(n * each - shape * log_mean + (shape - 1) * log_y)
