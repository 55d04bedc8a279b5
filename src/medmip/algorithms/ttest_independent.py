"""Student's and Welch's t-test of two independent groups."""

import numpy as np
from pydantic import Field

from medmip.algorithms.declaration import CannotCompute, algorithm, level_of
from medmip.algorithms.references import STUDENT
from medmip.algorithms.role import NOMINAL, NUMERIC, one
from medmip.algorithms.t_test import TTestParameters, TTestResult, t_test
from medmip.errors import FieldProblem, RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.group_moments import GroupState, group_moments


class IndependentParameters(TTestParameters):
    """Parameters of a t-test of two groups."""

    group_a: str = level_of("x", "Group A", "The first group; the difference is A minus B.")
    group_b: str = level_of("x", "Group B", "The second group.")
    equal_variances: bool = Field(
        True, title="Equal variances", description="Student's test; off: Welch's."
    )


@algorithm(
    "ttest_independent",
    label="t-test, independent groups",
    question="Compare groups",
    description="Whether a numeric variable's mean differs between two groups of patients.",
    discloses="Size, mean and standard deviation of both groups, none below the minimum.",
    y=one(NUMERIC, "Outcome"),
    x=one(NOMINAL, "Groups"),
    method="the t-test for independent groups",
    citations=(
        STUDENT,
        "Welch BL. The generalization of ‘Student’s’ problem when several different population "
        "variances are involved. Biometrika. 1947;34:28-35.",
    ),
    parameters=IndependentParameters,
)
def ttest_independent(cohort: Cohort, parameters: IndependentParameters) -> TTestResult:
    """The mean difference A - B, by the pooled variance or Welch-Satterthwaite.

    Cohen's d divides by the pooled standard deviation. Records of other levels are left out.
    Raises CannotCompute where a group has fewer than two records.
    Source: Welch, Biometrika 34 (1947) 28-35.
    """
    (outcome,), (group,) = cohort.y, cohort.x
    if parameters.group_a == parameters.group_b:
        problem = FieldProblem("parameters.group_b", "is the same level as group_a")
        raise RequestError("The request is not valid", fields=(problem,))
    names = (parameters.group_a, parameters.group_b)
    levels = (
        cohort.level(group, names[0], "parameters.group_a"),
        cohort.level(group, names[1], "parameters.group_b"),
    )
    folded = cohort.fold(group_moments, GroupState(outcome.code, group.code, levels), cells=names)
    for name, records in zip(names, folded.records, strict=True):
        if records < 2:
            raise CannotCompute(f"Group {name} has fewer than two records in this cohort")
    n, mean, scatter = folded.records, folded.mean, folded.scatter
    variance = scatter / (n - 1)
    pooled = scatter.sum() / (n.sum() - 2)
    if parameters.equal_variances:
        error, df = float(np.sqrt(pooled * (1 / n).sum())), float(n.sum() - 2)
    else:
        shares = variance / n
        error = float(np.sqrt(shares.sum()))
        with np.errstate(divide="ignore", invalid="ignore"):
            df = float(shares.sum() ** 2 / (shares**2 / (n - 1)).sum())
    difference = float(mean[0] - mean[1])
    return t_test(
        outcome.code,
        factor=group.code,
        excluded=cohort.size.excluded,
        groups=tuple(
            (name, int(n[index]), float(mean[index]), float(np.sqrt(variance[index])))
            for index, name in enumerate(names)
        ),
        n=int(n.sum()),
        difference=difference,
        std_error=error,
        df=df,
        cohens_d=difference / float(np.sqrt(pooled)) if pooled > 0 else float("nan"),
        parameters=parameters,
    )
