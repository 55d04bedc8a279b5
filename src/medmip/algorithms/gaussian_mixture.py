"""Gaussian mixture: overlapping groups of patients, each with a normal distribution of its own."""

from dataclasses import replace
from typing import Any, Literal

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from medmip.algorithms.axes import signs
from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.ellipses import Spread, ellipses
from medmip.algorithms.kmeans import KMeansParameters, kmeans
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.role import NUMERIC, many
from medmip.algorithms.views import Format, View, chart, facts, table
from medmip.fold.cohort import Cohort
from medmip.fold.mixture import MixtureState, MixtureStep, mixture_step
from medmip.fold.moments import Moments, MomentsState, moments
from medmip.fold.statistic import FloatArray

Covariance = Literal["full", "diagonal", "spherical", "tied"]

_START_TOLERANCE = 1e-3
"""How well the clustering that the rounds start from has to settle."""
_SINGULAR = 1e-14
"""An eigenvalue of a covariance of standardised variables below this is rounding."""
_ELLIPSE = 0.9
"""Share of a component that its ellipse holds."""


class GaussianMixtureParameters(Parameters):
    """Parameters of a Gaussian mixture."""

    k: int = Field(3, ge=1, le=50, title="Components", description="Number of components.")
    covariance: Covariance = Field(
        "full",
        title="Covariance",
        description="What shape a component may have.",
        json_schema_extra={
            "labels": {
                "full": "Full: every component has a shape of its own",
                "diagonal": "Diagonal: within a component, variables are not correlated",
                "spherical": "Spherical: within a component, all standardised variables vary alike",
                "tied": "Tied: all components have the same shape",
            }
        },
    )
    max_iterations: int = Field(
        1000, ge=1, le=10_000, title="Iterations", description="Rounds at the most."
    )
    tolerance: float = Field(
        1e-6,
        gt=0,
        le=1,
        title="Tolerance",
        description="Stop once a round changes the log-likelihood of a record by less.",
    )
    floor: float = Field(
        1e-6,
        ge=0,
        le=1,
        title="Variance floor",
        description="Share of a variable's variance that is added to it in every component.",
    )
    seed: int = Field(
        1, ge=0, le=2**32 - 1, title="Seed", description="Of the starting means' random draws."
    )


class Component(BaseModel):
    """One component: its share, the records whose likeliest it is, mean (p,), covariance (p, p).

    centre and spread are in the plane of the first two principal axes.
    """

    model_config = ConfigDict(frozen=True)

    weight: float
    records: int
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    centre: tuple[float, float]
    spread: Spread


class GaussianMixtureResult(Result):
    """Components by falling weight; the log-likelihood is of the variables in their own units.

    plane holds the principal axes of the standardised variables that components are drawn in, at
    most two, a row each; explained, their shares of the variance.
    """

    variables: tuple[str, ...]
    covariance: Covariance
    n: int
    excluded: int
    components: tuple[Component, ...]
    parameters: int
    log_likelihood: float
    aic: float
    bic: float
    iterations: int
    plane: tuple[tuple[float, ...], ...]
    explained: tuple[float, ...]

    def views(self, names: Names = CODES) -> list[View]:
        return [
            self._plane() if len(self.plane) > 1 else self._densities(names),
            self._components(names),
            facts(
                "Fit",
                [
                    ("Records", self.n, "integer"),
                    ("Dropped for missing values", self.excluded, "integer"),
                    ("Covariance", self.covariance, "text"),
                    ("Parameters", self.parameters, "integer"),
                    ("Log-likelihood", self.log_likelihood, "number"),
                    ("AIC", self.aic, "number"),
                    ("BIC", self.bic, "number"),
                    ("Rounds", self.iterations, "integer"),
                ],
                "Of several numbers of components or covariances, that with the lowest BIC "
                "describes the cohort best.",
            ),
        ]

    def _labels(self) -> list[str]:
        return [
            f"{index + 1} ({100 * part.weight:.1f} %)" for index, part in enumerate(self.components)
        ]

    def _plane(self) -> View:
        titles = [
            f"PC{index + 1} ({100 * share:.1f} %)" for index, share in enumerate(self.explained)
        ]
        groups = [
            (label, part.centre, part.spread)
            for label, part in zip(self._labels(), self.components, strict=True)
        ]
        return chart(
            "Components in the plane of the first two principal axes",
            ellipses(groups, _ELLIPSE, (titles[0], titles[1]), "Component"),
            f"Means and spread of {len(groups)} components on the first two principal axes; the "
            f"largest holds {100 * self.components[0].weight:.1f} % of the records",
            f"Points: means; each ellipse holds {100 * _ELLIPSE:g} % of its component.",
        )

    def _densities(self, names: Names) -> View:
        means = np.array([part.mean[0] for part in self.components])
        deviations = np.sqrt([part.covariance[0][0] for part in self.components])
        grid = np.linspace((means - 4 * deviations).min(), (means + 4 * deviations).max(), 201)
        whole = np.zeros_like(grid)
        rows: list[dict[str, object]] = []
        for index, label in enumerate(self._labels()):
            law = stats.norm.pdf(grid, means[index], deviations[index])
            density = self.components[index].weight * law
            whole += density
            rows += [
                {"group": label, "x": x, "y": y}
                for x, y in zip(grid.tolist(), density.tolist(), strict=True)
            ]
        x = alt.X("x:Q", title=names.axis(self.variables[0]), scale=alt.Scale(zero=False))
        y = alt.Y("y:Q", title="Density")
        total = [{"x": x, "y": y} for x, y in zip(grid.tolist(), whole.tolist(), strict=True)]
        drawing: Any = alt.Chart(alt.Data(values=total)).mark_line(
            color=QUIET, strokeDash=[4, 4], strokeWidth=1.5
        ).encode(x=x, y=y) + alt.Chart(alt.Data(values=rows)).mark_line(strokeWidth=2).encode(
            x=x, y=y, color=alt.Color("group:N", sort=self._labels(), title="Component")
        )
        return chart(
            f"Components of {names.variable(self.variables[0])}",
            drawing.properties(width="container", height=280),
            f"Densities of {len(self.components)} components, with means at "
            + ", ".join(f"{mean:.4g}" for mean in means.tolist()),
            "Dashed: all together.",
        )

    def _components(self, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [
            ("component", "Component", "text"),
            ("weight", "Weight, %", "number"),
            ("records", "Records", "integer"),
        ]
        for index, code in enumerate(self.variables):
            columns += [
                (f"m{index}", f"{names.variable(code)}: mean", "number"),
                (f"s{index}", "SD", "number"),
            ]
        rows = []
        for number, part in enumerate(self.components):
            row: dict[str, object] = {
                "component": str(number + 1),
                "weight": 100 * part.weight,
                "records": part.records,
            }
            for index, mean in enumerate(part.mean):
                row |= {f"m{index}": mean, f"s{index}": part.covariance[index][index] ** 0.5}
            rows.append(row)
        return table("Components", columns, rows, "Records: those whose likeliest component it is.")


@algorithm(
    "gaussian_mixture",
    label="Gaussian mixture",
    question="Find structure",
    description="Overlapping groups of patients that are alike in numeric variables.",
    discloses=(
        "Weight, size, means and covariances of components of at least the minimum of patients, "
        "and the log-likelihood over the whole cohort."
    ),
    y=many(NUMERIC, "Variables"),
    method="a Gaussian mixture model",
    citations=(
        "Dempster AP, Laird NM, Rubin DB. Maximum likelihood from incomplete data via the EM "
        "algorithm. Journal of the Royal Statistical Society B. 1977;39:1-38.",
        "McLachlan G, Peel D. Finite Mixture Models. Wiley; 2000.",
    ),
    parameters=GaussianMixtureParameters,
)
def gaussian_mixture(
    cohort: Cohort, parameters: GaussianMixtureParameters
) -> GaussianMixtureResult:
    """Maximum likelihood by expectation and maximisation, from the clusters of k-means.

    Variables are standardised; the rounds start from k-means' centres and sizes with one common
    spread. Raises CannotCompute where a variable is constant, where a component comes to hold
    fewer patients than the minimum, where it has no spread, or where the rounds do not settle.
    Source: McLachlan & Peel, Finite Mixture Models (2000), 3.2 and 6.8 to 6.9.
    """
    design = cohort.design(cohort.y)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = float(folded.records)
    scale = _deviations(folded)
    state = _start(cohort, parameters, folded, scale)
    state, step, covariances, rounds = _settled(cohort, state, parameters)
    plane, explained = _principal(folded, scale)
    order = np.argsort(-state.weights, kind="stable")
    log_likelihood = float(step.log_likelihood) - n * float(np.log(scale).sum())
    return GaussianMixtureResult(
        variables=design.labels,
        covariance=parameters.covariance,
        n=int(n),
        excluded=cohort.size.excluded,
        components=tuple(
            Component(
                weight=float(state.weights[index]),
                records=int(step.records[index]),
                mean=tuple((state.shift + scale * state.means[index]).tolist()),
                covariance=_rows(covariances[index] * np.outer(scale, scale)),
                centre=_pair(plane @ state.means[index]),
                spread=_spread(plane, covariances[index]),
            )
            for index in order
        ),
        parameters=state.parameters,
        log_likelihood=log_likelihood,
        aic=2 * state.parameters - 2 * log_likelihood,
        bic=float(np.log(n)) * state.parameters - 2 * log_likelihood,
        iterations=rounds,
        plane=_rows(plane),
        explained=explained,
    )


def _deviations(folded: Moments) -> FloatArray:
    """Standard deviations with the denominator n, (p,)."""
    variances = np.diag(folded.scatter) / float(folded.records)
    deviations: FloatArray = np.sqrt(np.maximum(variances, 0.0))
    return deviations


def _start(
    cohort: Cohort, parameters: GaussianMixtureParameters, folded: Moments, scale: FloatArray
) -> MixtureState:
    """The clusters of k-means with one common spread; raises CannotCompute as k-means does."""
    k, design = parameters.k, cohort.design(cohort.y)
    p = len(design.columns)
    clusters = kmeans(
        cohort,
        KMeansParameters(
            k=k, tolerance=_START_TOLERANCE, max_iterations=1000, seed=parameters.seed
        ),
    )
    if len(clusters.sizes) < k:
        raise CannotCompute(
            f"{k} components cannot be told apart: only {len(clusters.sizes)} clusters of at "
            f"least {cohort.minimum} patients are there to start from",
            remedy="Ask for fewer components.",
        )
    variance = clusters.within / (clusters.n * p) + parameters.floor
    covariance = max(variance, _SINGULAR) * np.eye(p)
    each = {
        "full": k * p * (p + 1) // 2,
        "diagonal": k * p,
        "spherical": k,
        "tied": p * (p + 1) // 2,
    }
    return MixtureState(
        design=design,
        shift=folded.mean,
        scale=scale,
        weights=np.array(clusters.sizes) / clusters.n,
        means=np.array(clusters.standardised_centres),
        roots=np.stack([_root(covariance)] * k),
        crossed=parameters.covariance in ("full", "tied"),
        parameters=k - 1 + k * p + each[parameters.covariance],
    )


def _settled(
    cohort: Cohort, state: MixtureState, parameters: GaussianMixtureParameters
) -> tuple[MixtureState, MixtureStep, FloatArray, int]:
    """The mixture once its likelihood rests, the step there, covariances, and how many rounds."""
    step = _checked(cohort, state)
    for rounds in range(1, parameters.max_iterations + 1):
        before = float(step.log_likelihood)
        state, covariances = _maximised(state, step, parameters)
        step = _checked(cohort, state)
        change = abs(float(step.log_likelihood) - before) / cohort.size.records
        if change < parameters.tolerance:
            return state, step, covariances, rounds
    raise CannotCompute(
        f"The log-likelihood still changes by {change:.2g} a record after "
        f"{parameters.max_iterations} rounds",
        remedy="Allow more iterations or a larger tolerance, or ask for fewer components.",
    )


def _checked(cohort: Cohort, state: MixtureState) -> MixtureStep:
    """A round's sums, all of whose components hold the minimum of patients."""
    step = cohort.fold(mixture_step, state)
    weight = np.ma.filled(np.ma.asarray(step.weight), 0.0)
    if np.ma.is_masked(step.weight) or float(weight.min()) < cohort.minimum:
        raise CannotCompute(
            f"A component has come to hold fewer than {cohort.minimum} patients, perhaps at one "
            "hospital alone",
            remedy="Ask for fewer components, or for a simpler covariance.",
        )
    return step


def _maximised(
    state: MixtureState, step: MixtureStep, parameters: GaussianMixtureParameters
) -> tuple[MixtureState, FloatArray]:
    """The mixture that a step leads to, with its covariances, (k, p, p)."""
    weight, total, spread = (np.asarray(part) for part in (step.weight, step.total, step.spread))
    n, p = float(weight.sum()), total.shape[1]
    moved = total / weight[:, None]
    identity = np.eye(p)
    if parameters.covariance == "tied":
        shared = spread.sum(axis=0) - np.dot((weight[:, None] * moved).T, moved)
        covariances = np.stack([shared / n] * len(weight))
    elif parameters.covariance == "full":
        covariances = spread / weight[:, None, None] - np.einsum("ki,kj->kij", moved, moved)
    else:
        variances = spread / weight[:, None] - moved**2
        if parameters.covariance == "spherical":
            variances = np.repeat(variances.mean(axis=1, keepdims=True), p, axis=1)
        covariances = variances[:, :, None] * identity
    covariances = (covariances + covariances.transpose(0, 2, 1)) / 2 + parameters.floor * identity
    moved_state = replace(
        state,
        weights=weight / n,
        means=state.means + moved,
        roots=np.stack([_root(covariance) for covariance in covariances]),
    )
    return moved_state, covariances


def _root(covariance: FloatArray) -> FloatArray:
    """The root for which root' covariance root = 1, (p, p)."""
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < _SINGULAR:
        raise CannotCompute(
            "Within a component the variables determine each other, or one is constant",
            remedy="Leave one of them out, raise the variance floor, or ask for fewer components.",
        )
    root: FloatArray = vectors / np.sqrt(values)
    return root


def _principal(folded: Moments, scale: FloatArray) -> tuple[FloatArray, tuple[float, ...]]:
    """The first two principal axes (2, p) of standardised variables, or one, and their shares."""
    values, vectors = np.linalg.eigh(
        folded.scatter / (float(folded.records) * np.outer(scale, scale))
    )
    axes = vectors[:, ::-1].T[:2]
    return axes * signs(axes)[:, None], tuple((values[::-1][:2] / values.sum()).tolist())


def _pair(values: FloatArray) -> tuple[float, float]:
    """Coordinates in the plane; without a second axis 0."""
    first, second = (*values.tolist(), 0.0)[:2]
    return first, second


def _spread(plane: FloatArray, covariance: FloatArray) -> Spread:
    whole = np.zeros((2, 2))
    whole[: len(plane), : len(plane)] = plane @ covariance @ plane.T
    (a, b), (c, d) = whole.tolist()
    return (a, b), (c, d)


def _rows(values: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
