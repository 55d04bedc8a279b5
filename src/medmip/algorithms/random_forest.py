"""A random forest: many trees on random samples of records and covariates, and their mean."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.decision_tree import Criterion
from medmip.algorithms.declaration import CannotCompute, Parameters, TrainedResult, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import ANY, many, one
from medmip.algorithms.tree_cohort import TreeCohort, bins_field, node_values, tree_cohort
from medmip.algorithms.tree_views import Weight, importance_chart, importance_table, shares
from medmip.algorithms.views import Format, View, facts, hidden_note, shown, table, unmasked
from medmip.errors import RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.draws import REMEMBERED
from medmip.fold.forest import OutOfBagState, out_of_bag_classes, out_of_bag_numbers
from medmip.fold.statistic import FloatArray
from medmip.fold.tree_growth import (
    ClassRule,
    Looked,
    Nodes,
    NumberRule,
    TooFew,
    gains_of,
    grown,
    importance,
    told,
)
from medmip.fold.tree_model import MOST_LEAVES, FittedTree, TreesModel
from medmip.fold.trees import NumberOutcome, SplitSearch, Tree, split_sums

_FEW = 50_000
"""Records up to which all trees grow in the same rounds: looking them up anew costs little."""


class RandomForestParameters(Parameters):
    """Parameters of a random forest."""

    trees: int = Field(50, ge=1, le=500, title="Trees", description="Whose mean is taken.")
    criterion: Criterion = Field(
        "gini",
        title="Criterion",
        description="What a question lowers: Gini's index or the entropy. A numeric outcome's "
        "variance is lowered always.",
    )
    depth: int = Field(
        8, ge=1, le=10, title="Depth", description="Questions one after another in each tree."
    )
    least: int = Field(
        10,
        ge=1,
        le=100_000,
        title="Least in a leaf",
        description="Records, counted as often as drawn, that a leaf must hold; never fewer "
        "patients than the hospital's minimum.",
    )
    covariates: int | None = Field(
        None,
        ge=1,
        title="Covariates for a question",
        description="Drawn anew for each; left empty, the root of their number for classes and a "
        "third of it for numbers.",
    )
    sample: bool = Field(
        True,
        title="Random samples",
        description="Each tree grows from a random sample of the records, drawn with replacement.",
    )
    seed: int = Field(1, ge=0, le=2**32 - 1, title="Seed", description="Of all random draws.")
    bins: int = bins_field()


class RandomForestResult(TrainedResult):
    """A fitted forest; out of the bag, each record is judged by the trees that did not draw it.

    confusion (k, k) is by class and likeliest class out of the bag, None where suppressed; it,
    accuracy, r_squared and rmse (in the outcome's unit) are missing where every tree saw all.
    """

    outcome: str
    classes: tuple[str, ...]
    n: int
    excluded: int
    trees: int
    leaves: int
    covariates: int
    importance: tuple[Weight, ...]
    confusion: tuple[tuple[int | None, ...], ...]
    accuracy: float | None
    r_squared: float | None
    rmse: float | None
    minimum: int
    model: TreesModel

    def views(self, names: Names = CODES) -> list[View]:
        fit: list[tuple[str, object, Format]] = [
            ("Records", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Trees", self.trees, "integer"),
            ("Leaves of a tree, on average", self.leaves / self.trees, "number"),
            ("Covariates for a question", self.covariates, "integer"),
        ]
        measures = (
            ("Accuracy out of the bag", self.accuracy),
            ("R² out of the bag", self.r_squared),
            ("Root mean squared error out of the bag", self.rmse),
        )
        fit += [(label, value, "number") for label, value in measures if value is not None]
        views = [
            importance_chart(self.importance, names),
            importance_table(self.importance, names),
            facts(
                "Fit",
                fit,
                "Out of the bag, each record is judged by the trees that did not draw it.",
            ),
        ]
        if self.confusion:
            views += self._confusion([names.level(self.outcome, code) for code in self.classes])
        return views

    def _confusion(self, labels: Sequence[str]) -> list[View]:
        columns: list[tuple[str, str, Format]] = [("level", "Class", "text")]
        columns += [(f"c{i}", f"classed as {label}", "integer") for i, label in enumerate(labels)]
        rows: list[dict[str, object]] = [
            {"level": label} | {f"c{i}": shown(count) for i, count in enumerate(row)}
            for label, row in zip(labels, self.confusion, strict=True)
        ]
        flat = [count for row in self.confusion for count in row]
        views: list[View] = [
            table("Out of the bag by class", columns, rows, hidden_note(flat, self.minimum))
        ]
        return [*views, confusion_chart(labels, self.confusion, self.minimum)]


@algorithm(
    "random_forest",
    label="Random forest",
    question="Predict an outcome",
    description="Many trees on random samples of records and covariates, and the mean of what "
    "they say of a class or a number.",
    discloses=(
        "Questions at rounded values and, for each leaf of every tree, the shares of classes or "
        "the mean of a random sample; no leaf, and no class in a leaf, of fewer patients than the "
        "minimum; numbers of records by class and likeliest class."
    ),
    y=one(ANY, "Outcome"),
    x=many(ANY, "Covariates"),
    method="a random forest",
    citations=("Breiman L. Random forests. Machine Learning. 2001;45:5-32.",),
    parameters=RandomForestParameters,
)
def random_forest(cohort: Cohort, parameters: RandomForestParameters) -> RandomForestResult:
    """Trees on Poisson samples, each node asking about a few covariates drawn for it.

    A record's own values and the tree's seed decide how often it is drawn, so that a forest is
    the same however the cohort is divided. Raises CannotCompute where the outcome or every
    covariate is constant, and RequestError where the model would grow too large.
    Source: Breiman, Machine Learning 45 (2001) 5-32.
    """
    if parameters.trees * 2**parameters.depth > MOST_LEAVES:
        raise RequestError(
            f"parameters.trees: {parameters.trees} trees as deep as {parameters.depth} may have "
            f"more than {MOST_LEAVES} leaves",
            remedy="Ask for fewer trees or a lesser depth.",
        )
    ready = tree_cohort(cohort, parameters.bins)
    number = isinstance(ready.outcome, NumberOutcome)
    of = len(ready.covariates)
    usual = max(1, of // 3) if number else max(1, int(np.sqrt(of)))
    looked = min(parameters.covariates or usual, of)
    seeds: tuple[int, ...] | None = None
    if parameters.sample:
        drawn = np.random.default_rng(parameters.seed).integers(0, 2**31, parameters.trees)
        seeds = tuple(drawn.tolist())
    # Of a drawn sample some five eighths of the weight are different patients.
    few = cohort.minimum * (2 if parameters.sample and cohort.minimum > 1 else 1)
    least = max(parameters.least, few)
    rule = NumberRule(least, few) if number else ClassRule(least, few, parameters.criterion)
    together = parameters.trees if ready.n <= _FEW else REMEMBERED
    fitted: list[tuple[Tree, FloatArray]] = []
    for first in range(0, parameters.trees, together):
        members = range(first, min(first + together, parameters.trees))
        own = seeds and seeds[members.start : members.stop]
        grove = _grown(cohort, ready, rule, parameters, members, looked, own)
        try:
            fitted += told(cohort, ready.bins, ready.outcome, grove, own)
        except TooFew:
            raise CannotCompute(
                f"{ready.variable.code} has a class of fewer than {cohort.minimum} patients in a "
                "sample",
                remedy="Filter that level out, or grow the trees without samples.",
            ) from None
    if any(not float(sums[0, :1].sum() if number else sums[0].sum()) for _, sums in fitted):
        raise CannotCompute(
            "Samples of so few records may be empty",
            remedy="Widen the filter, or grow the trees without samples.",
        )
    return _result(cohort, ready, rule, looked, fitted, seeds)


def _grown(
    cohort: Cohort,
    ready: TreeCohort,
    rule: ClassRule | NumberRule,
    parameters: RandomForestParameters,
    members: range,
    looked: int,
    seeds: tuple[int, ...] | None,
) -> list[Tree]:
    of = len(ready.covariates)

    def draw(index: int, node: int) -> tuple[int, ...]:
        rng = np.random.default_rng((parameters.seed, members[index], node))
        return tuple(sorted(rng.choice(of, looked, replace=False).tolist()))

    def search(trees: tuple[Tree, ...], nodes: Nodes, features: Looked | None) -> FloatArray:
        state = SplitSearch(ready.bins, ready.outcome, trees, nodes, features, seeds)
        return cohort.fold(split_sums, state).sums

    growing = grown(
        search,
        rule,
        ready.bins,
        parameters.depth,
        trees=len(members),
        channels=ready.outcome.channels,
        draw=draw if looked < of else None,
    )
    return [part.tree for part in growing]


def _result(
    cohort: Cohort,
    ready: TreeCohort,
    rule: ClassRule | NumberRule,
    looked: int,
    fitted: Sequence[tuple[Tree, FloatArray]],
    seeds: tuple[int, ...] | None,
) -> RandomForestResult:
    weights = np.zeros(len(ready.covariates))
    models = []
    for tree, sums in fitted:
        each = importance(tree, gains_of(tree, sums, rule), len(weights))
        weights += each / max(float(each.sum()), np.finfo(float).tiny)
        models.append(FittedTree.of(tree, ready.bins, node_values(ready, sums * ready.units)))
    confusion, accuracy, r_squared, rmse = _out_of_bag(cohort, ready, fitted, seeds)
    return RandomForestResult(
        outcome=ready.variable.code,
        classes=ready.target.classes if ready.target else (),
        n=ready.n,
        excluded=cohort.size.excluded,
        trees=len(models),
        leaves=sum(tree.variable.count(-1) for tree in models),
        covariates=looked,
        importance=shares(ready.covariates, weights),
        confusion=confusion,
        accuracy=accuracy,
        r_squared=r_squared,
        rmse=rmse,
        minimum=cohort.minimum,
        model=TreesModel.of(
            ready.variable.code, ready.target, "mean", ready.bins, ready.known, models
        ),
    )


_Judged = tuple[tuple[tuple[int | None, ...], ...], float | None, float | None, float | None]


def _out_of_bag(
    cohort: Cohort,
    ready: TreeCohort,
    fitted: Sequence[tuple[Tree, FloatArray]],
    seeds: tuple[int, ...] | None,
) -> _Judged:
    """The confusion and accuracy of classes, or R² and root mean squared error of a number."""
    if seeds is None:
        return (), None, None, None
    trees = tuple(tree for tree, _ in fitted)
    if isinstance(ready.outcome, NumberOutcome):
        steps = tuple(sums[:, 1:2] / sums[:, :1] for _, sums in fitted)
        state = OutOfBagState(ready.bins, ready.outcome, trees, steps, seeds)
        n, error, total, square = cohort.fold(out_of_bag_numbers, state).sums.tolist()
        spread = square - total**2 / n if n else 0.0
        if not spread:
            return (), None, None, None
        return (), None, 1.0 - error / spread, float(np.sqrt(error / n)) * ready.outcome.step
    values = tuple(node_values(ready, sums) for _, sums in fitted)
    state = OutOfBagState(ready.bins, ready.outcome, trees, values, seeds)
    counts = np.ma.asarray(cohort.fold(out_of_bag_classes, state).records)
    confusion = tuple(tuple(unmasked(row)) for row in counts)
    if np.ma.is_masked(counts) or not counts.sum():
        return confusion, None, None, None
    return confusion, float(np.trace(np.asarray(counts)) / counts.sum()), None, None
