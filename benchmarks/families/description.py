"""Describing variables, and how they go together."""

from typing import Any

import numpy as np

from benchmarks.cohort import GAPS
from benchmarks.columns import Data, Run, categories, frame
from benchmarks.task import ALL, Task, X, Y


def pandas_describe(data: Data) -> Run:
    describe: Run = frame(data).describe
    return describe


def numpy_histogram(data: Data) -> Run:
    column = np.ascontiguousarray(data["x"][:, 0])
    return lambda: np.histogram(column, 20)


def pandas_histogram(data: Data) -> Run:
    import pandas as pd

    series = pd.Series(np.ascontiguousarray(data["x"][:, 0]))
    return lambda: series.value_counts(bins=20, sort=False)


def pandas_boxes(data: Data) -> Run:
    table = frame(data)
    groups = categories(data["columns"]["cohort_group"])
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    return lambda: table.groupby(groups, observed=True).quantile(shares)


def pandas_crosstab(data: Data) -> Run:
    import pandas as pd

    down, across = (categories(data["columns"][name]) for name in ("outcome", "cohort_group"))
    return lambda: pd.crosstab(pd.Series(down), pd.Series(across))


def numpy_corrcoef(data: Data) -> Run:
    return lambda: np.corrcoef(data["x"], rowvar=False)


def pandas_corr(data: Data) -> Run:
    corr: Run = frame(data).corr
    return corr


def scipy_spearman(data: Data) -> Run:
    from scipy import stats

    return lambda: stats.spearmanr(data["x"])


def pandas_missing(data: Data) -> Run:
    """Gaps by variable, by pairs of variables, and their patterns."""
    table = frame(data)

    def run() -> Any:
        gaps = table.isna()
        return gaps.sum(), gaps.astype(float).corr(), gaps.value_counts()

    return run


def numpy_scatter(data: Data) -> Run:
    from scipy import stats

    up, across = (np.ascontiguousarray(data["columns"][name]) for name in (Y, X[0]))
    return lambda: (np.histogram2d(up, across, 12), stats.linregress(across, up))


TASKS = (
    Task(
        "describe, 48 variables", "describe", ALL, [], {}, {"pandas": pandas_describe},
        r="apply(x, 2, function(v) c(mean(v), sd(v), quantile(v, c(.25, .5, .75))))",
    ),
    Task(
        "histogram, 20 bins", "histogram", ALL[:1], [], {"bins": 20},
        {"NumPy": numpy_histogram, "pandas": pandas_histogram},
        r="hist(x[, 1], 20, plot = FALSE)",
    ),
    Task(
        "box plots, 5 variables by 3 groups", "box_plot", ALL[:5], ["cohort_group"], {},
        {"pandas": pandas_boxes},
    ),
    Task(
        "scatter, 12 x 12 cells", "scatter", [Y, X[0]], [], {},
        {"NumPy": numpy_scatter},
    ),
    Task(
        "missing data, 5 variables", "missing_data", [*GAPS], [], {}, {"pandas": pandas_missing}
    ),
    Task(
        "cross-tabulation, 2 x 3", "crosstab", ["outcome"], ["cohort_group"], {},
        {"pandas": pandas_crosstab},
    ),
    Task(
        "Pearson, 20 variables", "pearson_correlation", X, [], {},
        {"NumPy": numpy_corrcoef, "pandas": pandas_corr}, r="cor(x)",
    ),
    Task("Spearman, 20 variables", "spearman_correlation", X, [], {}, {"SciPy": scipy_spearman}),
)  # fmt: skip
