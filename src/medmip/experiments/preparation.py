"""What is done to a cohort's records before the analysis: which parts, in which order, and checks.

The parts are applied in the order of the fields: each is estimated on what those before it made.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.combat import Combat
from medmip.algorithms.declaration import Algorithm, Parameters, Result
from medmip.algorithms.imputation import Imputation, ImputationMethod
from medmip.algorithms.pooled import pooled
from medmip.algorithms.prepared import Prepared, told
from medmip.algorithms.standardise import Standardise
from medmip.catalogue.variable import Variable
from medmip.experiments.longitudinal import Longitudinal
from medmip.federation.specification import CohortSpec
from medmip.fold.adjustment import Step
from medmip.fold.cohort import Cohort


class Preparation(BaseModel):
    """What is done to the records first, part after part; null leaves a part out."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Preparation")

    longitudinal: Longitudinal | None = Field(
        None,
        title="One record a patient",
        description="Join a patient's visits: first value, change, slope.",
    )
    imputation: Imputation | None = Field(
        None, title="Impute missing values", description="Keep records with missing values."
    )
    combat: Combat | None = Field(
        None,
        title="Harmonise by ComBat",
        description="Take shifts and scales between hospitals or scanners out of measurements.",
    )
    standardise: Standardise | None = Field(
        None, title="Standardise", description="Bring variables to mean 0 and deviation 1."
    )

    @property
    def is_multiple(self) -> bool:
        """Whether the analysis is run on several imputations, and pooled."""
        return self.imputation is not None and self.imputation.method is ImputationMethod.MULTIPLE

    @property
    def beside(self) -> tuple[str, ...]:
        """The variables that it reads, perhaps beside those of the roles."""
        return () if self.combat is None else (self.combat.batch, *self.combat.preserve)

    def completions(
        self, cohort: Cohort, known: Mapping[str, Variable]
    ) -> Iterator[tuple[Step, ...]]:
        """The steps that records go through: once, or once for each imputation.

        known gives variables by code. Raises Refused, CannotCompute.
        """
        begun: Iterator[tuple[Step, ...]] = iter([()])
        if self.imputation is not None:
            begun = self.imputation.completions(cohort)
        for completed in begun:
            steps = list(completed)
            if self.combat is not None:
                steps.append(self.combat.estimated(cohort.adjusted(*steps), known))
            if self.standardise is not None:
                steps.append(self.standardise.estimated(cohort.adjusted(*steps)))
            yield tuple(steps)


def prepared_spec(spec: CohortSpec, preparation: Preparation) -> CohortSpec:
    """The cohort that a preparation needs: further variables, and whose missing values stay.

    Where something is imputed or harmonised, records without a value of another variable are
    dropped, also by algorithms that would keep them.
    """
    imputation = preparation.imputation
    gaps = () if imputation is None else imputation.chosen(spec.y, spec.x)
    complete = imputation is not None or preparation.combat is not None
    longitudinal = preparation.longitudinal
    return replace(
        spec,
        visits=None if longitudinal is None else longitudinal.visits(spec.model),
        adjustable=True,
        besides=tuple(spec.model.variable(code) for code in preparation.beside),
        gaps=tuple(variable.code for variable in gaps),
        keyed=preparation.is_multiple,
        missing="drop" if complete else spec.missing,
    )


def estimator(
    preparation: Preparation, known: Mapping[str, Variable]
) -> Callable[[Cohort], tuple[Step, ...]]:
    """What estimates the steps of a preparation that imputes at most once."""

    def estimated(cohort: Cohort) -> tuple[Step, ...]:
        return next(preparation.completions(cohort, known))

    return estimated


def analysed(
    cohort: Cohort,
    algorithm: Algorithm[Any, Any],
    parameters: Parameters,
    preparation: Preparation,
    known: Mapping[str, Variable],
) -> tuple[Result, Prepared]:
    """An algorithm's result on prepared records, pooled over imputations; and what was done.

    Raises Refused, CannotCompute.
    """
    results: list[Result] = []
    first: tuple[Step, ...] = ()
    for steps in preparation.completions(cohort, known):
        first = first or steps
        results.append(algorithm.run(cohort.adjusted(*steps), parameters))
    prepared = told(cohort, preparation.imputation, first)
    if preparation.is_multiple:
        return pooled(algorithm.label, results), prepared
    return results[0], prepared
