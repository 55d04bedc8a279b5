"""The paired t-test of two variables of the same patients."""

from medmip.algorithms.declaration import CannotCompute, algorithm
from medmip.algorithms.references import STUDENT
from medmip.algorithms.role import NUMERIC, one
from medmip.algorithms.t_test import TTestParameters, TTestResult, t_test
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments


@algorithm(
    "ttest_paired",
    label="t-test, paired",
    question="Compare groups",
    description="Whether two numeric variables of the same patients differ in their mean.",
    discloses="Mean and standard deviation of both variables and of their difference.",
    y=one(NUMERIC, "First variable"),
    x=one(NUMERIC, "Second variable"),
    method="the paired t-test",
    citations=(STUDENT,),
    parameters=TTestParameters,
)
def ttest_paired(cohort: Cohort, parameters: TTestParameters) -> TTestResult:
    """The mean of first minus second.

    Cohen's d divides by the differences' standard deviation. Raises CannotCompute with fewer
    than two records. Source: Student, Biometrika 6 (1908) 1-25.
    """
    (first,), (second,) = cohort.y, cohort.x
    if first.code == second.code:
        raise CannotCompute("A variable does not differ from itself")
    design = cohort.design((first, second))
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = int(folded.records)
    if n < 2:
        raise CannotCompute("A paired t-test needs at least two records")
    mean, covariance = folded.mean, folded.covariance
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    scale = float(covariance[0, 0] + covariance[1, 1])
    deviation = variance**0.5 if variance > 1e-14 * scale else 0.0
    difference = float(mean[0] - mean[1])
    return t_test(
        first.code,
        second.code,
        excluded=cohort.size.excluded,
        groups=tuple(
            (variable.code, n, float(mean[index]), float(covariance[index, index] ** 0.5))
            for index, variable in enumerate((first, second))
        ),
        n=n,
        difference=difference,
        std_error=deviation / n**0.5,
        df=n - 1,
        cohens_d=difference / deviation if deviation else float("nan"),
        parameters=parameters,
    )
