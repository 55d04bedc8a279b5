"""The t-test of one mean against a given value."""

from pydantic import Field

from medmip.algorithms.declaration import CannotCompute, algorithm
from medmip.algorithms.references import STUDENT
from medmip.algorithms.role import NUMERIC, one
from medmip.algorithms.t_test import TTestParameters, TTestResult, t_test
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments


class OneSampleParameters(TTestParameters):
    """Parameters of a t-test against a value."""

    mu: float = Field(
        0.0, title="Value", description="The mean that is tested against.", allow_inf_nan=False
    )


@algorithm(
    "ttest_onesample",
    label="t-test, one sample",
    question="Compare groups",
    description="Whether the mean of a numeric variable differs from a given value.",
    discloses="Size, mean and standard deviation of the cohort.",
    y=one(NUMERIC, "Variable"),
    method="the one-sample t-test",
    citations=(STUDENT,),
    parameters=OneSampleParameters,
)
def ttest_onesample(cohort: Cohort, parameters: OneSampleParameters) -> TTestResult:
    """The mean minus mu; Cohen's d divides by the standard deviation.

    The interval is of the difference. Raises CannotCompute with fewer than two records.
    Source: Student, Biometrika 6 (1908) 1-25.
    """
    (variable,) = cohort.y
    design = cohort.design(cohort.y)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = int(folded.records)
    if n < 2:
        raise CannotCompute("A t-test needs at least two records")
    mean, deviation = float(folded.mean[0]), float(folded.covariance[0, 0]) ** 0.5
    if deviation <= 1e-14 * abs(mean):
        deviation = 0.0
    difference = mean - parameters.mu
    return t_test(
        variable.code,
        mu=parameters.mu,
        excluded=cohort.size.excluded,
        groups=((variable.code, n, mean, deviation),),
        n=n,
        difference=difference,
        std_error=deviation / n**0.5,
        df=n - 1,
        cohens_d=difference / deviation if deviation else float("nan"),
        parameters=parameters,
    )
