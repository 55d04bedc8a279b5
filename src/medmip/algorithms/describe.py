"""Summaries of variables, overall and by dataset."""

from dataclasses import dataclass
from typing import Annotated

import altair as alt
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.declaration import Parameters, Result, algorithm
from medmip.algorithms.role import ANY, many
from medmip.algorithms.views import Format, View, chart, shown, table, unmasked
from medmip.catalogue.variable import Variable
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.quantiles import Columns, Target, quantiles
from medmip.fold.statistic import (
    FloatArray,
    IntArray,
    Max,
    Min,
    Statistic,
    count_with,
    sum_over,
)

OVERALL = "all datasets"
BoolArray = NDArray[np.bool_]


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
    """Summaries of every variable, by dataset and overall; minimum is the policy's."""

    numeric: tuple[NumericSummary, ...]
    nominal: tuple[NominalSummary, ...]
    labels: dict[str, str]
    levels: dict[str, dict[str, str]]
    minimum: int

    def views(self) -> list[View]:
        views: list[View] = []
        if self.numeric:
            extremes = any(part.maximum is not None for part in self.numeric)
            views.append(_numeric_table(self, extremes))
            for variable in dict.fromkeys(part.variable for part in self.numeric):
                parts = [part for part in self.numeric if part.variable == variable and part.n]
                if parts:
                    views.append(_quartile_chart(self.labels[variable], parts))
        for variable in dict.fromkeys(part.variable for part in self.nominal):
            levels = [part for part in self.nominal if part.variable == variable]
            views.append(_nominal_table(self, variable, levels))
        return views


@dataclass(frozen=True)
class NumericState:
    """Which numeric variables, by dataset or pooled.

    groups is the number of datasets, 1 where pooled; shift (k, groups) the origin of sums.
    """

    variables: tuple[str, ...]
    groups: int
    shift: FloatArray


@dataclass(frozen=True)
class NumericSums(Statistic):
    """Of k variables in g groups, (k, g): patients and records with a value, moments.

    total and square are sums of x - shift and of its square.
    """

    patients: Annotated[IntArray, count_with((1,))]
    records: Annotated[FloatArray, sum_over("patients")]
    total: Annotated[FloatArray, sum_over("patients")]
    square: Annotated[FloatArray, sum_over("patients")]


@dataclass(frozen=True)
class Extremes(Statistic):
    """Smallest and largest value of k variables in g groups, (k, g)."""

    low: Min
    high: Max


@dataclass(frozen=True)
class LevelState:
    """Which nominal variables, in how many groups, with at most how many levels."""

    variables: tuple[str, ...]
    groups: int
    levels: int


@dataclass(frozen=True)
class LevelCounts(Statistic):
    """Patients and records of m variables in g groups by level, (m, g, l); padded with zeros."""

    patients: Annotated[IntArray, count_with((1, 2))]
    records: Annotated[FloatArray, sum_over("patients")]


@dataclass(frozen=True)
class GroupRecords(Statistic):
    """Patients and records of each group, missing values or not, (g,)."""

    patients: Annotated[IntArray, count_with((0,))]
    records: Annotated[FloatArray, sum_over("patients")]


def numeric_sums(block: Block, state: NumericState) -> NumericSums:
    """Patients, records and moments of one block's numeric variables by group."""
    values = Columns(state.variables).of(block)
    patients = np.zeros(state.shift.shape, dtype=np.int64)
    records, total, square = (np.zeros(state.shift.shape) for _ in range(3))
    for group, rows in _groups(block, state.groups):
        for index in range(len(state.variables)):
            column = values[rows, index] - state.shift[index, group]
            amount = column.sum()
            if np.isnan(amount):
                column = column[~np.isnan(column)]
                amount = column.sum()
            records[index, group] = column.size
            total[index, group] = amount
            square[index, group] = np.dot(column, column)
        if block.patient is None:
            patients[:, group] = records[:, group]
        else:
            held = ~np.isnan(values[rows])
            for index in range(len(state.variables)):
                patients[index, group] = len(np.unique(block.patient[rows][held[:, index]]))
    return NumericSums(patients, records, total, square)


def extremes(block: Block, state: NumericState) -> Extremes:
    """Smallest and largest values of one block by group; infinite where there is none."""
    values = Columns(state.variables).of(block)
    low = np.full(state.shift.shape, np.inf)
    high = -low
    for group, rows in _groups(block, state.groups):
        low[:, group] = np.fmin.reduce(values[rows], axis=0, initial=np.inf)
        high[:, group] = np.fmax.reduce(values[rows], axis=0, initial=-np.inf)
    return Extremes(low, high)


def level_counts(block: Block, state: LevelState) -> LevelCounts:
    """Patients and records of one block by variable, group and level."""
    size = state.groups * state.levels
    shape = (len(state.variables), state.groups, state.levels)
    patients, records = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    group = block.dataset if state.groups > 1 else np.zeros_like(block.dataset)
    for index, variable in enumerate(state.variables):
        codes = block.levels(variable)
        cells = np.where(codes < 0, -1, group * state.levels + codes)
        patients[index] = block.cells(cells, size).reshape(shape[1:])
        records[index] = np.bincount(cells[cells >= 0], minlength=size).reshape(shape[1:])
    return LevelCounts(patients, records)


def group_records(block: Block, groups: int) -> GroupRecords:
    """Patients and records of one block by group."""
    group = block.dataset if groups > 1 else np.zeros_like(block.dataset)
    records = np.bincount(group, minlength=groups).astype(np.float64)
    return GroupRecords(block.cells(group, groups), records)


def _groups(block: Block, groups: int) -> list[tuple[int, slice | BoolArray]]:
    """Each group that a block has records of, and which they are."""
    if groups == 1:
        return [(0, slice(None))]
    present = np.unique(block.dataset)
    if len(present) == 1:
        return [(int(present[0]), slice(None))]
    return [(int(group), block.dataset == group) for group in present]


@algorithm(
    "describe",
    label="Describe",
    question="Describe",
    description="Counts, means, spreads and quartiles of variables, by dataset and overall.",
    discloses=(
        "Counts, means, standard deviations and quartiles of groups of at least the minimum of "
        "patients, and counts of levels; smallest and largest values only where the policy lets "
        "them out."
    ),
    y=many(ANY, "Variables"),
    missing="keep",
    parameters=DescribeParameters,
)
def describe(cohort: Cohort, _: DescribeParameters) -> DescribeResult:
    """Summaries of every variable of the cohort, by dataset and overall."""
    numeric = tuple(variable for variable in cohort.y if variable.is_numeric)
    nominal = tuple(variable for variable in cohort.y if not variable.is_numeric)
    return DescribeResult(
        numeric=_numeric(cohort, numeric) if numeric else (),
        nominal=_nominal(cohort, nominal) if nominal else (),
        labels={variable.code: variable.label or variable.code for variable in cohort.y},
        levels={
            variable.code: {
                code: variable.level_label(code) for code in cohort.levels[variable.code]
            }
            for variable in nominal
        },
        minimum=cohort.minimum,
    )


def _parts(cohort: Cohort) -> list[tuple[int, tuple[str, ...]]]:
    """The groupings to fold: all datasets pooled, then one by one where there are several."""
    parts: list[tuple[int, tuple[str, ...]]] = [(1, (OVERALL,))]
    if len(cohort.datasets) > 1:
        parts.append((len(cohort.datasets), cohort.datasets))
    return parts


def _numeric(cohort: Cohort, variables: tuple[Variable, ...]) -> tuple[NumericSummary, ...]:
    codes = tuple(variable.code for variable in variables)
    found = []
    for groups, names in _parts(cohort):
        sizes = np.ma.asarray(cohort.fold(group_records, groups).records)
        origin = np.zeros((len(codes), groups))
        first = cohort.fold(numeric_sums, NumericState(codes, groups, origin))
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.nan_to_num(np.ma.filled(first.total / first.records, 0.0))
        state = NumericState(codes, groups, shift)
        sums = cohort.fold(numeric_sums, state)
        records = np.ma.asarray(sums.records)
        limits = cohort.fold(extremes, state) if cohort.releases_extremes else None
        places = [
            (index, group)
            for group in range(groups)
            for index in range(len(codes))
            if records[index, group] is not np.ma.masked and records[index, group] > 0
        ]
        quarters = quantiles(
            cohort,
            Columns(codes),
            [
                Target(index, None if groups == 1 else group, int(records[index, group]))
                for index, group in places
            ],
            (0.25, 0.5, 0.75),
        )
        rows = dict(zip(places, quarters.tolist(), strict=True))
        for group, name in enumerate(names):
            for index, code in enumerate(codes):
                size = None if sizes[group] is np.ma.masked else int(sizes[group])
                if (index, group) not in rows:
                    n = None if records[index, group] is np.ma.masked else 0
                    missing = size if n == 0 else None
                    found.append(NumericSummary(variable=code, dataset=name, n=n, missing=missing))
                    continue
                n = int(records[index, group])
                lean = float(sums.total[index, group]) / n
                spread = max(0.0, float(sums.square[index, group]) - n * lean**2)
                found.append(
                    NumericSummary(
                        variable=code,
                        dataset=name,
                        n=n,
                        missing=None if size is None else size - n,
                        mean=float(shift[index, group]) + lean,
                        sd=float(np.sqrt(spread / (n - 1))) if n > 1 else None,
                        minimum=None if limits is None else float(limits.low[index, group]),
                        q1=rows[index, group][0],
                        median=rows[index, group][1],
                        q3=rows[index, group][2],
                        maximum=None if limits is None else float(limits.high[index, group]),
                    )
                )
    return tuple(found)


def _nominal(cohort: Cohort, variables: tuple[Variable, ...]) -> tuple[NominalSummary, ...]:
    codes = tuple(variable.code for variable in variables)
    most = max(len(cohort.levels[code]) for code in codes)
    found = []
    for groups, names in _parts(cohort):
        sizes = np.ma.asarray(cohort.fold(group_records, groups).records)
        counted = cohort.fold(level_counts, LevelState(codes, groups, most))
        records = np.ma.asarray(counted.records)
        for group, name in enumerate(names):
            for index, code in enumerate(codes):
                levels = cohort.levels[code]
                counts = unmasked(records[index, group, : len(levels)])
                whole = None not in counts
                n = sum(count for count in counts if count is not None) if whole else None
                known = sizes[group] is not np.ma.masked and n is not None
                found.append(
                    NominalSummary(
                        variable=code,
                        dataset=name,
                        n=n,
                        missing=int(sizes[group]) - n if known and n is not None else None,
                        counts=dict(zip(levels, counts, strict=True)),
                    )
                )
    return tuple(found)


def _numeric_table(result: DescribeResult, with_extremes: bool) -> View:
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
    if not with_extremes:
        columns = [column for column in columns if column[0] not in ("minimum", "maximum")]
    rows = [
        part.model_dump()
        | {"label": result.labels[part.variable], "n": shown(part.n, result.minimum)}
        for part in result.numeric
    ]
    note = "" if with_extremes else "Smallest and largest values are withheld: each is a patient's."
    return table("Numeric variables", columns, rows, note)


def _quartile_chart(label: str, parts: list[NumericSummary]) -> View:
    keys = ("dataset", "minimum", "q1", "median", "q3", "maximum", "mean")
    data = alt.Data(values=[part.model_dump(include=set(keys)) for part in parts])
    order = [part.dataset for part in parts]
    base = alt.Chart(data).encode(y=alt.Y("dataset:N", sort=order, title=None))
    scale = alt.Scale(zero=False)
    box = base.mark_bar(size=16, opacity=0.55).encode(
        x=alt.X("q1:Q", title=label, scale=scale),
        x2="q3:Q",
        tooltip=["dataset:N", "q1:Q", "median:Q", "q3:Q", "mean:Q"],
    )
    middle = base.mark_tick(thickness=3, size=16, color="#123").encode(x="median:Q")
    mean = base.mark_point(shape="diamond", filled=True, color="#b5482f", size=45).encode(
        x="mean:Q"
    )
    layers = box + middle + mean
    note = "Bars reach from the first to the third quartile; line: median; diamond: mean."
    if parts[0].maximum is not None:
        layers = base.mark_rule().encode(x="minimum:Q", x2="maximum:Q") + layers
        note += " Whiskers reach to the smallest and largest value."
    words = "; ".join(f"{part.dataset} median {part.median:.3g}" for part in parts[:6])
    drawing = layers.properties(width="container", height=alt.Step(30))
    return chart(f"Quartiles of {label}", drawing, f"Quartiles of {label}: {words}", note)


def _nominal_table(result: DescribeResult, variable: str, parts: list[NominalSummary]) -> View:
    labels = result.levels[variable]
    columns: list[tuple[str, str, Format]] = [("level", "Level", "text")]
    columns += [(f"d{index}", part.dataset, "integer") for index, part in enumerate(parts)]
    rows: list[dict[str, object]] = []
    for code, label in labels.items():
        row: dict[str, object] = {"level": label}
        for index, part in enumerate(parts):
            row[f"d{index}"] = shown(part.counts[code], result.minimum)
        rows.append(row)
    missing: dict[str, object] = {f"d{index}": part.missing for index, part in enumerate(parts)}
    rows.append({"level": "missing", **missing})
    return table(f"Levels of {result.labels[variable]}", columns, rows)
