"""Prepared cohorts for proofs: columns, what was done to them, and the records as they became."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medmip.algorithms.declaration import Result
from medmip.algorithms.prepared import Prepared
from medmip.algorithms.registry import find
from medmip.catalogue.variable import Variable
from medmip.experiments.preparation import Preparation, analysed
from medmip.fold.adjustment import Step
from medmip.fold.cohort import Cohort
from tests.analysis import cohort_of, model_of


def variables_of(data: Mapping[str, Any]) -> dict[str, Variable]:
    return {variable.code: variable for variable in model_of(data).variables}


def prepared(
    algorithm: str,
    data: Mapping[str, Any],
    preparation: Mapping[str, Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[Any, Prepared]:
    """The result of an algorithm on prepared columns, and what was done to them."""
    found = find(algorithm)
    asked = Preparation.model_validate(preparation)
    cohort = cohort_of(data, preparation=asked, missing=found.missing, **options)
    given = found.parameters(**(parameters or {}))
    result: Result
    result, done = analysed(cohort, found, given, asked, variables_of(data))
    return result, done


def completions(
    data: Mapping[str, Any], preparation: Mapping[str, Any], **options: Any
) -> tuple[Cohort, list[tuple[Step, ...]]]:
    """The cohort before any step, and the steps of each completion."""
    asked = Preparation.model_validate(preparation)
    cohort = cohort_of(data, preparation=asked, **options)
    return cohort, list(asked.completions(cohort, variables_of(data)))


def values(cohort: Cohort, codes: Sequence[str], steps: Sequence[Step] = ()) -> np.ndarray:
    """The records of a cohort after these steps, (n, k): numbers, or level indices."""
    transport: Any = cohort.transport
    found = [
        [
            changed.column(code) if code in changed.layout.numeric else changed.levels(code)
            for code in codes
        ]
        for member in transport.members
        for block in member.part.blocks()
        for changed in [block.adjusted((*transport.road.adjustments, *steps))]
    ]
    return np.hstack([np.array(columns, dtype=float) for columns in found]).T
