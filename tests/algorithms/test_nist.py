"""Certified values of NIST's Statistical Reference Datasets; the digits reached are recorded."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.validate import anova_digits, regression_digits
from tests.algorithms.nist import layouts, regressions

Record = Callable[[str, Any], None]

REGRESSION = {"Longley": 9.0, "Filip": 7.0}
"""Digits to reach; 7 for Filip is what rounding x to x^10 in the data leaves of it; else 9."""
ANOVA = {"SmLs04": 8.0, "SmLs05": 8.0, "SmLs06": 8.0, "SmLs07": 2.0, "SmLs08": 2.0, "SmLs09": 2.0}
"""Digits to reach, else 9: a double keeps few decimals beside twelve leading digits."""


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", [data.name for data in regressions()])
def test_linear_regression_reaches_the_digits(
    name: str, parts: int, record_property: Record
) -> None:
    data = next(data for data in regressions() if data.name == name)
    for quantity, reached in regression_digits(data, parts).items():
        record_property(quantity, round(reached, 1))
        assert reached >= REGRESSION.get(name, 9.0), quantity


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", [data.name for data in layouts()])
def test_anova_reaches_the_digits(name: str, parts: int, record_property: Record) -> None:
    data = next(data for data in layouts() if data.name == name)
    for quantity, reached in anova_digits(data, parts).items():
        record_property(quantity, round(reached, 1))
        assert reached >= ANOVA.get(name, 9.0), quantity
