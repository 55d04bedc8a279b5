"""Times to an event."""

from typing import Any

import pandas as pd

from benchmarks.cohort import GROUPS
from benchmarks.columns import Data, Run, standardised
from benchmarks.task import Task, X


def lifelines_cox(data: Data) -> Run:
    from lifelines import CoxPHFitter

    frame = survival(data)
    return lambda: CoxPHFitter().fit(frame, "months", "event").standard_errors_


def lifelines_kaplan_meier(data: Data) -> Run:
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test

    months, event = data["y"], data["columns"]["event"]
    group = data["columns"]["cohort_group"]

    def run() -> Any:
        for index in range(len(GROUPS)):
            held = group == index
            KaplanMeierFitter().fit(months[held], event[held])
        return multivariate_logrank_test(months, group, event).p_value

    return run


def survival(data: Data) -> Any:

    frame = pd.DataFrame(standardised(data), columns=data["names"])
    return frame.assign(months=data["y"], event=data["columns"]["event"])


TASKS = (
    Task(
        "Kaplan-Meier, 3 groups", "kaplan_meier", ["months"], ["event", "cohort_group"],
        {"event": "yes"}, {"lifelines": lifelines_kaplan_meier}, records=100_000,
    ),
    Task(
        "Cox regression, 20 covariates", "cox", ["months"], ["event", *X], {"event": "yes"},
        {"lifelines": lifelines_cox}, records=100_000,
        r="survival::coxph.fit(x, survival::Surv(y[, 1], y[, 2]), NULL, NULL, "
        "control = survival::coxph.control(), method = 'efron', rownames = NULL)",
    ),
)  # fmt: skip
