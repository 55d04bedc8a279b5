"""Describing variables, beside SciPy and NumPy."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.references.comparison import CLOSED, LEVELS, Comparison, Pair, run


def _describe(data: dict[str, Any]) -> Pair:
    (row,) = [
        part for part in run("describe", data, y=["cost"]).numeric if part.dataset not in ("d",)
    ]
    values = data["cost"]
    ours = [row.mean, row.sd, row.q1, row.median, row.q3]
    return ours, [values.mean(), values.std(ddof=1), *np.quantile(values, [0.25, 0.5, 0.75])]


def _crosstab(data: dict[str, Any]) -> Pair:
    found = run("crosstab", data, y=["sex"], x=["died"])
    counts = pd.crosstab(data["sex"], data["died"]).to_numpy()
    chi = stats.chi2_contingency(counts)
    fisher = stats.fisher_exact(counts)
    ours = [found.chi_squared, found.p_value, found.fisher_p_value]
    return ours, [chi.statistic, chi.pvalue, fisher.pvalue]


def _pearson(data: dict[str, Any]) -> Pair:
    found = run("pearson_correlation", data, y=["volume", "cortex"])
    theirs = stats.pearsonr(data["volume"], data["cortex"])
    interval = theirs.confidence_interval()
    ours = [found.correlations[0][1], found.lower[0][1], found.upper[0][1]]
    return ours, [theirs.statistic, interval.low, interval.high]


def _spearman(data: dict[str, Any]) -> Pair:
    few = data | {"visits": np.minimum(data["visits"], 4)}
    found = run("spearman_correlation", few, y=["score", "visits"])
    theirs = stats.spearmanr(few["score"], few["visits"])
    return [found.correlations[0][1], found.p_values[0][1]], [theirs.statistic, theirs.pvalue]


def _scatter(data: dict[str, Any]) -> Pair:
    found = run("scatter", data, y=["cortex", "volume"])
    line = stats.linregress(data["volume"], data["cortex"])
    counts, up, across = np.histogram2d(data["cortex"], data["volume"], 12)
    place = np.clip(np.searchsorted(across, data["volume"], side="right") - 1, 0, 11)
    means = [data["cortex"][place == mean.bin].mean() for mean in found.means]
    (own,) = found.lines
    ours = [own.slope, own.slope_std_error, own.r, *(mean.y for mean in found.means)]
    ours += [*np.ravel(found.counts), *found.y_edges]
    return ours, [line.slope, line.stderr, line.rvalue, *means, *counts.ravel(), *up]


def _box_plot(data: dict[str, Any]) -> Pair:
    found = run("box_plot", data, y=["cost"], x=["stage"])
    ours = [
        value for box in found.boxes for value in (box.low, box.q1, box.median, box.q3, box.high)
    ]
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    groups = (data["cost"][data["stage"] == level] for level in LEVELS["stage"])
    return ours, np.concatenate([np.quantile(group, shares) for group in groups])


COMPARISONS = (
    Comparison("description", "describe", "mean, SD, quartiles", "NumPy", CLOSED, _describe),
    Comparison("description", "crosstab", "χ², p, Fisher's p", "SciPy", CLOSED, _crosstab),
    Comparison("description", "pearson_correlation", "r, limits", "SciPy", CLOSED, _pearson),
    Comparison("description", "spearman_correlation", "ρ, p", "SciPy", CLOSED, _spearman),
    Comparison(
        "description", "scatter", "b, SE, r, binned means, cells", "SciPy, NumPy", CLOSED, _scatter
    ),
    Comparison("description", "box_plot", "quantiles by group", "NumPy", CLOSED, _box_plot),
)
