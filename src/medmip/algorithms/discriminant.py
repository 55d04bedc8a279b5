"""Discriminant analysis: which class a patient belongs to, and the axes that part the classes."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import combinations
from typing import Any, Literal

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats
from scipy.special import softmax

from medmip.algorithms.coefficients import reference_note
from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.declaration import CannotCompute, Parameters, TrainedResult, algorithm
from medmip.algorithms.discriminant_axes import Axis, discriminant_axes, rao_test
from medmip.algorithms.ellipses import Spread, ellipses
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.references import ELEMENTS
from medmip.algorithms.role import ANY, NOMINAL, many, one
from medmip.algorithms.views import Format, View, chart, hidden_note, shown, table, unmasked
from medmip.algorithms.whitening import own_root, pooled_root
from medmip.fold.block import Block
from medmip.fold.class_scatter import Classes, ScatterState, class_scatter
from medmip.fold.cohort import Cohort
from medmip.fold.model import Model, Target, TermFactor, known_levels
from medmip.fold.scores import ScoreState, class_scores
from medmip.fold.statistic import FloatArray


class Kind(StrEnum):
    """Whether the classes share one covariance."""

    LINEAR = "linear"
    QUADRATIC = "quadratic"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Kind.LINEAR: "Linear: the covariates vary alike in every class",
            Kind.QUADRATIC: "Quadratic: the covariates vary in each class in its own way",
        }[self]


class DiscriminantParameters(Parameters):
    """Parameters of a discriminant analysis."""

    kind: Kind = Field(
        Kind.LINEAR,
        title="Kind",
        description="Whether the classes share one covariance of the covariates.",
        json_schema_extra={"labels": {one.value: one.label for one in Kind}},
    )
    confidence: float = Field(
        0.95,
        gt=0,
        lt=1,
        title="Ellipses",
        description="Share of a class that its ellipse holds, by the normal distribution.",
    )


class ClassSummary(BaseModel):
    """One class: its means (p,), its centre on each axis, its covariance on the first two."""

    model_config = ConfigDict(frozen=True)

    level: str
    n: int
    prior: float
    means: tuple[float, ...]
    centre: tuple[float, ...]
    spread: Spread


class DiscriminantModel(Model):
    """Normal laws by class, in the target's order.

    prior (k,); columns are the p terms; means (k, p); roots (m, p, p) and half_log_precisions
    (m,) whiten the columns, (x - mean) root, m being 1 where the classes share one covariance.
    known are the levels of each nominal covariate that the training held.
    """

    kind: Literal["discriminant"] = "discriminant"
    prior: tuple[float, ...]
    columns: tuple[TermFactor, ...]
    means: tuple[tuple[float, ...], ...]
    roots: tuple[tuple[tuple[float, ...], ...], ...]
    half_log_precisions: tuple[float, ...]
    known: dict[str, tuple[str, ...]]

    @property
    def variables(self) -> tuple[str, ...]:
        named = [column.variable for column in self.columns]
        return tuple(dict.fromkeys([*named, *self.known]))

    def predict(self, block: Block) -> FloatArray:
        x = np.column_stack([column.values(block) for column in self.columns])
        scores = np.empty((block.records, len(self.prior)))
        for index, (prior, mean) in enumerate(zip(self.prior, self.means, strict=True)):
            part = index % len(self.roots)
            white = np.dot(x - np.array(mean), np.array(self.roots[part]))
            apart = np.einsum("np,np->n", white, white)
            scores[:, index] = np.log(prior) + self.half_log_precisions[part] - apart / 2
        for variable, levels in self.known.items():
            held = block.layout.levels_of(variable)
            unknown = np.array([*(level not in levels for level in held), True])
            scores[unknown[block.levels(variable)]] = np.nan
        likely: FloatArray = softmax(scores, axis=1)
        return likely


class DiscriminantResult(TrainedResult):
    """The classes in the data model's order, the axes by falling share, the cohort as classed.

    wilks is Wilks' lambda of all axes, with Rao's F; confusion (k, k) counts records by class and
    by the class that the model gives them; None where suppressed.
    """

    outcome: str
    kind: Kind
    columns: tuple[str, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    n: int
    excluded: int
    classes: tuple[ClassSummary, ...]
    axes: tuple[Axis, ...]
    wilks: float
    f: float
    df_between: float
    df_within: float
    p_value: float
    confusion: tuple[tuple[int | None, ...], ...]
    accuracy: float | None
    confidence: float
    minimum: int
    model: DiscriminantModel

    def views(self, names: Names = CODES) -> list[View]:
        labels = [names.level(self.outcome, part.level) for part in self.classes]
        views = [
            self._map(labels, names),
            self._tests(),
            self._coefficients(names),
            self._means(labels, names),
            self._confusion(labels),
        ]
        return [*views, confusion_chart(labels, self.confusion, self.minimum)]

    def _map(self, labels: Sequence[str], names: Names) -> View:
        percent = f"{100 * self.confidence:g} %"
        outcome = names.variable(self.outcome)
        titles = [
            f"Axis {index + 1} ({100 * axis.share:.1f} %)" for index, axis in enumerate(self.axes)
        ]
        drawing: Any
        if len(self.axes) > 1:
            groups = [
                (label, part.centre[:2], part.spread)
                for label, part in zip(labels, self.classes, strict=True)
            ]
            drawing = ellipses(groups, self.confidence, (titles[0], titles[1]), outcome)
            what = f"Points: means; each ellipse holds {percent} of its class"
        else:
            drawing = self._line(labels, titles[0], outcome)
            what = f"Points: means; each line holds {percent} of its class"
        told = ", ".join(
            f"{label} at {part.centre[0]:.2g}"
            for label, part in zip(labels, self.classes, strict=True)
        )
        return chart(
            "Classes on the discriminant axes",
            drawing,
            f"Means and spread of {len(labels)} classes; on the first axis {told}",
            f"{what} by the normal distribution. An axis is in standard deviations within a class.",
        )

    def _line(self, labels: Sequence[str], title: str, outcome: str) -> Any:  # noqa: ANN401
        reach = stats.norm.ppf(0.5 + self.confidence / 2)
        rows = [
            {
                "group": label,
                "centre": part.centre[0],
                "lower": part.centre[0] - reach * part.spread[0][0] ** 0.5,
                "upper": part.centre[0] + reach * part.spread[0][0] ** 0.5,
            }
            for label, part in zip(labels, self.classes, strict=True)
        ]
        base = alt.Chart(alt.Data(values=rows)).encode(
            y=alt.Y("group:N", sort=list(labels), title=outcome, axis=alt.Axis(labelLimit=240)),
            color=alt.Color("group:N", sort=list(labels), legend=None),
            tooltip=[
                alt.Tooltip("group:N", title=outcome.lower()),
                alt.Tooltip("centre:Q", title="mean", format=".3f"),
            ],
        )
        lines = base.mark_rule(strokeWidth=2).encode(x=alt.X("lower:Q", title=title), x2="upper:Q")
        points = base.mark_point(filled=True, size=80, opacity=1).encode(x="centre:Q")
        return (lines + points).properties(width="container", height=alt.Step(40))

    def _tests(self) -> View:
        rows = [
            axis.model_dump() | {"axis": str(index + 1), "share": 100 * axis.share}
            for index, axis in enumerate(self.axes)
        ]
        return table(
            "Discriminant axes",
            [
                ("axis", "Axis", "text"),
                ("eigenvalue", "Eigenvalue", "number"),
                ("share", "Between-class variance, %", "number"),
                ("canonical_correlation", "Canonical correlation", "number"),
                ("wilks", "Wilks' Λ", "number"),
                ("chi_squared", "χ²", "number"),
                ("df", "df", "integer"),
                ("p_value", "p-value", "pvalue"),
            ],
            rows,
            "Λ, χ² and p-value: whether this axis and those after it part the classes (Bartlett). "
            f"All together: F({self.df_between:.4g}, {self.df_within:.4g}) = {self.f:.4g} (Rao), "
            f"p {'< 0.001' if self.p_value < 0.001 else f'= {self.p_value:.3f}'}.",
        )

    def _coefficients(self, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [("term", "Term", "text")]
        for index in range(len(self.axes)):
            columns += [
                (f"c{index}", f"Axis {index + 1}", "number"),
                (f"s{index}", f"Axis {index + 1}, standardised", "number"),
            ]
        rows = []
        for place, term in enumerate(self.columns):
            row: dict[str, object] = {"term": names.term(term)}
            for index, axis in enumerate(self.axes):
                row |= {f"c{index}": axis.coefficients[place]}
                row |= {f"s{index}": axis.standardised[place]}
            rows.append(row)
        note = "Standardised: for one standard deviation within a class."
        return table(
            "Discriminant coefficients",
            columns,
            rows,
            "; ".join(part for part in (reference_note(self.references, names), note) if part),
        )

    def _means(self, labels: Sequence[str], names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [("term", "Term", "text")]
        columns += [(f"c{index}", label, "number") for index, label in enumerate(labels)]
        rows = [
            {"term": names.term(term)}
            | {f"c{index}": part.means[place] for index, part in enumerate(self.classes)}
            for place, term in enumerate(self.columns)
        ]
        return table("Means by class", columns, rows, "Of a level: the share that has it.")

    def _confusion(self, labels: Sequence[str]) -> View:
        columns: list[tuple[str, str, Format]] = [
            ("level", "Class", "text"),
            ("n", "n", "integer"),
            ("prior", "Prior", "number"),
        ]
        columns += [(f"c{i}", f"classed as {label}", "integer") for i, label in enumerate(labels)]
        rows = [
            {"level": label, "n": part.n, "prior": part.prior}
            | {f"c{i}": shown(count) for i, count in enumerate(counts)}
            for label, part, counts in zip(labels, self.classes, self.confusion, strict=True)
        ]
        hidden = hidden_note((count for row in self.confusion for count in row), self.minimum)
        right = "" if self.accuracy is None else f"; {100 * self.accuracy:.1f} % classed rightly"
        note = (
            f"{self.n} records, {self.excluded} dropped for missing values{right}. On the very "
            "records that the model was made from: new patients fare worse."
        )
        return table("Classes", columns, rows, f"{note} {hidden}".strip())


@algorithm(
    "discriminant",
    label="Discriminant analysis",
    question="Predict an outcome",
    description="The class a patient most likely belongs to, and the axes that part the classes.",
    discloses=(
        "Means and covariances of the covariates by class, and numbers of records by class and "
        "given class; no class, and no level in a class, that fewer patients than the minimum have."
    ),
    y=one(NOMINAL, "Class"),
    x=many(ANY, "Covariates"),
    citations=(
        "Fisher RA. The use of multiple measurements in taxonomic problems. Annals of Eugenics. "
        "1936;7:179-188.",
        ELEMENTS,
    ),
    parameters=DiscriminantParameters,
)
def discriminant(cohort: Cohort, parameters: DiscriminantParameters) -> DiscriminantResult:
    """Normal covariates with one covariance in every class, or each class with its own.

    Covariances are unbiased, priors the classes' shares; the axes are those of the shared
    covariance for both kinds. Raises CannotCompute where fewer than two classes are there, a
    class has too few records, or covariates are constant or determine each other.
    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., 4.3.
    """
    (outcome,) = cohort.y
    if outcome.code in {variable.code for variable in cohort.x}:
        raise CannotCompute("The class is among its own covariates", remedy="Leave it out.")
    full = cohort.design(cohort.x)
    names = cohort.levels[outcome.code]
    crossed = _crossed(cohort)
    quadratic = parameters.kind is Kind.QUADRATIC
    state = ScatterState(
        outcome.code, len(names), full, quadratic or not crossed, crossed if quadratic else ()
    )
    folded = cohort.fold(class_scatter, state, cells=_cell_names(cohort, state))
    present = np.flatnonzero(folded.records > 0)
    if len(present) < 2:
        raise CannotCompute(
            f"{outcome.code} has a single level in this cohort",
            remedy="Choose another outcome, or widen the filter.",
        )
    patients = np.full(len(full.columns), folded.cells[:, 0].sum())
    for place, index in enumerate(full.with_levels):
        patients[index] = folded.cells[:, 1 + place].sum()
    kept = full.estimable(patients)
    labels = tuple(full.labels[index] for index in kept)
    classes = Classes.of(folded, present, kept)
    whole = [names[place] for place in present]
    apart = len(classes.scatter) > 1
    if not classes.n > len(whole) or (apart and classes.records.min() < 2):
        raise CannotCompute(
            f"{len(whole)} classes of so few records have no spread within each",
            remedy="Widen the filter, or leave classes out.",
        )
    pooled = pooled_root(classes, labels)
    scale = np.sqrt(np.diag(classes.pooled))
    axes, scalings = discriminant_axes(classes, pooled, scale)
    roots = (
        [own_root(classes, index, level, labels) for index, level in enumerate(whole)]
        if quadratic
        else [pooled]
    )
    columns = [full.columns[index].factors[0] for index in kept]
    model = DiscriminantModel(
        outcome=outcome.code,
        target=Target.each(whole),
        prior=tuple((classes.records / classes.n).tolist()),
        columns=tuple(
            TermFactor(variable=factor.variable, level=factor.level_code) for factor in columns
        ),
        means=_rows(classes.means),
        roots=tuple(_rows(root) for root in roots),
        half_log_precisions=tuple(float(np.linalg.slogdet(root)[1]) for root in roots),
        known=known_levels(full, patients),
    )
    given = np.ma.asarray(cohort.fold(class_scores, ScoreState(model)).records)
    complete = not np.ma.is_masked(given)
    centres = (classes.means - classes.grand) @ scalings
    return DiscriminantResult(
        outcome=outcome.code,
        kind=parameters.kind,
        columns=labels,
        references=full.references(patients),
        dropped=tuple(label for label, held in zip(full.labels, patients, strict=True) if not held),
        n=int(classes.n),
        excluded=cohort.size.excluded,
        classes=tuple(
            ClassSummary(
                level=level,
                n=int(classes.records[index]),
                prior=model.prior[index],
                means=tuple(classes.means[index].tolist()),
                centre=tuple(centres[index].tolist()),
                spread=_spread(classes.covariance(index), scalings),
            )
            for index, level in enumerate(whole)
        ),
        axes=axes,
        **rao_test(classes, axes[0].wilks),
        confusion=tuple(tuple(unmasked(row)) for row in given),
        accuracy=float(np.trace(np.asarray(given))) / classes.n if complete else None,
        confidence=parameters.confidence,
        minimum=cohort.minimum,
        model=model,
    )


def _crossed(cohort: Cohort) -> tuple[tuple[tuple[str, int], tuple[str, int]], ...]:
    nominal = [
        (variable.code, len(cohort.levels[variable.code]))
        for variable in cohort.x
        if variable.is_nominal
    ]
    return tuple(combinations(nominal, 2))


def _cell_names(cohort: Cohort, state: ScatterState) -> list[str]:
    """The names of ClassScatter's cells, class by class."""
    (outcome,) = cohort.y
    within = [state.design.columns[index].label for index in state.design.with_levels]
    for (first, _), (second, _) in state.crossed:
        within += [
            f"{first}[{one}] with {second}[{other}]"
            for one in cohort.levels[first]
            for other in cohort.levels[second]
        ]
    return [
        name
        for level in cohort.levels[outcome.code]
        for name in (level, *(f"{part} in {level}" for part in within))
    ]


def _spread(covariance: FloatArray, scalings: FloatArray) -> Spread:
    """The covariance on the first two axes; without a second one, its row and column are 0."""
    plane = np.zeros((len(covariance), 2))
    plane[:, : min(2, scalings.shape[1])] = scalings[:, :2]
    (a, b), (c, d) = (plane.T @ covariance @ plane).tolist()
    return (a, b), (c, d)


def _rows(values: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
