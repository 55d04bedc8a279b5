"""One-way analysis of variance with Tukey's comparison of every pair."""

from itertools import combinations
from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.role import NOMINAL, NUMERIC, one
from medmip.algorithms.views import View, chart, table
from medmip.fold.cohort import Cohort
from medmip.fold.group_moments import GroupMoments, GroupState, group_moments


class AnovaParameters(Parameters):
    """Parameters of a one-way analysis of variance."""

    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of means and differences."
    )


class GroupMean(BaseModel):
    """One group; lower and upper bound its mean by the residual variance.

    sd is None of a single record.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    group: str
    n: int
    mean: float
    sd: float | None
    lower: float
    upper: float


class Comparison(BaseModel):
    """The difference of two groups' means, A minus B, by Tukey's test."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    group_a: str
    group_b: str
    difference: float
    std_error: float
    t: float
    p_value: float
    lower: float
    upper: float


class AnovaResult(Result):
    """The table of variance, the groups and their comparisons; between and within groups."""

    outcome: str
    factor: str
    n: int
    excluded: int
    df_between: int
    df_within: int
    ss_between: float
    ss_within: float
    ms_between: float
    ms_within: float
    f_statistic: float
    p_value: float
    eta_squared: float
    omega_squared: float
    groups: tuple[GroupMean, ...]
    comparisons: tuple[Comparison, ...]
    confidence: float

    def views(self, names: Names = CODES) -> list[View]:
        def level(code: str) -> str:
            return names.level(self.factor, code)

        outcome, factor = names.variable(self.outcome), names.variable(self.factor)
        percent = f"{100 * self.confidence:g} %"
        variance = table(
            "Analysis of variance",
            [
                ("source", "Source", "text"),
                ("df", "df", "integer"),
                ("ss", "Sum of squares", "number"),
                ("ms", "Mean square", "number"),
                ("f", "F", "number"),
                ("p", "p-value", "pvalue"),
            ],
            [
                {
                    "source": factor,
                    "df": self.df_between,
                    "ss": self.ss_between,
                    "ms": self.ms_between,
                    "f": self.f_statistic,
                    "p": self.p_value,
                },
                {
                    "source": "Residual",
                    "df": self.df_within,
                    "ss": self.ss_within,
                    "ms": self.ms_within,
                },
            ],
            f"η² = {self.eta_squared:.4g}, ω² = {self.omega_squared:.4g}; "
            f"{self.n} records, {self.excluded} dropped for missing values.",
        )
        pairs = [
            part.model_dump() | {"pair": f"{level(part.group_a)} − {level(part.group_b)}"}
            for part in self.comparisons
        ]
        tukey = table(
            "Tukey's honest significant differences",
            [
                ("pair", "Groups", "text"),
                ("difference", "Difference", "number"),
                ("std_error", "Std. error", "number"),
                ("lower", f"{percent} lower", "number"),
                ("upper", f"{percent} upper", "number"),
                ("p_value", "p-value", "pvalue"),
            ],
            pairs,
        )
        means = [part.model_dump() | {"group": level(part.group)} for part in self.groups]
        words = "; ".join(f"{level(part.group)} {part.mean:.4g}" for part in self.groups)
        return [
            variance,
            chart(
                f"{outcome} by {factor}",
                _intervals(means, "group", "mean", names.axis(self.outcome), zero=False),
                f"Means with {percent} intervals: {words}",
                f"Lines are {percent} confidence intervals by the residual variance.",
            ),
            table(
                "Groups",
                [
                    ("group", "Group", "text"),
                    ("n", "n", "integer"),
                    ("mean", "Mean", "number"),
                    ("sd", "SD", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                means,
            ),
            tukey,
            chart(
                "Differences between groups",
                _intervals(pairs, "pair", "difference", "Difference of means", zero=True),
                f"Tukey intervals of {len(pairs)} differences",
                f"Lines are simultaneous {percent} intervals; those that cross zero do not differ.",
            ),
        ]


def _intervals(
    rows: list[dict[str, object]], key: str, value: str, title: str, *, zero: bool
) -> Any:  # noqa: ANN401
    drawn = [{name: row[name] for name in (key, value, "lower", "upper")} for row in rows]
    base = alt.Chart(alt.Data(values=drawn)).encode(
        y=alt.Y(
            f"{key}:N",
            sort=[str(row[key]) for row in drawn],
            title=None,
            axis=alt.Axis(labelLimit=320),
        )
    )
    scale = alt.Scale(zero=zero)
    lines = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", title=title, scale=scale), x2="upper:Q"
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=f"{value}:Q", tooltip=[f"{key}:N", f"{value}:Q", "lower:Q", "upper:Q"]
    )
    layers = lines + points
    if zero:
        nought = alt.Chart(alt.Data(values=[{"zero": 0}]))
        layers = nought.mark_rule(strokeDash=[4, 4], color=QUIET).encode(x="zero:Q") + layers
    return layers.properties(width="container", height=alt.Step(28))


@algorithm(
    "anova_oneway",
    label="One-way ANOVA",
    question="Compare groups",
    description="Whether a numeric mean differs between groups, and which pairs differ.",
    discloses="Size, mean and standard deviation of each group, none below the minimum.",
    y=one(NUMERIC, "Outcome"),
    x=one(NOMINAL, "Groups"),
    citations=(
        "Fisher RA. Statistical Methods for Research Workers. Oliver and Boyd; 1925.",
        "Kramer CY. Extension of multiple range tests to group means with unequal numbers of "
        "replications. Biometrics. 1956;12:307-310.",
    ),
    parameters=AnovaParameters,
)
def anova_oneway(cohort: Cohort, parameters: AnovaParameters) -> AnovaResult:
    """The F test of equal means, and Tukey-Kramer comparisons.

    Groups nobody is in are left out. Raises CannotCompute with fewer than two groups, or where
    no record is left for the residual. Source: Kramer, Biometrics 12 (1956) 307-310.
    """
    (outcome,), (factor,) = cohort.y, cohort.x
    names = cohort.levels[factor.code]
    levels = tuple(range(len(names)))
    state = GroupState(outcome.code, factor.code, levels)
    folded = cohort.fold(group_moments, state, cells=names)
    present = np.flatnonzero(folded.records > 0)
    if len(present) < 2:
        raise CannotCompute(
            f"{factor.code} has fewer than two groups in this cohort",
            remedy="Choose another grouping variable, or widen the filter.",
        )
    n, mean, scatter = folded.records[present], folded.mean[present], folded.scatter[present]
    total = float(n.sum())
    df_between, df_within = len(present) - 1, int(total) - len(present)
    if df_within < 1:
        raise CannotCompute("Every group has a single record, so nothing is left to compare with")
    between, within = _between(folded, present), float(scatter.sum())
    if within <= 0.0 and between <= 0.0:
        raise CannotCompute(f"{outcome.code} is constant in this cohort")
    ms_between, ms_within = between / df_between, within / df_within
    f = ms_between / ms_within if ms_within > 0 else float("inf")
    reach = stats.t.ppf(0.5 + parameters.confidence / 2, df_within)
    labels = [names[index] for index in present]
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.sqrt(scatter / (n - 1))
    return AnovaResult(
        outcome=outcome.code,
        factor=factor.code,
        n=int(total),
        excluded=cohort.size.excluded,
        df_between=df_between,
        df_within=df_within,
        ss_between=between,
        ss_within=within,
        ms_between=ms_between,
        ms_within=ms_within,
        f_statistic=f,
        p_value=float(stats.f.sf(f, df_between, df_within)),
        eta_squared=between / (between + within),
        omega_squared=(between - df_between * ms_within) / (between + within + ms_within),
        groups=tuple(
            GroupMean(
                group=label,
                n=int(n[index]),
                mean=float(mean[index]),
                sd=float(deviations[index]) if n[index] > 1 else None,
                lower=float(mean[index] - reach * np.sqrt(ms_within / n[index])),
                upper=float(mean[index] + reach * np.sqrt(ms_within / n[index])),
            )
            for index, label in enumerate(labels)
        ),
        comparisons=_tukey(labels, n, mean, ms_within, df_within, parameters.confidence),
        confidence=parameters.confidence,
    )


def _between(folded: GroupMoments, present: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
    """The sum of squares between groups, about one group's mean so that no digits cancel."""
    n = folded.records[present]
    steps = (folded.shift[present] - folded.shift[present][0]) + folded.total[present] / n
    centre = (n * steps).sum() / n.sum()
    return float((n * (steps - centre) ** 2).sum())


def _tukey(
    labels: list[str],
    n: np.ndarray[tuple[int], np.dtype[np.float64]],
    mean: np.ndarray[tuple[int], np.dtype[np.float64]],
    variance: float,
    df: int,
    confidence: float,
) -> tuple[Comparison, ...]:
    reference = stats.studentized_range(len(labels), df)
    reach = float(reference.ppf(confidence)) / np.sqrt(2)
    found = []
    for first, second in combinations(range(len(labels)), 2):
        difference = float(mean[first] - mean[second])
        error = float(np.sqrt(variance * (1 / n[first] + 1 / n[second])))
        t = difference / error if error > 0 else float(np.copysign(np.inf, difference))
        found.append(
            Comparison(
                group_a=labels[first],
                group_b=labels[second],
                difference=difference,
                std_error=error,
                t=t,
                p_value=float(min(1.0, max(0.0, reference.sf(abs(t) * np.sqrt(2))))),
                lower=difference - reach * error,
                upper=difference + reach * error,
            )
        )
    return tuple(found)
