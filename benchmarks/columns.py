"""A cohort's columns in memory, as rivals take them."""

from collections.abc import Callable
from typing import Any

from benchmarks.cohort import GROUPS

Run = Callable[[], Any]
Data = dict[str, Any]
"""x (n, p) float64 of the numeric variables, y (n,) the outcome where there is one, names of x's
columns, and every column by its name: numbers, or the indices of a nominal variable's levels."""


def frame(data: Data) -> Any:
    import pandas as pd

    return pd.DataFrame(data["x"], columns=data["names"])


def categories(codes: Any) -> Any:
    import pandas as pd

    return pd.Categorical([f"level {code}" for code in codes.tolist()])


def standardised(data: Data) -> Any:
    x = data["x"]
    return (x - x.mean(axis=0)) / x.std(axis=0)


def by_group(data: Data) -> list[Any]:
    """The outcome in each group of the cohort."""
    group = data["columns"]["cohort_group"]
    return [data["y"][group == index] for index in range(len(GROUPS))]
