"""Principal components of numeric variables."""

import itertools

import altair as alt
import numpy as np
from pydantic import Field

from medmip.algorithms.axes import signs
from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    Result,
    algorithm,
    variables_field,
)
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import BLUE, QUIET, RED
from medmip.algorithms.role import NUMERIC, many
from medmip.algorithms.views import Format, View, chart, table
from medmip.errors import RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray
from medmip.fold.transform import Transform


class PCAParameters(Parameters):
    """Parameters of a principal component analysis."""

    scale: bool = Field(
        True,
        title="Standardise",
        description="Give every variable the same weight: components of the correlations.",
    )

    log: tuple[str, ...] = variables_field(
        "y", "Logarithm of", "Variables that are replaced by their natural logarithm."
    )
    exp: tuple[str, ...] = variables_field(
        "y", "Exponential of", "Variables that are replaced by their exponential."
    )
    center: tuple[str, ...] = variables_field(
        "y", "Centre", "Variables whose mean is taken off, after any transformation."
    )
    standardize: tuple[str, ...] = variables_field(
        "y", "Centre and scale", "Variables that get mean 0 and standard deviation 1."
    )


class PCAResult(Result):
    """Components by falling variance; vectors holds one row of loadings a component."""

    variables: tuple[str, ...]
    n: int
    excluded: int
    means: tuple[float, ...]
    standard_deviations: tuple[float, ...]
    eigenvalues: tuple[float, ...]
    explained: tuple[float, ...]
    vectors: tuple[tuple[float, ...], ...]
    scaled: bool

    def views(self, names: Names = CODES) -> list[View]:
        components = [f"PC{index + 1}" for index in range(len(self.eigenvalues))]
        cumulated = np.cumsum(self.explained).tolist()
        shares = [
            {"component": name, "eigenvalue": value, "explained": 100 * share, "total": 100 * total}
            for name, value, share, total in zip(
                components, self.eigenvalues, self.explained, cumulated, strict=True
            )
        ]
        drawn = shares[:30]
        base = alt.Chart(alt.Data(values=drawn)).encode(
            x=alt.X("component:N", sort=components, title=None, axis=alt.Axis(labelAngle=0)),
            tooltip=[
                alt.Tooltip("component:N", title="component"),
                alt.Tooltip("explained:Q", title="explained, %", format=".1f"),
                alt.Tooltip("total:Q", title="together, %", format=".1f"),
            ],
        )
        scree = base.mark_bar(color=BLUE).encode(
            y=alt.Y("explained:Q", title="Variance explained, %", scale=alt.Scale(domain=[0, 100]))
        ) + base.mark_line(color=RED, point={"color": RED}).encode(y="total:Q")
        views: list[View] = [
            chart(
                "Scree plot",
                scree.properties(width="container", height=240),
                f"The first component explains {drawn[0]['explained']:.1f} % of the variance",
                "Bars: each component; line: all up to it.",
            )
        ]
        if len(self.eigenvalues) > 1:
            views.append(self._loadings(names))
        shown = components[:10]
        rows = [
            {"variable": names.variable(code)}
            | {name: self.vectors[i][j] for i, name in enumerate(shown)}
            for j, code in enumerate(self.variables)
        ]
        views.append(
            table(
                "Components",
                [
                    ("component", "Component", "text"),
                    ("eigenvalue", "Eigenvalue", "number"),
                    ("explained", "Explained, %", "number"),
                    ("total", "Together, %", "number"),
                ],
                shares,
                f"{self.n} records; {self.excluded} dropped for missing values.",
            )
        )
        columns: list[tuple[str, str, Format]] = [("variable", "Variable", "text")]
        columns += [(name, name, "number") for name in shown]
        views.append(table("Loadings", columns, rows))
        return views

    def _loadings(self, names: Names) -> View:
        """Each variable's covariance, or correlation where scaled, with two components."""
        ends = np.array(self.vectors[:2]) * np.sqrt(np.array(self.eigenvalues[:2]))[:, None]
        reach = 1.0 if self.scaled else float(np.abs(ends).max())
        rows = [
            {
                "variable": names.variable(code),
                "pc1": x,
                "pc2": y,
                "x0": 0.0,
                "y0": 0.0,
                "label": height,
            }
            for code, x, y, height in zip(
                self.variables,
                ends[0].tolist(),
                ends[1].tolist(),
                _spread_labels(ends, 0.075 * reach),
                strict=True,
            )
        ]
        wide, high = (
            alt.Scale(domain=[-room * reach, room * reach], nice=False) for room in (_WIDE, _HIGH)
        )
        axis = alt.Axis(grid=False, values=[part * reach for part in (-1, -0.5, 0, 0.5, 1)])
        base = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X("pc1:Q", title=f"PC1 ({100 * self.explained[0]:.1f} %)", scale=wide, axis=axis),
            y=alt.Y("pc2:Q", title=f"PC2 ({100 * self.explained[1]:.1f} %)", scale=high, axis=axis),
            tooltip=[
                alt.Tooltip("variable:N", title="variable"),
                alt.Tooltip("pc1:Q", title="PC1", format=".3f"),
                alt.Tooltip("pc2:Q", title="PC2", format=".3f"),
            ],
        )
        turns = np.linspace(0, 2 * np.pi, 121)
        circle = [
            {"turn": turn, "x": reach * np.cos(turn), "y": reach * np.sin(turn)}
            for turn in turns.tolist()
        ]
        layers = (
            alt.Chart(alt.Data(values=circle))
            .mark_line(color=QUIET, strokeWidth=1)
            .encode(x=alt.X("x:Q", scale=wide), y=alt.Y("y:Q", scale=high), order="turn:Q")
            + base.mark_rule(color=BLUE, strokeWidth=1.5).encode(x2="x0:Q", y2="y0:Q")
            + base.mark_point(filled=True, color=BLUE, opacity=1, size=35)
        )
        if len(rows) <= 25:
            layers += base.mark_text(
                fontSize=11,
                align=alt.expr("datum.pc1 < 0 ? 'right' : 'left'"),
                dx=alt.expr("datum.pc1 < 0 ? -7 : 7"),
            ).encode(y="label:Q", text="variable:N")
        kind = "Correlations" if self.scaled else "Covariances"
        return chart(
            f"{kind} with the first two components",
            layers.properties(width=_SIDE * _WIDE, height=_SIDE * _HIGH),
            f"{kind} of {len(rows)} variables with the first two components",
            "On the circle a variable lies wholly in the plane of the two." if self.scaled else "",
        )


_WIDE, _HIGH = 1.95, 1.1
"""How far the picture of the variables reaches across and up, where the circle's radius is 1."""
_SIDE = 360
"""Pixels of the circle's diameter."""


def _spread_labels(ends: FloatArray, apart: float) -> list[float]:
    """Heights of the labels, (k,), on each side pushed apart where ends (2, k) are near."""
    heights = ends[1].copy()
    for side in (ends[0] >= 0, ends[0] < 0):
        order = np.flatnonzero(side)[np.argsort(ends[1][side])]
        for below, above in itertools.pairwise(order):
            heights[above] = max(heights[above], heights[below] + apart)
    return [float(height) for height in heights]


@algorithm(
    "pca",
    label="Principal components",
    question="Find structure",
    description="The directions in which numeric variables vary most together.",
    discloses="Means, variances and loadings over the whole cohort; no patient's scores.",
    y=many(NUMERIC, "Variables", at_least=2),
    method="principal component analysis",
    citations=("Jolliffe IT. Principal Component Analysis. 2nd ed. Springer; 2002.",),
    parameters=PCAParameters,
)
def pca(cohort: Cohort, parameters: PCAParameters) -> PCAResult:
    """Eigenvectors of the correlation (or covariance) matrix.

    Each vector's largest loading is positive. Raises CannotCompute where a variable is constant
    and is to be standardised, or a transformed one is not finite.
    Source: Jolliffe, Principal Component Analysis, 2nd ed., chapter 3.
    """
    transforms = _transforms(parameters)
    design = cohort.design(cohort.y, transforms=transforms)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = int(folded.records)
    if n < 2:
        raise CannotCompute("Components need at least two records")
    endless = [
        label
        for label, mean, spread in zip(
            design.labels, folded.mean, np.diag(folded.cross), strict=True
        )
        if not np.isfinite(mean) or not np.isfinite(spread)
    ]
    if endless:
        raise CannotCompute(
            f"These are not finite for every patient: {', '.join(endless)}",
            remedy="A logarithm needs values above zero, an exponential values below 350.",
        )
    matrix, mean = folded.covariance, folded.mean
    deviations = np.sqrt(np.diag(matrix))
    codes = [variable.code for variable in cohort.y]
    scaled = np.array([parameters.scale or code in parameters.standardize for code in codes])
    constant = np.flatnonzero(scaled & (deviations <= 1e-14 * np.abs(mean)))
    if constant.size:
        names = ", ".join(design.labels[index] for index in constant)
        raise CannotCompute(f"These variables are constant: {names}", remedy="Leave them out.")
    weights = np.where(scaled, deviations, 1.0)
    matrix = matrix / np.outer(weights, weights)
    standard = np.array([code in parameters.standardize for code in codes])
    centred = standard | np.array([code in parameters.center for code in codes])
    mean, deviations = np.where(centred, 0.0, mean), np.where(standard, 1.0, deviations)
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1].T
    vectors = vectors * signs(vectors)[:, None]
    return PCAResult(
        variables=design.labels,
        n=n,
        excluded=cohort.size.excluded,
        means=tuple(mean.tolist()),
        standard_deviations=tuple(deviations.tolist()),
        eigenvalues=tuple(values.tolist()),
        explained=tuple((values / values.sum()).tolist()),
        vectors=tuple(tuple(row) for row in vectors.tolist()),
        scaled=bool(scaled.all()),
    )


def _transforms(parameters: PCAParameters) -> dict[str, Transform]:
    """What each named variable goes through; raises RequestError where one is named twice."""
    twice = sorted(set(parameters.log) & set(parameters.exp))
    if twice:
        raise RequestError(f"parameters.exp: {', '.join(twice)} is to go through log already")
    named: dict[str, Transform] = {code: Transform("log") for code in parameters.log}
    return named | {code: Transform("exp") for code in parameters.exp}
