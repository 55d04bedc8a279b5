"""Ridge, lasso and elastic net: linear regression that shrinks and selects its covariates."""

from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.coefficients import INTERCEPT, reference_note
from medmip.algorithms.declaration import CannotCompute, Parameters, TrainedResult, algorithm
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import ANY, NUMERIC, many, one
from medmip.algorithms.views import View, chart, facts, table
from medmip.fold.cohort import Cohort
from medmip.fold.model import LinearModel, known_levels
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray

_PASSES = 100_000
_STILL = 1e-10
"""Coefficients of standardised columns rest once a pass moves none of them by more than this."""


class ElasticNetParameters(Parameters):
    """Parameters of an elastic net."""

    mixing: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Mixing",
        description="1: lasso, which drops covariates; 0: ridge, which keeps all; between: both.",
    )
    penalty: float | None = Field(
        None,
        gt=0,
        title="Penalty",
        description="How strongly coefficients are shrunk; left empty, the least BIC chooses it.",
    )
    steps: int = Field(
        60, ge=10, le=200, title="Steps", description="Penalties tried, from the strongest down."
    )
    interactions: tuple[Interaction, ...] = Field(
        (),
        title="Interactions",
        description="Pairs or triples of covariates whose products enter the model.",
        json_schema_extra={"variables_of": "x"},
    )


class Shrunken(BaseModel):
    """One coefficient, in the covariate's unit and for a standardised covariate."""

    model_config = ConfigDict(frozen=True)

    term: str
    estimate: float
    standardised: float


class PathStep(BaseModel):
    """The fit at one penalty; standardised holds a coefficient for each term."""

    model_config = ConfigDict(frozen=True)

    penalty: float
    kept: int
    r_squared: float
    bic: float
    standardised: tuple[float, ...]


class ElasticNetResult(TrainedResult):
    """The coefficients at the chosen penalty, and the whole path from the strongest down."""

    outcome: str
    n: int
    excluded: int
    mixing: float
    penalty: float
    intercept: float
    coefficients: tuple[Shrunken, ...]
    references: dict[str, str]
    kept: int
    r_squared: float
    residual_std_error: float
    path: tuple[PathStep, ...]
    model: LinearModel

    def views(self, names: Names = CODES) -> list[View]:
        rows: list[dict[str, object]] = [{"term": INTERCEPT, "estimate": self.intercept}]
        rows += [part.model_dump() | {"term": names.term(part.term)} for part in self.coefficients]
        return [
            table(
                "Coefficients",
                [
                    ("term", "Term", "text"),
                    ("estimate", "Estimate", "number"),
                    ("standardised", "For one SD", "number"),
                ],
                rows,
                reference_note(self.references, names),
            ),
            self._path(names),
            facts(
                "Fit",
                [
                    ("Observations", self.n, "integer"),
                    ("Dropped for missing values", self.excluded, "integer"),
                    ("Mixing", self.mixing, "number"),
                    ("Penalty", self.penalty, "number"),
                    ("Covariates kept", self.kept, "integer"),
                    ("R²", self.r_squared, "number"),
                    ("Residual standard error", self.residual_std_error, "number"),
                ],
                "Shrunken coefficients have no standard errors.",
            ),
        ]

    def _path(self, names: Names) -> View:
        terms = [names.term(part.term) for part in self.coefficients]
        lines = [
            {"penalty": step.penalty, "term": term, "value": value}
            for step in self.path
            for term, value in zip(terms, step.standardised, strict=True)
        ]
        x = alt.X(
            "penalty:Q",
            title="Penalty",
            scale=alt.Scale(type="log", reverse=True, nice=False),
            axis=alt.Axis(format="~g", tickCount=6),
        )
        base = alt.Chart(alt.Data(values=lines))
        paths = base.mark_line(strokeWidth=1.5).encode(
            x=x,
            y=alt.Y("value:Q", title="Coefficient for one SD"),
            color=alt.Color(
                "term:N",
                sort=terms,
                title=None,
                legend=alt.Legend(labelLimit=240, symbolLimit=20),
            ),
            tooltip=[
                alt.Tooltip("term:N", title="term"),
                alt.Tooltip("penalty:Q", title="penalty", format=".3g"),
                alt.Tooltip("value:Q", title="coefficient", format=".3g"),
            ],
        )
        chosen = (
            alt.Chart(alt.Data(values=[{"penalty": self.penalty}]))
            .mark_rule(strokeDash=[4, 4], color="#888")
            .encode(x=x)
        )
        drawing: Any = (chosen + paths).properties(width="container", height=280)
        return chart(
            f"Path of the coefficients for {names.variable(self.outcome)}",
            drawing,
            f"Coefficients of {len(terms)} terms over {len(self.path)} penalties; "
            f"{self.kept} are kept at {self.penalty:.3g}",
            "Dashed: the chosen penalty. To its left covariates drop out.",
        )


@algorithm(
    "elastic_net",
    label="Elastic net",
    question="Predict an outcome",
    description="Linear regression that shrinks coefficients and drops idle covariates.",
    discloses=(
        "Shrunken coefficients and the quality of the fit over the whole cohort; no level that "
        "fewer patients than the minimum have."
    ),
    y=one(NUMERIC, "Outcome"),
    x=many(ANY, "Covariates"),
    parameters=ElasticNetParameters,
)
def elastic_net(cohort: Cohort, parameters: ElasticNetParameters) -> ElasticNetResult:
    """Least |y - b0 - Zb|² / 2n + penalty (mixing |b|₁ + (1 - mixing) |b|² / 2), Z standardised.

    Coordinate descent on the normal equations, from the penalty that drops every covariate down,
    each fit starting from the one before. Raises CannotCompute where covariates or the outcome
    are constant, or a fit does not rest.
    Source: Friedman, Hastie & Tibshirani, Journal of Statistical Software 33 (2010) 1-22.
    """
    (outcome,) = cohort.y
    full = cohort.design((*cohort.x, outcome), parameters.interactions)
    last = full.labels.index(outcome.code)
    everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
    kept = [index for index in full.estimable(everything.cells) if index != last]
    folded = everything.select([*kept, last])
    design, n = full.select(kept), float(folded.records)
    if n < 3:
        raise CannotCompute("An elastic net needs at least three records")
    scatter, mean = folded.scatter / n, folded.mean
    scale = np.sqrt(np.diag(scatter))
    constant = np.flatnonzero(scale <= 1e-14 * np.abs(mean))
    if constant.size or not np.all(scale > 0):
        names = [*design.labels, outcome.code]
        told = ", ".join(names[index] for index in np.flatnonzero(scale <= 1e-14 * np.abs(mean)))
        raise CannotCompute(f"These variables are constant: {told}", remedy="Leave them out.")
    problem = _Problem(
        scatter[:-1, :-1] / np.outer(scale[:-1], scale[:-1]),
        scatter[:-1, -1] / scale[:-1],
        float(scatter[-1, -1]),
        parameters.mixing,
    )
    path = problem.path(parameters.steps, n)
    if parameters.penalty is None:
        chosen = min(path, key=lambda step: step.bic)
    else:
        start = next(
            (step for step in reversed(path) if step.penalty >= parameters.penalty), path[0]
        )
        chosen = problem.step(parameters.penalty, np.array(start.standardised), n)
    standardised = np.array(chosen.standardised)
    slopes = standardised / scale[:-1]
    intercept = float(mean[-1] - mean[:-1] @ slopes)
    residual = problem.unexplained(standardised) * n
    df = max(n - chosen.kept - 1, 1.0)
    return ElasticNetResult(
        outcome=outcome.code,
        n=int(n),
        excluded=cohort.size.excluded,
        mixing=parameters.mixing,
        penalty=chosen.penalty,
        intercept=intercept,
        coefficients=tuple(
            Shrunken(term=label, estimate=float(slope), standardised=float(value))
            for label, slope, value in zip(design.labels, slopes, standardised, strict=True)
        ),
        references=full.references(everything.cells),
        kept=chosen.kept,
        r_squared=chosen.r_squared,
        residual_std_error=float(np.sqrt(residual / df)),
        path=tuple(path),
        model=LinearModel.of(
            outcome.code,
            "identity",
            design,
            np.array([intercept]),
            slopes[:, None],
            known_levels(full, everything.cells),
        ),
    )


@dataclass(frozen=True)
class _Problem:
    """Correlations of the covariates (p, p), their covariances with y (p,), and y's variance."""

    correlations: FloatArray
    covariances: FloatArray
    variance: float
    mixing: float

    def path(self, steps: int, n: float) -> list[PathStep]:
        """Fits at penalties from the least that drops every covariate down to a thousandth."""
        strongest = float(np.abs(self.covariances).max()) / max(self.mixing, 1e-3)
        found, beta = [], np.zeros(len(self.covariances))
        for penalty in strongest * np.logspace(0, -3, steps):
            step = self.step(float(penalty), beta, n)
            beta = np.array(step.standardised)
            found.append(step)
        return found

    def step(self, penalty: float, start: FloatArray, n: float) -> PathStep:
        """The fit at one penalty, descending from start (p,); raises CannotCompute."""
        beta = self._descended(penalty, start.copy())
        kept = int(np.count_nonzero(beta))
        rest = self.unexplained(beta)
        return PathStep(
            penalty=penalty,
            kept=kept,
            r_squared=1.0 - rest / self.variance,
            bic=float(n * np.log(max(rest, 1e-300)) + np.log(n) * self._freedom(penalty, beta)),
            standardised=tuple(beta.tolist()),
        )

    def unexplained(self, beta: FloatArray) -> float:
        """The mean square of the residuals."""
        rest = self.variance - 2 * beta @ self.covariances + beta @ self.correlations @ beta
        return max(float(rest), 0.0)

    def _freedom(self, penalty: float, beta: FloatArray) -> float:
        """Degrees of freedom: of the kept columns, less what ridge takes from them.

        Source: Zou, Hastie & Tibshirani, The Annals of Statistics 35 (2007) 2173-2192.
        """
        kept = np.flatnonzero(beta)
        ridge = penalty * (1.0 - self.mixing)
        values = np.linalg.eigvalsh(self.correlations[np.ix_(kept, kept)])
        return float((np.maximum(values, 0) / (np.maximum(values, 0) + ridge + 1e-300)).sum())

    def _descended(self, penalty: float, beta: FloatArray) -> FloatArray:
        lasso, ridge = penalty * self.mixing, penalty * (1.0 - self.mixing)
        reach = float(np.sqrt(self.variance))
        if lasso == 0.0:
            square = self.correlations + ridge * np.eye(len(beta))
            return np.asarray(np.linalg.solve(square, self.covariances), dtype=np.float64)
        fitted: FloatArray = self.correlations @ beta
        for _ in range(_PASSES):
            moved = 0.0
            for index in range(len(beta)):
                pull = self.covariances[index] - fitted[index] + beta[index]
                new = float(np.sign(pull)) * max(abs(float(pull)) - lasso, 0.0) / (1.0 + ridge)
                change = new - beta[index]
                if change:
                    fitted += change * self.correlations[:, index]
                    beta[index] = new
                    moved = max(moved, abs(change))
            if moved <= _STILL * reach:
                return beta
        raise CannotCompute(
            "The coefficients do not come to rest",
            remedy="Leave out covariates that nearly determine each other, or lower the mixing.",
        )
