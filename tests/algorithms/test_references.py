"""The figures that `make validate` tells hold their tolerances."""

import pytest

from benchmarks.references import COMPARISONS, Comparison, cohort


@pytest.mark.parametrize(
    "comparison", COMPARISONS, ids=lambda part: f"{part.algorithm}: {part.quantities}"
)
def test_is_within_its_tolerance(comparison: Comparison) -> None:
    error = comparison.error(cohort())
    if error is None:
        pytest.skip("needs Rscript")
    assert error <= comparison.tolerance
