"""Comparing groups."""

from typing import Any

import numpy as np

from benchmarks.columns import Data, Run, by_group
from benchmarks.task import ALL, Task, X, Y


def scipy_mann_whitney(data: Data) -> Run:
    from scipy import stats

    y, group = data["y"], data["columns"]["outcome"]
    return lambda: stats.mannwhitneyu(y[group == 0], y[group == 1], method="asymptotic")


def scipy_anova(data: Data) -> Run:
    from scipy import stats

    return lambda: stats.f_oneway(*by_group(data))


def scipy_kruskal(data: Data) -> Run:
    from scipy import stats

    return lambda: stats.kruskal(*by_group(data))


def scipy_welch(data: Data) -> Run:
    from scipy import stats

    y, group = data["y"], data["columns"]["outcome"]

    def run() -> Any:
        found = stats.ttest_ind(y[group == 0], y[group == 1], equal_var=False)
        return found, found.confidence_interval()

    return run


def scipy_paired(data: Data) -> Run:
    from scipy import stats

    one, other = data["y"], np.ascontiguousarray(data["x"][:, 0])
    return lambda: stats.ttest_rel(one, other).confidence_interval()


def scipy_one_sample(data: Data) -> Run:
    from scipy import stats

    values = np.ascontiguousarray(data["x"][:, 0])
    return lambda: stats.ttest_1samp(values, 0.0).confidence_interval()


def statsmodels_anova(formula: str) -> Any:
    """Sums of squares of type II of a formula of y, the groups g and h, and the covariate v."""

    def rival(data: Data) -> Run:
        import pandas as pd
        from statsmodels.formula.api import ols
        from statsmodels.stats.anova import anova_lm

        columns = data["columns"]
        table = pd.DataFrame({"y": data["y"], "g": columns["cohort_group"]})
        if "outcome" in columns:
            table["h"] = columns["outcome"]
        if X[0] in columns:
            table["v"] = columns[X[0]]
        return lambda: anova_lm(ols(formula, table).fit(), typ=2)

    return rival


TASKS = (
    Task(
        "t-test, Welch", "ttest_independent", [Y], ["outcome"], {"group_a": "no", "group_b": "yes"},
        {"SciPy": scipy_welch},
    ),
    Task("t-test, paired", "ttest_paired", [Y], [ALL[21]], {}, {"SciPy": scipy_paired}),
    Task("t-test, one sample", "ttest_onesample", [Y], [], {}, {"SciPy": scipy_one_sample}),
    Task(
        "one-way ANOVA, 3 groups", "anova_oneway", [Y], ["cohort_group"], {}, {"SciPy": scipy_anova}
    ),
    Task(
        "two-way ANOVA, 3 x 2 groups", "anova_twoway", [Y], ["cohort_group", "outcome"], {},
        {"statsmodels": statsmodels_anova("y ~ C(g) * C(h)")},
    ),
    Task(
        "analysis of covariance, 3 groups", "ancova", [Y], ["cohort_group", X[0]], {},
        {"statsmodels": statsmodels_anova("y ~ C(g) + v")},
    ),
    Task(
        "Mann-Whitney", "mann_whitney", [Y], ["outcome"], {"group_a": "no", "group_b": "yes"},
        {"SciPy": scipy_mann_whitney},
    ),
    Task(
        "Kruskal-Wallis, 3 groups", "kruskal_wallis", [Y], ["cohort_group"], {},
        {"SciPy": scipy_kruskal},
    ),
)  # fmt: skip
