"""Estimated coefficients: their table and their forest plot, shared by every regression."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats.distributions import rv_frozen

from medmip.algorithms.names import Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.views import Chart, Table, chart, table
from medmip.fold.statistic import FloatArray

INTERCEPT = "Intercept"


class Coefficient(BaseModel):
    """One estimated coefficient; statistic is its t or z value."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    estimate: float
    std_error: float
    statistic: float
    p_value: float
    lower: float
    upper: float


class ResidualQuantiles(BaseModel):
    """Quartiles of the residuals; smallest and largest are None where they may not be released."""

    model_config = ConfigDict(frozen=True)

    minimum: float | None
    q1: float
    median: float
    q3: float
    maximum: float | None

    def table(self, title: str) -> Table:
        """The quantiles that may be released, in one row."""
        names = {"minimum": "Min", "q1": "Q1", "median": "Median", "q3": "Q3", "maximum": "Max"}
        row = {key: value for key, value in self.model_dump().items() if value is not None}
        return table(title, [(key, names[key], "number") for key in row], [row])


def coefficients(
    terms: Sequence[str],
    estimates: FloatArray,
    std_errors: FloatArray,
    distribution: rv_frozen,
    confidence: float,
) -> tuple[Coefficient, ...]:
    """Tests against zero and confidence intervals; estimates and std_errors are (p,).

    distribution is the frozen reference distribution of estimate / std_error.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        values = estimates / std_errors
    p_values = 2.0 * distribution.sf(np.abs(values))
    margin = distribution.ppf(0.5 + confidence / 2.0) * std_errors
    return tuple(
        Coefficient(
            term=term,
            estimate=float(estimates[index]),
            std_error=float(std_errors[index]),
            statistic=float(values[index]),
            p_value=float(p_values[index]),
            lower=float(estimates[index] - margin[index]),
            upper=float(estimates[index] + margin[index]),
        )
        for index, term in enumerate(terms)
    )


def reference_note(references: Mapping[str, str], names: Names) -> str:
    """Which level of each nominal covariate the others are compared with."""
    words = "; ".join(
        f"reference of {names.variable(code)}: {names.level(code, level)}"
        for code, level in references.items()
    )
    return words[:1].upper() + words[1:]


def coefficient_table(
    rows: Sequence[Coefficient],
    confidence: float,
    statistic: str,
    names: Names,
    note: str,
    title: str = "Coefficients",
) -> Table:
    """The coefficients as a paper prints them; statistic is the column's name, t or z."""
    percent = f"{100 * confidence:g} %"
    return table(
        title,
        [
            ("term", "Term", "text"),
            ("estimate", "Estimate", "number"),
            ("std_error", "Std. error", "number"),
            ("statistic", statistic, "number"),
            ("p_value", "p-value", "pvalue"),
            ("lower", f"{percent} lower", "number"),
            ("upper", f"{percent} upper", "number"),
        ],
        [row.model_dump() | {"term": names.term(row.term)} for row in rows],
        note,
    )


_FARTHEST = 50.0
"""The largest logarithm that is drawn as a ratio."""


def forest_plot(
    rows: Sequence[Coefficient],
    confidence: float,
    title: str,
    axis: str,
    names: Names,
    *,
    ratio: bool = False,
) -> Chart:
    """Estimates with their confidence intervals against zero, the intercept left out.

    ratio: of logarithms, as the ratios that they are, against one on a logarithmic scale; an
    interval that reaches beyond what can be drawn is cut there.
    """
    told = [row for row in rows if row.term != INTERCEPT]

    def drawn(value: float) -> float:
        return float(np.exp(np.clip(value, -_FARTHEST, _FARTHEST))) if ratio else value

    values: list[dict[str, object]] = [
        {"term": names.term(row.term)}
        | {key: drawn(getattr(row, key)) for key in ("estimate", "lower", "upper")}
        for row in told
    ]
    order = [str(row["term"]) for row in values]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("term:N", sort=order, title=None, axis=alt.Axis(labelLimit=320))
    )
    scale = alt.Scale(type="log", nice=False, padding=16) if ratio else alt.Scale(zero=True)
    ticks = alt.Axis(tickCount=6, format="~g") if ratio else alt.Axis()
    rule = (
        alt.Chart(alt.Data(values=[{"none": 1 if ratio else 0}]))
        .mark_rule(strokeDash=[4, 4], color=QUIET)
        .encode(x=alt.X("none:Q", scale=scale))
    )
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", title=axis, scale=scale, axis=ticks), x2="upper:Q"
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("estimate:Q", scale=scale),
        tooltip=[
            alt.Tooltip("term:N", title="term"),
            *(
                alt.Tooltip(f"{key}:Q", title=key, format=".4g")
                for key in ("estimate", "lower", "upper")
            ),
        ],
    )
    drawing = (rule + bars + points).properties(width="container", height=alt.Step(24))
    words = "; ".join(f"{row['term']} {row['estimate']:.3g}" for row in values[:8])
    return chart(
        title,
        drawing,
        f"Forest plot of {len(values)} {'ratios' if ratio else 'coefficients'}: {words}",
        f"Points are estimates, lines their {100 * confidence:g} % confidence intervals.",
    )
