"""Principal components of numeric variables."""

import altair as alt
import numpy as np
from pydantic import Field

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.role import NUMERIC, many
from medmip.algorithms.views import Format, View, chart, table
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments


class PCAParameters(Parameters):
    """Parameters of a principal component analysis."""

    scale: bool = Field(
        True,
        title="Standardise",
        description="Give every variable the same weight: components of the correlations.",
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

    def views(self) -> list[View]:
        names = [f"PC{index + 1}" for index in range(len(self.eigenvalues))]
        cumulated = np.cumsum(self.explained).tolist()
        shares = [
            {"component": name, "eigenvalue": value, "explained": 100 * share, "total": 100 * total}
            for name, value, share, total in zip(
                names, self.eigenvalues, self.explained, cumulated, strict=True
            )
        ]
        drawn = shares[:30]
        base = alt.Chart(alt.Data(values=drawn)).encode(
            x=alt.X("component:N", sort=names, title=None),
            tooltip=["component:N", "explained:Q", "total:Q"],
        )
        scree = base.mark_bar(color="#3b6ea5").encode(
            y=alt.Y("explained:Q", title="Variance explained, %")
        ) + base.mark_line(point=True, color="#b5482f").encode(y="total:Q")
        views: list[View] = [
            chart(
                "Scree plot",
                scree.properties(width="container", height=240),
                f"The first component explains {drawn[0]['explained']:.1f} % of the variance",
                "Bars: each component; line: all up to it.",
            )
        ]
        if len(self.eigenvalues) > 1:
            views.append(self._loadings())
        shown = names[:10]
        rows = [
            {"variable": code} | {name: self.vectors[i][j] for i, name in enumerate(shown)}
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

    def _loadings(self) -> View:
        first, second = np.array(self.vectors[0]), np.array(self.vectors[1])
        rows = [
            {
                "variable": code,
                "pc1": float(first[j]),
                "pc2": float(second[j]),
                "x0": 0.0,
                "y0": 0.0,
            }
            for j, code in enumerate(self.variables)
        ]
        base = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X("pc1:Q", title=f"PC1 ({100 * self.explained[0]:.1f} %)"),
            y=alt.Y("pc2:Q", title=f"PC2 ({100 * self.explained[1]:.1f} %)"),
            tooltip=["variable:N", "pc1:Q", "pc2:Q"],
        )
        lines = base.mark_rule(color="#3b6ea5").encode(x2="x0:Q", y2="y0:Q")
        layers = lines + base.mark_point(filled=True, color="#3b6ea5")
        if len(rows) <= 25:
            layers = layers + base.mark_text(dy=-8, fontSize=10).encode(text="variable:N")
        return chart(
            "Loadings of the first two components",
            layers.properties(width="container", height=360),
            f"Loadings of {len(rows)} variables on the first two components",
        )


@algorithm(
    "pca",
    label="Principal components",
    question="Find structure",
    description="The directions in which numeric variables vary most together.",
    discloses="Means, variances and loadings over the whole cohort; no patient's scores.",
    y=many(NUMERIC, "Variables", at_least=2),
    parameters=PCAParameters,
)
def pca(cohort: Cohort, parameters: PCAParameters) -> PCAResult:
    """Eigenvectors of the correlation (or covariance) matrix.

    Each vector's largest loading is positive. Raises CannotCompute where a variable is constant
    and is to be standardised. Source: Jolliffe, Principal Component Analysis, 2nd ed., chapter 3.
    """
    design = cohort.design(cohort.y)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = int(folded.records)
    if n < 2:
        raise CannotCompute("Components need at least two records")
    matrix = folded.covariance
    deviations = np.sqrt(np.diag(matrix))
    if parameters.scale:
        constant = np.flatnonzero(deviations <= 1e-14 * np.abs(folded.mean))
        if constant.size:
            names = ", ".join(design.labels[index] for index in constant)
            raise CannotCompute(f"These variables are constant: {names}", remedy="Leave them out.")
        matrix = matrix / np.outer(deviations, deviations)
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1].T
    largest = vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)]
    vectors = vectors * np.where(largest < 0, -1.0, 1.0)[:, None]
    return PCAResult(
        variables=design.labels,
        n=n,
        excluded=cohort.size.excluded,
        means=tuple(folded.mean.tolist()),
        standard_deviations=tuple(deviations.tolist()),
        eigenvalues=tuple(values.tolist()),
        explained=tuple((values / values.sum()).tolist()),
        vectors=tuple(tuple(row) for row in vectors.tolist()),
    )
