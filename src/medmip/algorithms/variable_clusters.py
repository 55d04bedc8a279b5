"""Clusters of numeric variables: which of them go together, as a tree."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import BLUE, ON_DARK, ON_LIGHT, RED
from medmip.algorithms.role import NUMERIC, many
from medmip.algorithms.views import View, chart, table
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray

_NUMBERED = 15
"""Variables of a heat map at the most whose cells have room for numbers."""


class Distance(StrEnum):
    """How far apart two variables are."""

    ABSOLUTE = "absolute"
    SIGNED = "signed"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Distance.ABSOLUTE: "1 − |r|: opposite variables go together",
            Distance.SIGNED: "1 − r: opposite variables are far apart",
        }[self]

    @property
    def formula(self) -> str:
        """As a figure prints it."""
        return {Distance.ABSOLUTE: "1 − |r|", Distance.SIGNED: "1 − r"}[self]

    def of(self, correlations: FloatArray) -> FloatArray:
        """Distances (p, p)."""
        near = np.abs(correlations) if self is Distance.ABSOLUTE else correlations
        distances: FloatArray = 1.0 - near
        np.fill_diagonal(distances, 0.0)
        return distances


Linkage = Literal["average", "complete", "ward"]


class VariableClustersParameters(Parameters):
    """Parameters of a clustering of variables."""

    distance: Distance = Field(
        Distance.ABSOLUTE,
        title="Distance",
        description="Between two variables, by their correlation r.",
        json_schema_extra={"labels": {one.value: one.label for one in Distance}},
    )
    linkage: Linkage = Field(
        "average",
        title="Linkage",
        description="What the distance of two clusters is.",
        json_schema_extra={
            "labels": {
                "average": "Average: the mean distance of their variables",
                "complete": "Complete: the largest distance of their variables",
                "ward": "Ward: what joining them adds to the spread",
            }
        },
    )
    clusters: int | None = Field(
        None,
        ge=2,
        title="Clusters",
        description="How many clusters the tree is cut into; empty: it is left whole.",
    )


class Merge(BaseModel):
    """Two parts of the tree that join at a height; a part is named by its variables' places."""

    model_config = ConfigDict(frozen=True)

    left: tuple[int, ...]
    right: tuple[int, ...]
    height: float


class VariableClustersResult(Result):
    """The tree, its merges by rising height; correlations (p, p) in the order of variables.

    order holds the variables' places from the tree's one side to the other; membership numbers
    each variable's cluster in that order, None where the tree was not cut. cophenetic is the
    correlation of the distances with the heights at which pairs meet; it is None for two variables
    or where distances do not differ.
    """

    variables: tuple[str, ...]
    n: int
    excluded: int
    distance: Distance
    linkage: Linkage
    correlations: tuple[tuple[float, ...], ...]
    merges: tuple[Merge, ...]
    order: tuple[int, ...]
    membership: tuple[int, ...] | None
    cophenetic: float | None

    def views(self, names: Names = CODES) -> list[View]:
        labels = [names.variable(code) for code in self.variables]
        views = [self._dendrogram(labels), self._heat(labels)]
        if self.membership is not None:
            views.append(self._clusters(labels))
        views.append(self._merges(labels))
        return views

    def _dendrogram(self, labels: Sequence[str]) -> View:
        ordered = [labels[place] for place in self.order]
        branches = _branches(self.merges, self.order)
        last = max(len(self.order) - 1, 1)
        top = max(merge.height for merge in self.merges)
        # Leaves run from the top of the picture down, as its axis of names does.
        y = alt.Y(
            "y:Q",
            title=None,
            scale=alt.Scale(domain=[last + 0.5, -0.5], nice=False),
            axis=alt.Axis(
                values=list(range(len(ordered))),
                labelExpr=_labelled(ordered),
                labelLimit=240,
                labelOverlap=False,
                grid=False,
                ticks=False,
                domain=False,
            ),
        )
        x = alt.X(
            "x:Q",
            title=f"Distance {self.distance.formula}, {self.linkage} linkage",
            scale=alt.Scale(domain=[0, 1.05 * top or 1.0], nice=False),
        )
        drawing: Any = (
            alt.Chart(alt.Data(values=branches))
            .mark_line(strokeWidth=1.5, strokeJoin="round", color=BLUE)
            .encode(x=x, y=y, detail="branch:N", order="step:Q")
        )
        if self.membership is not None:
            number = len(set(self.membership))
            heights = [0.0, *(merge.height for merge in self.merges)]
            cut = (heights[-number] + heights[-number + 1]) / 2
            drawing += (
                alt.Chart(alt.Data(values=[{"x": cut}]))
                .mark_rule(strokeDash=[4, 4], color=RED)
                .encode(x="x:Q")
            )
        first = self.merges[0]
        return chart(
            "Tree of variables",
            drawing.properties(width="container", height=max(120, 24 * len(ordered))),
            f"Tree of {len(labels)} variables; the first to join are "
            f"{' and '.join(labels[place] for place in (*first.left, *first.right))} "
            f"at {first.height:.3g}",
            f"{self.n} records; {self.excluded} dropped for missing values."
            + ("" if self.membership is None else " Dashed: where the tree is cut."),
        )

    def _heat(self, labels: Sequence[str]) -> View:
        ordered = [labels[place] for place in self.order]
        cells = [
            {"row": labels[i], "column": labels[j], "r": self.correlations[i][j]}
            for i in self.order
            for j in self.order
        ]
        base = alt.Chart(alt.Data(values=cells)).encode(
            x=alt.X(
                "column:N",
                sort=ordered,
                title=None,
                axis=alt.Axis(labelAngle=-45, labelLimit=200),
            ),
            y=alt.Y("row:N", sort=ordered, title=None, axis=alt.Axis(labelLimit=240)),
            tooltip=[
                alt.Tooltip("row:N", title="variable"),
                alt.Tooltip("column:N", title="with"),
                alt.Tooltip("r:Q", format=".4f"),
            ],
        )
        drawing: Any = base.mark_rect().encode(
            color=alt.Color("r:Q", title="r", scale=alt.Scale(scheme="redblue", domain=[-1, 1]))
        )
        if len(labels) <= _NUMBERED:
            drawing += base.mark_text(fontSize=10).encode(
                text=alt.Text("r:Q", format=".2f"),
                color=alt.condition("abs(datum.r) > 0.6", alt.value(ON_DARK), alt.value(ON_LIGHT)),
            )
        return chart(
            "Correlations in the tree's order",
            drawing.properties(width=alt.Step(36), height=alt.Step(28)),
            f"Heat map of the correlations of {len(labels)} variables, in the order of the tree: "
            + ", ".join(ordered),
        )

    def _clusters(self, labels: Sequence[str]) -> View:
        membership = np.array(self.membership)
        near = np.abs(np.array(self.correlations))
        if self.distance is Distance.SIGNED:
            near = np.array(self.correlations)
        rows = []
        for place in self.order:
            own = membership == membership[place]
            others = [near[place, membership == one].mean() for one in set(membership.tolist())
                      if one != membership[place]]  # fmt: skip
            own[place] = False
            rows.append(
                {
                    "cluster": str(membership[place]),
                    "variable": labels[place],
                    "own": float(near[place, own].mean()) if own.any() else None,
                    "next": float(max(others)),
                }
            )
        mean = "Mean |r|" if self.distance is Distance.ABSOLUTE else "Mean r"
        return table(
            "Clusters",
            [
                ("cluster", "Cluster", "text"),
                ("variable", "Variable", "text"),
                ("own", f"{mean} with the others of its cluster", "number"),
                ("next", f"{mean} with the nearest other cluster", "number"),
            ],
            rows,
        )

    def _merges(self, labels: Sequence[str]) -> View:
        rows = [
            {
                "left": ", ".join(labels[place] for place in merge.left),
                "right": ", ".join(labels[place] for place in merge.right),
                "height": merge.height,
            }
            for merge in self.merges
        ]
        note = (
            ""
            if self.cophenetic is None
            else f"The heights correlate with the distances at {self.cophenetic:.3f} (cophenetic)."
        )
        return table(
            "Merges",
            [("left", "Joined", "text"), ("right", "with", "text"), ("height", "at", "number")],
            rows,
            note,
        )


def _labelled(ordered: Sequence[str]) -> str:
    """The expression by which an axis of places writes names."""
    quoted = ", ".join(
        "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'" for name in ordered
    )
    return f"[{quoted}][datum.value]"


def _branches(merges: Sequence[Merge], order: Sequence[int]) -> list[dict[str, float | int]]:
    """The tree's lines, each merge a bracket of four corners; x is the height, y the leaf."""
    ends: dict[frozenset[int], tuple[float, float]] = {
        frozenset((place,)): (0.0, float(leaf)) for leaf, place in enumerate(order)
    }
    lines: list[dict[str, float | int]] = []
    for branch, merge in enumerate(merges):
        (low, down), (high, up) = ends[frozenset(merge.left)], ends[frozenset(merge.right)]
        corners = [(low, down), (merge.height, down), (merge.height, up), (high, up)]
        lines += [
            {"branch": branch, "step": step, "x": x, "y": y} for step, (x, y) in enumerate(corners)
        ]
        ends[frozenset((*merge.left, *merge.right))] = (merge.height, (down + up) / 2)
    return lines


@algorithm(
    "variable_clusters",
    label="Clusters of variables",
    question="Find structure",
    description="Which numeric variables go together: a tree by their correlations.",
    discloses="Correlations over the whole cohort, and its number of records.",
    y=many(NUMERIC, "Variables", at_least=2),
    method="hierarchical clustering of variables",
    citations=("Everitt BS, Landau S, Leese M, Stahl D. Cluster Analysis. 5th ed. Wiley; 2011.",),
    parameters=VariableClustersParameters,
)
def variable_clusters(
    cohort: Cohort, parameters: VariableClustersParameters
) -> VariableClustersResult:
    """Agglomerative clustering of variables by their correlations.

    Raises CannotCompute where a variable is constant, where there are fewer than three records,
    or more clusters than variables are asked for.
    Source: Everitt, Landau, Leese & Stahl, Cluster Analysis, 5th ed. (2011), chapter 4.
    """
    design = cohort.design(cohort.y)
    size = len(design.columns)
    if parameters.clusters is not None and parameters.clusters > size:
        raise CannotCompute(
            f"{parameters.clusters} clusters cannot be made of {size} variables",
            remedy="Ask for fewer clusters, or choose more variables.",
        )
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = int(folded.records)
    if n < 3:
        raise CannotCompute("Correlations need at least three records", remedy="Widen the filter.")
    correlations = _correlations(folded.scatter, folded.mean, n, design.labels)
    distances = squareform(parameters.distance.of(correlations), checks=False)
    tree = hierarchy.linkage(distances, parameters.linkage, optimal_ordering=True)
    order = hierarchy.leaves_list(tree).tolist()
    met = hierarchy.cophenet(tree)
    differ = len(distances) > 1 and np.ptp(distances) > 0 and np.ptp(met) > 0
    return VariableClustersResult(
        variables=design.labels,
        n=n,
        excluded=cohort.size.excluded,
        distance=parameters.distance,
        linkage=parameters.linkage,
        correlations=tuple(tuple(row) for row in correlations.tolist()),
        merges=tuple(_merged(tree, size)),
        order=tuple(order),
        membership=(
            None if parameters.clusters is None else _membership(tree, order, parameters.clusters)
        ),
        cophenetic=float(np.corrcoef(distances, met)[0, 1]) if differ else None,
    )


def _correlations(
    scatter: FloatArray, mean: FloatArray, n: int, labels: Sequence[str]
) -> FloatArray:
    """Correlations (p, p), symmetric; raises CannotCompute naming what is constant."""
    spread = np.sqrt(np.maximum(np.diag(scatter), 0.0))
    constant = spread <= 1e-14 * np.sqrt(n) * np.abs(mean)
    if constant.any():
        names = ", ".join(label for label, held in zip(labels, constant, strict=True) if held)
        raise CannotCompute(f"These variables are constant: {names}", remedy="Leave them out.")
    r = scatter / np.outer(spread, spread)
    correlations: FloatArray = np.clip((r + r.T) / 2, -1.0, 1.0)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _merged(tree: FloatArray, size: int) -> list[Merge]:
    """The merges of a linkage (size - 1, 4), their parts spelt out."""
    parts: list[tuple[int, ...]] = [(place,) for place in range(size)]
    merges = []
    for left, right, height, _ in tree.tolist():
        merge = Merge(left=parts[int(left)], right=parts[int(right)], height=max(height, 0.0))
        parts.append((*merge.left, *merge.right))
        merges.append(merge)
    return merges


def _membership(tree: FloatArray, order: Sequence[int], clusters: int) -> tuple[int, ...]:
    """Each variable's cluster, once all but the last merges are made, numbered along the order."""
    kept = _merged(tree, len(order))[: len(order) - clusters]
    part = {place: frozenset((place,)) for place in order}
    for merge in kept:
        joined = frozenset((*merge.left, *merge.right))
        part |= dict.fromkeys(joined, joined)
    numbers: dict[frozenset[int], int] = {}
    for place in order:
        numbers.setdefault(part[place], len(numbers) + 1)
    return tuple(numbers[part[place]] for place in range(len(order)))
