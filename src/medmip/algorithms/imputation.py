"""Missing values imputed before an analysis: once by means or regressions, or many times over."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.covariates import covariates_of
from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.standardise import covariates, spreads
from medmip.catalogue.variable import DATASET, Variable
from medmip.fold.adjustment import Observed, Step
from medmip.fold.classes import ClassesState, LevelState, level_counts, multinomial_step
from medmip.fold.cohort import Cohort
from medmip.fold.design import Column
from medmip.fold.imputing import Conditional, Drawn, Fill, Filled, GapState, Regressed, Weight, gaps
from medmip.fold.least_squares import Collinear, least_squares
from medmip.fold.moments import MomentsState, moments
from medmip.fold.newton import MAX_ROUNDS, NotSettled, Separated, maximised
from medmip.fold.statistic import FloatArray

_REMEDY = "Leave that variable out, or impute by means."


class ImputationMethod(StrEnum):
    """How missing values are imputed."""

    MEAN = "mean"
    REGRESSION = "regression"
    MULTIPLE = "multiple"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            ImputationMethod.MEAN: "Mean, or most frequent level",
            ImputationMethod.REGRESSION: "Regression on the other covariates",
            ImputationMethod.MULTIPLE: "Multiple imputation by chained equations",
        }[self]


class Imputation(BaseModel):
    """Records with missing values are kept, and the values imputed."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Impute missing values")

    method: ImputationMethod = Field(
        ImputationMethod.MEAN,
        title="Method",
        description=(
            "Mean and regression impute once, which makes errors look smaller than they are; "
            "multiple imputation carries the uncertainty into the result, for estimates."
        ),
        json_schema_extra={"labels": {method.value: method.label for method in ImputationMethod}},
    )
    variables: tuple[str, ...] = Field(
        (),
        max_length=1000,
        title="Variables",
        description=(
            "The variables to impute; none named: every covariate, or every variable where there "
            "is no outcome. Records without a value of any other variable are dropped."
        ),
        json_schema_extra={"variables_of": ["x", "y"], "kinds": ["numeric", "nominal"]},
    )
    imputations: int = Field(
        5,
        ge=2,
        le=50,
        title="Imputations",
        description="How often values are drawn and the analysis is run, for multiple imputation.",
    )
    iterations: int = Field(
        5,
        ge=1,
        le=20,
        title="Iterations",
        description="Rounds of the chained equations before each imputation.",
    )
    seed: int = Field(
        1, ge=0, le=999, title="Seed", description="The same seed makes the same random draws."
    )

    def chosen(self, y: Sequence[Variable], x: Sequence[Variable]) -> tuple[Variable, ...]:
        """The variables to impute, of those in the roles."""
        if not self.variables:
            return tuple(part for part in covariates(y, x) if part.code != DATASET)
        roles = {variable.code: variable for variable in (*x, *y)}
        return tuple(roles[code] for code in self.variables)

    def completions(self, cohort: Cohort) -> Iterator[tuple[Step, ...]]:
        """The steps that complete the cohort's records: once, or as often as there are imputations.

        Raises CannotCompute where too few patients have a variable, or where variables determine
        each other, naming them.
        """
        variables = self.chosen(cohort.y, cohort.x)
        counts = cohort.fold(gaps, GapState(tuple(part.code for part in variables)))
        for variable, (observed, _) in zip(variables, counts.steering, strict=True):
            if observed < max(2, cohort.minimum):
                raise CannotCompute(
                    f"Too few patients have a value of {variable.code} to impute it for others",
                    remedy="Leave that variable out.",
                )
        incomplete = tuple(
            variable
            for variable, (_, missing) in zip(variables, counts.steering, strict=True)
            if missing
        )
        match self.method:
            case ImputationMethod.MEAN:
                yield (_filled(cohort, variables),)
            case ImputationMethod.REGRESSION:
                filled = _filled(cohort, variables)
                predictors = covariates(cohort.y, cohort.x)
                # All models rest on the records filled with means: one pass, in no order.
                models = [
                    _conditional(cohort.adjusted(filled), variable, predictors)[0]
                    for variable in incomplete
                ]
                yield (filled, Regressed(models=tuple(models))) if models else (filled,)
            case ImputationMethod.MULTIPLE:
                marginal = {variable.code: _marginal(cohort, variable) for variable in incomplete}
                for number in range(self.imputations):
                    yield self._chain(cohort, incomplete, marginal, number)

    def _chain(
        self,
        cohort: Cohort,
        incomplete: Sequence[Variable],
        marginal: dict[str, tuple[Conditional, float]],
        number: int,
    ) -> tuple[Step, ...]:
        """One imputation by chained equations, from draws that no other variable guides.

        Source: van Buuren & Groothuis-Oudshoorn, Journal of Statistical Software 45(3) (2011).
        """
        steps: list[Step] = []
        for variable in incomplete:
            model, deviation = marginal[variable.code]
            name = f"{self.seed}|{number}|0|{variable.code}"
            steps.append(Drawn(name=name, model=model, deviation=deviation))
        predictors = tuple({part.code: part for part in (*cohort.x, *cohort.y)}.values())
        for iteration in range(1, self.iterations + 1):
            for variable in incomplete:
                name = f"{self.seed}|{number}|{iteration}|{variable.code}"
                digest = hashlib.sha256(f"parameters|{name}".encode()).digest()
                rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
                completed = cohort.adjusted(*steps)
                model, deviation = _conditional(completed, variable, predictors, rng)
                steps.append(Drawn(name=name, model=model, deviation=deviation))
        return tuple(steps)


def _filled(cohort: Cohort, variables: Sequence[Variable]) -> Filled:
    """Means of numbers, and the most frequent level of each nominal variable."""
    numeric = [variable.code for variable in variables if variable.is_numeric]
    means = dict(zip(numeric, spreads(cohort, numeric)[0].tolist(), strict=True)) if numeric else {}
    fills = []
    for variable in variables:
        if variable.is_numeric:
            fills.append(Fill(variable=variable.code, number=means[variable.code]))
        else:
            held = _level_records(cohort, variable)
            level = cohort.levels[variable.code][int(held.argmax())]
            fills.append(Fill(variable=variable.code, level=level))
    return Filled(values=tuple(fills))


def _level_records(cohort: Cohort, variable: Variable) -> FloatArray:
    """Records of each level, (levels,); raises Refused where a level has too few patients."""
    levels = cohort.levels[variable.code]
    state = LevelState(variable.code, len(levels))
    labels = [f"{variable.code}[{level}]" for level in levels]
    return cohort.fold(level_counts, state, cells=labels).records


def _marginal(cohort: Cohort, variable: Variable) -> tuple[Conditional, float]:
    """A variable's distribution with no other one known, and a number's standard deviation."""
    if variable.is_numeric:
        (mean,), (deviation,) = spreads(cohort, [variable.code])
        return Conditional(variable=variable.code, intercepts=(float(mean),)), float(deviation)
    held = _level_records(cohort, variable)
    levels = cohort.levels[variable.code]
    present = np.flatnonzero(held)
    odds = np.log(held[present[1:]] / held[present[0]])
    return (
        Conditional(
            variable=variable.code,
            levels=tuple(levels[index] for index in present),
            intercepts=tuple(odds.tolist()),
        ),
        0.0,
    )


def _conditional(
    cohort: Cohort,
    variable: Variable,
    predictors: Sequence[Variable],
    rng: np.random.Generator | None = None,
) -> tuple[Conditional, float]:
    """How a variable goes with the predictors in the records that have it.

    With rng its parameters are drawn from their posterior, so that imputations tell how uncertain
    they are. The deviation is a number's about its expectation.
    """
    others = tuple(part for part in predictors if part.code != variable.code)
    observed = Observed(variable.code, variable.is_numeric)
    part = replace(cohort.adjusted(observed), y=(variable,), x=others)
    if variable.is_numeric:
        return _number(part, rng)
    return _levels(part, rng), 0.0


def _number(cohort: Cohort, rng: np.random.Generator | None) -> tuple[Conditional, float]:
    """The linear model of cohort.y on cohort.x, and its residual standard deviation.

    Drawn: the variance as residual sum / chi², then coefficients about their estimates.
    Source: Rubin, Multiple Imputation for Nonresponse in Surveys (1987), p. 167.
    """
    (variable,) = cohort.y
    full = cohort.design((*cohort.x, variable))
    everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
    last = len(full.columns) - 1
    kept = [index for index in full.estimable(everything.cells) if index != last]
    design, folded = full.select([*kept, last]), everything.select([*kept, last])
    n, p = float(folded.records), len(kept)
    df = int(n) - p - 1
    if df < 1:
        raise CannotCompute(
            f"{variable.code} cannot be imputed by {p + 1} coefficients from {int(n)} records",
            remedy=_REMEDY,
        )
    mean, inverse = float(folded.mean[-1]), np.empty((0, 0))
    slopes, centres, residual_sum = np.empty(0), np.empty(0), float(folded.scatter[-1, -1])
    if p:
        try:
            fit = least_squares(cohort, design, folded)
        except Collinear as error:
            raise CannotCompute(
                f"{variable.code} cannot be imputed: these are constant or determine each other "
                f"where it is known: {error}",
                remedy=_REMEDY,
            ) from None
        mean, inverse, slopes, centres = fit.mean_y, fit.inverse, fit.slopes, fit.mean_x
        residual_sum = fit.residual_sum
    deviation = float(np.sqrt(residual_sum / df))
    if rng is not None:
        deviation = float(np.sqrt(residual_sum / rng.chisquare(df)))
        lean = rng.standard_normal(p + 1)
        mean += deviation / np.sqrt(n) * lean[0]
        if p:
            slopes = slopes + deviation * np.linalg.cholesky(inverse) @ lean[1:]
    terms = weights_of(design.columns[:-1], centres, slopes[:, None])
    return Conditional(variable=variable.code, intercepts=(mean,), terms=terms), deviation


def _levels(cohort: Cohort, rng: np.random.Generator | None) -> Conditional:
    """The multinomial logit of cohort.y on cohort.x; drawn: coefficients about their estimates."""
    (variable,) = cohort.y
    marginal, _ = _marginal(cohort, variable)
    if len(marginal.levels) < 2 or not cohort.x:
        return marginal
    levels = cohort.levels[variable.code]
    others = len(marginal.levels) - 1
    try:
        fitted = covariates_of(cohort, (), each=others, besides=others)
    except CannotCompute as error:
        raise CannotCompute(
            f"{variable.code} cannot be imputed: {error.what}", remedy=_REMEDY
        ) from None
    null = np.zeros((others, len(fitted.scale) + 1))
    null[:, 0] = marginal.intercepts
    state = ClassesState(
        fitted.design,
        variable.code,
        tuple(levels.index(level) for level in marginal.levels),
        fitted.mean,
        fitted.scale,
        null.reshape(-1),
        ordered=False,
    )
    chances = np.exp(np.append(0.0, marginal.intercepts))
    chances /= chances.sum()
    null_likelihood = fitted.n * float((chances * np.log(chances)).sum())
    try:
        state, step, _ = maximised(cohort, multinomial_step, state, state, null_likelihood)
    except Separated as error:
        raise CannotCompute(
            f"{variable.code} cannot be imputed by regression: its levels are told apart without "
            f"error by {error}",
            remedy=_REMEDY,
        ) from None
    except NotSettled:
        raise CannotCompute(
            f"The regression that imputes {variable.code} did not settle within {MAX_ROUNDS} "
            "rounds",
            remedy=_REMEDY,
        ) from None
    beta = state.beta
    if rng is not None:
        spread = np.linalg.cholesky(np.linalg.inv(step.information))
        beta = beta + spread @ rng.standard_normal(len(beta))
    each = beta.reshape(others, -1)
    return Conditional(
        variable=variable.code,
        levels=marginal.levels,
        intercepts=tuple(each[:, 0].tolist()),
        terms=weights_of(fitted.design.columns, fitted.mean, (each[:, 1:] / fitted.scale).T),
    )


def weights_of(
    columns: Sequence[Column], centres: FloatArray, weights: FloatArray
) -> tuple[Weight, ...]:
    """Terms of p columns about centres (p,), with weights (p, scores)."""
    return tuple(
        Weight(
            variable=column.factors[0].variable,
            level=column.factors[0].level_code,
            centre=centre,
            weights=tuple(row),
        )
        for column, centre, row in zip(columns, centres.tolist(), weights.tolist(), strict=True)
    )
