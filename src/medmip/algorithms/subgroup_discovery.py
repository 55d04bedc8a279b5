"""Subgroup discovery: descriptions of patients among whom one level of the outcome is frequent."""

from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm, level_of
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.role import NOMINAL, many, one
from medmip.algorithms.subgroup_search import Quality, Search, told
from medmip.algorithms.views import Format, View, chart, facts, table
from medmip.fold.cohort import Cohort
from medmip.fold.logit import ClassState, class_counts
from medmip.fold.statistic import FloatArray
from medmip.fold.subgroups import Terms


class SubgroupParameters(Parameters):
    """Parameters of subgroup discovery."""

    target: str = level_of("y", "Target", "The level that subgroups shall be rich in.")
    depth: int = Field(
        2, ge=1, le=3, title="Conditions", description="The most conditions of one subgroup."
    )
    shown: int = Field(
        10, ge=1, le=50, title="Subgroups", description="How many of the best are shown."
    )
    quality: Quality = Field(
        Quality.WRACC,
        title="Quality",
        description="What subgroups are ranked by.",
        json_schema_extra={"labels": {one.value: one.label for one in Quality}},
    )
    coverage: float = Field(
        0.05,
        ge=0,
        lt=1,
        title="Least coverage",
        description="The share of the cohort that a subgroup has at the least.",
    )
    improving: bool = Field(
        True,
        title="Improvements only",
        description="Leave out a subgroup that is no better than one with fewer of its conditions.",
    )


class Condition(BaseModel):
    """One condition of a subgroup: a variable has a level."""

    model_config = ConfigDict(frozen=True)

    variable: str
    level: str


class Subgroup(BaseModel):
    """Those who meet all conditions: n records, target of them with the target.

    p_value is Fisher's, two-sided; adjusted_p_value holds for all subgroups that were searched
    (Bonferroni). odds_ratio is None where a count is zero.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    conditions: tuple[Condition, ...]
    n: int
    target: int
    coverage: float
    share: float
    share_outside: float
    lift: float
    wracc: float
    chi_squared: float
    odds_ratio: float | None
    p_value: float
    adjusted_p_value: float

    def told(self, names: Names) -> str:
        """The conditions in words."""
        return " and ".join(
            f"{names.variable(part.variable)}: {names.level(part.variable, part.level)}"
            for part in self.conditions
        )


class SubgroupResult(Result):
    """The best subgroups, by falling quality.

    searched is the number of conjunctions that enough patients meet, and enough do not; withheld,
    that of those which would be shown, did they not tell of a small group.
    """

    outcome: str
    target: str
    n: int
    n_target: int
    excluded: int
    depth: int
    quality: Quality
    coverage: float
    searched: int
    withheld: int
    subgroups: tuple[Subgroup, ...]
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:
        target = f"{names.variable(self.outcome)}: {names.level(self.outcome, self.target)}"
        views: list[View] = []
        if self.subgroups:
            views = [self._picture(target, names), self._table(target, names)]
        lines: list[tuple[str, object, Format]] = [
            ("Records", self.n, "integer"),
            (f"with {target}", self.n_target, "integer"),
            ("Share of the target, %", 100 * self.n_target / self.n, "number"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Conjunctions searched", self.searched, "integer"),
            ("Withheld", self.withheld, "integer"),
        ]
        note = "" if self.subgroups else "No subgroup that may be told is richer in the target. "
        note += (
            f"Withheld: showing it would tell of a group of fewer than {self.minimum} patients."
            if self.withheld
            else ""
        )
        return [*views, facts("Search", lines, note.strip())]

    def _table(self, target: str, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [
            ("rank", "", "integer"),
            ("rule", "Subgroup", "text"),
            ("n", "n", "integer"),
            ("coverage", "Coverage, %", "number"),
            ("target", "with target", "integer"),
            ("share", "Share, %", "number"),
            ("share_outside", "Share outside, %", "number"),
            ("lift", "Lift", "number"),
            ("wracc", "WRAcc", "number"),
            ("chi_squared", "χ²", "number"),
            ("odds_ratio", "Odds ratio", "number"),
            ("p_value", "p-value", "pvalue"),
            ("adjusted_p_value", "adjusted", "pvalue"),
        ]
        rows = [
            part.model_dump(exclude={"conditions"})
            | {
                "rank": index + 1,
                "rule": part.told(names),
                "coverage": 100 * part.coverage,
                "share": 100 * part.share,
                "share_outside": 100 * part.share_outside,
            }
            for index, part in enumerate(self.subgroups)
        ]
        note = (
            "p-values are Fisher's; the adjusted ones are multiplied by the number of subgroups "
            f"searched, {self.searched} (Bonferroni). Subgroups overlap, and they were found on "
            "these very records: try them on others."
        )
        return table(f"Subgroups rich in {target}", columns, rows, note)

    def _picture(self, target: str, names: Names) -> View:
        overall = 100 * self.n_target / self.n
        rows = [
            {
                "rank": str(index + 1),
                "rule": part.told(names),
                "coverage": 100 * part.coverage,
                "share": 100 * part.share,
                "length": str(len(part.conditions)),
                "quality": getattr(part, self.quality.value),
            }
            for index, part in enumerate(self.subgroups)
        ]
        base = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X("coverage:Q", title="Coverage, % of the cohort", scale=alt.Scale(zero=False)),
            y=alt.Y("share:Q", title=f"{target}, %", scale=alt.Scale(zero=False)),
        )
        bubbles = base.mark_circle(size=420, opacity=0.45).encode(
            color=alt.Color(
                "length:N", title="Conditions", scale=alt.Scale(scheme="tableau10"), sort=["1", "2"]
            ),
            tooltip=[
                alt.Tooltip("rule:N", title="subgroup"),
                alt.Tooltip("coverage:Q", title="coverage, %", format=".1f"),
                alt.Tooltip("share:Q", title="share, %", format=".1f"),
                alt.Tooltip("quality:Q", title="quality", format=".3g"),
            ],
        )
        ranks = base.mark_text(fontSize=11, fontWeight="bold").encode(text="rank:N")
        line = (
            alt.Chart(alt.Data(values=[{"overall": overall}]))
            .mark_rule(strokeDash=[4, 4], color=QUIET)
            .encode(y="overall:Q")
        )
        drawing: Any = (line + bubbles + ranks).properties(width=440, height=320)
        best = self.subgroups[0]
        return chart(
            "Coverage and share of the target",
            drawing,
            f"{len(rows)} subgroups; the best, {best.told(names)}, covers {100 * best.coverage:.1f}"
            f" % of the cohort and has a share of {100 * best.share:.1f} %",
            f"Numbers are ranks. The dashed line is the share of the cohort, {overall:.1f} %.",
        )


@algorithm(
    "subgroup_discovery",
    label="Subgroup discovery",
    question="Find structure",
    description=(
        "Which combinations of levels describe patients among whom an outcome is frequent."
    ),
    discloses=(
        "Sizes of a few subgroups and how many in them have the target; none with a group of fewer "
        "patients than the minimum inside or outside, or between it and its conditions."
    ),
    y=one(NOMINAL, "Outcome"),
    x=many(NOMINAL, "Variables of the conditions"),
    citations=(
        "Lavrač N, Flach P, Zupan B. Rule evaluation measures: a unifying view. In: Inductive "
        "Logic Programming (ILP 1999). Springer; 1999. p. 174-185.",
    ),
    parameters=SubgroupParameters,
)
def subgroup_discovery(cohort: Cohort, parameters: SubgroupParameters) -> SubgroupResult:
    """The best conjunctions of levels of different variables, of all that there are.

    The search looks at every conjunction that enough patients meet. Raises CannotCompute where
    everybody or nobody has the target, or where there are too many conjunctions.
    Sources: Klösgen, Advances in Knowledge Discovery and Data Mining (1996) 249-271; Herrera,
    Carmona, González & del Jesus, Knowledge and Information Systems 29 (2011) 495-525.
    """
    (outcome,) = cohort.y
    if outcome.code in {variable.code for variable in cohort.x}:
        raise CannotCompute("The outcome is among its own conditions", remedy="Leave it out.")
    target = cohort.level(outcome, parameters.target, "parameters.target")
    names = (f"not {parameters.target}", parameters.target)
    counts = cohort.fold(class_counts, ClassState(outcome.code, target), cells=names)
    rest, positive = (int(value) for value in counts.records)
    if not positive or not rest:
        raise CannotCompute(
            f"Every record of the cohort is {names[0] if rest else names[1]}",
            remedy="Choose another target, or widen the filter.",
        )
    search = Search(
        cohort, target, rest + positive, positive, parameters.quality, parameters.coverage
    )
    found = search.found(parameters.depth, improving=parameters.improving)
    chosen, withheld = told(cohort, target, found, parameters.shown)
    return SubgroupResult(
        outcome=outcome.code,
        target=parameters.target,
        n=rest + positive,
        n_target=positive,
        excluded=cohort.size.excluded,
        depth=parameters.depth,
        quality=parameters.quality,
        coverage=parameters.coverage,
        searched=search.searched,
        withheld=withheld,
        subgroups=tuple(
            _subgroup(cohort, terms, inside, (rest, positive), search.searched)
            for terms, inside in chosen
        ),
        minimum=cohort.minimum,
    )


def _subgroup(
    cohort: Cohort, terms: Terms, inside: FloatArray, whole: tuple[int, int], searched: int
) -> Subgroup:
    without, target = (int(value) for value in inside)
    outside = whole[0] - without, whole[1] - target
    n, everybody = without + target, sum(whole)
    cells = np.array([[target, without], [outside[1], outside[0]]])
    p_value = float(stats.fisher_exact(cells).pvalue)
    size, part = np.array(n), np.array(target)
    qualities = {kind: float(kind.of(size, part, everybody, whole[1])) for kind in Quality}
    full = min(target, without, *outside) > 0
    return Subgroup(
        conditions=tuple(
            Condition(
                variable=cohort.x[place].code,
                level=cohort.levels[cohort.x[place].code][level],
            )
            for place, level in terms
        ),
        n=n,
        target=target,
        coverage=n / everybody,
        share=target / n,
        share_outside=outside[1] / (everybody - n),
        lift=qualities[Quality.LIFT],
        wracc=qualities[Quality.WRACC],
        chi_squared=qualities[Quality.CHI_SQUARED],
        odds_ratio=target * outside[0] / (without * outside[1]) if full else None,
        p_value=p_value,
        adjusted_p_value=min(1.0, p_value * searched),
    )
