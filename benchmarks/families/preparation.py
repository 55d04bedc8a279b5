"""Records prepared, then analysed by a linear regression."""

import contextlib
import io
from typing import Any

import numpy as np

from benchmarks.cohort import GAPS
from benchmarks.columns import Data, Run, frame
from benchmarks.task import SKLEARN, Task, X, Y

BARE = {"residual_quartiles": False, "diagnostics": False}


def sklearn_imputed(data: Data) -> Run:
    """Each variable with gaps from a regression on all others, once."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    from sklearn.linear_model import LinearRegression

    def run() -> Any:
        imputer = IterativeImputer(LinearRegression(), max_iter=1, tol=1e9)
        return LinearRegression().fit(imputer.fit_transform(data["x"]), data["y"])

    return run


def neurocombat_harmonised(data: Data) -> Run:
    from neuroCombat import neuroCombat
    from sklearn.linear_model import LinearRegression

    covariates = frame(data)[[X[0]]].assign(batch=data["columns"]["cohort_group"])
    y, x = data["y"], data["x"]
    values = np.column_stack([x[:, 1:], y]).T

    def run() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            found = neuroCombat(values, covariates, "batch", continuous_cols=[X[0]])["data"].T
        return LinearRegression().fit(np.column_stack([x[:, :1], found[:, :-1]]), found[:, -1])

    return run


TASKS = (
    Task(
        "imputation by regression, 5 of 10 covariates", "linear_regression", [Y], [*X[:5], *GAPS],
        BARE, {SKLEARN: sklearn_imputed},
        preparation={"imputation": {"method": "regression", "variables": [*GAPS]}},
    ),
    Task(
        "ComBat, 10 variables in 3 batches", "linear_regression", [Y], X[:10], BARE,
        {"neuroCombat": neurocombat_harmonised}, records=100_000, besides=("cohort_group",),
        preparation={"combat": {"batch": "cohort_group", "preserve": [X[0]]}},
    ),
)  # fmt: skip
