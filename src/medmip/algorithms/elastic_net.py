"""Ridge, lasso and elastic net: regressions that shrink and select their covariates."""

from enum import StrEnum
from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.coefficients import INTERCEPT, reference_note
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
from medmip.algorithms.role import ANY, many, one
from medmip.algorithms.shrunken_fits import Columns, Fit, LikelihoodProblem, LinearProblem, path
from medmip.algorithms.views import Format, View, chart, facts, table
from medmip.catalogue.variable import Variable
from medmip.errors import RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.logit import ClassState, class_counts
from medmip.fold.model import LinearModel, Link, Target, known_levels
from medmip.fold.moments import MomentsState, moments


class Family(StrEnum):
    """How the outcome scatters about its mean."""

    BY_OUTCOME = "by outcome"
    GAUSSIAN = "gaussian"
    BINOMIAL = "binomial"
    POISSON = "poisson"


class ElasticNetParameters(Parameters):
    """Parameters of an elastic net."""

    family: Family = Field(
        Family.BY_OUTCOME,
        title="Distribution",
        description=(
            "Of the outcome: gaussian for a number, binomial for one level against the others "
            "(logistic regression), poisson for counts; by outcome: binomial where it is nominal, "
            "else gaussian."
        ),
    )
    positive_class: str | None = level_of(
        "y",
        "Positive class",
        "Of a nominal outcome: the level whose chance is modelled; of two, the second.",
        optional=True,
    )
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
        json_schema_extra={"variables_of": "covariates"},
    )


class Shrunken(BaseModel):
    """One coefficient, in the covariate's unit and for a standardised covariate.

    ratio, its exponential, is an odds ratio or a ratio of means; None of a linear model.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    estimate: float
    standardised: float
    ratio: float | None = None


class PathStep(BaseModel):
    """The fit at one penalty; standardised holds a coefficient for each term."""

    model_config = ConfigDict(frozen=True)

    penalty: float
    kept: int
    r_squared: float
    bic: float
    standardised: tuple[float, ...]


class ElasticNetResult(TrainedResult):
    """The coefficients at the chosen penalty, and the whole path from the strongest down.

    r_squared is the share of the null deviance that is explained; a linear model's deviance is
    its sum of squares. residual_std_error is a linear model's alone.
    """

    outcome: str
    family: Family
    positive_class: str | None
    n: int
    excluded: int
    mixing: float
    penalty: float
    intercept: float
    coefficients: tuple[Shrunken, ...]
    references: dict[str, str]
    kept: int
    r_squared: float
    null_deviance: float
    deviance: float
    residual_std_error: float | None
    path: tuple[PathStep, ...]
    model: LinearModel

    def views(self, names: Names = CODES) -> list[View]:
        rows: list[dict[str, object]] = [{"term": INTERCEPT, "estimate": self.intercept}]
        rows += [part.model_dump() | {"term": names.term(part.term)} for part in self.coefficients]
        columns: list[tuple[str, str, Format]] = [
            ("term", "Term", "text"),
            ("estimate", "Estimate", "number"),
            ("standardised", "For one SD", "number"),
        ]
        linear = self.family is Family.GAUSSIAN
        if not linear:
            odds = self.family is Family.BINOMIAL
            columns.append(("ratio", "Odds ratio" if odds else "Ratio of means", "number"))
        fit: list[tuple[str, object, Format]] = [
            ("Distribution", str(self.family), "text"),
            ("Observations", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Mixing", self.mixing, "number"),
            ("Penalty", self.penalty, "number"),
            ("Covariates kept", self.kept, "integer"),
            ("R²" if linear else "Deviance explained", self.r_squared, "number"),
        ]
        if linear:
            fit.append(("Residual standard error", self.residual_std_error, "number"))
        else:
            fit += [
                ("Null deviance", self.null_deviance, "number"),
                ("Residual deviance", self.deviance, "number"),
            ]
        return [
            table("Coefficients", columns, rows, reference_note(self.references, names)),
            self._path(names),
            self._criterion(names),
            facts("Fit", fit, "Shrunken coefficients have no standard errors."),
        ]

    def _path(self, names: Names) -> View:
        terms = [names.term(part.term) for part in self.coefficients]
        lines = [
            {"penalty": step.penalty, "term": term, "value": value}
            for step in self.path
            for term, value in zip(terms, step.standardised, strict=True)
        ]
        base = alt.Chart(alt.Data(values=lines))
        paths = base.mark_line(strokeWidth=1.5).encode(
            x=_penalties(),
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
        drawing: Any = (self._chosen() + paths).properties(width="container", height=280)
        return chart(
            f"Path of the coefficients for {names.variable(self.outcome)}",
            drawing,
            f"Coefficients of {len(terms)} terms over {len(self.path)} penalties; "
            f"{self.kept} are kept at {self.penalty:.3g}",
            "Dashed: the chosen penalty. To its left covariates drop out.",
        )

    def _criterion(self, names: Names) -> View:
        rows = [{"penalty": step.penalty, "bic": step.bic, "kept": step.kept} for step in self.path]
        least = min(self.path, key=lambda step: step.bic)
        line = (
            alt.Chart(alt.Data(values=rows))
            .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=18))
            .encode(
                x=_penalties(),
                y=alt.Y("bic:Q", title="BIC", scale=alt.Scale(zero=False)),
                tooltip=[
                    alt.Tooltip("penalty:Q", title="penalty", format=".3g"),
                    alt.Tooltip("bic:Q", title="BIC", format=".6g"),
                    alt.Tooltip("kept:Q", title="covariates kept"),
                ],
            )
        )
        drawing: Any = (self._chosen() + line).properties(width="container", height=220)
        return chart(
            f"Choice of the penalty for {names.variable(self.outcome)}",
            drawing,
            f"BIC over {len(self.path)} penalties, least at {least.penalty:.3g}, where "
            f"{least.kept} covariates are kept",
            "The least BIC weighs fit against the number of covariates. Dashed: the one chosen.",
        )

    def _chosen(self) -> alt.Chart:
        rule: alt.Chart = (
            alt.Chart(alt.Data(values=[{"penalty": self.penalty}]))
            .mark_rule(strokeDash=[4, 4], color=QUIET)
            .encode(x=_penalties())
        )
        return rule


def _penalties() -> alt.X:
    """The axis of penalties, the strongest first."""
    return alt.X(
        "penalty:Q",
        title="Penalty",
        scale=alt.Scale(type="log", reverse=True, nice=False),
        axis=alt.Axis(format="~g", tickCount=6),
    )


@algorithm(
    "elastic_net",
    label="Elastic net",
    question="Predict an outcome",
    description=(
        "Linear, logistic or Poisson regression that shrinks coefficients and drops idle "
        "covariates."
    ),
    discloses=(
        "Shrunken coefficients and the quality of the fit over the whole cohort; no class and no "
        "level that fewer patients than the minimum have."
    ),
    y=one(ANY, "Outcome"),
    x=many(ANY, "Covariates"),
    method="elastic-net regression",
    citations=(
        "Zou H, Hastie T. Regularization and variable selection via the elastic net. Journal of "
        "the Royal Statistical Society B. 2005;67:301-320.",
        "Friedman J, Hastie T, Tibshirani R. Regularization paths for generalized linear models "
        "via coordinate descent. Journal of Statistical Software. 2010;33(1):1-22.",
    ),
    parameters=ElasticNetParameters,
)
def elastic_net(cohort: Cohort, parameters: ElasticNetParameters) -> ElasticNetResult:
    """Least loss + penalty (mixing |b|₁ + (1 - mixing) |b|² / 2) of standardised covariates.

    The loss is |y - b0 - Zb|² / 2n, or minus the log-likelihood divided by n. A path goes from the
    penalty that drops every covariate down, each fit starting from the one before: coordinate
    descent on the normal equations, or on each quadratic expansion of the likelihood. Every fit
    meets the optimality conditions. Raises CannotCompute where covariates or the outcome are
    constant, where there is a single class or a count below zero, or where a fit does not rest.
    Source: Friedman, Hastie & Tibshirani, Journal of Statistical Software 33 (2010) 1-22; Lee,
    Sun & Saunders, SIAM Journal on Optimization 24 (2014) 1420-1443.
    """
    (outcome,) = cohort.y
    family = _family(outcome, parameters)
    linear = family is Family.GAUSSIAN
    target, classes, odds = (
        _classes(cohort, outcome, parameters) if family is Family.BINOMIAL else (None, None, 1.0)
    )
    full = cohort.design((*cohort.x, outcome) if linear else cohort.x, parameters.interactions)
    everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
    # The outcome's own column is never a covariate.
    last = [full.labels.index(outcome.code)] if linear else []
    kept = [index for index in full.estimable(everything.cells) if index not in last]
    columns = Columns.of(full.select(kept), everything.select([*kept, *last]), outcome.code)
    if linear:
        problem: LinearProblem | LikelihoodProblem = columns.linear(parameters.mixing)
    elif classes:
        problem = columns.logistic(cohort, classes, odds, parameters.mixing)
    else:
        problem = columns.poisson(cohort, outcome.code, parameters.mixing)
    fits = path(problem, parameters.steps)
    if parameters.penalty is None:
        chosen = min(fits, key=lambda fit: fit.bic)
    else:
        asked = parameters.penalty
        above = (fit.beta for fit in reversed(fits) if fit.penalty >= asked)
        chosen = problem.fit(asked, next(above, problem.null))
    slopes = chosen.slopes / columns.scale
    intercept = float(chosen.beta[0] - columns.mean @ slopes)
    links: dict[Family, Link] = {Family.BINOMIAL: "logit", Family.POISSON: "log"}
    with np.errstate(over="ignore"):
        ratios = [None if linear else float(ratio) for ratio in np.exp(slopes)]
    error = np.sqrt(chosen.deviance / max(columns.n - chosen.kept - 1, 1.0))
    return ElasticNetResult(
        outcome=outcome.code,
        family=family,
        positive_class=target.classes[1] if target else None,
        n=int(columns.n),
        excluded=cohort.size.excluded,
        mixing=parameters.mixing,
        penalty=chosen.penalty,
        intercept=intercept,
        coefficients=tuple(
            Shrunken(term=label, estimate=float(slope), standardised=float(value), ratio=ratio)
            for label, slope, value, ratio in zip(
                columns.design.labels, slopes, chosen.slopes, ratios, strict=True
            )
        ),
        references=full.references(everything.cells),
        kept=chosen.kept,
        r_squared=chosen.explained,
        null_deviance=problem.null_deviance,
        deviance=chosen.deviance,
        residual_std_error=float(error) if linear else None,
        path=tuple(_step(fit) for fit in fits),
        model=LinearModel.of(
            outcome.code,
            links.get(family, "identity"),
            columns.design,
            np.array([intercept]),
            slopes[:, None],
            known_levels(full, everything.cells),
            target,
        ),
    )


def _step(fit: Fit) -> PathStep:
    return PathStep(
        penalty=fit.penalty,
        kept=fit.kept,
        r_squared=fit.explained,
        bic=fit.bic,
        standardised=tuple(fit.slopes.tolist()),
    )


def _family(outcome: Variable, parameters: ElasticNetParameters) -> Family:
    family = parameters.family
    if family is Family.BY_OUTCOME:
        family = Family.GAUSSIAN if outcome.is_numeric else Family.BINOMIAL
    if parameters.positive_class is not None and family is not Family.BINOMIAL:
        raise RequestError(
            f"parameters.positive_class: {outcome.code} is a number, which has no classes",
            remedy="Leave it empty.",
        )
    if outcome.is_numeric == (family is Family.BINOMIAL):
        kind = "nominal" if family is Family.BINOMIAL else "numeric"
        raise RequestError(
            f"parameters.family: {family} needs a {kind} outcome, which {outcome.code} is not",
            remedy="Choose another distribution, or another outcome.",
        )
    return family


def _classes(
    cohort: Cohort, outcome: Variable, parameters: ElasticNetParameters
) -> tuple[Target, ClassState, float]:
    """The classes of a nominal outcome, each of which somebody has, and the odds of the second."""
    levels = cohort.levels[outcome.code]
    chosen = parameters.positive_class
    if chosen is None:
        if len(levels) != 2:
            raise RequestError(
                f"parameters.positive_class: needs one of the {len(levels)} levels of "
                f"{outcome.code}",
                remedy=f"Choose one of: {', '.join(levels)}.",
            )
        chosen = levels[1]
    classes = ClassState(outcome.code, cohort.level(outcome, chosen, "parameters.positive_class"))
    target = Target.against_others(chosen, levels)
    counts = cohort.fold(class_counts, classes, cells=target.classes)
    if not all(counts.records):
        lone = target.classes[int(np.argmax(counts.records))]
        raise CannotCompute(
            f"Every record of the cohort is {lone}",
            remedy="Choose another positive class, or widen the filter.",
        )
    negative, positive = (float(count) for count in counts.records)
    return target, classes, positive / negative
