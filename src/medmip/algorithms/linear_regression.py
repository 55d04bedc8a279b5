"""Ordinary least squares with the full summary that a paper prints."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.coefficients import (
    INTERCEPT,
    Coefficient,
    ResidualQuantiles,
    coefficient_table,
    coefficients,
    forest_plot,
    reference_note,
)
from medmip.algorithms.curves import (
    Curve,
    Degree,
    Knots,
    Polynomials,
    Splines,
    curve_views,
    curves_of,
)
from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    TrainedResult,
    algorithm,
    variable_field,
)
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.residuals import Diagnostics, diagnostics_of
from medmip.algorithms.role import ANY, NUMERIC, many, one
from medmip.algorithms.views import Format, View, facts, table
from medmip.algorithms.weights import (
    WEIGHTS,
    Weighing,
    check_parameters,
    weighing_of,
    with_covariates,
)
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_range
from medmip.fold.design import Design
from medmip.fold.least_squares import Collinear, LeastSquares, least_squares
from medmip.fold.model import LinearModel, known_levels
from medmip.fold.moments import MomentsState, moments
from medmip.fold.quantiles import quantiles
from medmip.fold.residuals import Standardised
from medmip.fold.sandwich import SandwichState, sandwich, sandwich_sums
from medmip.fold.statistic import FloatArray
from medmip.fold.value_grid import Values

Interaction = Annotated[tuple[str, ...], Field(min_length=2, max_length=3)]


class Errors(StrEnum):
    """How standard errors are estimated."""

    CLASSICAL = "classical"
    ROBUST = "robust"
    BY_PATIENT = "by patient"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Errors.CLASSICAL: "Classical: residuals of one variance",
            Errors.ROBUST: "Robust (HC3): variances may differ",
            Errors.BY_PATIENT: "By patient: records of one patient may go together",
        }[self]


class LinearRegressionParameters(Parameters):
    """Parameters of a linear regression."""

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
    errors: Errors = Field(
        Errors.CLASSICAL,
        title="Standard errors",
        description="What they assume of the residuals.",
        json_schema_extra={"labels": {errors.value: errors.label for errors in Errors}},
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )
    residual_quartiles: bool = Field(
        True,
        title="Residual quartiles",
        description="How the residuals spread; without it a very large cohort is quicker.",
    )
    diagnostics: bool = Field(
        True,
        title="Diagnostics",
        description=(
            "Pictures of the standardised residuals: histogram, normal quantiles, spread by fitted "
            "value; without them a very large cohort is quicker."
        ),
    )


class LinearRegressionResult(TrainedResult):
    """A fitted linear model.

    references names each nominal covariate's reference level; dropped are levels nobody has.
    inflation holds, for each column, how many times the others inflate its variance.
    """

    outcome: str
    n: int
    excluded: int
    errors: Errors
    coefficients: tuple[Coefficient, ...]
    inflation: tuple[float, ...]
    residuals: ResidualQuantiles | None
    references: dict[str, str]
    dropped: tuple[str, ...]
    residual_std_error: float
    df_model: int
    df_residual: int
    r_squared: float
    r_squared_adjusted: float
    f_statistic: float
    f_p_value: float
    log_likelihood: float
    aic: float
    bic: float
    confidence: float
    curves: tuple[Curve, ...] = ()
    weighing: Weighing | None = None
    diagnostics: Diagnostics | None = None
    model: LinearModel

    def views(self, names: Names = CODES) -> list[View]:
        fit: list[tuple[str, object, Format]] = [
            ("Observations", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            *(self.weighing.facts(names) if self.weighing else []),
            ("Residual standard error", self.residual_std_error, "number"),
            ("Model degrees of freedom", self.df_model, "integer"),
            ("Residual degrees of freedom", self.df_residual, "integer"),
            ("R²", self.r_squared, "number"),
            ("Adjusted R²", self.r_squared_adjusted, "number"),
            ("F statistic", self.f_statistic, "number"),
            ("F p-value", self.f_p_value, "pvalue"),
            ("Log-likelihood", self.log_likelihood, "number"),
            ("AIC", self.aic, "number"),
            ("BIC", self.bic, "number"),
        ]
        outcome = names.variable(self.outcome)
        note = reference_note(self.references, names)
        if self.errors is not Errors.CLASSICAL:
            note = "; ".join(filter(None, (f"Standard errors: {self.errors.label}", note)))
        terms = [names.term(row.term) for row in self.coefficients[1:]]
        return [
            coefficient_table(self.coefficients, self.confidence, "t", names, note),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Coefficients for {outcome}",
                f"Change in {names.axis(self.outcome)} for one unit",
                names,
            ),
            *curve_views(
                self.curves, self.confidence, f"Difference in {names.axis(self.outcome)}", names
            ),
            facts("Fit", fit),
            *(
                [
                    table(
                        "Variance inflation",
                        [("term", "Term", "text"), ("factor", "Factor", "number")],
                        [
                            {"term": term, "factor": factor}
                            for term, factor in zip(terms, self.inflation, strict=True)
                        ],
                        "Above some 5 to 10, a covariate nearly follows from the others.",
                    )
                ]
                if len(terms) > 1
                else []
            ),
            *(self.diagnostics.views(names.axis(self.outcome)) if self.diagnostics else []),
            *(
                [self.residuals.table("Weighted residuals" if self.weighing else "Residuals")]
                if self.residuals
                else []
            ),
        ]


@dataclass(frozen=True)
class Residuals(Values):
    """The residuals y - mean(y) - (x - mean(x))'b; design's last column is y.

    means is (p + 1,), slopes (p,). Weights multiply them by their square roots.
    """

    design: Design
    means: tuple[float, ...]
    slopes: tuple[float, ...]
    weights: str | None = None

    def of(self, block: Block) -> FloatArray:
        """(n, 1), remembered from round to round."""
        return block.derived("plain residuals", self, lambda: self._made(block))

    def _made(self, block: Block) -> FloatArray:
        """Term by term: a matrix product may round differently in another block."""
        columns = block.matrix(self.design)
        residuals = columns[:, -1] - self.means[-1]
        for index, slope in enumerate(self.slopes):
            part = columns[:, index] - self.means[index]
            part *= slope
            residuals -= part
        if self.weights is not None:
            weights = block.column(self.weights)
            with np.errstate(invalid="ignore"):
                residuals = np.where(weights > 0, residuals * np.sqrt(weights), np.nan)
        return residuals[:, None]


@algorithm(
    "linear_regression",
    label="Linear regression",
    question="Relate variables",
    description=(
        "Ordinary least squares of a numeric outcome on numeric and nominal covariates, "
        "with interactions."
    ),
    discloses=(
        "Coefficients, their errors, the quality of the fit over the whole cohort and how its "
        "residuals spread over groups of patients; no value of any patient, and no level and no "
        "such group of fewer patients than the minimum."
    ),
    y=one(NUMERIC, "Outcome"),
    x=many(ANY, "Covariates"),
    citations=("Seber GAF, Lee AJ. Linear Regression Analysis. 2nd ed. Wiley; 2003.",),
    parameters=LinearRegressionParameters,
)
def linear_regression(
    cohort: Cohort, parameters: LinearRegressionParameters
) -> LinearRegressionResult:
    """Least squares of y = b0 + x'b.

    With weights, the least sum of weighted squares, as if a record's variance went with 1 / w.
    Raises CannotCompute where covariates are constant or collinear, naming them, or where the
    outcome is constant or there are no more records than coefficients.
    Source: Seber & Lee, Linear Regression Analysis, 2nd ed., chapters 3 and 4.
    """
    (outcome,), weights = cohort.y, parameters.weights
    cohort = with_covariates(cohort, parameters, {"weights": weights})
    weighing = weighing_of(cohort, weights)
    curves = curves_of(cohort, cohort.x, parameters, weighing)
    full = cohort.design((*cohort.x, outcome), parameters.interactions, curves=curves.columns)
    everything = cohort.fold(moments, MomentsState(full, weights=weights), cells=full.labels)
    (last,) = full.columns_of(len(cohort.x))
    kept = [index for index in full.estimable(everything.cells) if index != last]
    design, folded = full.select([*kept, last]), everything.select([*kept, last])

    n, p = float(weighing.n if weighing else folded.records), len(kept)
    check_parameters(cohort, weighing, p + 1)
    df_residual = int(n) - p - 1
    if df_residual < 1:
        raise CannotCompute(
            f"{p + 1} coefficients cannot be estimated from {int(n)} records",
            remedy="Choose fewer covariates.",
        )
    if folded.scatter[-1, -1] <= folded.records * (1e-14 * folded.mean[-1]) ** 2:
        raise CannotCompute(f"The outcome {outcome.code} is constant in this cohort")
    try:
        fit = least_squares(cohort, design, folded, weights)
    except Collinear as error:
        raise CannotCompute(
            f"These covariates are constant or determine each other: {error}",
            remedy="Leave one of them out.",
        ) from None

    variance = fit.residual_sum / df_residual
    residuals = Residuals(
        design, (*fit.mean_x.tolist(), fit.mean_y), tuple(fit.slopes.tolist()), weights
    )
    total = float(folded.records)
    covariance, df_errors = variance * fit.covariance(total), df_residual
    if parameters.errors is not Errors.CLASSICAL:
        covariance, df_errors = _robust(cohort, design, fit, parameters, total, df_residual)
    explained = fit.total_sum - fit.residual_sum
    with np.errstate(divide="ignore"):
        f_statistic = float(np.divide(explained / p, variance)) if p else float("nan")
        log_likelihood = float(-0.5 * n * (np.log(2 * np.pi * fit.residual_sum / n) + 1))
        log_likelihood += weighing.logs / 2 if weighing else 0.0
    return LinearRegressionResult(
        outcome=outcome.code,
        n=int(n),
        excluded=cohort.size.excluded,
        coefficients=coefficients(
            (INTERCEPT, *design.labels[:-1]),
            np.concatenate([[fit.intercept], fit.slopes]),
            np.sqrt(np.diag(covariance)),
            stats.t(df_errors),
            parameters.confidence,
        ),
        errors=parameters.errors,
        inflation=tuple((np.diag(fit.inverse) * np.diag(folded.scatter)[:-1]).tolist()),
        residuals=(
            _residual_quantiles(cohort, residuals, float(np.sqrt(variance)))
            if parameters.residual_quartiles
            else None
        ),
        references=full.references(everything.cells),
        dropped=tuple(
            label
            for label, patients in zip(full.labels, everything.cells, strict=True)
            if not patients
        ),
        residual_std_error=float(np.sqrt(variance)),
        df_model=p,
        df_residual=df_residual,
        r_squared=explained / fit.total_sum,
        r_squared_adjusted=1.0 - (1.0 - explained / fit.total_sum) * (n - 1) / df_residual,
        f_statistic=f_statistic,
        f_p_value=float(stats.f.sf(f_statistic, p, df_residual)),
        log_likelihood=log_likelihood,
        aic=-2 * log_likelihood + 2 * (p + 2),
        bic=-2 * log_likelihood + np.log(n) * (p + 2),
        confidence=parameters.confidence,
        curves=curves.told(
            full.select(kept),
            fit.mean_x,
            fit.slopes,
            covariance[1:, 1:],
            parameters.confidence,
            df_errors,
        ),
        weighing=weighing,
        diagnostics=(
            _diagnostics(cohort, residuals, fit, total, float(np.sqrt(variance)), weighing)
            if parameters.diagnostics
            else None
        ),
        model=LinearModel.of(
            outcome.code,
            "identity",
            full.select(kept),
            np.array([fit.intercept]),
            fit.slopes[:, None],
            known_levels(full, everything.cells),
        ),
    )


def _robust(
    cohort: Cohort,
    design: Design,
    fit: LeastSquares,
    parameters: LinearRegressionParameters,
    total: float,
    df_residual: int,
) -> tuple[FloatArray, int]:
    """The sandwich, (p + 1, p + 1), and its degrees of freedom; total is of records or weights."""
    state = SandwichState(
        design,
        np.append(fit.mean_x, fit.mean_y),
        fit.slopes,
        fit.inverse,
        total,
        by_patient=parameters.errors is Errors.BY_PATIENT,
        weights=parameters.weights,
    )
    sums = cohort.fold(sandwich_sums, state)
    df = int(sums.patients) - 1 if state.by_patient else df_residual
    return sandwich(state, sums), df


def _diagnostics(
    cohort: Cohort,
    residuals: Residuals,
    fit: LeastSquares,
    total: float,
    spread: float,
    weighing: Weighing | None,
) -> Diagnostics | None:
    values = Standardised(
        residuals.design,
        residuals.means,
        residuals.slopes,
        tuple(tuple(row) for row in fit.inverse.tolist()),
        total,
        spread,
        residuals.weights,
    )
    held = weighing or cohort.size
    records = weighing.n if weighing else cohort.size.records
    deviation = float(np.sqrt(fit.total_sum / total))
    return diagnostics_of(cohort, values, records, held.patients, fit.mean_y, deviation)


def _residual_quantiles(cohort: Cohort, residuals: Residuals, spread: float) -> ResidualQuantiles:
    center, width = np.zeros(1), np.array([spread])
    quarters = quantiles(cohort, residuals, (0.25, 0.5, 0.75), center=center, spread=width)
    q1, median, q3 = quarters[0, 0].tolist()
    low = high = None
    if cohort.releases_extremes:
        limits = cohort.fold(column_range, ColumnState(residuals, 0, np.zeros((1, 1))))
        low, high = float(limits.low[0, 0]), float(limits.high[0, 0])
    return ResidualQuantiles(minimum=low, q1=q1, median=median, q3=q3, maximum=high)
