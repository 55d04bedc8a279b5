"""Multinomial logistic regression: how covariates change the odds of each of several classes."""

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.calibration import CALIBRATION, ClassCalibration, class_calibration
from medmip.algorithms.coefficients import (
    INTERCEPT,
    Coefficient,
    coefficient_table,
    coefficients,
    reference_note,
)
from medmip.algorithms.covariates import covariates_of
from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    TrainedResult,
    algorithm,
    level_of,
)
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.references import CATEGORICAL
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.views import Format, View, chart, facts
from medmip.fold.classes import ClassesState, LevelState, level_counts, multinomial_step
from medmip.fold.cohort import Cohort
from medmip.fold.model import LinearModel, Target
from medmip.fold.newton import MAX_ROUNDS, NotSettled, Separated, maximised


class MultinomialParameters(Parameters):
    """Parameters of a multinomial logistic regression."""

    reference: str | None = level_of(
        "y",
        "Reference class",
        "The level that the others are compared with; else the first that anybody has.",
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
    calibration: bool = Field(True, title="Calibration", description=CALIBRATION)


class ClassCoefficients(BaseModel):
    """One class against the reference: its records and its coefficients, of log odds."""

    model_config = ConfigDict(frozen=True)

    level: str
    n: int
    coefficients: tuple[Coefficient, ...]


class MultinomialResult(TrainedResult):
    """A fitted multinomial model; the null model has intercepts alone."""

    outcome: str
    reference: str
    reference_n: int
    classes: tuple[ClassCoefficients, ...]
    n: int
    excluded: int
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
    calibration: ClassCalibration | None = None
    model: LinearModel

    def views(self, names: Names = CODES) -> list[View]:
        reference = names.level(self.outcome, self.reference)
        fit: list[tuple[str, object, Format]] = [
            ("Observations", self.n, "integer"),
            (f"of them {reference}, the reference", self.reference_n, "integer"),
        ]
        fit += [
            (f"of them {names.level(self.outcome, part.level)}", part.n, "integer")
            for part in self.classes
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
        note = reference_note(self.references, names)
        tables: list[View] = [
            coefficient_table(
                part.coefficients,
                self.confidence,
                "z",
                names,
                note,
                f"{names.level(self.outcome, part.level)} against {reference}",
            )
            for part in self.classes
        ]
        calibration = self.calibration.views(names) if self.calibration else []
        return [self._forest(names), *tables, *calibration, facts("Fit", fit)]

    def _forest(self, names: Names) -> View:
        rows = [
            row.model_dump(include={"estimate", "lower", "upper"})
            | {"term": names.term(row.term), "class": names.level(self.outcome, part.level)}
            for part in self.classes
            for row in part.coefficients
            if row.term != INTERCEPT
        ]
        terms = list(dict.fromkeys(str(row["term"]) for row in rows))
        levels = [names.level(self.outcome, part.level) for part in self.classes]
        reference = names.level(self.outcome, self.reference)
        base = alt.Chart(alt.Data(values=rows)).encode(
            y=alt.Y("term:N", sort=terms, title=None, axis=alt.Axis(labelLimit=320)),
            yOffset=alt.YOffset("class:N", sort=levels),
            color=alt.Color("class:N", sort=levels, title=f"against {reference}"),
        )
        zero = (
            alt.Chart(alt.Data(values=[{"zero": 0}]))
            .mark_rule(strokeDash=[4, 4], color=QUIET)
            .encode(x="zero:Q")
        )
        bars = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("lower:Q", title="Change in log odds for one unit"), x2="upper:Q"
        )
        points = base.mark_point(filled=True, size=60, opacity=1).encode(
            x="estimate:Q", tooltip=["class:N", "term:N", "estimate:Q", "lower:Q", "upper:Q"]
        )
        height = max(24, 13 * len(levels)) * len(terms)
        return chart(
            f"Coefficients for {names.variable(self.outcome)}",
            (zero + bars + points).properties(width="container", height=height),
            f"Forest plot of {len(terms)} terms for {len(levels)} classes against {reference}",
            f"Points are estimates, lines their {100 * self.confidence:g} % confidence intervals.",
        )


@algorithm(
    "multinomial_regression",
    label="Multinomial logistic regression",
    question="Predict an outcome",
    description="How covariates change the odds of each of several classes against one of them.",
    discloses=(
        "Coefficients, their errors and the quality of the fit over the whole cohort, and how many "
        "patients of groups of like chances have each class; no class, no level and no such group "
        "that fewer patients than the minimum have."
    ),
    y=one(NOMINAL, "Outcome"),
    x=many(ANY, "Covariates"),
    citations=(CATEGORICAL,),
    parameters=MultinomialParameters,
)
def multinomial_regression(cohort: Cohort, parameters: MultinomialParameters) -> MultinomialResult:
    """The maximum-likelihood fit of log odds of each class against the reference, b0 + x'b.

    Raises CannotCompute where fewer than two classes are there, where covariates are constant or
    collinear or separate the classes, naming them, or where the method does not converge.
    Source: Agresti, Categorical Data Analysis, 3rd ed., 8.1.
    """
    (outcome,) = cohort.y
    levels = cohort.levels[outcome.code]
    counts = cohort.fold(level_counts, LevelState(outcome.code, len(levels)), cells=levels)
    present = [index for index in range(len(levels)) if counts.records[index]]
    if parameters.reference is not None:
        first = cohort.level(outcome, parameters.reference, "parameters.reference")
        if first not in present:
            raise CannotCompute(
                f"Nobody in this cohort has the reference class {parameters.reference}",
                remedy="Choose another reference class.",
            )
        present = [first, *(index for index in present if index != first)]
    if len(present) < 2:
        raise CannotCompute(
            f"{outcome.code} has a single level in this cohort",
            remedy="Choose another outcome, or widen the filter.",
        )
    others = len(present) - 1
    covariates = covariates_of(cohort, parameters.interactions, each=others, besides=others)
    n, p = covariates.n, len(covariates.scale)
    held = counts.records[present]
    null_likelihood = float((held * np.log(held / n)).sum())
    null = np.zeros((others, p + 1))
    null[:, 0] = np.log(held[1:] / held[0])
    state = ClassesState(
        covariates.design,
        outcome.code,
        tuple(present),
        covariates.mean,
        covariates.scale,
        null.reshape(-1),
        ordered=False,
    )
    try:
        state, step, rounds = maximised(cohort, multinomial_step, state, state, null_likelihood)
    except Separated as error:
        raise CannotCompute(
            "The covariates tell classes apart without error, so no finite estimate exists: "
            f"{error}",
            remedy="Leave out the covariate that separates, or join levels.",
        ) from None
    except NotSettled:
        raise CannotCompute(
            f"The estimate did not settle within {MAX_ROUNDS} rounds",
            remedy="Leave out covariates that hardly vary or that nearly determine each other.",
        ) from None
    back = np.kron(np.eye(others), covariates.back)
    estimates = (back @ state.beta).reshape(others, p + 1)
    covariance = back @ np.linalg.inv(step.information) @ back.T
    errors = np.sqrt(np.diag(covariance)).reshape(others, p + 1)
    log_likelihood = float(step.log_likelihood)
    chosen = [levels[index] for index in present]
    model = LinearModel.of(
        outcome.code,
        "softmax",
        covariates.design,
        estimates[:, 0],
        estimates[:, 1:].T,
        covariates.known,
        Target.each(chosen),
    )
    return MultinomialResult(
        outcome=outcome.code,
        reference=chosen[0],
        reference_n=int(held[0]),
        classes=tuple(
            ClassCoefficients(
                level=level,
                n=int(held[index + 1]),
                coefficients=coefficients(
                    (INTERCEPT, *covariates.design.labels),
                    estimates[index],
                    errors[index],
                    stats.norm(),
                    parameters.confidence,
                ),
            )
            for index, level in enumerate(chosen[1:])
        ),
        n=n,
        excluded=cohort.size.excluded,
        references=covariates.references,
        dropped=covariates.dropped,
        df_model=others * p,
        null_deviance=-2 * null_likelihood,
        residual_deviance=-2 * log_likelihood,
        log_likelihood=log_likelihood,
        aic=2 * others * (p + 1) - 2 * log_likelihood,
        bic=np.log(n) * others * (p + 1) - 2 * log_likelihood,
        r_squared_mcfadden=1 - log_likelihood / null_likelihood,
        likelihood_ratio_p_value=float(
            stats.chi2.sf(2 * (log_likelihood - null_likelihood), others * p)
        ),
        iterations=rounds,
        confidence=parameters.confidence,
        calibration=class_calibration(cohort, model) if parameters.calibration else None,
        model=model,
    )
