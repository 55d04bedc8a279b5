"""Covariates whose effect is curved: polynomials, restricted cubic splines, and their pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Protocol

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.names import Names
from medmip.algorithms.palette import BLUE, QUIET
from medmip.algorithms.views import Format, View, chart, table
from medmip.algorithms.weights import Weighing
from medmip.catalogue.variable import Variable
from medmip.errors import RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.design import Column, Design
from medmip.fold.moments import MomentsState, moments
from medmip.fold.quantiles import quantiles
from medmip.fold.statistic import FloatArray
from medmip.fold.transform import Transform
from medmip.fold.value_grid import Columns

_EDGE = 0.05
"""Share of the records on either side of what a picture shows."""
_POINTS = 61
_KNOT_SHARES: dict[int, tuple[float, ...]] = {
    3: (0.1, 0.5, 0.9),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.5, 0.725, 0.95),
    6: (0.05, 0.23, 0.41, 0.59, 0.77, 0.95),
    7: (0.025, 0.1833, 0.3417, 0.5, 0.6583, 0.8167, 0.975),
}
"""Source: Harrell, Regression Modeling Strategies, 2nd ed., table 2.3."""

Polynomials = Annotated[
    tuple[str, ...],
    Field(
        title="Polynomials",
        description="Numeric covariates whose squares, and perhaps cubes, enter the model too.",
        json_schema_extra={"variables_of": "covariates"},
    ),
]
Degree = Annotated[
    int,
    Field(ge=2, le=3, title="Degree", description="Of the polynomials: 2 adds squares, 3 cubes."),
]
Splines = Annotated[
    tuple[str, ...],
    Field(
        title="Splines",
        description="Numeric covariates whose effect is a smooth curve: restricted cubic splines.",
        json_schema_extra={"variables_of": "covariates"},
    ),
]
Knots = Annotated[
    int,
    Field(ge=3, le=7, title="Knots", description="Of each spline; more knots let it bend more."),
]


class Curved(Protocol):
    """Parameters that name curved covariates."""

    @property
    def polynomials(self) -> tuple[str, ...]: ...
    @property
    def degree(self) -> int: ...
    @property
    def splines(self) -> tuple[str, ...]: ...
    @property
    def knots(self) -> int: ...


class CurveTest(BaseModel):
    """A joint test that coefficients are zero: F where df_residual is given, else χ²."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    statistic: float
    df: int
    df_residual: int | None
    p_value: float


class CurvePoint(BaseModel):
    """The linear predictor at a value, less that at the reference, with confidence limits."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    value: float
    effect: float
    lower: float
    upper: float


class Curve(BaseModel):
    """What the model says of one curved covariate.

    knots are those of a spline, none of a polynomial, whose powers are of value - origin. overall
    tests every term with the covariate, nonlinear those that bend it. points reach over the
    middle 90 % of the records, other covariates at their means and reference levels.
    """

    model_config = ConfigDict(frozen=True)

    variable: str
    degree: int | None
    origin: float | None
    knots: tuple[float, ...]
    reference: float
    overall: CurveTest
    nonlinear: CurveTest
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Curves:
    """The curved columns by variable; shown holds low end, median and high end of each."""

    columns: Mapping[str, tuple[Transform, ...]]
    shown: Mapping[str, tuple[float, float, float]]

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def told(
        self,
        design: Design,
        mean: FloatArray,
        slopes: FloatArray,
        covariance: FloatArray,
        confidence: float,
        df_residual: int | None = None,
    ) -> tuple[Curve, ...]:
        """The tests and the points of every curve.

        mean and slopes are (p,) of design's columns, covariance (p, p); df_residual makes F tests
        and t intervals.
        """
        found = []
        for variable, transforms in self.columns.items():
            bent = [_is_bent(column, variable) for column in design.columns]
            whole = [_has(column, variable) for column in design.columns]
            spline = transforms[0].name == "spline"
            low, reference, high = self.shown[variable]
            values = np.linspace(low, high, _POINTS)
            means = _means(design, mean)
            rows = _rows(design, variable, values, means)
            rows = rows - _rows(design, variable, np.array([reference]), means)
            effect = rows @ slopes
            errors = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", rows, covariance, rows), 0.0))
            law = stats.norm() if df_residual is None else stats.t(df_residual)
            margin = law.ppf(0.5 + confidence / 2) * errors
            found.append(
                Curve(
                    variable=variable,
                    degree=None if spline else transforms[-1].order,
                    origin=None if spline else transforms[0].origin,
                    knots=transforms[0].knots,
                    reference=reference,
                    overall=_test(whole, slopes, covariance, df_residual),
                    nonlinear=_test(bent, slopes, covariance, df_residual),
                    points=tuple(
                        CurvePoint(value=value, effect=middle, lower=middle - by, upper=middle + by)
                        for value, middle, by in zip(
                            values.tolist(), effect.tolist(), margin.tolist(), strict=True
                        )
                    ),
                )
            )
        return tuple(found)


def curves_of(
    cohort: Cohort,
    covariates: Sequence[Variable],
    parameters: Curved,
    weighing: Weighing | None = None,
) -> Curves:
    """The curved columns that parameters ask for, with knots and origins from the cohort.

    Knots, origins and what is shown are rounded to about a hundredth of the middle 90 %, and lie
    at least the minimum of patients from either end. Raises RequestError where a name is not that
    of a numeric covariate, CannotCompute where knots coincide.
    """
    chosen = _chosen(covariates, parameters)
    if not chosen:
        return Curves({}, {})
    weights = weighing.variable if weighing else None
    edge = cohort.minimum / max(weighing.patients if weighing else cohort.size.patients, 1)
    low, high = max(_EDGE, edge), min(1 - _EDGE, 1 - edge)
    knots = [min(max(share, edge), 1 - edge) for share in _KNOT_SHARES[parameters.knots]]
    if low >= high:
        raise CannotCompute("Too few patients to bend a line", remedy="Choose no curves.")
    plain = cohort.fold(moments, MomentsState(cohort.design(chosen), weights=weights))
    found = quantiles(
        cohort,
        Columns(tuple(variable.code for variable in chosen), weights),
        (low, 0.5, high, *knots),
        center=plain.mean,
        spread=np.sqrt(np.diag(plain.scatter) / plain.records),
    )[:, 0]
    columns: dict[str, tuple[Transform, ...]] = {}
    shown: dict[str, tuple[float, float, float]] = {}
    for variable, values in zip(chosen, found.tolist(), strict=True):
        width = values[2] - values[0]
        # Two digits of the width, never a patient's value in full.
        digits = 0 if not width > 0 else int(-np.floor(np.log10(width / 50)))
        first, middle, last, *at = (round(value, digits) for value in values)
        shown[variable.code] = (first, middle, last)
        if variable.code in parameters.splines:
            if any(after <= before for before, after in pairwise(at)):
                raise CannotCompute(
                    f"{variable.code} has too few different values for {parameters.knots} knots",
                    remedy="Choose fewer knots, or a polynomial.",
                )
            columns[variable.code] = tuple(
                Transform("spline", order, knots=tuple(at)) for order in range(1, len(at) - 1)
            )
        else:
            columns[variable.code] = tuple(
                Transform("power", order, origin=middle)
                for order in range(2, parameters.degree + 1)
            )
    return Curves(columns, shown)


def curve_views(
    curves: Sequence[Curve], confidence: float, axis: str, names: Names, *, ratio: bool = False
) -> list[View]:
    """A table of the tests, and a picture of each curve; ratio draws the effects' exponentials."""
    if not curves:
        return []
    rows: list[dict[str, object]] = []
    notes = []
    for curve in curves:
        name = names.variable(curve.variable)
        for words, test in (("overall", curve.overall), ("not linear", curve.nonlinear)):
            rows.append({"term": f"{name}, {words}", **test.model_dump()})
        if curve.knots:
            notes.append(f"knots of {name}: {', '.join(f'{knot:g}' for knot in curve.knots)}")
        else:
            notes.append(f"powers of {name} are of {name} − {curve.origin:g}")
    fisher = curves[0].overall.df_residual is not None
    columns: list[tuple[str, str, Format]] = [
        ("term", "Term", "text"),
        ("statistic", "F" if fisher else "χ²", "number"),
        ("df", "df", "integer"),
        ("p_value", "p-value", "pvalue"),
    ]
    if fisher:
        columns.insert(3, ("df_residual", "Residual df", "integer"))
    tests = table("Tests of curves", columns, rows, "; ".join(notes))
    return [tests, *(_picture(curve, confidence, axis, names, ratio) for curve in curves)]


def _picture(curve: Curve, confidence: float, axis: str, names: Names, ratio: bool) -> View:
    with np.errstate(over="ignore"):
        values = [
            {
                key: float(np.exp(value)) if ratio and key != "value" else value
                for key, value in point.model_dump().items()
            }
            for point in curve.points
        ]
    title = names.axis(curve.variable)
    scale = alt.Scale(type="log", zero=False) if ratio else alt.Scale(zero=False)
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("value:Q", title=title, scale=alt.Scale(zero=False, nice=False))
    )
    band = base.mark_area(opacity=0.25, color=BLUE).encode(
        y=alt.Y("lower:Q", title=axis, scale=scale), y2="upper:Q"
    )
    line = base.mark_line(color=BLUE).encode(
        y=alt.Y("effect:Q", title=axis, scale=scale),
        tooltip=[
            alt.Tooltip("value:Q", title=title, format=".4~g"),
            alt.Tooltip("effect:Q", title=axis, format=".4~g"),
            alt.Tooltip("lower:Q", format=".4~g"),
            alt.Tooltip("upper:Q", format=".4~g"),
        ],
    )
    none: Any = (
        alt.Chart(alt.Data(values=[{"none": 1 if ratio else 0}]))
        .mark_rule(strokeDash=[4, 4], color=QUIET)
        .encode(y=alt.Y("none:Q", scale=scale))
    )
    ends = ", ".join(f"{values[i]['effect']:.3g} at {values[i]['value']:.4g}" for i in (0, -1))
    name = names.variable(curve.variable)
    return chart(
        f"Effect of {name}",
        (band + none + line).properties(width="container", height=260),
        f"Curve of {name} against {curve.reference:g}: {ends}",
        f"Against {curve.reference:g}, with {100 * confidence:g} % confidence limits, over the "
        "middle 90 % of the records; other covariates at their means and reference levels.",
    )


def _chosen(covariates: Sequence[Variable], parameters: Curved) -> list[Variable]:
    by_code = {variable.code: variable for variable in covariates}
    chosen = []
    for field, codes in (("polynomials", parameters.polynomials), ("splines", parameters.splines)):
        for code in codes:
            if code not in by_code or not by_code[code].is_numeric:
                raise RequestError(
                    f"parameters.{field}: {code} is no numeric covariate",
                    remedy="Only the effect of a number can be curved.",
                )
            if by_code[code] in chosen:
                raise RequestError(
                    f"parameters.{field}: {code} is named twice",
                    remedy="Choose a polynomial or a spline.",
                )
            chosen.append(by_code[code])
    return chosen


def _has(column: Column, variable: str) -> bool:
    return any(factor.variable == variable for factor in column.factors)


def _is_bent(column: Column, variable: str) -> bool:
    return any(
        factor.variable == variable and factor.transform is not None for factor in column.factors
    )


def _means(design: Design, mean: FloatArray) -> dict[str, float]:
    """The mean of each numeric variable that has a column of its own."""
    return {
        column.factors[0].variable: float(value)
        for column, value in zip(design.columns, mean, strict=True)
        if len(column.factors) == 1 and column.factors[0].is_plain
    }


def _rows(
    design: Design, variable: str, values: FloatArray, means: Mapping[str, float]
) -> FloatArray:
    """The columns (m, p) at values (m,) of one variable; zero where it is no part of them."""
    rows = np.zeros((len(values), len(design.columns)))
    for index, column in enumerate(design.columns):
        if not _has(column, variable):
            continue
        product = np.ones(len(values))
        for factor in column.factors:
            at = values if factor.variable == variable else None
            if factor.level is not None:
                product = product * 0.0
                continue
            if at is None:
                at = np.full(len(values), means.get(factor.variable, 0.0))
            product = product * (factor.transform.of(at) if factor.transform else at)
        rows[:, index] = product
    return rows


def _test(
    held: Sequence[bool], slopes: FloatArray, covariance: FloatArray, df_residual: int | None
) -> CurveTest:
    """Wald's test of the slopes that are held."""
    chosen = np.flatnonzero(held)
    part = covariance[np.ix_(chosen, chosen)]
    # By their own errors, so that units far apart lose no digits.
    errors = np.sqrt(np.diag(part))
    scaled = slopes[chosen] / errors
    value = float(scaled @ np.linalg.solve(part / np.outer(errors, errors), scaled))
    df = len(chosen)
    if df_residual is None:
        p_value = float(stats.chi2.sf(value, df))
        return CurveTest(statistic=value, df=df, df_residual=None, p_value=p_value)
    value /= df
    p_value = float(stats.f.sf(value, df, df_residual))
    return CurveTest(statistic=value, df=df, df_residual=df_residual, p_value=p_value)
