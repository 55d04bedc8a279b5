"""Two numeric variables against each other: density, line and binned means, never a point."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.bins import bin_edges
from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import NOMINAL, NUMERIC, many, one
from medmip.algorithms.scatter_drawing import scatter_drawing
from medmip.algorithms.views import Format, View, chart, hidden_note, shown, table, unmasked
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_sums
from medmip.fold.pair_sums import (
    Pair,
    PairBins,
    PairBinState,
    PairSums,
    PairSumState,
    pair_bins,
    pair_sums,
)
from medmip.fold.statistic import FloatArray
from medmip.fold.value_grid import Columns

_FEWEST = 4
"""Bins of the coarsest grid that is tried where a finer one hides all its cells."""


class ScatterParameters(Parameters):
    """Parameters of a scatter plot by cells."""

    bins: int = Field(
        12,
        ge=_FEWEST,
        le=40,
        title="Bins",
        description=(
            "Cells of the grid in each direction. Finer grids hide more cells of few patients; "
            "where all would be hidden, a grid of half as many is drawn."
        ),
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the intervals."
    )


class ScatterLine(BaseModel):
    """Least squares and Pearson's r in one group (None: all); n is None where suppressed.

    The other figures are None there too, and where a variable is constant in the group.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    group: str | None
    n: int | None
    intercept: float | None = None
    slope: float | None = None
    slope_std_error: float | None = None
    slope_lower: float | None = None
    slope_upper: float | None = None
    residual_std_error: float | None = None
    r: float | None = None
    r_lower: float | None = None
    r_upper: float | None = None
    p_value: float | None = None


class BinnedMean(BaseModel):
    """The means of both variables in one bin across; the interval is of the mean of y."""

    model_config = ConfigDict(frozen=True)

    group: str | None
    bin: int
    n: int
    x: float
    y: float
    lower: float | None
    upper: float | None


class ScatterResult(Result):
    """Counts by cells (bins of y, from the lowest, by bins of x), lines and binned means.

    y_edges and x_edges (bins + 1,); the outer bins also hold what lies beyond them where
    open_ended. A suppressed count is None.
    """

    y: str
    x: str
    group: str | None
    n: int
    excluded: int
    y_edges: tuple[float, ...]
    x_edges: tuple[float, ...]
    open_ended: bool
    counts: tuple[tuple[int | None, ...], ...]
    lines: tuple[ScatterLine, ...]
    means: tuple[BinnedMean, ...]
    confidence: float
    minimum: int

    def views(self, names: Names = CODES) -> list[View]:
        return [self._picture(names), self._lines(names), self._means(names), self._counts(names)]

    def _named(self, group: str | None, names: Names) -> str:
        return names.level(self.group, group) if self.group and group else "all"

    def _picture(self, names: Names) -> View:
        up, across = names.variable(self.y), names.variable(self.x)
        lines, means = (
            [part.model_dump() | {"group": self._named(part.group, names)} for part in parts]
            for parts in (self.lines, self.means)
        )
        drawing = scatter_drawing(
            self.counts,
            np.array(self.y_edges),
            np.array(self.x_edges),
            lines,
            means,
            (names.axis(self.y), names.axis(self.x)),
            names.variable(self.group) if self.group else None,
        )
        told = [f"{line['group']} {line['r']:.2g}" for line in lines if line["r"] is not None]
        words = f"; r: {', '.join(told)}" if told else ""
        hidden = any(count is None for row in self.counts for count in row)
        note = [
            "Darker cells hold more patients.",
            "Lines: least squares; points: means of the bins with their "
            f"{100 * self.confidence:g} % intervals.",
        ]
        if self.open_ended:
            note.append("The outer cells also hold what lies beyond them.")
        if hidden:
            note.append(
                f"Dotted: fewer than {self.minimum} patients, or hidden to protect such a cell."
            )
        return chart(
            f"{up} against {across}",
            drawing,
            f"Density of {up} against {across} in {len(self.counts)} by {len(self.counts)} cells "
            f"with least-squares lines{words}",
            " ".join(note),
        )

    def _lines(self, names: Names) -> View:
        percent = f"{100 * self.confidence:g} %"
        rows = [
            line.model_dump() | {"group": self._named(line.group, names), "n": shown(line.n)}
            for line in self.lines
        ]
        return table(
            "Least squares and correlation",
            [
                ("group", names.variable(self.group) if self.group else "Group", "text"),
                ("n", "n", "integer"),
                ("intercept", "Intercept", "number"),
                ("slope", "Slope", "number"),
                ("slope_std_error", "Std. error", "number"),
                ("slope_lower", f"{percent} lower", "number"),
                ("slope_upper", f"{percent} upper", "number"),
                ("residual_std_error", "Residual SE", "number"),
                ("r", "r", "number"),
                ("r_lower", f"r, {percent} lower", "number"),
                ("r_upper", f"r, {percent} upper", "number"),
                ("p_value", "p-value", "pvalue"),
            ],
            rows,
            f"{self.n} records; {self.excluded} dropped for missing values. "
            + hidden_note((line.n for line in self.lines), self.minimum),
        )

    def _means(self, names: Names) -> View:
        percent = f"{100 * self.confidence:g} %"
        return table(
            f"Means of {names.variable(self.y)} by bins of {names.variable(self.x)}",
            [
                ("group", names.variable(self.group) if self.group else "Group", "text"),
                ("x", names.axis(self.x), "number"),
                ("n", "n", "integer"),
                ("y", names.axis(self.y), "number"),
                ("lower", f"{percent} lower", "number"),
                ("upper", f"{percent} upper", "number"),
            ],
            [mean.model_dump() | {"group": self._named(mean.group, names)} for mean in self.means]
            or [{"group": "every bin is too small to be shown"}],
        )

    def _counts(self, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [("y", names.axis(self.y), "text")]
        columns += [
            (f"c{index}", label, "integer") for index, label in enumerate(_spans(self.x_edges))
        ]
        rows: list[dict[str, object]] = [
            {"y": label} | {f"c{index}": shown(count) for index, count in enumerate(row)}
            for label, row in zip(_spans(self.y_edges), self.counts, strict=True)
        ]
        flat = [count for row in self.counts for count in row]
        return table(
            f"Counts by cells, across: {names.axis(self.x)}",
            columns,
            rows[::-1],
            hidden_note(flat, self.minimum),
        )


def _spans(edges: tuple[float, ...]) -> list[str]:
    return [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]


@algorithm(
    "scatter",
    label="Scatter plot by cells",
    question="Relate variables",
    description="Two numeric variables against each other: density, line, binned means, by group.",
    discloses=(
        "Numbers of patients in the cells of a grid between disclosed quantiles; lines, "
        "correlations and means by group and by bin. Cells, bins and groups below the minimum are "
        "suppressed, and others with them where totals would give them away."
    ),
    y=(one(NUMERIC, "Vertical axis"), one(NUMERIC, "Horizontal axis")),
    x=many(NOMINAL, "Group", "Lines and means of each level apart.", at_least=0, at_most=1),
    method="scatter plots by cells",
    citations=(
        "Carr DB, Littlefield RJ, Nicholson WL, Littlefield JS. Scatterplot matrix techniques for "
        "large N. Journal of the American Statistical Association. 1987;82:424-436.",
    ),
    parameters=ScatterParameters,
)
def scatter(cohort: Cohort, parameters: ScatterParameters) -> ScatterResult:
    """The joint distribution on a grid, with y = a + b x and Pearson's r by group.

    The grid lies as a histogram's bins do. Intervals of slopes and binned means are Student's,
    of r Fisher's. Raises CannotCompute where a variable is constant, with fewer than three
    records, and where no group has the minimum of patients.
    Source: Fisher, Biometrika 10 (1915) 507-521; Carr et al., Journal of the American Statistical
    Association 82 (1987) 424-436, for densities in cells.
    """
    up, across = cohort.y
    group = cohort.x[0] if cohort.x else None
    if up.code == across.code:
        raise CannotCompute("A variable is not drawn against itself")
    if cohort.size.records < 3:
        raise CannotCompute("A scatter plot needs at least three records")
    names: tuple[str | None, ...] = (None,) if group is None else cohort.levels[group.code]
    pair = Pair(up.code, across.code, group.code if group else None, len(names))
    columns = Columns((up.code, across.code))
    sums = cohort.fold(column_sums, ColumnState(columns, 0, np.zeros((2, 1))))
    shift = np.nan_to_num(sums.moments(np.zeros((2, 1)))[0][:, 0])
    folded = cohort.fold(pair_sums, PairSumState(pair, shift))
    _check(folded, shift, (up.code, across.code))
    lines = _lines(folded, shift, names, parameters.confidence)
    bins = parameters.bins
    while True:
        edges = [bin_edges(cohort, variable, bins) for variable in (up, across)]
        binned = cohort.fold(pair_bins, PairBinState(pair, edges[0], edges[1], shift))
        records = np.ma.asarray(binned.grid_records)
        if bins <= _FEWEST or np.ma.filled(records, 0.0).any():
            break
        bins = max(bins // 2, _FEWEST)
    return ScatterResult(
        y=up.code,
        x=across.code,
        group=group.code if group else None,
        n=cohort.size.records,
        excluded=cohort.size.excluded,
        y_edges=tuple(edges[0].tolist()),
        x_edges=tuple(edges[1].tolist()),
        open_ended=not cohort.releases_extremes,
        counts=tuple(tuple(unmasked(row)) for row in records),
        lines=lines,
        means=_means(binned, shift, names, parameters.confidence),
        confidence=parameters.confidence,
        minimum=cohort.minimum,
    )


def _check(folded: PairSums, shift: FloatArray, codes: tuple[str, str]) -> None:
    records = np.ma.asarray(folded.records)
    told = np.ma.filled(records, 0.0)
    if not told.any():
        raise CannotCompute(
            "No group has enough patients to be shown", remedy="Leave the groups out."
        )
    if np.ma.is_masked(records):
        return
    n, total = told.sum(), np.asarray(folded.total).sum(axis=0)
    scatter = np.diag(np.asarray(folded.cross).sum(axis=0)) - total**2 / n
    constant = ~(scatter > n * (1e-14 * np.abs(shift)) ** 2)
    if constant.any():
        named = ", ".join(code for code, flat in zip(codes, constant, strict=True) if flat)
        raise CannotCompute(f"These variables are constant: {named}", remedy="Choose others.")


@dataclass(frozen=True)
class _Moments:
    """Of one group: n, means (up, across), and their scatter (2, 2)."""

    n: float
    mean: FloatArray
    scatter: FloatArray


def _lines(
    folded: PairSums, shift: FloatArray, names: tuple[str | None, ...], confidence: float
) -> tuple[ScatterLine, ...]:
    found = []
    records = np.ma.asarray(folded.records)
    for index, name in enumerate(names):
        if records[index] is np.ma.masked:
            found.append(ScatterLine(group=name, n=None))
            continue
        n = float(records[index])
        if not n:
            continue
        total, cross = np.asarray(folded.total[index]), np.asarray(folded.cross[index])
        group = _Moments(n, shift + total / n, cross - np.outer(total, total) / n)
        found.append(_line(group, name, confidence))
    return tuple(found)


def _line(group: _Moments, name: str | None, confidence: float) -> ScatterLine:
    n, (syy, sxx), sxy = group.n, np.diag(group.scatter), float(group.scatter[0, 1])
    spread = np.sqrt(np.maximum([syy, sxx], 0.0))
    if n < 3 or not (spread > 1e-14 * np.sqrt(n) * np.abs(group.mean)).all():
        return ScatterLine(group=name, n=int(n))
    slope = sxy / sxx
    intercept = group.mean[0] - slope * group.mean[1]
    r = float(np.clip(sxy / np.sqrt(sxx * syy), -1.0, 1.0))
    residual = np.sqrt(max(syy * (1 - r) * (1 + r), 0.0) / (n - 2))
    error = residual / np.sqrt(sxx)
    law = stats.t(n - 2)
    reach = law.ppf(0.5 + confidence / 2) * error
    p_value = 2 * law.sf(abs(slope) / error) if error > 0 else 0.0
    low: float | None = None
    high: float | None = None
    if n > 3:
        with np.errstate(divide="ignore"):
            z = np.arctanh(r)
        width = stats.norm.ppf(0.5 + confidence / 2) / np.sqrt(n - 3)
        low, high = float(np.tanh(z - width)), float(np.tanh(z + width))
    return ScatterLine(
        group=name,
        n=int(n),
        intercept=float(intercept),
        slope=float(slope),
        slope_std_error=float(error),
        slope_lower=float(slope - reach),
        slope_upper=float(slope + reach),
        residual_std_error=float(residual),
        r=r,
        r_lower=low,
        r_upper=high,
        p_value=float(p_value),
    )


def _means(
    binned: PairBins, shift: FloatArray, names: tuple[str | None, ...], confidence: float
) -> tuple[BinnedMean, ...]:
    records = np.ma.filled(np.ma.asarray(binned.records), 0.0)
    found = []
    for index, place in np.argwhere(records > 0).tolist():
        n = float(records[index, place])
        total = np.asarray(binned.total[index, place])
        up, across = shift + total / n
        reach = None
        if n > 1:
            scatter = max(float(binned.square[index, place]) - total[0] ** 2 / n, 0.0)
            error = np.sqrt(scatter / (n - 1) / n)
            reach = stats.t(n - 1).ppf(0.5 + confidence / 2) * error
        found.append(
            BinnedMean(
                group=names[index],
                bin=place,
                n=int(n),
                x=float(across),
                y=float(up),
                lower=None if reach is None else float(up - reach),
                upper=None if reach is None else float(up + reach),
            )
        )
    return tuple(found)
