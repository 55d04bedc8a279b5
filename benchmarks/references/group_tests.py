"""Comparing groups, beside SciPy and statsmodels."""

from typing import Any

import pandas as pd
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from benchmarks.references.comparison import CLOSED, LEVELS, Comparison, Pair, run


def _t(data: dict[str, Any]) -> Pair:
    found = run(
        "ttest_independent", data, y=["volume"], x=["sex"],
        parameters={"group_a": "F", "group_b": "M", "equal_variances": False},
    )  # fmt: skip
    groups = [data["volume"][data["sex"] == level] for level in ("F", "M")]
    theirs = stats.ttest_ind(*groups, equal_var=False)
    low, high = theirs.confidence_interval()
    return (
        [found.t, found.df, found.p_value, found.lower, found.upper],
        [theirs.statistic, theirs.df, theirs.pvalue, low, high],
    )


def _anova(data: dict[str, Any]) -> Pair:
    found = run("anova_oneway", data, y=["volume"], x=["stage"])
    groups = [data["volume"][data["stage"] == level] for level in LEVELS["stage"]]
    theirs = stats.f_oneway(*groups)
    return [found.f_statistic, found.p_value], [theirs.statistic, theirs.pvalue]


def _twoway(data: dict[str, Any]) -> Pair:
    found = run("anova_twoway", data, y=["volume"], x=["sex", "stage"], parameters={"type": 2})
    theirs = anova_lm(ols("volume ~ C(sex) * C(stage)", pd.DataFrame(data)).fit(), typ=2)
    rows = [source for source in found.sources if source.f is not None]
    ours = [value for row in rows for value in (row.ss, row.f, row.p_value)]
    expected = theirs.iloc[:3]
    return ours, [
        value
        for _, row in expected.iterrows()
        for value in (row["sum_sq"], row["F"], row["PR(>F)"])
    ]


def _mann_whitney(data: dict[str, Any]) -> Pair:
    asked = {"group_a": "F", "group_b": "M"}
    found = run("mann_whitney", data, y=["score"], x=["sex"], parameters=asked)
    women, men = (data["score"][data["sex"] == level] for level in ("F", "M"))
    theirs = stats.mannwhitneyu(women, men, method="asymptotic")
    return [found.u, found.p_value], [theirs.statistic, theirs.pvalue]


def _kruskal(data: dict[str, Any]) -> Pair:
    found = run("kruskal_wallis", data, y=["score"], x=["stage"])
    theirs = stats.kruskal(*(data["score"][data["stage"] == level] for level in LEVELS["stage"]))
    return [found.h, found.p_value], [theirs.statistic, theirs.pvalue]


def _t_paired(data: dict[str, Any]) -> Pair:
    found = run("ttest_paired", data, y=["volume"], x=["cortex"])
    theirs = stats.ttest_rel(data["volume"], data["cortex"])
    low, high = theirs.confidence_interval()
    ours = [found.t, found.df, found.p_value, found.lower, found.upper]
    return ours, [theirs.statistic, theirs.df, theirs.pvalue, low, high]


def _t_one(data: dict[str, Any]) -> Pair:
    found = run("ttest_onesample", data, y=["age"], parameters={"mu": 69.0})
    theirs = stats.ttest_1samp(data["age"], 69.0)
    low, high = theirs.confidence_interval()
    ours = [found.t, found.df, found.p_value, found.lower, found.upper]
    return ours, [theirs.statistic, theirs.df, theirs.pvalue, low - 69.0, high - 69.0]


COMPARISONS = (
    Comparison("tests", "ttest_independent", "t, df, p, limits (Welch)", "SciPy", CLOSED, _t),
    Comparison("tests", "anova_oneway", "F, p", "SciPy", CLOSED, _anova),
    Comparison("tests", "anova_twoway", "SS, F, p (type II)", "statsmodels", CLOSED, _twoway),
    Comparison("tests", "mann_whitney", "U, p", "SciPy", CLOSED, _mann_whitney),
    Comparison("tests", "kruskal_wallis", "H, p", "SciPy", CLOSED, _kruskal),
    Comparison("tests", "ttest_paired", "t, df, p, limits", "SciPy", CLOSED, _t_paired),
    Comparison("tests", "ttest_onesample", "t, df, p, limits", "SciPy", CLOSED, _t_one),
)
