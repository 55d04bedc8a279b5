"""Analysis of covariance: whether groups differ once covariates are held equal."""

from itertools import combinations

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.covariates import covariates_of
from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.multiple import holm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import ANY, NOMINAL, NUMERIC, many, one
from medmip.algorithms.views import View, chart, facts, table
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.least_squares import LeastSquares, least_squares
from medmip.fold.moments import Moments, MomentsState, moments
from medmip.fold.statistic import FloatArray, IntArray


class AncovaParameters(Parameters):
    """Parameters of an analysis of covariance."""

    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the means' intervals."
    )


class Effect(BaseModel):
    """What one variable explains beyond all the others: its F test and partial η²."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    variable: str
    df: int
    ss: float
    f: float
    p_value: float
    partial_eta_squared: float


class AdjustedMean(BaseModel):
    """A group's mean where every covariate is at its mean over the cohort."""

    model_config = ConfigDict(frozen=True)

    level: str
    n: int
    mean: float
    std_error: float
    lower: float
    upper: float


class Contrast(BaseModel):
    """The difference of two adjusted means; adjusted is by Holm's method."""

    model_config = ConfigDict(frozen=True)

    one: str
    other: str
    difference: float
    std_error: float
    t: float
    p_value: float
    adjusted: float


class AncovaResult(Result):
    """Effects in the order of the variables, the first of which parts the groups."""

    outcome: str
    factor: str
    n: int
    excluded: int
    effects: tuple[Effect, ...]
    df_residual: int
    ss_residual: float
    r_squared: float
    means: tuple[AdjustedMean, ...]
    contrasts: tuple[Contrast, ...]
    confidence: float

    def views(self, names: Names = CODES) -> list[View]:
        percent = f"{100 * self.confidence:g} %"
        effects: list[dict[str, object]] = [
            part.model_dump() | {"variable": names.variable(part.variable)} for part in self.effects
        ]
        effects.append({"variable": "Residuals", "df": self.df_residual, "ss": self.ss_residual})
        means = [
            part.model_dump() | {"level": names.level(self.factor, part.level)}
            for part in self.means
        ]
        pairs = [
            part.model_dump()
            | {
                "pair": f"{names.level(self.factor, part.one)} – "
                f"{names.level(self.factor, part.other)}"
            }
            for part in self.contrasts
        ]
        return [
            table(
                "Analysis of covariance",
                [
                    ("variable", "Variable", "text"),
                    ("df", "df", "integer"),
                    ("ss", "Sum of squares", "number"),
                    ("f", "F", "number"),
                    ("p_value", "p-value", "pvalue"),
                    ("partial_eta_squared", "Partial η²", "number"),
                ],
                effects,
                "Each variable beyond all the others (type II).",
            ),
            self._drawn(means, names),
            table(
                "Adjusted means",
                [
                    ("level", names.variable(self.factor), "text"),
                    ("n", "n", "integer"),
                    ("mean", "Adjusted mean", "number"),
                    ("std_error", "Std. error", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                means,
                "Where every covariate is at its mean over the cohort.",
            ),
            table(
                "Pairs",
                [
                    ("pair", "Groups", "text"),
                    ("difference", "Difference", "number"),
                    ("std_error", "Std. error", "number"),
                    ("t", "t", "number"),
                    ("p_value", "p-value", "pvalue"),
                    ("adjusted", "p-value (Holm)", "pvalue"),
                ],
                pairs,
            ),
            facts(
                "Fit",
                [
                    ("Records", self.n, "integer"),
                    ("Dropped for missing values", self.excluded, "integer"),
                    ("R²", self.r_squared, "number"),
                ],
            ),
        ]

    def _drawn(self, means: list[dict[str, object]], names: Names) -> View:
        base = alt.Chart(alt.Data(values=means)).encode(
            y=alt.Y(
                "level:N",
                sort=[str(row["level"]) for row in means],
                title=names.variable(self.factor),
                axis=alt.Axis(labelLimit=240),
            )
        )
        title = f"Adjusted mean of {names.axis(self.outcome)}"
        scale = alt.Scale(zero=False)
        bars = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("lower:Q", title=title, scale=scale), x2="upper:Q"
        )
        points = base.mark_point(filled=True, size=80, opacity=1).encode(
            x="mean:Q", tooltip=["level:N", "mean:Q", "lower:Q", "upper:Q"]
        )
        words = "; ".join(f"{row['level']} {row['mean']:.3g}" for row in means)
        return chart(
            f"{names.variable(self.outcome)} by group, adjusted",
            (bars + points).properties(width="container", height=alt.Step(32)),
            f"Adjusted means of {len(means)} groups: {words}",
            f"Lines are {100 * self.confidence:g} % confidence intervals.",
        )


@algorithm(
    "ancova",
    label="Analysis of covariance",
    question="Compare groups",
    description="Whether groups differ in a numeric outcome once covariates are held equal.",
    discloses=(
        "Sums of squares and adjusted means over the whole cohort; no group and no level that "
        "fewer patients than the minimum have."
    ),
    y=one(NUMERIC, "Outcome"),
    x=(one(NOMINAL, "Groups"), many(ANY, "Covariates", "Held equal between the groups.")),
    citations=(
        "Maxwell SE, Delaney HD, Kelley K. Designing Experiments and Analyzing Data: A Model "
        "Comparison Perspective. 3rd ed. Routledge; 2018.",
    ),
    parameters=AncovaParameters,
)
def ancova(cohort: Cohort, parameters: AncovaParameters) -> AncovaResult:
    """Linear model of groups and covariates without interactions; type II tests.

    Raises CannotCompute where there are fewer than two groups, where covariates or outcome are
    constant or collinear.
    Source: Maxwell, Delaney & Kelley, Designing Experiments and Analyzing Data, 3rd ed.,
    chapter 9.
    """
    (outcome,), factor = cohort.y, cohort.x[0]
    covariates = covariates_of(cohort, ())
    design = Design(
        (*covariates.design.terms, (outcome.code,)),
        (*covariates.design.columns, *cohort.design((outcome,)).columns),
    )
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    if not folded.scatter[-1, -1] > float(folded.records) * (1e-14 * folded.mean[-1]) ** 2:
        raise CannotCompute(f"The outcome {outcome.code} is constant in this cohort")
    fit = least_squares(cohort, design, folded)
    owners = [column.factors[0].variable for column in covariates.design.columns]
    df = covariates.n - len(owners) - 1
    variance = fit.residual_sum / df
    if factor.code not in owners:
        raise CannotCompute(
            f"{factor.code} has a single level in this cohort",
            remedy="Choose another variable for the groups, or widen the filter.",
        )
    t = stats.t(df)
    means, covariance = _means(covariates.cells, covariates.full, factor.code, owners, fit, folded)
    errors = np.sqrt(variance * np.diag(covariance))
    margin = float(t.ppf(0.5 + parameters.confidence / 2))
    levels = [level for level, _ in means]
    sizes = _sizes(covariates.full, covariates.cells, factor.code)
    values = np.array([mean for _, mean in means])
    return AncovaResult(
        outcome=outcome.code,
        factor=factor.code,
        n=covariates.n,
        excluded=cohort.size.excluded,
        effects=tuple(
            _effect(variable.code, owners, fit, df)
            for variable in (factor, *(part for part in cohort.x if part is not factor))
            if variable.code in owners
        ),
        df_residual=df,
        ss_residual=fit.residual_sum,
        r_squared=1 - fit.residual_sum / fit.total_sum,
        means=tuple(
            AdjustedMean(
                level=level,
                n=sizes[level],
                mean=mean,
                std_error=float(error),
                lower=float(mean - margin * error),
                upper=float(mean + margin * error),
            )
            for (level, mean), error in zip(means, errors, strict=True)
        ),
        contrasts=_contrasts(levels, values, variance * covariance, df),
        confidence=parameters.confidence,
    )


def _effect(code: str, owners: list[str], fit: LeastSquares, df: int) -> Effect:
    """What a variable's columns explain beyond the others: b' (C⁻¹)⁻¹ b over its columns."""
    own = [index for index, owner in enumerate(owners) if owner == code]
    slopes = fit.slopes[own]
    ss = float(slopes @ np.linalg.solve(fit.inverse[np.ix_(own, own)], slopes))
    with np.errstate(divide="ignore"):
        f = float(np.divide(ss / len(own), fit.residual_sum / df))
    return Effect(
        variable=code,
        df=len(own),
        ss=ss,
        f=f,
        p_value=float(stats.f.sf(f, len(own), df)),
        partial_eta_squared=ss / (ss + fit.residual_sum),
    )


def _sizes(full: Design, cells: IntArray, factor: str) -> dict[str, int]:
    """Patients of each level that somebody has."""
    return {
        str(column.factors[0].level_code): int(patients)
        for column, patients in zip(full.columns, cells, strict=True)
        if column.factors[0].variable == factor and patients > 0
    }


def _means(
    cells: IntArray,
    full: Design,
    factor: str,
    owners: list[str],
    fit: LeastSquares,
    folded: Moments,
) -> tuple[list[tuple[str, float]], FloatArray]:
    """Each group's adjusted mean, and their covariance (g, g) over the residual variance."""
    own = [index for index, owner in enumerate(owners) if owner == factor]
    levels = list(_sizes(full, cells, factor))
    places = np.tile(folded.mean[:-1], (len(levels), 1))
    places[:, own] = 0.0
    # The first level that anybody has is the reference, whose columns are all 0.
    for row, column in enumerate(own, start=1):
        places[row, column] = 1.0
    apart = places - fit.mean_x
    means = fit.mean_y + apart @ fit.slopes
    covariance = 1.0 / float(folded.records) + apart @ fit.inverse @ apart.T
    return list(zip(levels, means.tolist(), strict=True)), covariance


def _contrasts(
    levels: list[str], means: FloatArray, covariance: FloatArray, df: int
) -> tuple[Contrast, ...]:
    pairs = list(combinations(range(len(levels)), 2))
    difference = np.array([means[i] - means[j] for i, j in pairs])
    error = np.sqrt([covariance[i, i] + covariance[j, j] - 2 * covariance[i, j] for i, j in pairs])
    t = difference / error
    p_values = 2 * stats.t.sf(np.abs(t), df)
    adjusted = holm(p_values)
    return tuple(
        Contrast(
            one=levels[i],
            other=levels[j],
            difference=float(difference[index]),
            std_error=float(error[index]),
            t=float(t[index]),
            p_value=float(p_values[index]),
            adjusted=float(adjusted[index]),
        )
        for index, (i, j) in enumerate(pairs)
    )
