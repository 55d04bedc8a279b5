"""Box plots: quartiles, whiskers and means of numeric variables by the levels of a nominal one."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import INK
from medmip.algorithms.role import NOMINAL, NUMERIC, many
from medmip.algorithms.views import View, chart, hidden_note, shown, table
from medmip.fold.cohort import Cohort
from medmip.fold.group_values import grouped_sums
from medmip.fold.quantiles import quantiles
from medmip.fold.statistic import FloatArray
from medmip.fold.value_grid import Columns

_QUARTILES = (0.25, 0.5, 0.75)


class BoxPlotParameters(Parameters):
    """Parameters of box plots."""

    whisker: float = Field(
        0.05,
        ge=0.01,
        le=0.25,
        title="Beyond each whisker",
        description=(
            "Share of the records beyond each whisker; in a group where these would be fewer "
            "patients than the minimum, the whiskers end further in, or are left out."
        ),
    )


class Box(BaseModel):
    """One variable in one group (None: all); n is None where suppressed, the rest there too.

    low and high are the quantiles at share and at 1 - share; None where too few lie beyond the
    quartiles.
    """

    model_config = ConfigDict(frozen=True)

    variable: str
    group: str | None
    n: int | None
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    q1: float | None = None
    median: float | None = None
    q3: float | None = None
    high: float | None = None
    share: float | None = None


class BoxPlotResult(Result):
    """The boxes of every variable, in the data model's order of the groups."""

    group: str | None
    whisker: float
    boxes: tuple[Box, ...]
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:
        views: list[View] = []
        for variable in dict.fromkeys(box.variable for box in self.boxes):
            boxes = [box for box in self.boxes if box.variable == variable and box.n]
            if boxes:
                views.append(self._chart(variable, boxes, names))
        return [*views, self._table(names)]

    def _named(self, box: Box, names: Names) -> str:
        return names.level(self.group, box.group) if self.group and box.group else "all"

    def _chart(self, variable: str, boxes: list[Box], names: Names) -> View:
        rows = [
            box.model_dump() | {"group": f"{self._named(box, names)} (n\u00a0=\u00a0{box.n:,})"}
            for box in boxes
        ]
        order = [str(row["group"]) for row in rows]
        title = names.variable(self.group) if self.group else None
        base: Any = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X(
                "group:N",
                sort=order,
                title=title,
                axis=level_axis(order),
            ),
            tooltip=[
                alt.Tooltip("group:N", title=title or "group"),
                *(
                    alt.Tooltip(f"{key}:Q", title=label, format=".4g")
                    for key, label in (
                        ("low", "lower whisker"),
                        ("q1", "Q1"),
                        ("median", "median"),
                        ("q3", "Q3"),
                        ("high", "upper whisker"),
                        ("mean", "mean"),
                    )
                ),
            ],
        )
        colour = alt.Color("group:N", sort=order, legend=None)
        up = alt.Y("low:Q", title=names.axis(variable), scale=alt.Scale(zero=False, nice=True))
        edge = alt.Stroke("group:N", sort=order, legend=None)
        whisker, tick = base.mark_rule(strokeWidth=1.5), base.mark_tick(size=16, thickness=1.5)
        drawing = (
            whisker.encode(y=up, y2="q1:Q", color=colour)
            + whisker.encode(y="q3:Q", y2="high:Q", color=colour)
            + tick.encode(y="low:Q", color=colour)
            + tick.encode(y="high:Q", color=colour)
            + base.mark_bar(size=38, fillOpacity=0.45, strokeWidth=1.2).encode(
                y="q1:Q", y2="q3:Q", color=colour, stroke=edge
            )
            + base.mark_tick(size=38, thickness=2.5, color=INK).encode(y="median:Q")
            + base.mark_point(
                shape="diamond", filled=True, fill="white", stroke=INK, size=48, opacity=1
            ).encode(y="mean:Q")
        ).properties(width="container", height=320)
        words = "; ".join(f"{row['group']} {row['median']:.4g}" for row in rows[:8])
        by = f" by {title}" if title else ""
        return chart(
            f"{names.variable(variable)}{by}",
            drawing,
            f"Box plots of {names.variable(variable)}{by}; medians: {words}",
            f"Boxes: quartiles; line: median; diamond: mean. {self._whiskers(boxes)}",
        )

    def _whiskers(self, boxes: list[Box]) -> str:
        ends = f"{100 * self.whisker:g} and {100 * (1 - self.whisker):g} %"
        if all(box.share == self.whisker for box in boxes):
            return f"Whiskers: quantiles at {ends}."
        return (
            f"Whiskers: quantiles at {ends}, or further in, so that {self.minimum} patients lie "
            f"beyond; none for groups of fewer than {4 * self.minimum} (see the table)."
        )

    def _table(self, names: Names) -> View:
        hidden = hidden_note((box.n for box in self.boxes), self.minimum)
        rows = [
            box.model_dump()
            | {
                "variable": names.variable(box.variable),
                "group": self._named(box, names),
                "n": shown(box.n),
                "share": None if box.share is None else 100 * box.share,
            }
            for box in self.boxes
        ]
        return table(
            "Quantiles",
            [
                ("variable", "Variable", "text"),
                ("group", names.variable(self.group) if self.group else "Group", "text"),
                ("n", "n", "integer"),
                ("mean", "Mean", "number"),
                ("sd", "SD", "number"),
                ("low", "Lower whisker", "number"),
                ("q1", "Q1", "number"),
                ("median", "Median", "number"),
                ("q3", "Q3", "number"),
                ("high", "Upper whisker", "number"),
                ("share", "% beyond each", "number"),
            ],
            rows,
            hidden and f"{hidden} Filter small levels out to see all the others.",
        )


@algorithm(
    "box_plot",
    label="Box plot",
    question="Describe",
    description="Quartiles, whiskers and means of numeric variables, side by side by group.",
    discloses=(
        "Group sizes, means, standard deviations, quartiles and outer quantiles that at least the "
        "minimum of patients lie beyond; no group below the minimum, nor one that totals would "
        "give away."
    ),
    y=many(NUMERIC, "Variables"),
    x=many(NOMINAL, "Group", at_least=0, at_most=1),
    missing="keep",
    method="box plots",
    citations=("Tukey JW. Exploratory Data Analysis. Addison-Wesley; 1977.",),
    parameters=BoxPlotParameters,
)
def box_plot(cohort: Cohort, parameters: BoxPlotParameters) -> BoxPlotResult:
    """Quantiles of each variable by group, by definition 7 of Hyndman & Fan; sd by n - 1.

    Raises CannotCompute where no variable has a group of at least the minimum of patients.
    Source: Tukey, Exploratory Data Analysis (1977), 2C; Hyndman & Fan, The American Statistician
    50 (1996) 361-365.
    """
    group = cohort.x[0].code if cohort.x else None
    names: tuple[str | None, ...] = (None,) if group is None else cohort.levels[group]
    codes = tuple(variable.code for variable in cohort.y)
    sums, (records, mean, sd) = grouped_sums(cohort, codes, group, len(names))
    if not records.any():
        raise CannotCompute(
            f"No group has {max(cohort.minimum, 1)} values of {', '.join(codes)}",
            remedy="Widen the filter, or choose another grouping variable.",
        )
    hidden = np.ma.getmaskarray(np.ma.asarray(sums.records))
    patients = np.ma.filled(np.ma.asarray(sums.patients), 0)
    shares = [
        tuple(_share(cohort, count, parameters.whisker) for count in row)
        for row in patients.tolist()
    ]
    figures: dict[tuple[int, int], dict[str, float | None]] = {}
    # Variables with the same whiskers are searched together.
    for common in dict.fromkeys(shares):
        places = [index for index, own in enumerate(shares) if own == common]
        found = _quantiles(cohort, places, group, common, mean[places], sd[places], records[places])
        figures |= found
    boxes = [
        Box(
            variable=code,
            group=name,
            n=None if hidden[index, place] else int(records[index, place]),
            **_moments(mean[index, place], sd[index, place]),
            **figures.get((index, place), {}),
        )
        for index, code in enumerate(codes)
        for place, name in enumerate(names)
    ]
    return BoxPlotResult(
        group=group, whisker=parameters.whisker, boxes=tuple(boxes), minimum=cohort.minimum
    )


def _share(cohort: Cohort, patients: int, whisker: float) -> float | None:
    """The share beyond each whisker of a group; None where whiskers would be inside the box."""
    if cohort.releases_extremes:
        return whisker
    share = max(whisker, cohort.minimum / max(patients, 1))
    return share if share <= _QUARTILES[0] else None


def _moments(mean: float, sd: float) -> dict[str, float | None]:
    told = {"mean": float(mean), "sd": float(sd)}
    return {key: value if np.isfinite(value) else None for key, value in told.items()}


def _quantiles(
    cohort: Cohort,
    places: Sequence[int],
    group: str | None,
    shares: Sequence[float | None],
    mean: FloatArray,
    sd: FloatArray,
    records: FloatArray,
) -> dict[tuple[int, int], dict[str, float | None]]:
    """The quantiles by variable and group of the variables in these places.

    shares (g,) are those beyond the whiskers; mean, sd, records are (variables, g).
    """
    ends = [share for share in shares if share is not None]
    different = sorted({*ends, *(1 - share for share in ends), *_QUARTILES})
    told = records > 0
    # One grid serves all groups of a variable: about their middle, as wide as they lie apart.
    held = np.maximum(records.sum(axis=1), 1.0)
    center = (records * np.nan_to_num(mean)).sum(axis=1) / held
    apart = np.where(told, np.nan_to_num(mean) - center[:, None], 0.0)
    spread = np.sqrt((records * (apart**2 + np.nan_to_num(sd) ** 2)).sum(axis=1) / held)
    found = quantiles(
        cohort,
        Columns(tuple(cohort.y[place].code for place in places)),
        different,
        center=center,
        spread=spread,
        datasets=len(shares) if group else 0,
        group=group,
        wanted=np.column_stack([told, np.zeros(len(told), dtype=np.bool_)]) if group else told,
    )
    figures: dict[tuple[int, int], dict[str, float | None]] = {}
    for row, column in np.argwhere(told).tolist():
        at = dict(zip(("q1", "median", "q3"), _QUARTILES, strict=True))
        share = shares[column]
        if share is not None:
            at |= {"low": share, "high": 1 - share}
        own: dict[str, float | None] = {
            key: float(found[row, column, different.index(place)]) for key, place in at.items()
        }
        figures[places[row], column] = own | {"share": share}
    return figures
