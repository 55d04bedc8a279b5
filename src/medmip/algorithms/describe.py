"""Summaries of variables, overall and by dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.declaration import Parameters, Result, algorithm
from medmip.algorithms.names import CODES, Names, written_unit
from medmip.algorithms.palette import BLUE, INK, RED
from medmip.algorithms.role import ANY, many
from medmip.algorithms.views import Format, View, chart, hidden_note, shown, table, unmasked
from medmip.catalogue.variable import Variable
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_range, column_sums
from medmip.fold.quantiles import quantiles
from medmip.fold.statistic import FloatArray, IntArray, Statistic, count_with, sum_over
from medmip.fold.value_grid import Columns

OVERALL = "all datasets"
_CHARTS = 24
"""Variables that get a chart of their own; a table holds all."""


class DescribeParameters(Parameters):
    """There are none."""


class NumericSummary(BaseModel):
    """A numeric variable in one dataset, or in all; n is None where suppressed."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")

    variable: str
    dataset: str
    n: int | None = None
    missing: int | None = None
    mean: float | None = None
    sd: float | None = None
    minimum: float | None = None
    q1: float | None = None
    median: float | None = None
    q3: float | None = None
    maximum: float | None = None


class NominalSummary(BaseModel):
    """A nominal variable in one dataset, or in all; a suppressed count is None."""

    model_config = ConfigDict(frozen=True)

    variable: str
    dataset: str
    n: int | None
    missing: int | None
    counts: dict[str, int | None]


class DescribeResult(Result):
    """Summaries of every variable, overall and by dataset; minimum is the policy's."""

    numeric: tuple[NumericSummary, ...]
    nominal: tuple[NominalSummary, ...]
    labels: dict[str, str]
    units: dict[str, str]
    levels: dict[str, dict[str, str]]
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:  # noqa: ARG002 - it has labels itself
        views: list[View] = []
        if self.numeric:
            views.append(self._numeric_table())
            variables = list(dict.fromkeys(part.variable for part in self.numeric))
            for variable in variables[:_CHARTS]:
                parts = [part for part in self.numeric if part.variable == variable and part.n]
                if parts:
                    views.append(self._quartiles(variable, parts))
        for variable in dict.fromkeys(part.variable for part in self.nominal):
            levels = [part for part in self.nominal if part.variable == variable]
            views.append(self._level_table(variable, levels))
        return views

    def _numeric_table(self) -> View:
        extremes = any(part.maximum is not None for part in self.numeric)
        columns: list[tuple[str, str, Format]] = [
            ("label", "Variable", "text"),
            ("dataset", "Dataset", "text"),
            ("n", "n", "integer"),
            ("missing", "Missing", "integer"),
            ("mean", "Mean", "number"),
            ("sd", "SD", "number"),
            ("minimum", "Min", "number"),
            ("q1", "Q1", "number"),
            ("median", "Median", "number"),
            ("q3", "Q3", "number"),
            ("maximum", "Max", "number"),
        ]
        if not extremes:
            columns = [column for column in columns if column[0] not in ("minimum", "maximum")]
        rows = [
            part.model_dump() | {"label": self.labels[part.variable], "n": shown(part.n)}
            for part in self.numeric
        ]
        withheld = "" if extremes else "Smallest and largest values are withheld: one patient's."
        hidden = hidden_note((part.n for part in self.numeric), self.minimum)
        return table("Numeric variables", columns, rows, f"{withheld} {hidden}".strip())

    def _quartiles(self, variable: str, parts: list[NumericSummary]) -> View:
        label = self.labels[variable]
        unit = f" ({written_unit(self.units[variable])})" if self.units[variable] else ""
        keys = {"dataset", "n", "minimum", "q1", "median", "q3", "maximum", "mean"}
        data = alt.Data(values=[part.model_dump(include=keys) for part in parts])
        whiskers = parts[0].maximum is not None
        tooltip = [
            alt.Tooltip("dataset:N", title="dataset"),
            alt.Tooltip("n:Q", title="n", format=","),
            *(alt.Tooltip(f"{key}:Q", format=".4g") for key in ("q1", "median", "q3", "mean")),
        ]
        base = alt.Chart(data).encode(
            y=alt.Y("dataset:N", sort=[part.dataset for part in parts], title=None),
            tooltip=tooltip,
        )
        axis = alt.X(
            ("minimum" if whiskers else "q1") + ":Q",
            title=f"{label}{unit}",
            scale=alt.Scale(zero=False, nice=True, padding=12),
            axis=alt.Axis(grid=False),
        )
        box = base.mark_bar(
            size=15, color=BLUE, fillOpacity=0.35, stroke=BLUE, strokeWidth=1, cornerRadius=1
        ).encode(x=axis if not whiskers else alt.X("q1:Q"), x2=alt.X2("q3:Q"))
        middle = base.mark_tick(thickness=2.5, size=15, color=INK).encode(x=alt.X("median:Q"))
        mean = base.mark_point(shape="diamond", filled=True, color=RED, size=42, opacity=1).encode(
            x=alt.X("mean:Q")
        )
        layers = box + middle + mean
        note = "Boxes reach from the first to the third quartile. Line: median; diamond: mean."
        if whiskers:
            layers = base.mark_rule(color=BLUE).encode(x=axis, x2=alt.X2("maximum:Q")) + layers
            note += " Whiskers reach to the smallest and largest value."
        words = "; ".join(f"{part.dataset} {part.median:.3g}" for part in parts[:6])
        drawing = layers.properties(width="container", height=alt.Step(28))
        return chart(f"Quartiles of {label}", drawing, f"Medians of {label}: {words}", note)

    def _level_table(self, variable: str, parts: list[NominalSummary]) -> View:
        columns: list[tuple[str, str, Format]] = [("level", "Level", "text")]
        columns += [(f"d{index}", part.dataset, "integer") for index, part in enumerate(parts)]
        rows: list[dict[str, object]] = []
        for code, label in self.levels[variable].items():
            row: dict[str, object] = {"level": label}
            for index, part in enumerate(parts):
                row[f"d{index}"] = shown(part.counts[code])
            rows.append(row)
        missing = {f"d{index}": part.missing for index, part in enumerate(parts)}
        rows.append({"level": "(missing)", **missing})
        counts = (count for part in parts for count in part.counts.values())
        note = hidden_note(counts, self.minimum)
        return table(f"Levels of {self.labels[variable]}", columns, rows, note)


@dataclass(frozen=True)
class LevelState:
    """Which m nominal variables, in how many datasets (0: pooled), with at most how many levels."""

    variables: tuple[str, ...]
    datasets: int
    levels: int


@dataclass(frozen=True)
class LevelCounts(Statistic):
    """Patients and records by variable, part and level, (m, parts, l); padded with zeros.

    The parts are the datasets, then all of them together; or that alone.
    """

    patients: Annotated[IntArray, count_with((1, 2), pooled=1)]
    records: Annotated[FloatArray, sum_over("patients")]


def level_counts(block: Block, state: LevelState) -> LevelCounts:
    """Patients and records of one block by variable, dataset and level."""
    told = max(state.datasets, 1)
    shape = (len(state.variables), told, state.levels)
    patients, records = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    dataset = block.dataset if state.datasets else np.zeros_like(block.dataset)
    for index, variable in enumerate(state.variables):
        codes = block.levels(variable)
        cells = np.where(codes < 0, -1, dataset * state.levels + codes)
        size = told * state.levels
        patients[index] = block.cells(cells, size).reshape(shape[1:])
        records[index] = np.bincount(cells[cells >= 0], minlength=size).reshape(shape[1:])
    if state.datasets:
        # A patient belongs to one dataset, so the pooled part is the sum of the others.
        patients = np.concatenate([patients, patients.sum(axis=1, keepdims=True)], axis=1)
        records = np.concatenate([records, records.sum(axis=1, keepdims=True)], axis=1)
    return LevelCounts(patients, records)


@algorithm(
    "describe",
    label="Describe",
    question="Describe",
    description="Counts, means, spreads and quartiles of variables, overall and by dataset.",
    discloses=(
        "Counts, means, standard deviations and quartiles of groups of at least the minimum of "
        "patients, and counts of levels; smallest and largest values only where the policy lets "
        "them out."
    ),
    y=many(ANY, "Variables"),
    missing="keep",
    method="descriptive statistics",
    citations=(
        "Hyndman RJ, Fan Y. Sample quantiles in statistical packages. The American Statistician. "
        "1996;50:361-365.",
    ),
    parameters=DescribeParameters,
)
def describe(cohort: Cohort, _: DescribeParameters) -> DescribeResult:
    """Summaries of every variable of the cohort, overall and by dataset.

    sd has the denominator n - 1; quartiles are number 7 of Hyndman & Fan (1996).
    """
    numeric = tuple(variable for variable in cohort.y if variable.is_numeric)
    nominal = tuple(variable for variable in cohort.y if not variable.is_numeric)
    return DescribeResult(
        numeric=_numeric(cohort, numeric) if numeric else (),
        nominal=_nominal(cohort, nominal) if nominal else (),
        labels={variable.code: variable.label or variable.code for variable in cohort.y},
        units={variable.code: variable.units for variable in numeric},
        levels={
            variable.code: {
                code: variable.level_label(code) for code in cohort.levels[variable.code]
            }
            for variable in nominal
        },
        minimum=cohort.minimum,
    )


def _parts(cohort: Cohort) -> list[tuple[int, str, int | None]]:
    """Index, name and records of each part that is told, all datasets together first."""
    sizes = {size.dataset: size.records for size in cohort.size.datasets}
    several = len(cohort.datasets) > 1
    last = len(cohort.datasets) if several else 0
    named = [(index, name, sizes[name]) for index, name in enumerate(cohort.datasets)]
    return [(last, OVERALL, cohort.size.records), *(named if several else [])]


def _numeric(cohort: Cohort, variables: Sequence[Variable]) -> tuple[NumericSummary, ...]:
    parts = _parts(cohort)
    datasets, columns = len(parts) - 1, Columns(tuple(variable.code for variable in variables))
    shape = (len(variables), len(parts))
    first = cohort.fold(column_sums, ColumnState(columns, datasets, np.zeros(shape)))
    near, _ = first.moments(np.zeros(shape))
    state = ColumnState(columns, datasets, np.nan_to_num(near, posinf=0.0, neginf=0.0))
    sums = cohort.fold(column_sums, state)
    mean, sd = sums.moments(state.shift)
    records = np.ma.asarray(sums.records)
    hidden = np.ma.getmaskarray(records)
    told = ~hidden & (np.ma.filled(records, 0.0) > 0)
    low = high = np.full(shape, np.nan)
    if cohort.releases_extremes:
        limits = cohort.fold(column_range, state)
        low, high = (np.ma.filled(np.ma.asarray(end), np.nan) for end in (limits.low, limits.high))
    quarters = quantiles(
        cohort,
        columns,
        (0.25, 0.5, 0.75),
        center=mean[:, -1],
        spread=np.nan_to_num(sd[:, -1]),
        datasets=datasets,
        wanted=told,
    )
    found = []
    for index, variable in enumerate(variables):
        for part, name, size in parts:
            n = None if hidden[index, part] else int(records[index, part])
            measures = {
                "mean": mean[index, part],
                "sd": sd[index, part],
                "minimum": low[index, part],
                "q1": quarters[index, part, 0],
                "median": quarters[index, part, 1],
                "q3": quarters[index, part, 2],
                "maximum": high[index, part],
            }
            found.append(
                NumericSummary(
                    variable=variable.code,
                    dataset=name,
                    n=n,
                    missing=None if n is None or size is None else size - n,
                    **{
                        key: float(value)
                        for key, value in measures.items()
                        if told[index, part] and np.isfinite(value)
                    },
                )
            )
    return tuple(found)


def _nominal(cohort: Cohort, variables: Sequence[Variable]) -> tuple[NominalSummary, ...]:
    parts = _parts(cohort)
    codes = tuple(variable.code for variable in variables)
    most = max(len(cohort.levels[code]) for code in codes)
    counted = cohort.fold(level_counts, LevelState(codes, len(parts) - 1, most))
    records = np.ma.asarray(counted.records)
    found = []
    for index, code in enumerate(codes):
        levels = cohort.levels[code]
        for part, name, size in parts:
            counts = unmasked(records[index, part, : len(levels)])
            known = [count for count in counts if count is not None]
            n = sum(known) if len(known) == len(counts) else None
            found.append(
                NominalSummary(
                    variable=code,
                    dataset=name,
                    n=n,
                    missing=None if n is None or size is None else size - n,
                    counts=dict(zip(levels, counts, strict=True)),
                )
            )
    return tuple(found)
