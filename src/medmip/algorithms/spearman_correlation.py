"""Spearman's rank correlation of numeric variables, with intervals and tests."""

import numpy as np

from medmip.algorithms.correlation import (
    CorrelationParameters,
    CorrelationResult,
    correlated,
    variables_of,
)
from medmip.algorithms.declaration import CannotCompute, algorithm
from medmip.algorithms.role import NUMERIC, many
from medmip.fold.cohort import Cohort
from medmip.fold.ranks import (
    RankScores,
    RankState,
    mid_ranks,
    rank_borders,
    rank_counts,
    rank_products,
)


@algorithm(
    "spearman_correlation",
    label="Spearman correlation",
    question="Relate variables",
    description="Rank correlation of every pair of numeric variables: how steadily one rises.",
    discloses=(
        "Correlations of ranks over the whole cohort, and its number of records. Ranks are told "
        "apart in bins that hold the minimum of patients."
    ),
    y=many(NUMERIC, "Variables"),
    x=many(NUMERIC, "With", "Empty: the variables among themselves.", at_least=0),
    method="Spearman correlation",
    citations=(
        "Spearman C. The proof and measurement of association between two things. The American "
        "Journal of Psychology. 1904;15:72-101.",
    ),
    parameters=CorrelationParameters,
)
def spearman_correlation(cohort: Cohort, parameters: CorrelationParameters) -> CorrelationResult:
    """The Pearson correlations of mid-ranks, records of one bin counting as ties.

    Exact where each value is shared by the minimum of patients, else within about the square of a
    bin's share. Raises CannotCompute with fewer than two variables or three records.
    Sources: Kendall & Gibbons, Rank Correlation Methods, 5th ed., chapter 3; Bonett & Wright,
    Psychometrika 65 (2000) 23-28, for the intervals.
    """
    variables = variables_of(cohort)
    n = cohort.size.records
    if n < 3:
        raise CannotCompute("A correlation needs at least three records")
    borders = rank_borders(cohort, variables)
    state = RankState(tuple(variable.code for variable in variables), borders)
    counts = cohort.fold(rank_counts, state).counts[:, 0]
    scores = np.stack([mid_ranks(row) for row in counts]) - (n + 1) / 2
    cross = cohort.fold(rank_products, RankScores(state, scores)).cross
    spread = np.sqrt(np.diag(cross))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.clip(cross / np.outer(spread, spread), -1.0, 1.0)
    stretch = np.sqrt(1 + np.nan_to_num(r) ** 2 / 2)
    return correlated(cohort, variables, r, n, parameters.confidence, symbol="ρ", stretch=stretch)
