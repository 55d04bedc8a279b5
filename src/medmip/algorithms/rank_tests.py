"""Tests of ranks, for values that are far from normal: Mann-Whitney's and Kruskal-Wallis's."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    Result,
    algorithm,
    level_of,
)
from medmip.algorithms.multiple import holm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import BLUE, INK
from medmip.algorithms.role import NOMINAL, NUMERIC, one
from medmip.algorithms.t_test import Alternative
from medmip.algorithms.views import Format, View, chart, facts, table
from medmip.errors import FieldProblem, RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.ranks import RankState, mid_ranks, rank_borders, rank_counts
from medmip.fold.statistic import FloatArray, IntArray

_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


class RankedGroup(BaseModel):
    """One group: its records, mean rank, and quantiles read off the bins; None beyond them.

    quantiles are at 10, 25, 50, 75 and 90 %.
    """

    model_config = ConfigDict(frozen=True)

    level: str
    n: int
    mean_rank: float
    quantiles: tuple[float | None, ...]


class RankTestResult(Result):
    """Groups by rank; bins is into how many the values were put to be ranked."""

    variable: str
    factor: str
    n: int
    excluded: int
    groups: tuple[RankedGroup, ...]
    bins: int

    def _note(self) -> str:
        return (
            f"Ranks are told apart in {self.bins} bins of at least the minimum of patients; "
            "values of one bin count as ties, and quantiles are read off the bins."
        )

    def _groups(self, names: Names) -> list[View]:
        labels = [names.level(self.factor, group.level) for group in self.groups]
        keys = ("q10", "q25", "q50", "q75", "q90")
        rows: list[dict[str, object]] = [
            {"group": label, "n": group.n, "rank": group.mean_rank}
            | dict(zip(keys, group.quantiles, strict=True))
            for label, group in zip(labels, self.groups, strict=True)
        ]
        columns: list[tuple[str, str, Format]] = [
            ("group", names.variable(self.factor), "text"),
            ("n", "n", "integer"),
            ("rank", "Mean rank", "number"),
            ("q25", "25 %", "number"),
            ("q50", "Median", "number"),
            ("q75", "75 %", "number"),
        ]
        listed = table("Groups", columns, rows, self._note())
        drawn = [row for row in rows if all(row[key] is not None for key in keys)]
        if not drawn:
            return [listed]
        base = alt.Chart(alt.Data(values=drawn)).encode(
            y=alt.Y(
                "group:N",
                sort=labels,
                title=names.variable(self.factor),
                axis=alt.Axis(labelLimit=240),
            ),
            tooltip=[
                alt.Tooltip("group:N", title="group"),
                *(alt.Tooltip(f"{key}:Q", title=f"{key[1:]} %", format=".4~g") for key in keys),
            ],
        )
        scale = alt.Scale(zero=False)
        whiskers = base.mark_rule(strokeWidth=1.5).encode(
            x=alt.X("q10:Q", title=names.axis(self.variable), scale=scale), x2="q90:Q"
        )
        boxes = base.mark_bar(size=18, color=BLUE, opacity=0.5).encode(
            x=alt.X("q25:Q", scale=scale), x2="q75:Q"
        )
        medians = base.mark_tick(color=INK, thickness=2.5, size=18).encode(x="q50:Q")
        words = "; ".join(f"{row['group']} {row['q50']:.3g}" for row in drawn)
        boxed = chart(
            f"{names.variable(self.variable)} by group",
            (whiskers + boxes + medians).properties(width="container", height=alt.Step(34)),
            f"Box plot of {len(drawn)} groups; medians: {words}",
            "Boxes hold the middle half, whiskers 80 % of each group.",
        )
        return [boxed, listed]


class MannWhitneyParameters(Parameters):
    """Parameters of a Mann-Whitney test."""

    group_a: str = level_of("x", "Group A", "The first group; U counts where A is above B.")
    group_b: str = level_of("x", "Group B", "The second group.")
    alternative: Alternative = Field(
        Alternative.TWO_SIDED,
        title="Alternative",
        description="What the test claims of A against B.",
        json_schema_extra={"labels": {one.value: one.label for one in Alternative}},
    )


class MannWhitneyResult(RankTestResult):
    """U of group A, z with continuity correction; superiority is the chance that A is above B."""

    alternative: Alternative
    u: float
    z: float
    p_value: float
    superiority: float
    rank_biserial: float

    def views(self, names: Names = CODES) -> list[View]:
        first, second = (names.level(self.factor, group.level) for group in self.groups)
        return [
            facts(
                "Mann-Whitney test",
                [
                    ("U", self.u, "number"),
                    ("z", self.z, "number"),
                    ("p-value", self.p_value, "pvalue"),
                    ("Alternative", self.alternative.label, "text"),
                    (f"Chance that {first} is above {second}", self.superiority, "number"),
                    ("Rank-biserial correlation", self.rank_biserial, "number"),
                    ("Dropped for missing values", self.excluded, "integer"),
                ],
                "Normal approximation, corrected for ties and continuity.",
            ),
            *self._groups(names),
        ]


class Comparison(BaseModel):
    """Dunn's comparison of two groups' mean ranks; adjusted by Holm's method."""

    model_config = ConfigDict(frozen=True)

    one: str
    other: str
    difference: float
    z: float
    p_value: float
    adjusted: float


class KruskalWallisResult(RankTestResult):
    """H corrected for ties, its χ² test, and all pairs of groups."""

    h: float
    df: int
    p_value: float
    epsilon_squared: float
    comparisons: tuple[Comparison, ...]

    def views(self, names: Names = CODES) -> list[View]:
        rows = [
            part.model_dump()
            | {
                "pair": f"{names.level(self.factor, part.one)} – "
                f"{names.level(self.factor, part.other)}"
            }
            for part in self.comparisons
        ]
        return [
            facts(
                "Kruskal-Wallis test",
                [
                    ("H", self.h, "number"),
                    ("Degrees of freedom", self.df, "integer"),
                    ("p-value", self.p_value, "pvalue"),
                    ("ε²", self.epsilon_squared, "number"),
                    ("Records", self.n, "integer"),
                    ("Dropped for missing values", self.excluded, "integer"),
                ],
            ),
            *self._groups(names),
            table(
                "Pairs (Dunn)",
                [
                    ("pair", "Groups", "text"),
                    ("difference", "Difference of mean ranks", "number"),
                    ("z", "z", "number"),
                    ("p_value", "p-value", "pvalue"),
                    ("adjusted", "p-value (Holm)", "pvalue"),
                ],
                rows,
            ),
        ]


@dataclass(frozen=True)
class _Ranked:
    """Groups (g,) in bins: their sizes and rank sums, the ties of all records together."""

    names: tuple[str, ...]
    sizes: FloatArray
    sums: FloatArray
    ties: float
    counts: IntArray
    borders: FloatArray

    @property
    def n(self) -> float:
        return float(self.sizes.sum())

    @property
    def spread(self) -> float:
        """The variance of a rank, corrected for ties, times 12 / (n (n + 1))."""
        return 1.0 - self.ties / (self.n**3 - self.n)

    def groups(self) -> tuple[RankedGroup, ...]:
        return tuple(
            RankedGroup(
                level=name,
                n=int(self.sizes[index]),
                mean_rank=float(self.sums[index] / self.sizes[index]),
                quantiles=tuple(_read(self.counts[index], self.borders, at) for at in _SHARES),
            )
            for index, name in enumerate(self.names)
        )


def _ranked(cohort: Cohort, levels: Sequence[int], names: Sequence[str]) -> _Ranked:
    (outcome,), (group,) = cohort.y, cohort.x
    borders = rank_borders(cohort, (outcome,))
    state = RankState((outcome.code,), borders, group.code, tuple(levels))
    folded = cohort.fold(rank_counts, state, cells=names)
    counts = folded.counts[0]
    sizes = counts.sum(axis=1)
    present = np.flatnonzero(sizes)
    if len(present) < 2:
        raise CannotCompute(
            "A comparison needs two groups, and at most one is in this cohort",
            remedy="Choose other groups, or widen the filter.",
        )
    together = counts.sum(axis=0)
    if int(np.count_nonzero(together)) < 2:
        raise CannotCompute(f"{outcome.code} is constant in this cohort")
    ties = float((together.astype(float) ** 3 - together).sum())
    return _Ranked(
        tuple(names[index] for index in present.tolist()),
        sizes[present].astype(float),
        counts[present] @ mid_ranks(together),
        ties,
        counts[present],
        np.array(borders[0]),
    )


def _read(counts: IntArray, borders: FloatArray, share: float) -> float | None:
    """A quantile read off bins by straight lines; None in a bin without end."""
    upto = np.cumsum(counts)
    place = share * upto[-1]
    index = int(np.searchsorted(upto, place))
    if index == 0 or index >= len(borders):
        return None
    part = (place - upto[index - 1]) / counts[index]
    return float(borders[index - 1] + part * (borders[index] - borders[index - 1]))


@algorithm(
    "mann_whitney",
    label="Mann-Whitney test",
    question="Compare groups",
    description="Whether a variable tends to be higher in one of two groups, by ranks alone.",
    discloses=(
        "Sizes, mean ranks and quantiles of both groups, none below the minimum; values are told "
        "apart in bins that hold the minimum of patients."
    ),
    y=one(NUMERIC, "Outcome"),
    x=one(NOMINAL, "Groups"),
    method="the Mann-Whitney test",
    citations=(
        "Mann HB, Whitney DR. On a test of whether one of two random variables is stochastically "
        "larger than the other. The Annals of Mathematical Statistics. 1947;18:50-60.",
    ),
    parameters=MannWhitneyParameters,
)
def mann_whitney(cohort: Cohort, parameters: MannWhitneyParameters) -> MannWhitneyResult:
    """The rank-sum test of A against B, records of one bin counting as ties.

    Raises CannotCompute where a group is empty or the variable is constant.
    Source: Mann & Whitney, The Annals of Mathematical Statistics 18 (1947) 50-60.
    """
    (outcome,), (group,) = cohort.y, cohort.x
    if parameters.group_a == parameters.group_b:
        problem = FieldProblem("parameters.group_b", "is the same level as group_a")
        raise RequestError("The request is not valid", fields=(problem,))
    names = (parameters.group_a, parameters.group_b)
    levels = (
        cohort.level(group, names[0], "parameters.group_a"),
        cohort.level(group, names[1], "parameters.group_b"),
    )
    found = _ranked(cohort, levels, names)
    a, b = found.sizes
    u = float(found.sums[0] - a * (a + 1) / 2)
    apart = u - a * b / 2
    side = {
        Alternative.TWO_SIDED: np.sign(apart),
        Alternative.GREATER: 1.0,
        Alternative.LESS: -1.0,
    }[parameters.alternative]
    deviation = np.sqrt(a * b * (found.n + 1) / 12 * found.spread)
    z = float((apart - 0.5 * side) / deviation)
    p_value = {
        Alternative.TWO_SIDED: min(1.0, 2 * float(stats.norm.sf(abs(z)))),
        Alternative.GREATER: float(stats.norm.sf(z)),
        Alternative.LESS: float(stats.norm.cdf(z)),
    }[parameters.alternative]
    return MannWhitneyResult(
        variable=outcome.code,
        factor=group.code,
        n=int(found.n),
        excluded=cohort.size.excluded,
        groups=found.groups(),
        bins=len(found.borders) + 1,
        alternative=parameters.alternative,
        u=u,
        z=z,
        p_value=p_value,
        superiority=u / float(a * b),
        rank_biserial=2 * u / float(a * b) - 1,
    )


@algorithm(
    "kruskal_wallis",
    label="Kruskal-Wallis test",
    question="Compare groups",
    description="Whether a variable tends to be higher in some groups than in others, by ranks.",
    discloses=(
        "Sizes, mean ranks and quantiles of all groups, none below the minimum; values are told "
        "apart in bins that hold the minimum of patients."
    ),
    y=one(NUMERIC, "Outcome"),
    x=one(NOMINAL, "Groups"),
    method="the Kruskal-Wallis test",
    citations=(
        "Kruskal WH, Wallis WA. Use of ranks in one-criterion variance analysis. Journal of the "
        "American Statistical Association. 1952;47:583-621.",
    ),
    parameters=Parameters,
)
def kruskal_wallis(cohort: Cohort, parameters: Parameters) -> KruskalWallisResult:
    """The analysis of variance of ranks, and Dunn's comparisons, records of one bin as ties.

    Raises CannotCompute with fewer than two groups, or a constant variable.
    Sources: Kruskal & Wallis, Journal of the American Statistical Association 47 (1952) 583-621;
    Dunn, Technometrics 6 (1964) 241-252.
    """
    del parameters
    (outcome,), (group,) = cohort.y, cohort.x
    levels = cohort.levels[group.code]
    found = _ranked(cohort, range(len(levels)), levels)
    n, means = found.n, found.sums / found.sizes
    h = float(12 / (n * (n + 1)) * (found.sizes * (means - (n + 1) / 2) ** 2).sum() / found.spread)
    df = len(means) - 1
    return KruskalWallisResult(
        variable=outcome.code,
        factor=group.code,
        n=int(n),
        excluded=cohort.size.excluded,
        groups=found.groups(),
        bins=len(found.borders) + 1,
        h=h,
        df=df,
        p_value=float(stats.chi2.sf(h, df)),
        epsilon_squared=h / (n - 1),
        comparisons=_pairs(found, means),
    )


def _pairs(found: _Ranked, means: FloatArray) -> tuple[Comparison, ...]:
    variance = found.n * (found.n + 1) / 12 * found.spread
    pairs = list(combinations(range(len(means)), 2))
    z = np.array(
        [
            (means[i] - means[j]) / np.sqrt(variance * (1 / found.sizes[i] + 1 / found.sizes[j]))
            for i, j in pairs
        ]
    )
    p_values = 2 * stats.norm.sf(np.abs(z))
    adjusted = holm(p_values)
    return tuple(
        Comparison(
            one=found.names[i],
            other=found.names[j],
            difference=float(means[i] - means[j]),
            z=float(z[index]),
            p_value=float(p_values[index]),
            adjusted=float(adjusted[index]),
        )
        for index, (i, j) in enumerate(pairs)
    )
