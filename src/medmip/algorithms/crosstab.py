"""Two nominal variables crossed, and whether they depend on each other."""

from dataclasses import dataclass
from typing import Annotated, Any

import altair as alt
import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import ON_DARK, ON_LIGHT
from medmip.algorithms.references import CATEGORICAL
from medmip.algorithms.role import NOMINAL, one
from medmip.algorithms.views import (
    Format,
    View,
    chart,
    facts,
    hidden_note,
    shown,
    table,
    unmasked,
)
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over


class CrosstabParameters(Parameters):
    """Parameters of a cross-tabulation."""

    correction: bool = Field(
        True,
        title="Yates' correction",
        description="Of the chi-squared test of a table of two rows and two columns.",
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the odds ratio's interval."
    )


class CrosstabResult(Result):
    """Counts (r, c) by level; what the tests rest on is None where a count is suppressed.

    residuals are Pearson's, (observed - expected) / √expected. Levels that nobody has are left
    out of rows and columns. Odds ratio and Fisher's test are of tables of two by two.
    """

    row_variable: str
    column_variable: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int | None, ...], ...]
    expected: tuple[tuple[float, ...], ...] | None
    residuals: tuple[tuple[float, ...], ...] | None
    n: int
    excluded: int
    chi_squared: float | None
    df: int
    p_value: float | None
    g_statistic: float | None
    g_p_value: float | None
    cramers_v: float | None
    fisher_p_value: float | None
    odds_ratio: float | None
    odds_ratio_lower: float | None
    odds_ratio_upper: float | None
    confidence: float
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:
        rows = [names.level(self.row_variable, code) for code in self.rows]
        columns = [names.level(self.column_variable, code) for code in self.columns]
        across, down = names.variable(self.column_variable), names.variable(self.row_variable)
        views: list[View] = [self._counts(rows, columns, down)]
        if self.chi_squared is not None:
            views += [self._tests(), self._heat(rows, columns, across, down)]
        return views

    def _counts(self, rows: list[str], columns: list[str], down: str) -> View:
        headers: list[tuple[str, str, Format]] = [("level", down, "text")]
        headers += [(f"c{index}", name, "integer") for index, name in enumerate(columns)]
        cells: list[dict[str, object]] = [
            {"level": name} | {f"c{index}": shown(count) for index, count in enumerate(counts)}
            for name, counts in zip(rows, self.counts, strict=True)
        ]
        flat = (count for counts in self.counts for count in counts)
        note = f"{self.n} records; {self.excluded} dropped for missing values."
        hidden = hidden_note(flat, self.minimum)
        if hidden:
            note += f" {hidden} Without these counts the tests cannot be computed: join levels."
        return table("Counts", headers, cells, note)

    def _tests(self) -> View:
        lines: list[tuple[str, object, Format]] = [
            ("χ²", self.chi_squared, "number"),
            ("Degrees of freedom", self.df, "integer"),
            ("p-value", self.p_value, "pvalue"),
            ("Likelihood ratio G", self.g_statistic, "number"),
            ("G p-value", self.g_p_value, "pvalue"),
            ("Cramér's V", self.cramers_v, "number"),
        ]
        if self.fisher_p_value is not None:
            percent = f"{100 * self.confidence:g} %"
            lines += [
                ("Fisher's exact p-value", self.fisher_p_value, "pvalue"),
                ("Odds ratio", self.odds_ratio, "number"),
                (f"Odds ratio, {percent} lower", self.odds_ratio_lower, "number"),
                (f"Odds ratio, {percent} upper", self.odds_ratio_upper, "number"),
            ]
        low = min(min(row) for row in self.expected or ((np.inf,),))
        note = f"The smallest expected count is {low:.3g}." if low < 5 else ""
        return facts("Independence", lines, note)

    def _heat(self, rows: list[str], columns: list[str], across: str, down: str) -> View:
        totals = np.array(self.counts, dtype=float).sum(axis=1)
        cells = [
            {
                "row": row,
                "column": column,
                "share": 100 * float(self.counts[i][j] or 0) / totals[i],
                "count": self.counts[i][j],
                "residual": (self.residuals or ())[i][j],
            }
            for i, row in enumerate(rows)
            for j, column in enumerate(columns)
        ]
        reach = max(2.0, *(abs(float(str(cell["residual"]))) for cell in cells))
        base = alt.Chart(alt.Data(values=cells)).encode(
            x=alt.X(
                "column:N",
                sort=columns,
                title=across,
                axis=level_axis(columns, 84),
            ),
            y=alt.Y("row:N", sort=rows, title=down, axis=alt.Axis(labelLimit=240)),
        )
        heat = base.mark_rect().encode(
            color=alt.Color(
                "residual:Q",
                title="Residual",
                scale=alt.Scale(scheme="redblue", domain=[-reach, reach]),
            ),
            tooltip=[
                alt.Tooltip("row:N", title=down),
                alt.Tooltip("column:N", title=across),
                alt.Tooltip("count:Q", title="count", format=","),
                alt.Tooltip("share:Q", title="% of row", format=".1f"),
                alt.Tooltip("residual:Q", title="residual", format=".2f"),
            ],
        )
        numbers = base.mark_text(fontSize=11).encode(
            text=alt.Text("share:Q", format=".0f"),
            color=alt.condition(
                f"abs(datum.residual) > {0.6 * reach}", alt.value(ON_DARK), alt.value(ON_LIGHT)
            ),
        )
        drawing: Any = (heat + numbers).properties(width=alt.Step(84), height=alt.Step(34))
        far = max(cells, key=lambda cell: abs(float(str(cell["residual"]))))
        return chart(
            f"{down} by {across}",
            drawing,
            f"Shares of {len(rows)} rows by {len(columns)} columns; farthest from independence: "
            f"{far['row']} with {far['column']}",
            "Numbers are per cent of the row; blue cells hold more than independence would give.",
        )


@dataclass(frozen=True)
class CrossState:
    """The variables of rows and columns, and their numbers of levels."""

    row: str
    column: str
    rows: int
    columns: int


@dataclass(frozen=True)
class CrossCounts(Statistic):
    """Patients and records by row and column, (r, c)."""

    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]


def cross_counts(block: Block, state: CrossState) -> CrossCounts:
    """Patients and records of one block by the levels of two variables."""
    cells = block.levels(state.row).astype(np.int64) * state.columns + block.levels(state.column)
    size, shape = state.rows * state.columns, (state.rows, state.columns)
    records = np.bincount(cells, minlength=size).astype(np.float64).reshape(shape)
    return CrossCounts(block.cells(cells, size).reshape(shape), records)


@algorithm(
    "crosstab",
    label="Cross-tabulation",
    question="Relate variables",
    description="How the levels of two nominal variables go together, and whether by chance.",
    discloses=(
        "Numbers of patients with each pair of levels; those below the minimum are suppressed, "
        "and the tests with them."
    ),
    y=one(NOMINAL, "Rows"),
    x=one(NOMINAL, "Columns"),
    citations=(CATEGORICAL,),
    parameters=CrosstabParameters,
)
def crosstab(cohort: Cohort, parameters: CrosstabParameters) -> CrosstabResult:
    """Counts, the chi-squared and likelihood-ratio tests, Cramér's V, Fisher's exact test.

    The odds ratio is the sample's, its interval Woolf's. Raises CannotCompute where a variable
    has a single level in the cohort. Source: Agresti, Categorical Data Analysis, 3rd ed., 3.2.
    """
    (down,), (across,) = cohort.y, cohort.x
    if down.code == across.code:
        raise CannotCompute("A variable is not crossed with itself")
    levels = cohort.levels[down.code], cohort.levels[across.code]
    counted = cohort.fold(
        cross_counts, CrossState(down.code, across.code, len(levels[0]), len(levels[1]))
    )
    records = np.ma.asarray(counted.records)
    # A hidden cell holds somebody, so its level is present.
    some = np.ma.filled(records, 1.0) > 0
    present = [np.flatnonzero(some.any(axis=axis)) for axis in (1, 0)]
    for variable, kept in zip((down, across), present, strict=True):
        if len(kept) < 2:
            raise CannotCompute(
                f"{variable.code} has a single level in this cohort",
                remedy="Choose another variable, or widen the filter.",
            )
    kept_records = records[np.ix_(*present)]
    rows, columns = ([names[i] for i in kept] for names, kept in zip(levels, present, strict=True))
    result: dict[str, Any] = dict.fromkeys(
        (
            "expected", "residuals", "chi_squared", "p_value", "g_statistic", "g_p_value",
            "cramers_v", "fisher_p_value", "odds_ratio", "odds_ratio_lower", "odds_ratio_upper",
        )
    )  # fmt: skip
    if not np.ma.is_masked(kept_records):
        result |= _tests(np.asarray(kept_records), parameters)
    return CrosstabResult(
        row_variable=down.code,
        column_variable=across.code,
        rows=tuple(rows),
        columns=tuple(columns),
        counts=tuple(tuple(unmasked(row)) for row in kept_records),
        n=cohort.size.records,
        excluded=cohort.size.excluded,
        df=(len(rows) - 1) * (len(columns) - 1),
        confidence=parameters.confidence,
        minimum=cohort.minimum,
        **result,
    )


def _tests(observed: FloatArray, parameters: CrosstabParameters) -> dict[str, Any]:
    test = stats.chi2_contingency(observed, correction=parameters.correction)
    ratio = stats.chi2_contingency(observed, correction=False, lambda_="log-likelihood")
    plain = stats.chi2_contingency(observed, correction=False)
    n, least = float(observed.sum()), min(observed.shape) - 1
    expected = np.asarray(test.expected_freq)
    found: dict[str, Any] = {
        "expected": tuple(map(tuple, expected.tolist())),
        "residuals": tuple(map(tuple, ((observed - expected) / np.sqrt(expected)).tolist())),
        "chi_squared": float(test.statistic),
        "p_value": float(test.pvalue),
        "g_statistic": float(ratio.statistic),
        "g_p_value": float(ratio.pvalue),
        "cramers_v": float(np.sqrt(plain.statistic / (n * least))),
    }
    if observed.shape == (2, 2):
        found["fisher_p_value"] = float(stats.fisher_exact(observed.astype(int)).pvalue)
        if (observed > 0).all():
            (a, b), (c, d) = observed
            odds = np.log(a * d / (b * c))
            reach = stats.norm.ppf(0.5 + parameters.confidence / 2) * np.sqrt((1 / observed).sum())
            found |= {
                "odds_ratio": float(np.exp(odds)),
                "odds_ratio_lower": float(np.exp(odds - reach)),
                "odds_ratio_upper": float(np.exp(odds + reach)),
            }
    return found
