"""K-means clustering of patients by numeric variables."""

from dataclasses import replace

import altair as alt
import numpy as np
from pydantic import Field

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import NUMERIC, many
from medmip.algorithms.views import Format, View, chart, table
from medmip.fold.cohort import Cohort
from medmip.fold.lloyd import LloydState, LloydStep, lloyd_step, weighted_centres
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray

MAX_STARTS = 10
STARTS_RECORDS = 200_000
"""Records that all starts together may look at: large cohorts settle near the best from one."""
SAMPLE = 20_000
"""About so many records of a larger cohort are clustered first, to begin near the end."""


class KMeansParameters(Parameters):
    """Parameters of a k-means clustering."""

    k: int = Field(4, ge=1, le=100, title="Clusters", description="Number of clusters.")
    standardise: bool = Field(
        True, title="Standardise", description="Give every variable the same weight."
    )
    max_iterations: int = Field(
        300, ge=1, le=1000, title="Iterations", description="Rounds at the most."
    )
    tolerance: float = Field(
        1e-4,
        ge=0,
        le=1,
        title="Tolerance",
        description="Stop once the centres move by less, as a share of the variables' variance.",
    )
    seed: int = Field(
        1, ge=0, le=2**32 - 1, title="Seed", description="Of the starting centres' random draws."
    )


class KMeansResult(Result):
    """Clusters by falling size; centres (k, p) and standardised centres in the same order."""

    variables: tuple[str, ...]
    n: int
    excluded: int
    sizes: tuple[int, ...]
    centres: tuple[tuple[float, ...], ...]
    standardised_centres: tuple[tuple[float, ...], ...]
    within: float
    between: float
    iterations: int
    note: str

    def views(self, names: Names = CODES) -> list[View]:
        columns: list[tuple[str, str, Format]] = [
            ("cluster", "Cluster", "text"),
            ("size", "Records", "integer"),
        ]
        columns += [(code, names.variable(code), "number") for code in self.variables]
        rows = [
            {"cluster": str(index + 1), "size": size}
            | dict(zip(self.variables, centre, strict=True))
            for index, (size, centre) in enumerate(zip(self.sizes, self.centres, strict=True))
        ]
        labels = [names.variable(code) for code in self.variables]
        profile = [
            {"cluster": str(index + 1), "variable": names.variable(code), "value": value}
            for index, centre in enumerate(self.standardised_centres)
            for code, value in zip(self.variables, centre, strict=True)
        ]
        lines = (
            alt.Chart(alt.Data(values=profile))
            .mark_line(point=True)
            .encode(
                x=alt.X(
                    "variable:N",
                    sort=labels,
                    title=None,
                    axis=level_axis(labels),
                ),
                y=alt.Y("value:Q", title="Standard deviations from the mean"),
                color=alt.Color("cluster:N", title="Cluster", legend=alt.Legend(columns=10)),
                tooltip=["cluster:N", "variable:N", "value:Q"],
            )
            .properties(width="container", height=280)
        )
        explained = self.between / (self.between + self.within) if self.between else 0.0
        return [
            table(
                "Clusters",
                columns,
                rows,
                f"{self.n} records, {self.excluded} dropped for missing values; "
                f"{100 * explained:.1f} % of the spread is between clusters; "
                f"{self.iterations} rounds. {self.note}".strip(),
            ),
            chart(
                "Profiles of the clusters",
                lines,
                f"Centres of {len(self.sizes)} clusters in {len(self.variables)} variables",
            ),
        ]


@algorithm(
    "kmeans",
    label="k-means",
    question="Find structure",
    description="Groups of patients that are alike in numeric variables.",
    discloses="Size and means of clusters of at least the minimum of patients.",
    y=many(NUMERIC, "Variables"),
    method="k-means clustering",
    citations=(
        "Lloyd SP. Least squares quantization in PCM. IEEE Transactions on Information Theory. "
        "1982;28:129-137.",
        "Arthur D, Vassilvitskii S. k-means++: the advantages of careful seeding. In: Symposium "
        "on Discrete Algorithms (SODA 2007). p. 1027-1035.",
    ),
    parameters=KMeansParameters,
)
def kmeans(cohort: Cohort, parameters: KMeansParameters) -> KMeansResult:
    """Lloyd's algorithm, the best of up to ten starts; of one where records are many.

    Points drawn from the normal distribution with the cohort's moments are moved to the means of
    the records nearest to them; the best of 20 k-means++ clusterings of these few weighted means
    is the start. A large cohort goes on with a sample of its records, then with all of them;
    iterations counts the rounds over all. No patient's values are copied. A cluster that falls
    below the minimum per cell is dropped. Raises CannotCompute where a variable is constant or
    there are too few records.
    Source: Lloyd, IEEE Transactions on Information Theory 28 (1982) 129-137.
    """
    design = cohort.design(cohort.y)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = float(folded.records)
    if n < parameters.k:
        raise CannotCompute(f"{parameters.k} clusters cannot be made of {int(n)} records")
    deviations = np.sqrt(np.diag(folded.scatter) / n)
    constant = np.flatnonzero(deviations <= 1e-14 * np.abs(folded.mean))
    if constant.size:
        names = ", ".join(design.labels[index] for index in constant)
        raise CannotCompute(f"These variables are constant: {names}", remedy="Leave them out.")
    scale = deviations if parameters.standardise else np.ones_like(deviations)
    scatter = folded.scatter / np.outer(scale, scale)
    rng = np.random.default_rng(parameters.seed)
    spread = float(np.trace(scatter)) / n
    share = max(1, int(n) // SAMPLE)
    found = []
    for _ in range(int(np.clip(STARTS_RECORDS // n, 1, MAX_STARTS))):
        points = _drawn(scatter / n, n / share, parameters.k, rng)
        pilot = LloydState(design, folded.mean, scale, points, share)
        start = _moved(pilot, _start(cohort, pilot, parameters.k, rng))
        if share > 1:
            start = replace(_approached(cohort, start, parameters, spread), share=1)
        found.append(_settled(cohort, start, parameters, spread))
    # Fewer clusters than asked for lose against the full number, however near they are.
    state, step, rounds = min(found, key=lambda end: (-len(end[0].centres), float(end[1].distance)))
    records = np.ma.asarray(step.records).astype(float)
    order = np.argsort(-np.ma.filled(records, 0.0), kind="stable")
    lost = parameters.k - len(order)
    within = float(np.trace(scatter)) + float(step.distance)
    centres = state.centres[order]
    return KMeansResult(
        variables=design.labels,
        n=int(n),
        excluded=cohort.size.excluded,
        sizes=tuple(int(records[index]) for index in order),
        centres=_rows(folded.mean + centres * scale),
        standardised_centres=_rows(centres * scale / deviations),
        within=within,
        between=float(np.trace(scatter)) - within,
        iterations=rounds,
        note=f"{lost} clusters of fewer than {cohort.minimum} patients were dropped."
        if lost
        else "",
    )


def _drawn(covariance: FloatArray, records: float, k: int, rng: np.random.Generator) -> FloatArray:
    """Points of the normal distribution about 0 with this covariance, some for each cluster."""
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root, unlike the eigenvectors, does not hang on signs chosen by rounding.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    number = int(min(max(8 * k, 32), max(records // 4, k)))
    points: FloatArray = rng.normal(size=(number, len(values))) @ root
    return points


def _start(cohort: Cohort, state: LloydState, k: int, rng: np.random.Generator) -> FloatArray:
    step = cohort.fold(lloyd_step, state)
    means, weights = _means(step)
    if len(means) < k:
        means = np.vstack([means, state.centres[: k - len(means)]])
        weights = np.concatenate([weights, np.full(k - len(weights), weights.min(initial=1.0))])
    return weighted_centres(means, weights, k, rng)


def _approached(
    cohort: Cohort, state: LloydState, parameters: KMeansParameters, spread: float
) -> LloydState:
    """The centres at rest in the sample of records, or where a cluster got too small there."""
    for _ in range(parameters.max_iterations):
        means, _ = _means(cohort.fold(lloyd_step, state))
        if len(means) < len(state.centres) or _resting(state, means, parameters, spread):
            break
        state = _moved(state, means)
    return state


def _resting(
    state: LloydState, means: FloatArray, parameters: KMeansParameters, spread: float
) -> bool:
    moved = float(((means - state.centres) ** 2).sum())
    return bool(moved <= parameters.tolerance * spread / state.centres.shape[1])


def _settled(
    cohort: Cohort, state: LloydState, parameters: KMeansParameters, spread: float
) -> tuple[LloydState, LloydStep, int]:
    """The state once its centres rest, the step there, and the number of rounds."""
    rounds = 0
    step = cohort.fold(lloyd_step, state)
    while True:
        means, _ = _means(step)
        fewer = len(means) < len(state.centres)
        resting = not fewer and _resting(state, means, parameters, spread)
        state = _moved(state, means)
        if not len(means):
            raise CannotCompute(
                f"Every cluster has fewer than {cohort.minimum} patients",
                remedy="Ask for fewer clusters.",
            )
        step = cohort.fold(lloyd_step, state)
        rounds += 1
        small = np.ma.is_masked(step.records) or bool((np.asarray(step.records) == 0).any())
        if (resting or rounds >= parameters.max_iterations) and not small:
            if not resting:
                raise CannotCompute(
                    f"The centres still move after {rounds} rounds",
                    remedy="Allow more iterations, or a larger tolerance.",
                )
            return state, step, rounds


def _means(step: LloydStep) -> tuple[FloatArray, FloatArray]:
    """The means of the clusters that the guard shows and that are not empty, and their sizes."""
    records = np.ma.filled(np.ma.asarray(step.records).astype(float), 0.0)
    kept = records > 0
    sums = np.ma.filled(np.ma.asarray(step.sums).astype(float), 0.0)
    means: FloatArray = sums[kept] / records[kept, None]
    return means, records[kept]


def _moved(state: LloydState, centres: FloatArray) -> LloydState:
    return replace(state, centres=centres)


def _rows(values: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
