"""The distribution of a variable, whole and by the levels of others."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.bins import bin_edges
from medmip.algorithms.declaration import Parameters, Result, algorithm
from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.names import CODES, Names, written_unit
from medmip.algorithms.palette import BLUE, PALE, QUIET
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.views import Format, View, chart, hidden_note, shown, table, unmasked
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.equal_bins import bin_of
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over


class HistogramParameters(Parameters):
    """Parameters of a histogram."""

    bins: int = Field(
        20, ge=1, le=100, title="Bins", description="Number of bins of a numeric variable."
    )


class Group(BaseModel):
    """The counts of one level of a grouping variable, or of all; None where suppressed."""

    model_config = ConfigDict(frozen=True)

    variable: str | None
    level: str | None
    label: str
    counts: tuple[int | None, ...]


class HistogramResult(Result):
    """Counts by bin or level; edges (bins + 1) of a numeric variable's bins.

    open_ended says that the outer bins also hold what lies beyond the outermost edges;
    group_labels are the labels of the grouping variables; counted is `records` where a patient
    may have several.
    """

    variable: str
    label: str
    units: str
    levels: tuple[str, ...]
    level_labels: tuple[str, ...]
    edges: tuple[float, ...]
    open_ended: bool
    groups: tuple[Group, ...]
    group_labels: dict[str, str]
    counted: Literal["patients", "records"]
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:  # noqa: ARG002 - it has labels itself
        views: list[View] = []
        for variable in dict.fromkeys(group.variable for group in self.groups):
            groups = [group for group in self.groups if group.variable == variable]
            views.append(self._chart(groups))
        views.append(self._table())
        return views

    def _bins(self) -> list[str]:
        if self.levels:
            return list(self.level_labels)
        names = [
            f"{low:.4g} to {high:.4g}"
            for low, high in zip(self.edges, self.edges[1:], strict=False)
        ]
        if self.open_ended and len(names) > 1:
            names[0], names[-1] = f"below {self.edges[1]:.4g}", f"{self.edges[-2]:.4g} and more"
        return names

    def _chart(self, groups: list[Group]) -> View:
        names = self._bins()
        rows = [
            self._row(group, index, name) for group in groups for index, name in enumerate(names)
        ]
        grouped = groups[0].variable is not None
        order = [group.label for group in groups]
        colour = alt.Color(
            "group:N",
            sort=order,
            title=self.group_labels.get(str(groups[0].variable)),
            legend=alt.Legend(symbolOpacity=1),
        )
        colours = {"color": colour} if grouped else {}
        tooltip = [
            *([alt.Tooltip("group:N", title="group")] if grouped else []),
            alt.Tooltip("bin:N", title=self.label),
            alt.Tooltip("shown:N", title=self.counted),
        ]
        base = alt.Chart(alt.Data(values=rows)).encode(tooltip=tooltip)
        title = alt.Y("count:Q", title=self.counted.capitalize())
        if self.levels:
            x = alt.X(
                "bin:N",
                sort=names,
                title=self.label,
                axis=level_axis(names, limit=160),
            )
            offset = {"xOffset": alt.XOffset("group:N", sort=order)} if grouped else {}
            bars = base.mark_bar(color=BLUE).encode(x=x, y=title, **colours, **offset)
            hidden = _ghost(base).encode(x=x, y=alt.Y("hidden:Q"), **offset)
        else:
            unit = f" ({written_unit(self.units)})" if self.units else ""
            x = alt.X(
                "low:Q", title=f"{self.label}{unit}", scale=alt.Scale(zero=False), bin="binned"
            )
            if grouped:
                flat = {"x2": alt.X2("high:Q"), "color": colour}
                bars = base.mark_bar(opacity=0.15).encode(x=x, y=title.stack(None), **flat)
                bars += base.mark_line(interpolate="step-after", strokeWidth=1.5).encode(
                    x=alt.X("low:Q"), y=alt.Y("count:Q"), color=colour
                )
                bars += base.mark_rule(strokeWidth=1.5).encode(
                    x=alt.X("low:Q"), y=alt.Y("count:Q"), **flat
                )
                hidden = base.mark_rule(strokeDash=[2, 3], strokeWidth=1.5).encode(
                    x=alt.X("low:Q"), y=alt.Y("hidden:Q"), **flat
                )
            else:
                bars = base.mark_bar(color=BLUE).encode(x=x, x2=alt.X2("high:Q"), y=title)
                hidden = _ghost(base).encode(x=x, x2=alt.X2("high:Q"), y=alt.Y("hidden:Q"))
        suppressed = any(count is None for group in groups for count in group.counts)
        drawing = (bars + hidden if suppressed else bars).properties(width="container", height=240)
        by = f" by {self.group_labels[str(groups[0].variable)]}" if grouped else ""
        top = max(rows, key=lambda row: int(str(row["count"] or 0)))
        words = f"; the fullest bin is {top['bin']} with {top['shown']}" if top["count"] else ""
        notes = []
        if self.open_ended:
            notes.append("The outer bins also hold what lies beyond them.")
        if suppressed:
            notes.append(
                f"Dashed: fewer than {self.minimum} patients, or hidden to protect such a group."
            )
            if not any(count for group in groups for count in group.counts):
                notes.append("Nothing else can be told: take fewer bins, or more patients.")
        return chart(
            f"{self.label}{by}", drawing, f"Histogram of {self.label}{by}{words}", " ".join(notes)
        )

    def _row(self, group: Group, index: int, name: str) -> dict[str, object]:
        count = group.counts[index]
        row: dict[str, object] = {
            "group": group.label,
            "bin": name,
            "count": count,
            "shown": str(shown(count)),
            "hidden": self.minimum if count is None else None,
        }
        return (
            row if self.levels else row | {"low": self.edges[index], "high": self.edges[index + 1]}
        )

    def _table(self) -> View:
        columns: list[tuple[str, str, Format]] = [("bin", self.label, "text")]
        columns += [
            (f"g{index}", group.label, "integer") for index, group in enumerate(self.groups)
        ]
        rows = []
        for index, name in enumerate(self._bins()):
            row: dict[str, object] = {"bin": name}
            for number, group in enumerate(self.groups):
                row[f"g{number}"] = shown(group.counts[index])
            rows.append(row)
        counts = (count for group in self.groups for count in group.counts)
        return table("Counts", columns, rows, hidden_note(counts, self.minimum))


def _ghost(base: Any) -> Any:  # noqa: ANN401
    """Bars of counts that are hidden."""
    return base.mark_bar(color=PALE, stroke=QUIET, strokeDash=[3, 3], strokeWidth=1)


@dataclass(frozen=True)
class BinState:
    """Which bins of which variable, in which groups.

    edges (b + 1,) ascending for a numeric variable, None for a nominal one with that many
    levels; group is the grouping variable, None for no groups.
    """

    variable: str
    edges: FloatArray | None
    bins: int
    group: str | None
    groups: int


@dataclass(frozen=True)
class BinCounts(Statistic):
    """Patients and records by group and bin, (g, b)."""

    patients: Annotated[IntArray, count_with((0, 1))]
    records: Annotated[FloatArray, sum_over("patients")]


def bin_counts(block: Block, state: BinState) -> BinCounts:
    """Patients and records of one block by group and bin."""
    shape = (state.groups, state.bins)
    if state.edges is None:
        bins = block.levels(state.variable).astype(np.int64)
    else:
        values = block.column(state.variable)
        bins = bin_of(values, state.edges)
        if state.group is None and block.patient is None:
            counts = np.bincount(bins, minlength=state.bins).reshape(shape)
            counts[0, 0] -= np.count_nonzero(np.isnan(values))
            return BinCounts(counts, counts.astype(np.float64))
        bins[np.isnan(values)] = -1
    cells = bins
    if state.group is not None:
        groups = block.levels(state.group)
        cells = np.where((groups < 0) | (bins < 0), -1, groups * state.bins + bins)
    size = state.groups * state.bins
    patients = block.cells(cells, size)
    records = patients if block.patient is None else np.bincount(cells[cells >= 0], minlength=size)
    return BinCounts(patients.reshape(shape), records.astype(np.float64).reshape(shape))


@algorithm(
    "histogram",
    label="Histogram",
    question="Describe",
    description="How the values of a variable are distributed, whole and by groups.",
    discloses=(
        "Numbers of patients in bins or levels; those below the minimum are suppressed, and the "
        "outer bins are open where smallest and largest values are withheld."
    ),
    y=one(ANY, "Variable"),
    x=many(NOMINAL, "Groups", at_least=0),
    missing="keep",
    method="histograms",
    parameters=HistogramParameters,
)
def histogram(cohort: Cohort, parameters: HistogramParameters) -> HistogramResult:
    """Counts of the variable's values by bin, over all and for each level of each group variable.

    Where extremes may leave, the bins are NumPy's: equally wide from the smallest to the largest
    value. Else they are equally wide between the 1 % and 99 % quantiles
    (further in where fewer patients than the minimum lie beyond), with open outer bins.
    """
    (variable,) = cohort.y
    edges = bin_edges(cohort, variable, parameters.bins) if variable.is_numeric else None
    levels = () if variable.is_numeric else cohort.levels[variable.code]
    bins = len(levels) if edges is None else len(edges) - 1
    groups = []
    for group in (None, *cohort.x):
        names = ("all",) if group is None else cohort.levels[group.code]
        code = None if group is None else group.code
        counted = cohort.fold(bin_counts, BinState(variable.code, edges, bins, code, len(names)))
        records = np.ma.asarray(counted.records)
        for index, name in enumerate(names):
            groups.append(
                Group(
                    variable=code,
                    level=None if group is None else name,
                    label="all patients" if group is None else group.level_label(name),
                    counts=tuple(unmasked(records[index])),
                )
            )
    return HistogramResult(
        variable=variable.code,
        label=variable.label or variable.code,
        units=variable.units,
        levels=levels,
        level_labels=tuple(variable.level_label(level) for level in levels),
        edges=() if edges is None else tuple(edges.tolist()),
        open_ended=edges is not None and not cohort.releases_extremes,
        groups=tuple(groups),
        group_labels={group.code: group.label or group.code for group in cohort.x},
        counted="patients" if cohort.size.records == cohort.size.patients else "records",
        minimum=cohort.minimum,
    )
