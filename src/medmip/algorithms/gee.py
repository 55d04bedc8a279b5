"""Generalised estimating equations: the average of patients who are measured again and again."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.coefficients import (
    INTERCEPT,
    Coefficient,
    coefficients,
)
from medmip.algorithms.covariates import Covariates, covariates_of
from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    algorithm,
    level_of,
)
from medmip.algorithms.gee_result import Effect, GeeResult
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.role import ANY, many, one
from medmip.catalogue.variable import Variable
from medmip.errors import RequestError
from medmip.fold import glm
from medmip.fold.cohort import Cohort
from medmip.fold.gee import Family, GeeState, GeeSums, Structure, gee_sums
from medmip.fold.logit import ClassState, NewtonState, class_counts, newton_step
from medmip.fold.model import LinearModel, Link, Target
from medmip.fold.newton import NotSettled, Separated, maximised
from medmip.fold.statistic import FloatArray

_ROUNDS = 100
_RESTING = 1e-10
"""Settled needs steps shorter than this share of the errors, and of a correlation of one."""
_EXACT = 1e-24
"""Squared residuals that are a smaller share of what there is to explain are rounding."""
_LINKS: dict[Family, Link] = {
    Family.GAUSSIAN: "identity",
    Family.BINOMIAL: "logit",
    Family.POISSON: "log",
}


class Distribution(StrEnum):
    """How the outcome is taken to scatter."""

    AUTO = "auto"
    GAUSSIAN = "gaussian"
    BINOMIAL = "binomial"
    POISSON = "poisson"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Distribution.AUTO: "By the outcome: gaussian of numbers, binomial of levels",
            Distribution.GAUSSIAN: "Gaussian: a mean (identity link)",
            Distribution.BINOMIAL: "Binomial: the odds of a level (logit link)",
            Distribution.POISSON: "Poisson: a count (log link)",
        }[self]


class GeeParameters(Parameters):
    """Parameters of generalised estimating equations."""

    family: Distribution = Field(
        Distribution.AUTO,
        title="Distribution",
        description="Of the outcome, with the link that goes with it.",
        json_schema_extra={"labels": {part.value: part.label for part in Distribution}},
    )
    structure: Structure = Field(
        Structure.EXCHANGEABLE,
        title="Working correlation",
        description="Between the records of a patient; robust errors hold even where it is wrong.",
        json_schema_extra={"labels": {part.value: part.label for part in Structure}},
    )
    positive_class: str | None = level_of(
        "y",
        "Positive class",
        "The level of a nominal outcome whose chance is modelled; the last where none is chosen.",
        optional=True,
    )
    interactions: tuple[Interaction, ...] = Field(
        (),
        title="Interactions",
        description="Pairs or triples of covariates whose products enter the model.",
        json_schema_extra={"variables_of": "covariates"},
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )


@algorithm(
    "gee",
    label="Generalised estimating equations",
    question="Relate variables",
    description=(
        "How covariates change the average of an outcome measured several times in each patient, "
        "with errors that allow for a patient's records going together."
    ),
    discloses=(
        "Coefficients, their errors, one correlation and the quality of the fit over the whole "
        "cohort; no class and no level that fewer patients than the minimum have."
    ),
    y=one(ANY, "Outcome"),
    x=many(ANY, "Covariates"),
    repeated=True,
    citations=(
        "Liang KY, Zeger SL. Longitudinal data analysis using generalized linear models. "
        "Biometrika. 1986;73:13-22.",
    ),
    parameters=GeeParameters,
)
def gee(cohort: Cohort, parameters: GeeParameters) -> GeeResult:
    """The root of Σ D'V⁻¹(y - mu) = 0 over patients, V from a working correlation.

    The correlation is the mean product of Pearson residuals over pairs of a patient's records (of
    neighbours where autoregressive), less q in the denominator, by the scale. Robust errors
    are by the sandwich of patients' scores; p-values by the normal distribution.
    Raises CannotCompute where no patient has two records, where patients are no more than
    coefficients, covariates or outcome are constant or collinear, covariates separate classes, no
    patient's records can have the estimated correlation, or the estimate does not settle.
    Sources: Liang & Zeger, Biometrika 73 (1986) 13-22; Pan, Biometrics 57 (2001) 120-125.
    """
    (outcome,) = cohort.y
    family, positive = _family(cohort, outcome, parameters)
    if cohort.size.patients >= cohort.size.records:
        raise CannotCompute(
            "Every patient has a single record, so none go together",
            remedy="Use a regression without repeated records, or a longitudinal data model.",
        )
    covariates = covariates_of(cohort, parameters.interactions)
    q = len(covariates.scale) + 1
    if cohort.size.patients <= q:
        raise CannotCompute(
            f"The errors of {q} coefficients cannot be estimated from "
            f"{cohort.size.patients} patients",
            remedy="Choose fewer covariates.",
        )
    start, least = _start(cohort, outcome, family, positive, covariates)
    start = replace(start, structure=parameters.structure)
    state, sums, rounds = _settled(cohort, start, least)
    return _result(cohort, parameters, covariates, state, sums, rounds)


def _family(
    cohort: Cohort, outcome: Variable, parameters: GeeParameters
) -> tuple[Family, int | None]:
    """The family, and the positive level's index of a nominal outcome; raises RequestError."""
    asked = parameters.family
    if not outcome.is_nominal:
        if asked is Distribution.BINOMIAL:
            raise RequestError(
                f"parameters.family: {outcome.code} is numeric, binomial is of levels",
                remedy="Choose gaussian or poisson, or a nominal outcome.",
            )
        return Family.POISSON if asked is Distribution.POISSON else Family.GAUSSIAN, None
    if asked not in (Distribution.AUTO, Distribution.BINOMIAL):
        raise RequestError(
            f"parameters.family: {outcome.code} is nominal, {asked} is of numbers",
            remedy="Choose binomial, or a numeric outcome.",
        )
    asked_for = parameters.positive_class or cohort.levels[outcome.code][-1]
    return Family.BINOMIAL, cohort.level(outcome, asked_for, "parameters.positive_class")


def _start(
    cohort: Cohort,
    outcome: Variable,
    family: Family,
    positive: int | None,
    covariates: Covariates,
) -> tuple[GeeState, float]:
    """The estimate as if records were independent, and squared residuals that are rounding.

    Raises CannotCompute where there is no estimate.
    """
    design, mean, scale = covariates.design, covariates.mean, covariates.scale
    beta = np.zeros(len(scale) + 1)
    state = GeeState(
        design, outcome.code, positive, 0.0, family, Structure.INDEPENDENCE, mean, scale, beta
    )
    least = _EXACT * covariates.n
    if positive is not None:
        return replace(state, beta=_logit(cohort, state, positive, covariates)), least
    glance = cohort.fold(gee_sums, state)
    average = float(glance.total) / covariates.n
    if family is Family.GAUSSIAN:
        state = replace(state, origin=average)
        sums = cohort.fold(gee_sums, state)
        if not float(sums.pearson) > covariates.n * (1e-14 * average) ** 2:
            raise CannotCompute(f"The outcome {outcome.code} is constant in this cohort")
        beta = np.asarray(np.linalg.solve(sums.information, sums.score), dtype=np.float64)
        return replace(state, beta=beta), _EXACT * float(sums.pearson)
    if float(glance.outside):
        raise CannotCompute(
            f"{outcome.code} has values that are not zero or more, which a count must be",
            remedy="Choose another distribution, or filter these values out.",
        )
    if not average:
        raise CannotCompute(f"{outcome.code} is zero everywhere in this cohort")
    beta[0] = np.log(average)
    point = glm.GlmState(design, outcome.code, glm.Family.POISSON, mean, scale, beta)
    try:
        return replace(state, beta=glm.fitted(cohort, point)[0].beta), least
    except glm.NoFit:
        raise _unsettled() from None


def _logit(cohort: Cohort, state: GeeState, positive: int, covariates: Covariates) -> FloatArray:
    classes = ClassState(state.outcome, positive)
    level = cohort.levels[state.outcome][positive]
    names = (f"not {level}", level)
    negatives, positives = cohort.fold(class_counts, classes, cells=names).records.tolist()
    if not positives or not negatives:
        raise CannotCompute(
            f"Every record of the cohort is {names[0] if not positives else names[1]}",
            remedy="Choose another positive class, or widen the filter.",
        )
    beta = state.beta.copy()
    beta[0] = np.log(positives / negatives)
    null = NewtonState(covariates.design, state.shift, state.scale, classes, beta)
    n = positives + negatives
    likelihood = positives * np.log(positives / n) + negatives * np.log(negatives / n)
    try:
        return maximised(cohort, newton_step, null, null, likelihood)[0].beta
    except Separated as error:
        raise CannotCompute(
            "The covariates tell the classes apart without error, so no finite estimate exists: "
            f"{error}",
            remedy="Leave out the covariate that separates, or join levels.",
        ) from None
    except NotSettled:
        raise _unsettled() from None


def _settled(cohort: Cohort, state: GeeState, least: float) -> tuple[GeeState, GeeSums, int]:
    """Scoring steps and the moments' correlation in turn, until neither moves.

    Squared residuals of no more than least are rounding. Raises CannotCompute.
    """
    q = len(state.beta)
    sums = cohort.fold(gee_sums, state)
    for rounds in range(1, _ROUNDS + 1):
        n = float(sums.records)
        scale = float(sums.pearson) / (n - q)
        if not scale * (n - q) > least:
            raise CannotCompute(
                "The covariates explain the outcome without error, so no error can be estimated",
                remedy="Leave out what determines the outcome.",
            )
        correlation = _correlation(state, sums, scale, q)
        try:
            change = np.linalg.solve(sums.information, sums.score)
        except np.linalg.LinAlgError:
            raise _unsettled() from None
        length = float(change @ sums.information @ change) / scale
        moved = abs(correlation - state.correlation)
        if length <= _RESTING**2 and moved <= _RESTING:
            return state, sums, rounds
        state = replace(state, beta=state.beta + change, correlation=correlation)
        sums = cohort.fold(gee_sums, state)
        if float(sums.impossible):
            raise CannotCompute(
                f"The correlation within patients comes out as {correlation:.3g}, which patients "
                "with so many records cannot have",
                remedy="Choose independence as working correlation.",
            )
    raise _unsettled()


def _correlation(state: GeeState, sums: GeeSums, scale: float, q: int) -> float:
    """The moments' estimate of the working correlation; raises CannotCompute."""
    if state.structure is Structure.INDEPENDENCE:
        return 0.0
    free = float(sums.pairs) - q
    if free <= 0:
        raise CannotCompute(
            f"A correlation cannot be estimated from {int(sums.pairs)} pairs of records",
            remedy="Choose independence as working correlation, or fewer covariates.",
        )
    correlation = float(sums.products) / free / scale
    if not abs(correlation) < 1.0:
        raise CannotCompute(
            f"The correlation within patients comes out as {correlation:.3g}",
            remedy="Choose independence as working correlation.",
        )
    return correlation


def _unsettled() -> CannotCompute:
    return CannotCompute(
        f"The estimate did not settle within {_ROUNDS} rounds",
        remedy="Leave out covariates that hardly vary, or choose independence as working "
        "correlation.",
    )


def _result(
    cohort: Cohort,
    parameters: GeeParameters,
    covariates: Covariates,
    state: GeeState,
    sums: GeeSums,
    rounds: int,
) -> GeeResult:
    (outcome,) = cohort.y
    q, n = len(state.beta), float(sums.records)
    scale = float(sums.pearson) / (n - q)
    bread = np.linalg.inv(sums.information)
    robust = bread @ sums.meat @ bread
    slopes, between = state.beta[1:], robust[1:, 1:]
    wald = float(slopes @ np.linalg.solve(between, slopes))
    cic = float(np.trace(sums.independent @ robust)) / scale
    quasi = float(sums.quasi)
    back = covariates.back
    estimates = back @ state.beta
    estimates[0] += state.origin
    found = coefficients(
        (INTERCEPT, *covariates.design.labels),
        estimates,
        np.sqrt(np.diag(back @ robust @ back.T)),
        stats.norm(),
        parameters.confidence,
    )
    naive = np.sqrt(scale * np.diag(back @ bread @ back.T))
    positive = None
    target = None
    if state.positive is not None:
        levels = cohort.levels[outcome.code]
        positive = levels[state.positive]
        target = Target.against_others(positive, levels)
    return GeeResult(
        outcome=outcome.code,
        positive_class=positive,
        family=state.family,
        structure=state.structure,
        n=int(n),
        patients=int(sums.patients),
        excluded=cohort.size.excluded,
        coefficients=found,
        model_std_errors=tuple(naive.tolist()),
        effects=() if state.family is Family.GAUSSIAN else _effects(found),
        references=covariates.references,
        dropped=covariates.dropped,
        correlation=None if state.structure is Structure.INDEPENDENCE else state.correlation,
        scale=scale,
        wald=wald,
        wald_df=q - 1,
        wald_p_value=float(stats.chi2.sf(wald, q - 1)),
        quasi_likelihood=quasi,
        cic=cic,
        qic=-2 * quasi + 2 * cic,
        qicu=-2 * quasi + 2 * q,
        iterations=rounds,
        confidence=parameters.confidence,
        model=LinearModel.of(
            outcome.code,
            _LINKS[state.family],
            covariates.design,
            estimates[:1],
            estimates[1:, None],
            covariates.known,
            target,
        ),
    )


def _effects(found: tuple[Coefficient, ...]) -> tuple[Effect, ...]:
    with np.errstate(over="ignore"):
        return tuple(
            Effect(
                term=part.term,
                ratio=float(np.exp(part.estimate)),
                lower=float(np.exp(part.lower)),
                upper=float(np.exp(part.upper)),
            )
            for part in found
            if part.term != INTERCEPT
        )
