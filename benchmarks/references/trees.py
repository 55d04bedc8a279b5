"""Trees, beside scikit-learn's on the same bins."""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from benchmarks.references.comparison import CLOSED, ITERATED, LEVELS, Comparison, Pair, run
from medmip.algorithms.tree_cohort import tree_cohort
from tests.analysis import cohort_of

X_TREE = ["age", "volume", "cortex"]


def _binned(data: dict[str, Any], y: str) -> Any:
    ready = tree_cohort(cohort_of(data, y=[y], x=X_TREE, levels=LEVELS), 64)
    return np.column_stack(
        [
            np.searchsorted(feature.edges, data[feature.variable], side="right")
            for feature in ready.bins.features
        ]
    ).astype(float)


def _decision_tree(data: dict[str, Any]) -> Pair:
    # One level deeper two questions are equally good, and scikit-learn's choice hangs on its seed.
    asked = {"depth": 4, "criterion": "entropy"}
    found = run("decision_tree", data, y=["died"], x=X_TREE, parameters=asked)
    theirs = DecisionTreeClassifier(
        criterion="entropy", max_depth=4, min_samples_leaf=20, random_state=1
    ).fit(_binned(data, "died"), data["died"])
    weights = {part.variable: part.importance for part in found.importance}
    impurity = sorted(node.impurity for node in found.nodes)
    return (
        [*(weights[code] for code in X_TREE), *impurity],
        [*theirs.feature_importances_, *sorted(theirs.tree_.impurity)],
    )


def _boosting(data: dict[str, Any]) -> Pair:
    asked = {"rounds": 50, "depth": 3}
    found = run("gradient_boosting", data, y=["cost"], x=X_TREE, parameters=asked)
    x = _binned(data, "cost")
    theirs = HistGradientBoostingRegressor(
        max_iter=50, max_depth=3, max_leaf_nodes=None, early_stopping=False
    ).fit(x, data["cost"])
    return [found.r_squared], [theirs.score(x, data["cost"])]


def _forest(data: dict[str, Any]) -> Pair:
    asked = {"trees": 1, "sample": False, "covariates": 3, "depth": 6, "least": 5}
    found = run("random_forest", data, y=["cost"], x=X_TREE, parameters=asked)
    theirs = DecisionTreeRegressor(max_depth=6, min_samples_leaf=5, random_state=1).fit(
        _binned(data, "cost"), data["cost"]
    )
    values = [row[0] for row in found.model.trees[0].values if row]
    leaf = theirs.tree_.children_left < 0
    return sorted(values), np.sort(theirs.tree_.value[leaf].ravel())


COMPARISONS = (
    Comparison(
        "classification",
        "decision_tree",
        "importance, entropies",
        "scikit-learn",
        CLOSED,
        _decision_tree,
    ),
    Comparison("classification", "gradient_boosting", "R²", "scikit-learn", ITERATED, _boosting),
    Comparison(
        "classification",
        "random_forest",
        "leaves' means, without draws",
        "scikit-learn",
        CLOSED,
        _forest,
    ),
)
