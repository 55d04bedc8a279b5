"""Patients who come several times."""

from benchmarks.columns import Data, Run, standardised
from benchmarks.task import Task, X, Y


def statsmodels_mixed(data: Data) -> Run:
    import statsmodels.api as sm

    design = sm.add_constant(standardised(data))
    return lambda: sm.MixedLM(data["y"], design, data["patient"]).fit().bse


def statsmodels_gee(data: Data) -> Run:
    import statsmodels.api as sm

    design = sm.add_constant(standardised(data))
    within = sm.cov_struct.Exchangeable()
    return lambda: sm.GEE(data["y"], design, data["patient"], cov_struct=within).fit().bse


TASKS = (
    Task(
        "mixed model, 4 visits a patient", "mixed_model", [Y], X[:5], {},
        {"statsmodels": statsmodels_mixed}, records=20_000, visits=True,
    ),
    Task(
        "estimating equations, 4 visits a patient", "gee", [Y], X[:5], {},
        {"statsmodels": statsmodels_gee}, records=20_000, visits=True,
    ),
)  # fmt: skip
