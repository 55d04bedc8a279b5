"""Binary logistic regression by Newton's method."""

from dataclasses import replace

import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.coefficients import (
    INTERCEPT,
    ResidualQuantiles,
)
from medmip.algorithms.covariates import check_columns
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
    level_of,
    variable_field,
)
from medmip.algorithms.goodness import calibration_of
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.logistic_result import LogisticRegressionResult, OddsRatio
from medmip.algorithms.logit_fit import Penalty, logit_fit
from medmip.algorithms.references import GENERALISED_LINEAR
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.weights import (
    WEIGHTS,
    check_parameters,
    checked_offset,
    weighing_of,
    with_covariates,
)
from medmip.fold.cohort import Cohort
from medmip.fold.logit import (
    ClassMoments,
    ClassMomentsState,
    ClassState,
    DevianceResiduals,
    LogOdds,
    NewtonState,
    class_counts,
    class_moments,
    newton_step,
)
from medmip.fold.model import LinearModel, Target, known_levels
from medmip.fold.newton import NotSettled, Separated, maximised
from medmip.fold.quantiles import quantiles
from medmip.fold.statistic import FloatArray
from medmip.fold.weights import Offset


class LogisticRegressionParameters(Parameters):
    """Parameters of a logistic regression."""

    positive_class: str = level_of("y", "Positive class", "The level whose chance is modelled.")
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
        "covariates", "Offset", "A numeric variable that is added to the log odds as it is."
    )
    penalty: Penalty = Field(
        Penalty.NONE,
        title="Penalty",
        description="What is added to the likelihood.",
        json_schema_extra={"labels": {penalty.value: penalty.label for penalty in Penalty}},
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )
    residual_quartiles: bool = Field(
        True,
        title="Residual quartiles",
        description="How deviance residuals spread; without it a very large cohort is quicker.",
    )
    calibration: bool = Field(
        True,
        title="Calibration",
        description=(
            "Whether predicted chances agree with what happened: Hosmer and Lemeshow's test and a "
            "calibration belt; without it a very large cohort is quicker."
        ),
    )


@algorithm(
    "logistic_regression",
    label="Logistic regression",
    question="Predict an outcome",
    description=(
        "How covariates change the odds of one level of a nominal outcome against all others."
    ),
    discloses=(
        "Coefficients, their errors and the quality of the fit over the whole cohort, and how many "
        "patients of groups of similar risk have the outcome; no class, no level and no such group "
        "that fewer patients than the minimum have."
    ),
    y=one(NOMINAL, "Outcome"),
    x=many(ANY, "Covariates"),
    citations=(GENERALISED_LINEAR,),
    parameters=LogisticRegressionParameters,
)
def logistic_regression(
    cohort: Cohort, parameters: LogisticRegressionParameters
) -> LogisticRegressionResult:
    """The maximum-likelihood fit of log odds = b0 + x'b, or that under Firth's penalty.

    Raises CannotCompute where only one class is there, where covariates are constant or
    collinear or separate the classes, naming them, or where the method does not converge.
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., chapter 4.
    """
    (outcome,) = cohort.y
    level = cohort.level(outcome, parameters.positive_class, "parameters.positive_class")
    weights, named = parameters.weights, parameters.offset
    cohort = with_covariates(cohort, parameters, {"weights": weights, "offset": named})
    offset = checked_offset(cohort, Offset(named) if named is not None else None)
    weighing = weighing_of(cohort, weights)
    classes = ClassState(outcome.code, level, weights)
    names = (f"not {parameters.positive_class}", parameters.positive_class)
    counts = cohort.fold(class_counts, classes, cells=names)
    negative, positive = (float(value) for value in counts.records)
    if not positive or not negative:
        lone = names[0] if not positive else names[1]
        raise CannotCompute(
            f"Every record of the cohort is {lone}",
            remedy="Choose another positive class, or widen the filter.",
        )
    curves = curves_of(cohort, cohort.x, parameters, weighing)
    full = cohort.design(cohort.x, parameters.interactions, curves=curves.columns)
    everything = cohort.fold(class_moments, ClassMomentsState(full, classes), cells=full.labels)
    kept = full.estimable(everything.cells)
    design, folded = full.select(kept), everything.select(kept)
    n, p = positive + negative, len(kept)
    check_parameters(cohort, weighing, p + 1)
    if n - p - 1 < 1:
        raise CannotCompute(
            f"{p + 1} coefficients cannot be estimated from {int(n)} records",
            remedy="Choose fewer covariates.",
        )
    shift, scale = folded.mean, np.sqrt(np.diag(folded.scatter) / folded.records)
    check_columns(design, folded, scale)
    start = NewtonState(design, shift, scale, classes, _start(folded, scale), offset)
    null, null_log_likelihood = _null(cohort, start, folded)
    # From standardised columns back to the covariates' own units.
    back = np.diag(np.concatenate([[1.0], 1.0 / scale]))
    back[0, 1:] = -shift / scale
    fit = logit_fit(
        cohort,
        start,
        null,
        null_log_likelihood,
        back,
        parameters.penalty,
        parameters.confidence,
    )
    estimates = back @ fit.state.beta
    covariance = back @ fit.covariance @ back.T
    log_likelihood, records = fit.log_likelihood, float(folded.records)
    gain = 2 * (log_likelihood - null_log_likelihood)
    with np.errstate(over="ignore"):
        odds = tuple(
            OddsRatio(
                term=part.term,
                ratio=float(np.exp(part.estimate)),
                lower=float(np.exp(part.lower)),
                upper=float(np.exp(part.upper)),
            )
            for part in fit.coefficients
            if part.term != INTERCEPT
        )
    return LogisticRegressionResult(
        outcome=outcome.code,
        positive_class=parameters.positive_class,
        n=int(n),
        positive=int(positive),
        excluded=cohort.size.excluded,
        penalty=parameters.penalty,
        coefficients=fit.coefficients,
        odds_ratios=odds,
        references=full.references(everything.cells),
        dropped=tuple(
            label
            for label, patients in zip(full.labels, everything.cells, strict=True)
            if not patients
        ),
        df_model=p,
        df_residual=int(n) - p - 1,
        null_deviance=-2 * null_log_likelihood,
        residual_deviance=-2 * log_likelihood,
        log_likelihood=log_likelihood,
        null_log_likelihood=null_log_likelihood,
        aic=2 * (p + 1) - 2 * log_likelihood,
        bic=np.log(n) * (p + 1) - 2 * log_likelihood,
        r_squared_mcfadden=1 - log_likelihood / null_log_likelihood,
        r_squared_cox_snell=1 - float(np.exp(-gain / records)),
        likelihood_ratio_p_value=float(stats.chi2.sf(fit.ratio, p)),
        deviance_residuals=(
            _residuals(cohort, fit.state, -2 * log_likelihood / records)
            if parameters.residual_quartiles
            else None
        ),
        calibration=(
            calibration_of(cohort, fit.state, _why_no_belt(parameters))
            if parameters.calibration
            else None
        ),
        iterations=fit.rounds,
        confidence=parameters.confidence,
        curves=curves.told(design, shift, estimates[1:], covariance[1:, 1:], parameters.confidence),
        weighing=weighing,
        offset=named,
        model=LinearModel.of(
            outcome.code,
            "logit",
            design,
            estimates[:1],
            estimates[1:, None],
            known_levels(full, everything.cells),
            Target.against_others(parameters.positive_class, cohort.levels[outcome.code]),
            offset,
        ),
    )


def _why_no_belt(parameters: LogisticRegressionParameters) -> str | None:
    """Why a calibration belt would mean nothing: its test is of what the fit made fit by itself.

    The belt's law is of polynomials of log odds of which the straight line fits by construction.
    """
    if parameters.penalty is Penalty.FIRTH:
        return (
            "under Firth's penalty the log odds are shrunken, so that not even a straight line "
            "fits them, and the belt's test does not hold"
        )
    if parameters.offset is not None:
        return (
            "with an offset the log odds are not the covariates' alone, so that not even a "
            "straight line fits them, and the belt's test does not hold"
        )
    return None


def _null(cohort: Cohort, state: NewtonState, folded: ClassMoments) -> tuple[FloatArray, float]:
    """The coefficients where no covariate counts, (p + 1,), and the log-likelihood there."""
    records, positive = float(folded.records), float(folded.positive)
    negative = records - positive
    null = np.zeros(len(state.beta))
    null[0] = np.log(positive / negative)
    if state.offset is None:
        likelihood = positive * np.log(positive / records) + negative * np.log(negative / records)
        return null, float(likelihood)
    none = np.zeros(0)
    alone = replace(state, design=state.design.select([]), shift=none, scale=none, beta=null[:1])
    try:
        found, step, _ = maximised(cohort, newton_step, alone, alone, -np.inf)
    except (Separated, NotSettled):
        raise CannotCompute(
            f"The offset {state.offset.variable} alone tells the classes apart",
            remedy="Choose another offset.",
        ) from None
    null[0] = found.beta[0]
    return null, float(step.log_likelihood)


def _start(folded: ClassMoments, scale: FloatArray) -> FloatArray:
    """The linear discriminant, (p + 1,): the estimate itself where covariates are normal by class.

    Source: Efron, Journal of the American Statistical Association 70 (1975) 892-898.
    """
    n, positive = float(folded.records), float(folded.positive)
    share = positive / n
    apart = (folded.towards - positive * folded.total / n) / (n * share * (1 - share) * scale)
    direction = np.linalg.solve(folded.scatter / (n * np.outer(scale, scale)), apart)
    explained = share * (1 - share) * float(apart @ direction)
    slopes = direction / max(1.0 - explained, 0.05)
    lean = (0.5 - share) * float(apart @ slopes)
    return np.concatenate([[np.log(share / (1 - share)) - lean], slopes])


def _residuals(cohort: Cohort, state: NewtonState, mean_deviance: float) -> ResidualQuantiles:
    values = DevianceResiduals(LogOdds.at(state))
    extremes = cohort.releases_extremes
    found = quantiles(
        cohort,
        values,
        (0.0, 0.25, 0.5, 0.75, 1.0) if extremes else (0.25, 0.5, 0.75),
        center=np.zeros(1),
        spread=np.array([mean_deviance**0.5]),
    )[0, 0].tolist()
    q1, median, q3 = found[1:-1] if extremes else found
    return ResidualQuantiles(
        minimum=found[0] if extremes else None,
        q1=q1,
        median=median,
        q3=q3,
        maximum=found[-1] if extremes else None,
    )
