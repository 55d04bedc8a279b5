"""Two-way analysis of variance with interaction, of types I, II and III."""

from collections.abc import Sequence
from typing import Literal

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import NOMINAL, NUMERIC, one
from medmip.algorithms.views import View, chart, table
from medmip.fold.cohort import Cohort
from medmip.fold.group_moments import CrossedState, crossed_moments
from medmip.fold.statistic import FloatArray

_RANK = 1e-10
"""Singular values below this share of the largest belong to empty combinations of levels."""


class TwoWayParameters(Parameters):
    """Parameters of a two-way analysis of variance."""

    type: Literal[1, 2, 3] = Field(
        2,
        title="Type of sums of squares",
        description=(
            "I: each term after those before it; II: each after all that do not contain it; "
            "III: each after all others, by effects that sum to zero."
        ),
    )
    interaction: bool = Field(
        True, title="Interaction", description="Whether the factors may work on each other."
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the means' intervals."
    )


class Source(BaseModel):
    """One line of the table of variance; statistics are None for the residual."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    df: int
    ss: float
    ms: float
    f: float | None = None
    p_value: float | None = None
    partial_eta_squared: float | None = None


class CellMean(BaseModel):
    """One pair of levels; lower and upper bound its mean by the residual variance.

    sd is None of a single record.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    first: str
    second: str
    n: int
    mean: float
    sd: float | None
    lower: float
    upper: float


class TwoWayResult(Result):
    """The table of variance, and the mean of every pair of levels that somebody has.

    aliased are terms that the others determine: they have no degree of freedom and no line.
    """

    outcome: str
    factors: tuple[str, str]
    type: int
    n: int
    excluded: int
    sources: tuple[Source, ...]
    aliased: tuple[str, ...]
    r_squared: float
    cells: tuple[CellMean, ...]
    confidence: float

    def views(self, names: Names = CODES) -> list[View]:
        first, second = (names.variable(code) for code in self.factors)
        percent = f"{100 * self.confidence:g} %"
        cells = [
            cell.model_dump()
            | {
                "first": names.level(self.factors[0], cell.first),
                "second": names.level(self.factors[1], cell.second),
            }
            for cell in self.cells
        ]
        roman = {1: "I", 2: "II", 3: "III"}[self.type]
        return [
            table(
                "Analysis of variance",
                [
                    ("term", "Source", "text"),
                    ("df", "df", "integer"),
                    ("ss", "Sum of squares", "number"),
                    ("ms", "Mean square", "number"),
                    ("f", "F", "number"),
                    ("p_value", "p-value", "pvalue"),
                    ("partial_eta_squared", "Partial η²", "number"),
                ],
                [
                    source.model_dump() | {"term": names.term(source.term)}
                    for source in self.sources
                ],
                f"Type {roman} sums of squares; R² = {self.r_squared:.4g}; {self.n} records, "
                f"{self.excluded} dropped for missing values."
                + "".join(
                    f" {names.term(term)} is determined by the other terms."
                    for term in self.aliased
                ),
            ),
            chart(
                f"{names.variable(self.outcome)} by {first} and {second}",
                _means(cells, first, second, names.axis(self.outcome)),
                f"Means of {len(cells)} pairs of levels with {percent} intervals",
                f"Lines are {percent} confidence intervals by the residual variance. "
                "The same distances at every level: no interaction.",
            ),
            table(
                "Means",
                [
                    ("first", first, "text"),
                    ("second", second, "text"),
                    ("n", "n", "integer"),
                    ("mean", "Mean", "number"),
                    ("sd", "SD", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                cells,
            ),
        ]


def _means(cells: list[dict[str, object]], first: str, second: str, axis: str) -> object:
    order = [list(dict.fromkeys(str(cell[key]) for cell in cells)) for key in ("first", "second")]
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("first:N", sort=order[0], title=first, axis=level_axis(order[0])),
        xOffset=alt.XOffset("second:N", sort=order[1]),
        color=alt.Color("second:N", sort=order[1], title=second),
        tooltip=[
            alt.Tooltip("first:N", title=first),
            alt.Tooltip("second:N", title=second),
            alt.Tooltip("n:Q", title="n", format=","),
            alt.Tooltip("mean:Q", title="mean", format=".4g"),
        ],
    )
    bars = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("lower:Q", title=axis, scale=alt.Scale(zero=False)), y2="upper:Q"
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(y="mean:Q")
    return (bars + points).properties(width="container", height=280)


@algorithm(
    "anova_twoway",
    label="Two-way ANOVA",
    question="Compare groups",
    description="How a numeric mean depends on two groupings, and whether they interact.",
    discloses=("Size, mean and standard deviation of each pair of groups, none below the minimum."),
    y=one(NUMERIC, "Outcome"),
    x=(one(NOMINAL, "First grouping"), one(NOMINAL, "Second grouping")),
    citations=("Searle SR. Linear Models for Unbalanced Data. Wiley; 1987.",),
    parameters=TwoWayParameters,
)
def anova_twoway(cohort: Cohort, parameters: TwoWayParameters) -> TwoWayResult:
    """F tests of both factors and their interaction, from the moments of the pairs of levels.

    Pairs nobody has take no degree of freedom. Raises CannotCompute where a factor has a single
    level, or no record is left for the residual.
    Source: Searle, Linear Models for Unbalanced Data (1987), chapters 4 and 5.
    """
    (outcome,), (first, second) = cohort.y, cohort.x
    levels = cohort.levels[first.code], cohort.levels[second.code]
    shape = len(levels[0]), len(levels[1])
    folded = cohort.fold(
        crossed_moments,
        CrossedState(outcome.code, first.code, second.code, shape),
        cells=[f"{a} with {b}" for a in levels[0] for b in levels[1]],
    )
    present = np.flatnonzero(folded.records > 0)
    down, across = np.unravel_index(present, shape)
    for variable, held in ((first, down), (second, across)):
        if len(np.unique(held)) < 2:
            raise CannotCompute(
                f"{variable.code} has a single level in this cohort",
                remedy="Choose another grouping variable, or widen the filter.",
            )
    n, mean = folded.records[present], folded.mean[present]
    scatter, total = float(folded.scatter[present].sum()), float(n.sum())
    grand = float((n * mean).sum() / total)
    models = _Models(n, mean - grand, _effects(down), _effects(across))
    terms = [first.code, second.code]
    if parameters.interaction:
        terms.append(f"{first.code}:{second.code}")
    explained, rank = models.fit(_FULL[: len(terms)])
    between = float((n * (mean - grand) ** 2).sum())
    residual, df_residual = scatter + max(between - explained, 0.0), int(total) - 1 - rank
    if df_residual < 1:
        raise CannotCompute("No record is left for the residual")
    if residual <= 0.0 and between <= 0.0:
        raise CannotCompute(f"{outcome.code} is constant in this cohort")
    added = {
        term: models.added(index, len(terms), parameters.type) for index, term in enumerate(terms)
    }
    sources = [
        _source(term, ss, df, residual, df_residual) for term, (ss, df) in added.items() if df
    ]
    ms = residual / df_residual
    sources.append(Source(term="Residual", df=df_residual, ss=residual, ms=ms))
    reach = float(stats.t.ppf(0.5 + parameters.confidence / 2, df_residual))
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.sqrt(folded.scatter[present] / (n - 1))
    whole = scatter + between
    return TwoWayResult(
        outcome=outcome.code,
        factors=(first.code, second.code),
        type=parameters.type,
        n=int(total),
        excluded=cohort.size.excluded,
        sources=tuple(sources),
        aliased=tuple(term for term, (_, df) in added.items() if not df),
        r_squared=1.0 - residual / whole,
        cells=tuple(
            CellMean(
                first=levels[0][down[index]],
                second=levels[1][across[index]],
                n=int(n[index]),
                mean=float(mean[index]),
                sd=float(deviations[index]) if n[index] > 1 else None,
                lower=float(mean[index] - reach * np.sqrt(ms / n[index])),
                upper=float(mean[index] + reach * np.sqrt(ms / n[index])),
            )
            for index in range(len(present))
        ),
        confidence=parameters.confidence,
    )


_FULL = ("a", "b", "ab")


class _Models:
    """Least-squares fits to the means of c cells by their records; effects are (c, levels - 1)."""

    def __init__(
        self, records: FloatArray, means: FloatArray, first: FloatArray, second: FloatArray
    ) -> None:
        both = (first[:, :, None] * second[:, None, :]).reshape(len(records), -1)
        self._columns = {"a": first, "b": second, "ab": both}
        self._weights = np.sqrt(records)
        self._response = self._weights * means

    def fit(self, terms: Sequence[str]) -> tuple[float, int]:
        """The sum of squares that terms explain about the mean, and their rank."""
        one = np.ones((len(self._weights), 1))
        design = np.hstack([one, *(self._columns[term] for term in terms)])
        left, values, _ = np.linalg.svd(self._weights[:, None] * design, full_matrices=False)
        basis = left[:, values > _RANK * values[0]]
        return float(((basis.T @ self._response) ** 2).sum()), basis.shape[1] - 1

    def added(self, index: int, number: int, kind: int) -> tuple[float, int]:
        """What a term adds, sum of squares and rank, by the type of the sums of squares."""
        terms = _FULL[:number]
        term = terms[index]
        if kind == 1:
            others = terms[:index]
        elif kind == 2:
            others = tuple(other for other in terms if other != term and term not in other)
        else:
            others = tuple(other for other in terms if other != term)
        (whole, full), (part, rest) = self.fit((*others, term)), self.fit(others)
        return max(whole - part, 0.0), full - rest


def _effects(codes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> FloatArray:
    """Effects that sum to zero over the levels that are there, (cells, levels - 1)."""
    _, places = np.unique(codes, return_inverse=True)
    last = int(places.max())
    contrasts = np.vstack([np.eye(last), -np.ones(last)])
    effects: FloatArray = contrasts[places]
    return effects


def _source(term: str, ss: float, df: int, residual: float, df_residual: int) -> Source:
    ms, error = ss / df, residual / df_residual
    f = ms / error if error > 0 else float("inf")
    return Source(
        term=term,
        df=df,
        ss=ss,
        ms=ms,
        f=f,
        p_value=float(stats.f.sf(f, df, df_residual)),
        partial_eta_squared=ss / (ss + residual),
    )
