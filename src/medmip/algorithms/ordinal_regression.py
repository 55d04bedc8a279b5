"""Ordinal logistic regression: how covariates move an outcome whose levels have an order."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats
from scipy.special import logit

from medmip.algorithms.coefficients import (
    Coefficient,
    coefficient_table,
    coefficients,
    forest_plot,
    reference_note,
)
from medmip.algorithms.covariates import covariates_of
from medmip.algorithms.curves import (
    Curve,
    Degree,
    Knots,
    Polynomials,
    Splines,
    curve_views,
    curves_of,
)
from medmip.algorithms.declaration import CannotCompute, Parameters, TrainedResult, algorithm
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.views import Format, View, facts, table
from medmip.fold.classes import ClassesState, LevelState, level_counts, ordinal_step
from medmip.fold.cohort import Cohort
from medmip.fold.model import LinearModel, Target
from medmip.fold.newton import MAX_ROUNDS, NotSettled, Separated, maximised


class OrdinalParameters(Parameters):
    """Parameters of an ordinal logistic regression."""

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
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )


class Threshold(BaseModel):
    """Where, on the scale of the log odds, one level ends and the next begins."""

    model_config = ConfigDict(frozen=True)

    below: str
    above: str
    estimate: float
    std_error: float


class CumulativeOdds(BaseModel):
    """The factor by which one unit of a covariate multiplies the odds of a higher level."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    ratio: float
    lower: float
    upper: float


class OrdinalResult(TrainedResult):
    """A fitted proportional-odds model; levels and their records in the data model's order."""

    outcome: str
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    n: int
    excluded: int
    coefficients: tuple[Coefficient, ...]
    odds_ratios: tuple[CumulativeOdds, ...]
    thresholds: tuple[Threshold, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    df_model: int
    null_deviance: float
    residual_deviance: float
    log_likelihood: float
    aic: float
    bic: float
    r_squared_mcfadden: float
    likelihood_ratio_p_value: float
    iterations: int
    confidence: float
    curves: tuple[Curve, ...] = ()
    model: LinearModel

    @property
    def ratio(self) -> str | None:
        return "Odds ratio of a higher level"

    def views(self, names: Names = CODES) -> list[View]:
        levels = [names.level(self.outcome, level) for level in self.levels]
        fit: list[tuple[str, object, Format]] = [
            ("Order of the levels", " < ".join(levels), "text"),
            ("Observations", self.n, "integer"),
        ]
        fit += [
            (f"of them {level}", count, "integer")
            for level, count in zip(levels, self.counts, strict=True)
        ]
        fit += [
            ("Dropped for missing values", self.excluded, "integer"),
            ("Null deviance", self.null_deviance, "number"),
            ("Residual deviance", self.residual_deviance, "number"),
            ("Likelihood-ratio p-value", self.likelihood_ratio_p_value, "pvalue"),
            ("AIC", self.aic, "number"),
            ("BIC", self.bic, "number"),
            ("McFadden's R²", self.r_squared_mcfadden, "number"),
            ("Newton iterations", self.iterations, "integer"),
        ]
        percent = f"{100 * self.confidence:g} %"
        return [
            coefficient_table(
                self.coefficients,
                self.confidence,
                "z",
                names,
                reference_note(self.references, names),
            ),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Odds ratios of a higher level of {names.variable(self.outcome)}",
                "Odds ratio for one unit",
                names,
                ratio=True,
            ),
            table(
                "Odds ratios of a higher level",
                [
                    ("term", "Term", "text"),
                    ("ratio", "Odds ratio", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                [part.model_dump() | {"term": names.term(part.term)} for part in self.odds_ratios],
            ),
            table(
                "Thresholds",
                [
                    ("between", "Between", "text"),
                    ("estimate", "Estimate", "number"),
                    ("std_error", "Std. error", "number"),
                ],
                [
                    part.model_dump()
                    | {
                        "between": f"{names.level(self.outcome, part.below)} | "
                        f"{names.level(self.outcome, part.above)}"
                    }
                    for part in self.thresholds
                ],
            ),
            *curve_views(
                self.curves, self.confidence, "Odds ratio of a higher level", names, ratio=True
            ),
            facts("Fit", fit),
        ]


@algorithm(
    "ordinal_regression",
    label="Ordinal logistic regression",
    question="Predict an outcome",
    description="How covariates move an outcome whose levels the data model lists in their order.",
    discloses=(
        "Coefficients, thresholds, their errors and the quality of the fit over the whole cohort; "
        "no level that fewer patients than the minimum have."
    ),
    y=one(NOMINAL, "Outcome"),
    x=many(ANY, "Covariates"),
    citations=(
        "McCullagh P. Regression models for ordinal data. Journal of the Royal Statistical "
        "Society B. 1980;42:109-142.",
    ),
    parameters=OrdinalParameters,
)
def ordinal_regression(cohort: Cohort, parameters: OrdinalParameters) -> OrdinalResult:
    """The maximum-likelihood fit of logit P(level j or below) = threshold j - x'b.

    Raises CannotCompute where fewer than two levels are there, where covariates are constant or
    collinear or separate the levels, naming them, or where the method does not converge.
    Source: McCullagh, Journal of the Royal Statistical Society B 42 (1980) 109-142.
    """
    (outcome,) = cohort.y
    levels = cohort.levels[outcome.code]
    counts = cohort.fold(level_counts, LevelState(outcome.code, len(levels)), cells=levels)
    present = [index for index in range(len(levels)) if counts.records[index]]
    if len(present) < 2:
        raise CannotCompute(
            f"{outcome.code} has a single level in this cohort",
            remedy="Choose another outcome, or widen the filter.",
        )
    cuts = len(present) - 1
    curves = curves_of(cohort, cohort.x, parameters)
    covariates = covariates_of(cohort, parameters.interactions, besides=cuts, curves=curves.columns)
    n, p = covariates.n, len(covariates.scale)
    held = counts.records[present]
    null_likelihood = float((held * np.log(held / n)).sum())
    null = np.concatenate([np.zeros(p), logit(np.cumsum(held)[:-1] / n)])
    state = ClassesState(
        covariates.design,
        outcome.code,
        tuple(present),
        covariates.mean,
        covariates.scale,
        null,
        ordered=True,
    )
    try:
        state, step, rounds = maximised(cohort, ordinal_step, state, state, null_likelihood)
    except Separated as error:
        raise CannotCompute(
            "The covariates tell the levels apart without error, so no finite estimate exists: "
            f"{error}",
            remedy="Leave out the covariate that separates, or join levels.",
        ) from None
    except NotSettled:
        raise CannotCompute(
            f"The estimate did not settle within {MAX_ROUNDS} rounds",
            remedy="Leave out covariates that hardly vary or that nearly determine each other.",
        ) from None
    # From standardised columns back: slopes are divided, thresholds moved by the means.
    back = np.diag(np.concatenate([1.0 / covariates.scale, np.ones(cuts)]))
    back[p:, :p] = covariates.mean / covariates.scale
    estimates = back @ state.beta
    covariance = back @ np.linalg.inv(step.information) @ back.T
    errors = np.sqrt(np.diag(covariance))
    log_likelihood = float(step.log_likelihood)
    chosen = [levels[index] for index in present]
    found = coefficients(
        covariates.design.labels, estimates[:p], errors[:p], stats.norm(), parameters.confidence
    )
    with np.errstate(over="ignore"):
        odds = tuple(
            CumulativeOdds(
                term=part.term,
                ratio=float(np.exp(part.estimate)),
                lower=float(np.exp(part.lower)),
                upper=float(np.exp(part.upper)),
            )
            for part in found
        )
    return OrdinalResult(
        outcome=outcome.code,
        levels=tuple(chosen),
        counts=tuple(held.astype(int).tolist()),
        n=n,
        excluded=cohort.size.excluded,
        coefficients=found,
        odds_ratios=odds,
        thresholds=tuple(
            Threshold(
                below=chosen[index],
                above=chosen[index + 1],
                estimate=float(estimates[p + index]),
                std_error=float(errors[p + index]),
            )
            for index in range(cuts)
        ),
        references=covariates.references,
        dropped=covariates.dropped,
        df_model=p,
        null_deviance=-2 * null_likelihood,
        residual_deviance=-2 * log_likelihood,
        log_likelihood=log_likelihood,
        aic=2 * (p + cuts) - 2 * log_likelihood,
        bic=np.log(n) * (p + cuts) - 2 * log_likelihood,
        r_squared_mcfadden=1 - log_likelihood / null_likelihood,
        likelihood_ratio_p_value=float(stats.chi2.sf(2 * (log_likelihood - null_likelihood), p)),
        iterations=rounds,
        confidence=parameters.confidence,
        curves=curves.told(
            covariates.design,
            covariates.mean,
            estimates[:p],
            covariance[:p, :p],
            parameters.confidence,
        ),
        model=LinearModel.of(
            outcome.code,
            "cumulative",
            covariates.design,
            estimates[p:],
            np.repeat(-estimates[:p, None], cuts, axis=1),
            covariates.known,
            Target.each(chosen),
        ),
    )
