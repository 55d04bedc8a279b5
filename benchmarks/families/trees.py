"""Trees, forests and boosting."""

from benchmarks.columns import Data, Run
from benchmarks.task import SKLEARN, Task, X


def sklearn_tree(data: Data) -> Run:
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=6, min_samples_leaf=20)
    return lambda: tree.fit(data["x"], data["y"])


def sklearn_boosting(data: Data) -> Run:
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosting = HistGradientBoostingClassifier(
        max_iter=50, max_depth=5, max_leaf_nodes=None, max_bins=64, early_stopping=False
    )
    return lambda: boosting.fit(data["x"], data["y"])


def sklearn_forest(data: Data) -> Run:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(10, max_depth=8, min_samples_leaf=10, oob_score=True, n_jobs=-1)
    return lambda: forest.fit(data["x"], data["y"])


def xgboost_boosting(data: Data) -> Run:
    from xgboost import XGBClassifier

    boosting = XGBClassifier(
        n_estimators=50, max_depth=5, max_bin=64, learning_rate=0.1, tree_method="hist"
    )
    return lambda: boosting.fit(data["x"], data["y"])


def lightgbm_boosting(data: Data) -> Run:
    from lightgbm import LGBMClassifier

    boosting = LGBMClassifier(
        n_estimators=50, max_depth=5, num_leaves=32, max_bin=64, learning_rate=0.1, verbose=-1
    )
    return lambda: boosting.fit(data["x"], data["y"])


TASKS = (
    Task(
        "decision tree, depth 6", "decision_tree", ["outcome"], X, {"depth": 6},
        {SKLEARN: sklearn_tree}, 1.5,
    ),
    Task(
        "random forest, 10 trees of depth 8", "random_forest", ["outcome"], X,
        {"trees": 10, "depth": 8}, {SKLEARN: sklearn_forest}, 1.5,
    ),
    Task(
        "gradient boosting, 50 trees of depth 5", "gradient_boosting", ["outcome"], X,
        {"rounds": 50, "depth": 5},
        {SKLEARN: sklearn_boosting, "XGBoost": xgboost_boosting, "LightGBM": lightgbm_boosting},
        1.5, (SKLEARN, "XGBoost"),
    ),
)  # fmt: skip
