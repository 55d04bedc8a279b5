"""What correlations share: their tests and intervals, their heat map and table."""

from collections.abc import Sequence

import altair as alt
import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import ON_DARK, ON_LIGHT
from medmip.algorithms.views import View, chart, table
from medmip.catalogue.variable import Variable
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray

Matrix = tuple[tuple[float | None, ...], ...]


class CorrelationParameters(Parameters):
    """Parameters of a correlation."""

    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the intervals."
    )


class CorrelationResult(Result):
    """Correlations of rows with columns; None where a variable is constant.

    symbol is what a paper calls the coefficient: r or ρ.
    """

    symbol: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    n: int
    excluded: int
    confidence: float
    correlations: Matrix
    p_values: Matrix
    lower: Matrix
    upper: Matrix

    def views(self, names: Names = CODES) -> list[View]:
        rows, columns = (
            [names.variable(code) for code in codes] for codes in (self.rows, self.columns)
        )
        cells = [
            {
                "row": row,
                "column": column,
                "r": self.correlations[i][j],
                "p": self.p_values[i][j],
                "lower": self.lower[i][j],
                "upper": self.upper[i][j],
            }
            for i, row in enumerate(rows)
            for j, column in enumerate(columns)
        ]
        base = alt.Chart(alt.Data(values=cells)).encode(
            x=alt.X(
                "column:N",
                sort=columns,
                title=None,
                axis=alt.Axis(labelAngle=-45, labelLimit=200),
            ),
            y=alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=240)),
        )
        heat = base.mark_rect().encode(
            color=alt.Color(
                "r:Q", title=self.symbol, scale=alt.Scale(scheme="redblue", domain=[-1, 1])
            ),
            tooltip=[
                alt.Tooltip("row:N", title="variable"),
                alt.Tooltip("column:N", title="with"),
                alt.Tooltip("r:Q", format=".4f"),
                alt.Tooltip("p:Q", title="p-value", format=".2g"),
                alt.Tooltip("lower:Q", format=".3f"),
                alt.Tooltip("upper:Q", format=".3f"),
            ],
        )
        drawing = heat
        if len(cells) <= 144:
            numbers = base.mark_text(fontSize=10).encode(
                text=alt.Text("r:Q", format=".2f"),
                color=alt.condition("abs(datum.r) > 0.6", alt.value(ON_DARK), alt.value(ON_LIGHT)),
            )
            drawing = heat + numbers
        pairs = [cell for cell in cells if cell["row"] != cell["column"]]
        strongest = max(pairs, key=lambda cell: abs(float(str(cell["r"] or 0))), default=None)
        words = f"; strongest: {strongest['row']} with {strongest['column']}" if strongest else ""
        seen: set[frozenset[str]] = set()
        listed = []
        for cell in pairs:
            pair = frozenset((str(cell["row"]), str(cell["column"])))
            if pair not in seen:
                seen.add(pair)
                listed.append(cell)
        percent = f"{100 * self.confidence:g} %"
        return [
            chart(
                "Correlations",
                drawing.properties(width=alt.Step(36), height=alt.Step(28)),
                f"Heat map of {len(self.rows)} by {len(self.columns)} correlations{words}",
                f"{self.n} records; {self.excluded} dropped for missing values.",
            ),
            table(
                "Pairs",
                [
                    ("row", "Variable", "text"),
                    ("column", "with", "text"),
                    ("r", self.symbol, "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                    ("p", "p-value", "pvalue"),
                ],
                listed,
            ),
        ]


def variables_of(cohort: Cohort) -> tuple[Variable, ...]:
    """The variables to correlate, each once; raises CannotCompute where there is one alone."""
    variables = tuple({part.code: part for part in (*cohort.x, *cohort.y)}.values())
    if len(variables) < 2:
        raise CannotCompute("A correlation needs two variables")
    return variables


def correlated(
    cohort: Cohort,
    variables: Sequence[Variable],
    r: FloatArray,
    n: int,
    confidence: float,
    *,
    symbol: str,
    stretch: FloatArray | float = 1.0,
) -> CorrelationResult:
    """Tests and intervals of correlations r (k, k), not a number where a variable is constant.

    stretch multiplies the standard error of Fisher's z.
    """
    constant = np.isnan(np.diag(r))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = r * np.sqrt((n - 2) / ((1 - r) * (1 + r)))
        p = 2 * stats.t.sf(np.abs(t), n - 2)
        reach = stats.norm.ppf(0.5 + confidence / 2) / np.sqrt(n - 3) if n > 3 else np.inf
        z = np.arctanh(r)
        lower, upper = np.tanh(z - reach * stretch), np.tanh(z + reach * stretch)
    same = np.eye(len(variables), dtype=bool) & ~constant
    r = np.where(same, 1.0, r)
    lower[same] = upper[same] = 1.0
    p[same] = 0.0
    codes = [variable.code for variable in variables]
    rows = [codes.index(variable.code) for variable in cohort.y]
    columns = [codes.index(variable.code) for variable in cohort.x] or rows
    shape = np.ix_(rows, columns)
    return CorrelationResult(
        symbol=symbol,
        rows=tuple(codes[index] for index in rows),
        columns=tuple(codes[index] for index in columns),
        n=n,
        excluded=cohort.size.excluded,
        confidence=confidence,
        correlations=_matrix(r[shape]),
        p_values=_matrix(p[shape]),
        lower=_matrix(lower[shape]),
        upper=_matrix(upper[shape]),
    )


def _matrix(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Matrix:
    return tuple(
        tuple(None if np.isnan(value) else float(value) for value in row) for row in values
    )
