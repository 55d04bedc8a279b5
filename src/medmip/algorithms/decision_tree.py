"""A decision tree: questions about covariates, one after another, that tell an outcome."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.declaration import CannotCompute, Parameters, TrainedResult, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import ANY, many, one
from medmip.algorithms.tree_cohort import TreeCohort, bins_field, node_values, tree_cohort
from medmip.algorithms.tree_views import (
    TreeNode,
    Weight,
    importance_chart,
    question,
    shares,
    tree_chart,
)
from medmip.algorithms.views import Format, View, facts, table
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray
from medmip.fold.tree_growth import (
    ClassRule,
    NumberRule,
    TooFew,
    gains_of,
    grown,
    importance,
    pruned,
    told,
)
from medmip.fold.tree_model import FittedTree, TreesModel
from medmip.fold.trees import NumberOutcome, SplitSearch, Tree, split_sums

Criterion = Literal["gini", "entropy"]


class DecisionTreeParameters(Parameters):
    """Parameters of a decision tree."""

    criterion: Criterion = Field(
        "gini",
        title="Criterion",
        description="What a question lowers: Gini's index (CART) or the entropy (ID3, C4.5). A "
        "numeric outcome's variance is lowered always.",
    )
    depth: int = Field(4, ge=1, le=10, title="Depth", description="Questions one after another.")
    least: int = Field(
        20,
        ge=1,
        le=100_000,
        title="Least in a leaf",
        description="Patients that a leaf must hold; never fewer than the hospital's minimum.",
    )
    alpha: float = Field(
        0.0,
        ge=0,
        title="Pruning",
        description="What a leaf costs, as mean impurity: leaves that save less are cut back.",
    )
    bins: int = bins_field()


class DecisionTreeResult(TrainedResult):
    """A fitted tree; confusion (k, k) is by class and the class of the leaf, of these records."""

    outcome: str
    criterion: Literal["gini", "entropy", "variance"]
    classes: tuple[str, ...]
    n: int
    excluded: int
    depth: int
    leaves: int
    nodes: tuple[TreeNode, ...]
    importance: tuple[Weight, ...]
    confusion: tuple[tuple[int, ...], ...]
    accuracy: float | None
    r_squared: float | None
    minimum: int
    model: TreesModel

    def views(self, names: Names = CODES) -> list[View]:
        fit: list[tuple[str, object, Format]] = [
            ("Records", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Depth", self.depth, "integer"),
            ("Leaves", self.leaves, "integer"),
        ]
        if self.accuracy is not None:
            fit.append(("Accuracy", self.accuracy, "number"))
        if self.r_squared is not None:
            fit.append(("R²", self.r_squared, "number"))
        views = [
            tree_chart(self.nodes, self.outcome, self.classes, names),
            self._rules(names),
            importance_chart(self.importance, names),
            facts(
                "Fit",
                fit,
                "On the very records that the tree grew from: new patients fare worse.",
            ),
        ]
        if self.classes:
            labels = [names.level(self.outcome, code) for code in self.classes]
            views.append(confusion_chart(labels, self.confusion, self.minimum))
        return views

    def _rules(self, names: Names) -> View:
        columns: list[tuple[str, str, Format]] = [
            ("rule", "Where", "text"),
            ("n", "Records", "integer"),
            ("told", names.variable(self.outcome), "text" if self.classes else "number"),
        ]
        if self.classes:
            columns += [
                (f"c{index}", f"{names.level(self.outcome, code)}, %", "number")
                for index, code in enumerate(self.classes)
            ]
        else:
            columns.append(("sd", "SD", "number"))
        rows = []
        for node, path in self._paths(names):
            row: dict[str, object] = {"rule": " and ".join(path) or "everyone", "n": node.n}
            if self.classes:
                row["told"] = names.level(self.outcome, self.classes[_likeliest(node.counts)])
                row |= {f"c{i}": 100 * count / node.n for i, count in enumerate(node.counts)}
            else:
                row |= {"told": node.mean, "sd": node.sd}
            rows.append(row)
        return table(
            "Leaves",
            columns,
            rows,
            f"No leaf, and no class in a leaf, is of one to {self.minimum - 1} patients."
            if self.minimum > 1
            else "",
        )

    def _paths(self, names: Names) -> list[tuple[TreeNode, list[str]]]:
        """Each leaf with the answers that lead to it, from left to right."""
        found: list[tuple[TreeNode, list[str]]] = []
        waiting: list[tuple[int, list[str]]] = [(0, [])]
        while waiting:
            index, path = waiting.pop()
            node = self.nodes[index]
            if node.left is None:
                found.append((node, path))
                continue
            yes, no = question(node, names)
            waiting += [(node.left + 1, [*path, no]), (node.left, [*path, yes])]
        return found


def _likeliest(counts: Sequence[int]) -> int:
    return int(np.argmax(counts))


@algorithm(
    "decision_tree",
    label="Decision tree",
    question="Predict an outcome",
    description="Questions about covariates, one after another, that tell a class or a number.",
    discloses=(
        "The questions, asked at rounded values, and for each leaf its number of records with the "
        "counts of classes, or the mean and standard deviation; no leaf, and no class in a leaf, "
        "of fewer patients than the minimum."
    ),
    y=one(ANY, "Outcome"),
    x=many(ANY, "Covariates"),
    method="a decision tree",
    citations=(
        "Breiman L, Friedman JH, Olshen RA, Stone CJ. Classification and Regression Trees. "
        "Wadsworth; 1984.",
    ),
    parameters=DecisionTreeParameters,
)
def decision_tree(cohort: Cohort, parameters: DecisionTreeParameters) -> DecisionTreeResult:
    """A tree grown level by level on binned covariates, then pruned by cost and complexity.

    A level of a nominal covariate stands on the side of its mean outcome; where there are more
    than two classes, one level is asked about at a time. Raises CannotCompute where the outcome
    or every covariate is constant.
    Source: Breiman, Friedman, Olshen & Stone, Classification and Regression Trees (1984).
    """
    ready = tree_cohort(cohort, parameters.bins)
    least = max(parameters.least, cohort.minimum)
    rule = (
        NumberRule(least, cohort.minimum)
        if isinstance(ready.outcome, NumberOutcome)
        else ClassRule(least, cohort.minimum, parameters.criterion)
    )
    (growing,) = grown(
        lambda trees, nodes, _: (
            cohort.fold(split_sums, SplitSearch(ready.bins, ready.outcome, trees, nodes)).sums
        ),
        rule,
        ready.bins,
        parameters.depth,
        channels=ready.outcome.channels,
    )
    try:
        ((tree, sums),) = told(cohort, ready.bins, ready.outcome, [growing.tree])
    except TooFew:
        raise CannotCompute(
            f"{ready.variable.code} has a class of fewer than {cohort.minimum} patients in a "
            "hospital",
            remedy="Filter that level out.",
        ) from None
    sums = sums * ready.units
    tree, sums = pruned(tree, sums, rule, parameters.alpha)
    return _result(cohort, ready, rule, tree, sums)


def _result(
    cohort: Cohort,
    ready: TreeCohort,
    rule: ClassRule | NumberRule,
    tree: Tree,
    sums: FloatArray,
) -> DecisionTreeResult:
    gains = gains_of(tree, sums, rule)
    weights = importance(tree, gains, len(ready.covariates))
    impurity = rule.impurity(sums.T)
    values = node_values(ready, sums)
    fitted = FittedTree.of(tree, ready.bins, values)
    nodes = []
    for index, depth in enumerate(tree.depths):
        inner = tree.feature[index] >= 0
        known = ready.known.get(ready.covariates[tree.feature[index]]) if inner else None
        levels = fitted.levels[index] or ()
        node = TreeNode(
            node=index,
            depth=depth,
            n=round(float(rule.records(sums[index]))),
            impurity=float(impurity[index]),
            variable=ready.covariates[tree.feature[index]] if inner else None,
            threshold=fitted.threshold[index],
            levels=tuple(level for level in levels if known and level in known),
            left=tree.left[index] if inner else None,
            improvement=float(gains[index]) / ready.n,
            counts=tuple(sums[index].astype(int).tolist()) if ready.target else (),
            mean=None if ready.target else float(values[index, 0]),
            sd=None if ready.target else float(np.sqrt(impurity[index])),
        )
        nodes.append(node)
    leaves = tree.leaves
    classes = ready.target.classes if ready.target else ()
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for leaf in leaves if classes else ():
        confusion[:, int(values[leaf].argmax())] += sums[leaf].astype(np.int64)
    return DecisionTreeResult(
        outcome=ready.variable.code,
        criterion=rule.criterion if isinstance(rule, ClassRule) else "variance",
        classes=classes,
        n=ready.n,
        excluded=cohort.size.excluded,
        depth=max(tree.depths),
        leaves=len(leaves),
        nodes=tuple(nodes),
        importance=shares(ready.covariates, weights),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        accuracy=float(np.trace(confusion)) / ready.n if classes else None,
        r_squared=None if classes else float(gains.sum() / (ready.n * impurity[0])),
        minimum=cohort.minimum,
        model=TreesModel.of(
            ready.variable.code, ready.target, "mean", ready.bins, ready.known, [fitted]
        ),
    )
