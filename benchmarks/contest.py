"""The contenders of each task: ours and the rivals, on the same data already loaded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.cohort import COVARIATES, NUMERIC, data_model, published
from medmip.algorithms.registry import find
from medmip.catalogue.home import Home
from medmip.federation.in_process import CohortSpec, Site, open_cohort
from medmip.privacy.guard import Access, Guard
from medmip.privacy.policy import Policy
from medmip.store.duckdb_engine import DuckDBEngine
from tests.analysis import Witnessed

ALL = [f"v{index:02d}" for index in range(NUMERIC)]
X = ALL[:COVARIATES]
Y = ALL[COVARIATES]
OPEN = Policy(overlap="off", extremes=True)


@dataclass(frozen=True)
class Task:
    """One analysis: our request, and each rival's way to the same numbers."""

    name: str
    algorithm: str
    y: list[str]
    x: list[str]
    parameters: dict[str, Any]
    rivals: dict[str, Callable[[dict[str, Any]], Callable[[], Any]]]
    target: float
    """The ratio to reach against `against` (or, where that is empty, the fastest rival)."""
    against: str = ""
    r: str = ""
    """R code of the rival in R; `x` is the matrix, `y` the outcome."""


def _frame(data: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.DataFrame(data["x"], columns=data["columns"])


def _pandas_describe(data: dict[str, Any]) -> Callable[[], Any]:
    describe: Callable[[], Any] = _frame(data).describe
    return describe


def _numpy_histogram(data: dict[str, Any]) -> Callable[[], Any]:
    column = np.ascontiguousarray(data["x"][:, 0])
    return lambda: np.histogram(column, 20)


def _pandas_histogram(data: dict[str, Any]) -> Callable[[], Any]:
    import pandas as pd

    series = pd.Series(np.ascontiguousarray(data["x"][:, 0]))
    return lambda: series.value_counts(bins=20, sort=False)


def _numpy_corrcoef(data: dict[str, Any]) -> Callable[[], Any]:
    return lambda: np.corrcoef(data["x"], rowvar=False)


def _pandas_corr(data: dict[str, Any]) -> Callable[[], Any]:
    corr: Callable[[], Any] = _frame(data).corr
    return corr


def _sklearn_linear(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.linear_model import LinearRegression

    return lambda: LinearRegression().fit(data["x"], data["y"])


def _statsmodels_ols(data: dict[str, Any]) -> Callable[[], Any]:
    import statsmodels.api as sm

    design = sm.add_constant(data["x"])
    return lambda: sm.OLS(data["y"], design).fit().bse


def _sklearn_logistic(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.linear_model import LogisticRegression

    return lambda: LogisticRegression(C=np.inf, solver="newton-cholesky", max_iter=100).fit(
        data["x"], data["y"]
    )


def _statsmodels_logit(data: dict[str, Any]) -> Callable[[], Any]:
    import statsmodels.api as sm

    spread = data["x"].std(axis=0)
    design = sm.add_constant((data["x"] - data["x"].mean(axis=0)) / spread)
    return lambda: sm.Logit(data["y"], design).fit(disp=0).bse


def _sklearn_kmeans(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.cluster import KMeans

    x = data["x"]
    x = np.ascontiguousarray((x - x.mean(axis=0)) / x.std(axis=0))
    return lambda: KMeans(4, n_init=1, random_state=1, algorithm="lloyd").fit(x)


def _sklearn_pca(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.decomposition import PCA

    x = data["x"]
    return lambda: PCA(svd_solver="covariance_eigh").fit((x - x.mean(axis=0)) / x.std(axis=0))


def _sklearn_svm(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.svm import LinearSVC

    x = (data["x"] - data["x"].mean(axis=0)) / data["x"].std(axis=0)
    return lambda: LinearSVC(loss="squared_hinge", dual=False).fit(x, data["y"])


def _sklearn_tree(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=6, min_samples_leaf=20)
    return lambda: tree.fit(data["x"], data["y"])


def _sklearn_boosting(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosting = HistGradientBoostingClassifier(
        max_iter=50, max_depth=5, max_leaf_nodes=None, max_bins=64, early_stopping=False
    )
    return lambda: boosting.fit(data["x"], data["y"])


def _sklearn_forest(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(10, max_depth=8, min_samples_leaf=10, oob_score=True, n_jobs=-1)
    return lambda: forest.fit(data["x"], data["y"])


def _sklearn_perceptron(data: dict[str, Any]) -> Callable[[], Any]:
    from sklearn.neural_network import MLPClassifier

    x = (data["x"] - data["x"].mean(axis=0)) / data["x"].std(axis=0)
    # As many rounds of L-BFGS for both; tol 0 lets none end before.
    network = MLPClassifier(
        (4,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=30, tol=0.0, random_state=1
    )
    return lambda: network.fit(x, data["y"])


TASKS = (
    Task(
        "describe, 48 variables", "describe", ALL, [], {},
        {"pandas": _pandas_describe}, 1.0,
        r="apply(x, 2, function(v) c(mean(v), sd(v), quantile(v, c(.25, .5, .75))))",
    ),
    Task(
        "histogram, 20 bins", "histogram", ALL[:1], [], {"bins": 20},
        {"numpy": _numpy_histogram, "pandas": _pandas_histogram}, 1.0,
        r="hist(x[, 1], 20, plot = FALSE)",
    ),
    Task(
        "Pearson, 20 variables", "pearson_correlation", X, [], {},
        {"numpy": _numpy_corrcoef, "pandas": _pandas_corr}, 1.0, r="cor(x)",
    ),
    Task(
        "linear regression, 20 covariates", "linear_regression", [Y], X,
        {"residual_quartiles": False, "diagnostics": False},
        {"scikit-learn": _sklearn_linear, "statsmodels": _statsmodels_ols}, 0.2, "scikit-learn",
        r="lm.fit(cbind(1, x), y)",
    ),
    Task(
        "logistic regression, 20 covariates", "logistic_regression", ["outcome"], X,
        {"positive_class": "yes", "residual_quartiles": False, "calibration": False},
        {"scikit-learn": _sklearn_logistic, "statsmodels": _statsmodels_logit},
        0.35, "scikit-learn",
        r="glm.fit(cbind(1, x), y, family = binomial())",
    ),
    Task(
        "k-means, k = 4, 20 variables", "kmeans", X, [], {"k": 4, "standardise": True},
        {"scikit-learn": _sklearn_kmeans}, 0.6, "scikit-learn",
        r="kmeans(scale(x), 4, iter.max = 100, algorithm = 'Lloyd')",
    ),
    Task(
        "PCA, 20 variables", "pca", X, [], {},
        {"scikit-learn": _sklearn_pca}, 1.0, r="prcomp(x, scale. = TRUE)",
    ),
    Task(
        "linear SVM, 20 covariates", "linear_svm", ["outcome"], X, {"positive_class": "yes"},
        {"scikit-learn": _sklearn_svm}, 1.0, "scikit-learn",
    ),
    Task(
        "decision tree, depth 6, 20 covariates", "decision_tree", ["outcome"], X, {"depth": 6},
        {"scikit-learn": _sklearn_tree}, 0.2,
    ),
    Task(
        "gradient boosting, 50 trees of depth 5, 20 covariates", "gradient_boosting",
        ["outcome"], X, {"rounds": 50, "depth": 5}, {"scikit-learn": _sklearn_boosting}, 1.5,
    ),
    Task(
        "random forest, 10 trees of depth 8, 20 covariates", "random_forest",
        ["outcome"], X, {"trees": 10, "depth": 8}, {"scikit-learn": _sklearn_forest}, 1.0,
    ),
    Task(
        "perceptron, 20 covariates, 30 rounds", "perceptron", ["outcome"], X, {"rounds": 30},
        {"scikit-learn": _sklearn_perceptron}, 1.0, "scikit-learn",
    ),
)  # fmt: skip


def opened(home: Home, records: int, task: Task, numeric: int = NUMERIC) -> Callable[[], Any]:
    """Our contender: the cohort admitted, its blocks in memory where they fit."""
    model = data_model()
    snapshot = published(home, records, numeric)
    witness = Witnessed()
    site = Site(DuckDBEngine(home.datasets), Guard(OPEN, witness, witness), (snapshot,))
    algorithm = find(task.algorithm)
    spec = CohortSpec(
        model,
        (snapshot.dataset,),
        tuple(model.variable(code) for code in task.y),
        tuple(model.variable(code) for code in task.x),
        None,
        algorithm.missing,
    )
    cohort = open_cohort([site], spec, Access("bench", "bench", task.algorithm))
    parameters = algorithm.parameters(**task.parameters)
    return lambda: algorithm.run(cohort, parameters)


def loaded(home: Home, records: int, task: Task) -> dict[str, Any]:
    """The same columns as arrays, for the rivals: x (n, p) float64, y (n,)."""
    import pyarrow.parquet as pq

    columns = task.x or task.y
    wanted = list(dict.fromkeys([*columns, *task.y]))
    table = pq.read_table(published(home, records).path, columns=wanted)
    x = np.column_stack([table[name].to_numpy() for name in columns])
    data: dict[str, Any] = {"x": x, "columns": columns}
    if task.x:
        y = table[task.y[0]].to_numpy()
        data["y"] = (y == "yes").astype(np.float64) if y.dtype.kind not in "fiu" else y
    return data
