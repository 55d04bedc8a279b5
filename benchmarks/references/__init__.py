"""Every family of algorithms beside an independent reference, on one generated cohort."""

from benchmarks.references import (
    classification,
    description,
    group_tests,
    longitudinal,
    preparation,
    regression,
    survival,
    trees,
    unsupervised,
    validation,
)
from benchmarks.references.comparison import Comparison, cohort

__all__ = ["COMPARISONS", "Comparison", "cohort"]

COMPARISONS = (
    *description.COMPARISONS,
    *group_tests.COMPARISONS,
    *regression.COMPARISONS,
    *longitudinal.COMPARISONS,
    *survival.COMPARISONS,
    *unsupervised.COMPARISONS,
    *classification.COMPARISONS,
    *trees.COMPARISONS,
    *preparation.COMPARISONS,
    *validation.COMPARISONS,
)
