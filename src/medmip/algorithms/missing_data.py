"""Missing data: which variables lack values, in which datasets, and which lack them together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import ON_DARK, ON_LIGHT
from medmip.algorithms.role import ANY, many
from medmip.algorithms.views import (
    Format,
    View,
    chart,
    hidden_note,
    plain,
    shown,
    table,
    unmasked,
)
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray, IntArray, Statistic, Sum, count_with, sum_over


class Missing(BaseModel):
    """One variable: records without a value in each dataset and in all, None where suppressed."""

    model_config = ConfigDict(frozen=True)

    variable: str
    missing: tuple[int | None, ...]
    together: int | None
    share: float | None


class MissingDataResult(Result):
    """Variables in the order asked; both (k, k) counts records that lack two of them.

    complete is the number of records that lack none; records (datasets) their numbers.
    """

    datasets: tuple[str, ...]
    records: tuple[int | None, ...]
    n: int
    complete: int | None
    variables: tuple[Missing, ...]
    both: tuple[tuple[int | None, ...], ...]
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:
        labels = [names.variable(part.variable) for part in self.variables]
        columns: list[tuple[str, str, Format]] = [("variable", "Variable", "text")]
        columns += [(f"d{i}", code, "integer") for i, code in enumerate(self.datasets)]
        columns += [("together", "All", "integer"), ("share", "Missing, %", "number")]
        rows: list[dict[str, object]] = [
            {"variable": label}
            | {f"d{i}": shown(count) for i, count in enumerate(part.missing)}
            | {
                "together": shown(part.together),
                "share": None if part.share is None else 100 * part.share,
            }
            for label, part in zip(labels, self.variables, strict=True)
        ]
        every = [count for part in self.variables for count in (*part.missing, part.together)]
        whole = "hidden" if self.complete is None else f"{self.complete}"
        note = f"{self.n} records; complete in all of these variables: {whole}. "
        views = [self._map(labels)]
        if len(labels) > 1:
            views.append(self._pairs(labels))
        listed = table(
            "Records without a value", columns, rows, note + hidden_note(every, self.minimum)
        )
        return [*views, listed]

    def _map(self, labels: Sequence[str]) -> View:
        cells = [
            {
                "variable": label,
                "dataset": dataset,
                "share": 100 * count / records if count is not None and records else None,
            }
            for label, part in zip(labels, self.variables, strict=True)
            for dataset, count, records in zip(
                self.datasets, part.missing, self.records, strict=True
            )
        ]
        worst = max(self.variables, key=lambda part: part.share or 0.0)
        drawing: Any = _heat(cells, ("dataset", list(self.datasets)), ("variable", list(labels)))
        return chart(
            "Missing values by dataset",
            drawing,
            f"Shares of missing values of {len(labels)} variables in {len(self.datasets)} datasets;"
            f" most are missing of {labels[self.variables.index(worst)]}",
            "Numbers are per cent of each dataset's records; a blank cell is hidden.",
        )

    def _pairs(self, labels: Sequence[str]) -> View:
        cells = [
            {
                "variable": labels[i],
                "other": labels[j],
                "share": None if count is None else 100 * count / self.n,
            }
            for i, row in enumerate(self.both)
            for j, count in enumerate(row)
        ]
        drawing: Any = _heat(cells, ("other", list(labels)), ("variable", list(labels)))
        return chart(
            "Missing together",
            drawing,
            f"Shares of records that lack both of two variables, for {len(labels)} variables",
            "Numbers are per cent of all records; a blank cell is hidden.",
        )


@dataclass(frozen=True)
class MissingState:
    """k variables, nominal or not, and how many datasets."""

    variables: tuple[tuple[str, bool], ...]
    datasets: int


@dataclass(frozen=True)
class MissingCounts(Statistic):
    """Records () and those complete, in patients (2,) and records.

    lacking (k, datasets + 1) and both (k, k): patients, and records of them; held (datasets,).
    """

    complete: Annotated[IntArray, count_with((0,))]
    complete_records: Annotated[FloatArray, sum_over("complete")]
    held: Annotated[IntArray, count_with((0,))]
    held_records: Annotated[FloatArray, sum_over("held")]
    lacking: Annotated[IntArray, count_with((1,), pooled=1)]
    lacking_records: Annotated[FloatArray, sum_over("lacking")]
    both: Annotated[IntArray, count_with(())]
    both_records: Annotated[FloatArray, sum_over("both")]
    records: Sum


def missing_counts(block: Block, state: MissingState) -> MissingCounts:
    """What one block's records lack."""
    k, parts = len(state.variables), state.datasets + 1
    lack = np.stack(
        [
            block.levels(code) < 0 if nominal else np.isnan(block.column(code))
            for code, nominal in state.variables
        ]
    )
    whole = ~lack.any(axis=0)
    lacking, lacking_records = np.zeros((k, parts), dtype=np.int64), np.zeros((k, parts))
    both, both_records = np.zeros((k, k), dtype=np.int64), np.zeros((k, k))
    for one in range(k):
        place = np.where(lack[one], block.dataset, -1)
        lacking[one, :-1] = block.cells(place, state.datasets)
        lacking_records[one, :-1] = np.bincount(place[lack[one]], minlength=state.datasets)
        for other in range(one, k):
            shared = lack[one] & lack[other]
            both[one, other] = both[other, one] = block.cells(
                np.where(shared, 0, -1).astype(np.int64), 1
            )[0]
            both_records[one, other] = both_records[other, one] = np.count_nonzero(shared)
    lacking[:, -1] = lacking[:, :-1].sum(axis=1)
    lacking_records[:, -1] = lacking_records[:, :-1].sum(axis=1)
    split = np.where(whole, 1, 0).astype(np.int64)
    return MissingCounts(
        complete=block.cells(split, 2),
        complete_records=np.bincount(split, minlength=2).astype(np.float64),
        held=block.cells(block.dataset, state.datasets),
        held_records=np.bincount(block.dataset, minlength=state.datasets).astype(np.float64),
        lacking=lacking,
        lacking_records=lacking_records,
        both=both,
        both_records=both_records,
        records=np.array(float(block.records)),
    )


@algorithm(
    "missing_data",
    label="Missing data",
    question="Describe",
    description="Which variables lack values, in which datasets, and which lack them together.",
    discloses="Numbers of records without a value, none of fewer patients than the minimum.",
    y=many(ANY, "Variables"),
    missing="keep",
    method="an account of missing values",
    citations=(
        "Little RJA, Rubin DB. Statistical Analysis with Missing Data. 3rd ed. Wiley; 2019.",
    ),
    parameters=Parameters,
)
def missing_data(cohort: Cohort, parameters: Parameters) -> MissingDataResult:
    """Counts of missing values by variable and dataset, and of pairs; raises CannotCompute."""
    del parameters
    state = MissingState(
        tuple((variable.code, variable.is_nominal) for variable in cohort.y), len(cohort.datasets)
    )
    folded = cohort.fold(missing_counts, state)
    n = int(folded.records)
    if not n:
        raise CannotCompute("The cohort holds no record")
    lacking = np.ma.asarray(folded.lacking_records)
    rows = [unmasked(row) for row in lacking]
    return MissingDataResult(
        datasets=cohort.datasets,
        records=tuple(unmasked(np.ma.asarray(folded.held_records))),
        n=n,
        complete=unmasked(np.ma.asarray(folded.complete_records))[1],
        variables=tuple(
            Missing(
                variable=variable.code,
                missing=tuple(row[:-1]),
                together=row[-1],
                share=None if row[-1] is None else row[-1] / n,
            )
            for variable, row in zip(cohort.y, rows, strict=True)
        ),
        both=tuple(tuple(unmasked(row)) for row in np.ma.asarray(folded.both_records)),
        minimum=cohort.minimum,
    )


_STEP = 56
"""Pixels of a cell's width."""


def _heat(
    cells: Sequence[dict[str, Any]], across: tuple[str, list[str]], down: tuple[str, list[str]]
) -> Any:  # noqa: ANN401
    values = [{key: plain(value) for key, value in cell.items()} for cell in cells]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            f"{across[0]}:N",
            sort=across[1],
            title=None,
            axis=level_axis(across[1], _STEP),
        ),
        y=alt.Y(f"{down[0]}:N", sort=down[1], title=None, axis=alt.Axis(labelLimit=240)),
    )
    heat = (
        base.transform_filter("isValid(datum.share)")
        .mark_rect()
        .encode(
            color=alt.Color(
                "share:Q",
                title="% missing",
                scale=alt.Scale(scheme="oranges", domain=[0, 100]),
            ),
            tooltip=[
                alt.Tooltip(f"{down[0]}:N", title="variable"),
                alt.Tooltip(f"{across[0]}:N", title=across[0]),
                alt.Tooltip("share:Q", title="missing, %", format=".1f"),
            ],
        )
    )
    if len(values) > 400:
        return heat.properties(width=alt.Step(28), height=alt.Step(22))
    numbers = (
        base.transform_filter("isValid(datum.share)")
        .mark_text(fontSize=10)
        .encode(
            text=alt.Text("share:Q", format=".0f"),
            color=alt.condition("datum.share > 60", alt.value(ON_DARK), alt.value(ON_LIGHT)),
        )
    )
    return (heat + numbers).properties(width=alt.Step(_STEP), height=alt.Step(24))
