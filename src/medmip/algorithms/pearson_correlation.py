"""Pearson's correlation of numeric variables, with intervals and tests."""

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
from medmip.fold.moments import MomentsState, moments


@algorithm(
    "pearson_correlation",
    label="Pearson correlation",
    question="Relate variables",
    description="Linear correlation of every pair of numeric variables, with confidence intervals.",
    discloses="Correlations over the whole cohort, and its number of records.",
    y=many(NUMERIC, "Variables"),
    x=many(NUMERIC, "With", "Empty: the variables among themselves.", at_least=0),
    method="Pearson correlation",
    citations=(
        "Fisher RA. Frequency distribution of the values of the correlation coefficient in "
        "samples from an indefinitely large population. Biometrika. 1915;10:507-521.",
    ),
    parameters=CorrelationParameters,
)
def pearson_correlation(cohort: Cohort, parameters: CorrelationParameters) -> CorrelationResult:
    """The correlations r = s_xy / (s_x s_y), their t tests and Fisher's z intervals.

    Raises CannotCompute with fewer than two variables or three records.
    Source: Fisher, Biometrika 10 (1915) 507-521.
    """
    variables = variables_of(cohort)
    design = cohort.design(variables)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = int(folded.records)
    if n < 3:
        raise CannotCompute("A correlation needs at least three records")
    scatter = (folded.scatter + folded.scatter.T) / 2
    spread = np.sqrt(np.diag(scatter))
    constant = spread <= 1e-14 * np.sqrt(n) * np.abs(folded.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.clip(scatter / np.outer(spread, spread), -1.0, 1.0)
    r[constant, :] = r[:, constant] = np.nan
    return correlated(cohort, variables, r, n, parameters.confidence, symbol="r")
