"""The table of tasks: our request, its rivals, and the ratio to reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from benchmarks import rivals
from benchmarks.cohort import COVARIATES, NUMERIC
from benchmarks.rivals import Data, Run

ALL = [f"v{index:02d}" for index in range(NUMERIC)]
X = ALL[:COVARIATES]
Y = ALL[COVARIATES]
PLAIN = "MIP, one site"
"""The rival of a task over many sites: the same request to one site."""


@dataclass(frozen=True)
class Task:
    """One analysis: our request, and each rival's way to the same numbers.

    target is the ratio to reach against `against` (or, where that is empty, the fastest rival);
    r is code of the rival in R, in which `x` is the matrix and `y` the outcome; records bounds the
    cohort to what a rival can take; sites is over how many ours is split; visits says that
    patients come several times. The module that a rival needs is the first word of its name.
    """

    name: str
    algorithm: str
    y: list[str]
    x: list[str]
    parameters: dict[str, Any]
    rivals: dict[str, Callable[[Data], Run]] = field(default_factory=dict)
    target: float = 1.0
    against: str = ""
    r: str = ""
    records: int | None = None
    sites: int = 1
    visits: bool = False

    def size(self, records: int) -> int:
        """The records of its cohort, where the others have so many."""
        return min(records, self.records or records)

    @property
    def contenders(self) -> list[str]:
        """The rivals that this machine has, R apart."""
        known = [name for name in self.rivals if find_spec(_MODULES[name.split()[0]])]
        return [*known, *([PLAIN] if self.sites > 1 else [])]


_MODULES = {
    "lifelines": "lifelines", "numpy": "numpy", "pandas": "pandas", "SciPy": "scipy",
    "scikit-learn": "sklearn", "statsmodels": "statsmodels",
}  # fmt: skip
_LINEAR = {"residual_quartiles": False, "diagnostics": False}
_LOGISTIC = {"positive_class": "yes", "residual_quartiles": False, "calibration": False}
_SKLEARN = "scikit-learn"

TASKS = (
    Task(
        "describe, 48 variables", "describe", ALL, [], {},
        {"pandas": rivals.pandas_describe},
        r="apply(x, 2, function(v) c(mean(v), sd(v), quantile(v, c(.25, .5, .75))))",
    ),
    Task(
        "histogram, 20 bins", "histogram", ALL[:1], [], {"bins": 20},
        {"numpy": rivals.numpy_histogram, "pandas": rivals.pandas_histogram},
        r="hist(x[, 1], 20, plot = FALSE)",
    ),
    Task(
        "box plots, 5 variables by 3 groups", "box_plot", ALL[:5], ["cohort_group"], {},
        {"pandas": rivals.pandas_boxes},
    ),
    Task(
        "cross-tabulation, 2 x 3", "crosstab", ["outcome"], ["cohort_group"], {},
        {"pandas": rivals.pandas_crosstab},
    ),
    Task(
        "Pearson, 20 variables", "pearson_correlation", X, [], {},
        {"numpy": rivals.numpy_corrcoef, "pandas": rivals.pandas_corr}, r="cor(x)",
    ),
    Task(
        "Spearman, 20 variables", "spearman_correlation", X, [], {},
        {"SciPy": rivals.scipy_spearman},
    ),
    Task(
        "one-way ANOVA, 3 groups", "anova_oneway", [Y], ["cohort_group"], {},
        {"SciPy": rivals.scipy_anova},
    ),
    Task(
        "Mann-Whitney", "mann_whitney", [Y], ["outcome"], {"group_a": "no", "group_b": "yes"},
        {"SciPy": rivals.scipy_mann_whitney},
    ),
    Task(
        "linear regression, 20 covariates", "linear_regression", [Y], X, _LINEAR,
        {_SKLEARN: rivals.sklearn_linear, "statsmodels": rivals.statsmodels_ols},
        0.2, _SKLEARN, r="lm.fit(cbind(1, x), y)",
    ),
    Task(
        "linear regression, over 10 sites", "linear_regression", [Y], X, _LINEAR,
        target=1.1, sites=10,
    ),
    Task(
        "logistic regression, 20 covariates", "logistic_regression", ["outcome"], X, _LOGISTIC,
        {_SKLEARN: rivals.sklearn_logistic, "statsmodels": rivals.statsmodels_logit},
        0.35, _SKLEARN, r="glm.fit(cbind(1, x), y, family = binomial())",
    ),
    Task(
        "logistic regression, over 10 sites", "logistic_regression", ["outcome"], X, _LOGISTIC,
        target=1.1, sites=10,
    ),
    Task(
        "multinomial regression, 3 classes", "multinomial_regression", ["cohort_group"], X,
        {"calibration": False},
        {
            f"{_SKLEARN} lbfgs": rivals.sklearn_multinomial("lbfgs"),
            f"{_SKLEARN} newton-cholesky": rivals.sklearn_multinomial("newton-cholesky"),
        },
    ),
    Task(
        "Poisson regression, 20 covariates", "glm", ["count"], X,
        {"family": "poisson", "calibration": False},
        {_SKLEARN: rivals.sklearn_poisson, "statsmodels": rivals.statsmodels_poisson},
        r="glm.fit(cbind(1, x), y, family = poisson())",
    ),
    Task(
        "elastic net, 60 penalties", "elastic_net", [Y], X, {"mixing": 0.5},
        {_SKLEARN: rivals.sklearn_elastic_net},
    ),
    Task(
        "linear SVM, 20 covariates", "linear_svm", ["outcome"], X, {"positive_class": "yes"},
        {_SKLEARN: rivals.sklearn_svm},
    ),
    Task(
        "perceptron, 20 covariates, 30 rounds", "perceptron", ["outcome"], X, {"rounds": 30},
        {_SKLEARN: rivals.sklearn_perceptron},
    ),
    Task(
        "decision tree, depth 6", "decision_tree", ["outcome"], X, {"depth": 6},
        {_SKLEARN: rivals.sklearn_tree}, 1.5,
    ),
    Task(
        "gradient boosting, 50 trees of depth 5", "gradient_boosting", ["outcome"], X,
        {"rounds": 50, "depth": 5}, {_SKLEARN: rivals.sklearn_boosting}, 1.5,
    ),
    Task(
        "random forest, 10 trees of depth 8", "random_forest", ["outcome"], X,
        {"trees": 10, "depth": 8}, {_SKLEARN: rivals.sklearn_forest}, 1.5,
    ),
    Task(
        "mixed model, 4 visits a patient", "mixed_model", [Y], X[:5], {},
        {"statsmodels": rivals.statsmodels_mixed}, records=20_000, visits=True,
    ),
    Task(
        "Kaplan-Meier, 3 groups", "kaplan_meier", ["months"], ["event", "cohort_group"],
        {"event": "yes"}, {"lifelines": rivals.lifelines_kaplan_meier}, records=100_000,
    ),
    Task(
        "Cox regression, 20 covariates", "cox", ["months"], ["event", *X], {"event": "yes"},
        {"lifelines": rivals.lifelines_cox}, records=100_000,
        r="survival::coxph.fit(x, survival::Surv(y[, 1], y[, 2]), NULL, NULL, "
        "control = survival::coxph.control(), method = 'efron', rownames = NULL)",
    ),
    Task(
        "discriminant analysis, 3 classes", "discriminant", ["cohort_group"], X, {},
        {_SKLEARN: rivals.sklearn_lda},
    ),
    Task(
        "naive Bayes, 3 classes", "naive_bayes", ["cohort_group"], X, {},
        {_SKLEARN: rivals.sklearn_naive_bayes},
    ),
    Task(
        "k-means, k = 4, 20 variables", "kmeans", X, [], {"k": 4, "standardise": True},
        {_SKLEARN: rivals.sklearn_kmeans}, 0.6, _SKLEARN,
        r="kmeans(scale(x), 4, iter.max = 100, algorithm = 'Lloyd')",
    ),
    Task(
        "Gaussian mixture, k = 3, 5 variables", "gaussian_mixture", X[:5], [], {"k": 3},
        {_SKLEARN: rivals.sklearn_mixture}, records=100_000,
    ),
    Task(
        "PCA, 20 variables", "pca", X, [], {},
        {_SKLEARN: rivals.sklearn_pca}, r="prcomp(x, scale. = TRUE)",
    ),
)  # fmt: skip


def chosen(words: list[str]) -> list[Task]:
    """The tasks whose name or algorithm holds one of these words; all where there is none.

    Raises ValueError where a word names nothing.
    """

    def named(task: Task, word: str) -> bool:
        return word.lower() in task.name.lower() or word == task.algorithm

    for word in words:
        if not any(named(task, word) for task in TASKS):
            known = "; ".join(task.name for task in TASKS)
            raise ValueError(f"no task is called {word}: {known}")
    return [task for task in TASKS if not words or any(named(task, word) for word in words)]


def task_of(name: str) -> Task:
    """The task of this name."""
    return next(task for task in TASKS if task.name == name)
