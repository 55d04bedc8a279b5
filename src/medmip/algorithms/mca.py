"""Multiple correspondence analysis: how the levels of nominal variables go together, as a map."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.axes import signs
from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.role import NOMINAL, many
from medmip.algorithms.views import Format, View, chart, table
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import Cells, FloatArray, Statistic

_NOTHING = 1e-12
"""An inertia below this is rounding."""
_SIDE, _POINT, _LETTER, _LINE = 480, 4.5, 5.8, 13.0
"""Of the map, in pixels: its side, half a point, a letter's width, a line's height."""


class MCAParameters(Parameters):
    """Parameters of a multiple correspondence analysis."""

    axes: int = Field(
        2, ge=2, le=10, title="Axes", description="On how many axes the categories are told."
    )


class PrincipalInertia(BaseModel):
    """One axis's inertia, of the indicator matrix and adjusted, with its share of each total.

    adjusted is None, and its shares with it, where the inertia is no more than an axis of one
    variable alone would have. benzecri is the share of all adjusted ones, greenacre of the mean
    inertia of the tables of pairs of variables.
    """

    model_config = ConfigDict(frozen=True)

    inertia: float
    share: float
    adjusted: float | None
    benzecri: float | None
    greenacre: float | None


class Category(BaseModel):
    """A level: its principal coordinate, contribution and squared cosine on each axis told."""

    model_config = ConfigDict(frozen=True)

    variable: str
    level: str
    n: int
    coordinates: tuple[float, ...]
    contributions: tuple[float, ...]
    squared_cosines: tuple[float, ...]


class MCAResult(Result):
    """Inertias of every axis, by falling size, and the categories on the first axes.

    correlation_ratios (variables, axes) are each variable's η² with the axes told. Coordinates are
    of the indicator matrix; an axis's largest contribution has a positive one.
    """

    variables: tuple[str, ...]
    n: int
    excluded: int
    inertias: tuple[PrincipalInertia, ...]
    total_inertia: float
    categories: tuple[Category, ...]
    correlation_ratios: tuple[tuple[float, ...], ...]

    def views(self, names: Names = CODES) -> list[View]:
        return [
            self._map(names),
            self._inertias(),
            self._categories(names),
            self._variables(names),
        ]

    @property
    def _axes(self) -> int:
        return len(self.categories[0].coordinates)

    def _title(self, axis: int) -> str:
        return f"Axis {axis + 1} ({100 * self.inertias[axis].share:.1f} %)"

    def _map(self, names: Names) -> View:
        plane = np.array([(*part.coordinates, 0.0)[:2] for part in self.categories])
        weight = np.array([sum(part.contributions[:2]) for part in self.categories])
        middle = (plane.min(axis=0) + plane.max(axis=0)) / 2
        half = 0.6 * float(np.ptp(plane, axis=0).max())
        levels = [names.level(part.variable, part.level) for part in self.categories]
        places = _label_places(plane - middle, levels, weight, half)
        order = [names.variable(code) for code in self.variables]
        rows = [
            {
                "variable": names.variable(part.variable),
                "level": levels[index],
                "x": float(plane[index, 0]),
                "y": float(plane[index, 1]),
                "n": part.n,
                "contribution": 100 * float(weight[index]),
            }
            for index, part in enumerate(self.categories)
        ]
        across, up = (
            alt.Scale(domain=[centre - half, centre + half], nice=False)
            for centre in middle.tolist()
        )
        second = self._title(1) if self._axes > 1 else ""
        axis = alt.Axis(grid=False, tickCount=6)
        x = alt.X("x:Q", title=self._title(0), scale=across, axis=axis)
        y = alt.Y("y:Q", title=second, scale=up, axis=axis)
        colour = alt.Color("variable:N", sort=order, title=None, legend=alt.Legend(labelLimit=240))
        labels = [
            {"variable": row["variable"], "level": row["level"]}
            | {"x": float(middle[0]) + place[0], "y": float(middle[1]) + place[1]}
            for row, place in zip(rows, places, strict=True)
            if place is not None
        ]
        cross = alt.Chart(alt.Data(values=[{"x": 0.0, "y": 0.0}]))
        line: dict[str, Any] = {"color": QUIET, "strokeDash": [3, 3]}
        drawing: Any = (
            cross.mark_rule(**line).encode(x="x:Q")
            + cross.mark_rule(**line).encode(y="y:Q")
            + alt.Chart(alt.Data(values=rows))
            .mark_point(filled=True, size=60, opacity=1)
            .encode(
                x=x,
                y=y,
                color=colour,
                tooltip=[
                    alt.Tooltip("variable:N", title="variable"),
                    alt.Tooltip("level:N", title="level"),
                    alt.Tooltip("n:Q", title="records", format=","),
                    alt.Tooltip("x:Q", title="axis 1", format=".3f"),
                    alt.Tooltip("y:Q", title="axis 2", format=".3f"),
                    alt.Tooltip("contribution:Q", title="contribution, %", format=".1f"),
                ],
            )
            + alt.Chart(alt.Data(values=labels))
            .mark_text(fontSize=11)
            .encode(x=x, y=y, color=colour, text="level:N")
        )
        top = max(self.categories, key=lambda part: part.contributions[0])
        most = f"{names.variable(top.variable)}: {names.level(top.variable, top.level)}"
        hidden = places.count(None)
        return chart(
            "Map of the categories",
            drawing.properties(width=_SIDE, height=_SIDE),
            f"{len(rows)} levels of {len(order)} variables on the first "
            f"{'two axes' if self._axes > 1 else 'axis, the only one'}; {most} "
            "contributes most to the first",
            "Levels near each other, and far from the middle, go together."
            + (f" For {hidden} names of little weight there is no room." if hidden else ""),
        )

    def _inertias(self) -> View:
        rows = []
        for index, part in enumerate(self.inertias):
            row = part.model_dump() | {"axis": str(index + 1)}
            for key in ("share", "benzecri", "greenacre"):
                row[key] = None if row[key] is None else 100 * row[key]
            rows.append(row)
        return table(
            "Principal inertias",
            [
                ("axis", "Axis", "text"),
                ("inertia", "Inertia", "number"),
                ("share", "Share, %", "number"),
                ("adjusted", "Adjusted inertia", "number"),
                ("benzecri", "Share (Benzécri), %", "number"),
                ("greenacre", "Share (Greenacre), %", "number"),
            ],
            rows,
            f"{self.n} records; {self.excluded} dropped for missing values. Plain shares are low "
            "by construction: judge the axes by the adjusted ones.",
        )

    def _categories(self, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [
            ("variable", "Variable", "text"),
            ("level", "Level", "text"),
            ("n", "Records", "integer"),
        ]
        for axis in range(self._axes):
            columns += [
                (f"x{axis}", f"Axis {axis + 1}", "number"),
                (f"c{axis}", "Contribution, %", "number"),
                (f"q{axis}", "cos²", "number"),
            ]
        rows = []
        for part in self.categories:
            row: dict[str, object] = {
                "variable": names.variable(part.variable),
                "level": names.level(part.variable, part.level),
                "n": part.n,
            }
            for axis in range(self._axes):
                row |= {
                    f"x{axis}": part.coordinates[axis],
                    f"c{axis}": 100 * part.contributions[axis],
                    f"q{axis}": part.squared_cosines[axis],
                }
            rows.append(row)
        return table("Categories", columns, rows)

    def _variables(self, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [("variable", "Variable", "text")]
        columns += [(f"x{axis}", f"Axis {axis + 1}", "number") for axis in range(self._axes)]
        rows = [
            {"variable": names.variable(code)}
            | {f"x{axis}": one for axis, one in enumerate(ratios)}
            for code, ratios in zip(self.variables, self.correlation_ratios, strict=True)
        ]
        return table(
            "Variables", columns, rows, "η²: the share of an axis's variance that a variable tells."
        )


def _label_places(
    plane: FloatArray, labels: Sequence[str], weight: FloatArray, half: float
) -> list[tuple[float, float] | None]:
    """Where each point's label has its middle, in a map from -half to half; None without room.

    plane is (n, 2); the points of most weight choose first, beside, above or below.
    """
    step = 2 * half / _SIDE
    corners = np.array([-_POINT, -_POINT, _POINT, _POINT]) * step
    taken = [np.tile(point, 2) + corners for point in plane]
    places: list[tuple[float, float] | None] = [None] * len(labels)
    for index in np.argsort(-weight, kind="stable").tolist():
        reach = np.array([_LETTER * len(labels[index]), _LINE]) * step / 2
        out = reach + (_POINT + 1) * step
        for side in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            middle = plane[index] + np.array(side) * out
            box = np.concatenate([middle - reach, middle + reach])
            apart = (
                (box[0] >= other[2]) | (box[2] <= other[0]) | (box[1] >= other[3])
                | (box[3] <= other[1]) for other in taken
            )  # fmt: skip
            if np.abs(box).max() < half and all(apart):
                taken.append(box)
                places[index] = (float(middle[0]), float(middle[1]))
                break
    return places


@dataclass(frozen=True)
class PairState:
    """Pairs of nominal variables, each (variable, its number of levels)."""

    pairs: tuple[tuple[tuple[str, int], tuple[str, int]], ...]


@dataclass(frozen=True)
class PairCells(Statistic):
    """Patients who have each pair of levels, (cells,), pair of variables by pair, row-major."""

    patients: Cells


def pair_cells(block: Block, state: PairState) -> PairCells:
    """The patients of one block by pair of levels."""
    return PairCells(
        np.concatenate(
            [
                block.cells(
                    block.levels(first).astype(np.int64) * across + block.levels(second),
                    down * across,
                )
                for (first, down), (second, across) in state.pairs
            ]
        )
    )


@algorithm(
    "mca",
    label="Multiple correspondence analysis",
    question="Find structure",
    description="How the levels of nominal variables go together, as a map.",
    discloses=(
        "Numbers of records by level and the levels' coordinates over the whole cohort; no level, "
        "and where the coordinates tell them no pair of levels, that fewer patients than the "
        "minimum have."
    ),
    y=many(NOMINAL, "Variables", at_least=2),
    citations=(
        "Greenacre M. Correspondence Analysis in Practice. 3rd ed. Chapman and Hall/CRC; 2017.",
    ),
    parameters=MCAParameters,
)
def mca(cohort: Cohort, parameters: MCAParameters) -> MCAResult:
    """Correspondence analysis of the indicator matrix, by way of the table of all pairs (Burt's).

    Where the axes told determine that table, no pair of levels in it may be of a small group.
    Raises CannotCompute where a variable has a single level.
    Source: Greenacre, Correspondence Analysis in Practice, 3rd ed. (2017), chapters 18 and 19.
    """
    full = cohort.design(cohort.y)
    everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
    kept = np.flatnonzero(everything.cells > 0).tolist()
    design, folded = full.select(kept), everything.select(kept)
    n, q = float(folded.records), len(cohort.y)
    owner = np.array([column.term for column in design.columns])
    single = [variable.code for term, variable in enumerate(cohort.y) if np.sum(owner == term) < 2]
    if single:
        raise CannotCompute(
            f"These variables have a single level in this cohort: {', '.join(single)}",
            remedy="Leave them out, or widen the filter.",
        )
    free = len(kept) - q
    told = min(parameters.axes, free)
    if q == 2 or told >= free - 1:
        _check_pairs(cohort)
    # Indicators are summed about 0, so that their cross-products count the pairs of levels.
    mass = np.diag(folded.cross) / (n * q)
    centred = folded.cross / (n * q * q) - np.outer(mass, mass)
    root = np.sqrt(mass)
    values, vectors = np.linalg.eigh(centred / np.outer(root, root))
    values, vectors = values[::-1][:free], vectors[:, ::-1][:, :free]
    there = int(np.count_nonzero(values > _NOTHING))
    values, vectors = values[:there], vectors[:, : min(told, there)]
    vectors = vectors * signs(vectors.T)
    coordinates = vectors / root[:, None] * np.sqrt(values[: vectors.shape[1]])
    contributions = vectors**2
    squared_cosines = coordinates**2 / (1.0 / (q * mass) - 1.0)[:, None]
    ratios = [
        q * values[: vectors.shape[1]] * contributions[owner == term].sum(axis=0)
        for term in range(q)
    ]
    return MCAResult(
        variables=tuple(variable.code for variable in cohort.y),
        n=int(n),
        excluded=cohort.size.excluded,
        inertias=_inertias(values, q, free),
        total_inertia=free / q,
        categories=tuple(
            Category(
                variable=column.factors[0].variable,
                level=str(column.factors[0].level_code),
                n=round(float(folded.cross[index, index])),
                coordinates=tuple(coordinates[index].tolist()),
                contributions=tuple(contributions[index].tolist()),
                squared_cosines=tuple(squared_cosines[index].tolist()),
            )
            for index, column in enumerate(design.columns)
        ),
        correlation_ratios=tuple(tuple(row.tolist()) for row in ratios),
    )


def _check_pairs(cohort: Cohort) -> None:
    """Asks the guard whether no pair of levels is of a small group; raises its refusal."""
    pairs = tuple(combinations(cohort.y, 2))
    cohort.fold(
        pair_cells,
        PairState(
            tuple(
                (
                    (first.code, len(cohort.levels[first.code])),
                    (second.code, len(cohort.levels[second.code])),
                )
                for first, second in pairs
            )
        ),
        cells=[
            f"{first.code}[{one}] with {second.code}[{other}]"
            for first, second in pairs
            for one in cohort.levels[first.code]
            for other in cohort.levels[second.code]
        ],
    )


def _inertias(values: FloatArray, q: int, free: int) -> tuple[PrincipalInertia, ...]:
    """Of q variables with `free` levels beyond their first ones."""
    adjusted = np.where(values > 1.0 / q, (q / (q - 1.0) * (values - 1.0 / q)) ** 2, 0.0)
    # Without any inertia above the mean, no axis has an adjusted one, nor a share of it.
    benzecri = adjusted / (adjusted.sum() or 1.0)
    whole = q / (q - 1.0) * (float((values**2).sum()) - free / (q * q))
    greenacre = adjusted / (whole if whole > _NOTHING else 1.0)
    return tuple(
        PrincipalInertia(
            inertia=value,
            share=value * q / free,
            adjusted=own if value > 1.0 / q else None,
            benzecri=first if value > 1.0 / q else None,
            greenacre=second if value > 1.0 / q else None,
        )
        for value, own, first, second in zip(
            values.tolist(),
            adjusted.tolist(),
            benzecri.tolist(),
            greenacre.tolist(),
            strict=True,
        )
    )
