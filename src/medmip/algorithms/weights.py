"""Weights, offset and exposure: variables that parameters name, and that are no covariates."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.names import Names
from medmip.algorithms.views import Format
from medmip.errors import RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.weights import Offset, WeightState, offset_sums, weight_sums

WEIGHTS = "A numeric variable that says how much each record counts; 0 leaves it out."


class Modelled(Protocol):
    """Parameters that name covariates."""

    @property
    def interactions(self) -> Sequence[Sequence[str]]: ...
    @property
    def polynomials(self) -> tuple[str, ...]: ...
    @property
    def splines(self) -> tuple[str, ...]: ...


class Weighing(BaseModel):
    """Who counts: n records of so many patients.

    Their weights add up to total, the logarithms of these to logs; without is the number of
    records that a weight of zero leaves out; effective is Kish's number of equally weighed records
    that tell as much.
    """

    model_config = ConfigDict(frozen=True)

    variable: str
    n: int
    patients: int
    without: int
    total: float
    logs: float
    effective: float

    def facts(self, names: Names) -> list[tuple[str, object, Format]]:
        """Rows of a table of measures."""
        return [
            ("Weights", names.variable(self.variable), "text"),
            ("Left out by a weight of zero", self.without, "integer"),
            ("Effective observations", self.effective, "number"),
        ]


def with_covariates(
    cohort: Cohort, parameters: Modelled, named: Mapping[str, str | None]
) -> Cohort:
    """The cohort whose x are the covariates alone, without the variables that parameters name.

    named gives those variables by parameter. Raises RequestError naming the parameter where one is
    not numeric, is named twice or enters the model otherwise, or where no covariate is left.
    """
    chosen = {field: code for field, code in named.items() if code is not None}
    if not chosen:
        return cohort
    numeric = {variable.code for variable in cohort.x if variable.is_numeric}
    entering = {code for term in parameters.interactions for code in term}
    entering |= {*parameters.polynomials, *parameters.splines}
    for field, code in chosen.items():
        if code not in numeric:
            raise RequestError(
                f"parameters.{field}: {code} is no numeric covariate",
                remedy="Choose a numeric variable among the covariates.",
            )
        if code in entering or list(chosen.values()).count(code) > 1:
            raise RequestError(
                f"parameters.{field}: {code} has another part in the model",
                remedy="Name it once.",
            )
    left = tuple(variable for variable in cohort.x if variable.code not in chosen.values())
    if not left:
        raise RequestError("No covariate is left", remedy="Choose one more covariate.")
    return replace(cohort, x=left)


def weighing_of(cohort: Cohort, variable: str | None) -> Weighing | None:
    """What the weights add up to, before anything else of the cohort is asked for.

    The guard refuses where fewer patients than the minimum have no weight, or some weight. Raises
    CannotCompute where a weight is negative, all are zero, or few records carry them all.
    """
    if variable is None:
        return None
    cells = (f"without {variable}", f"with {variable}")
    parameters = len(cohort.x) + 1
    sums = cohort.fold(weight_sums, WeightState(variable, parameters), cells=cells)
    if float(sums.negative):
        raise CannotCompute(
            f"Some weights are negative: {variable}",
            remedy="Choose another variable, or filter these values out.",
        )
    total = float(sums.total)
    if not total:
        raise CannotCompute(f"Every weight is zero: {variable}", remedy="Choose another variable.")
    effective = total**2 / float(sums.squares)
    if effective < cohort.minimum:
        raise CannotCompute(
            f"So few records carry nearly all of the weight of {variable} that they count as fewer "
            f"than {cohort.minimum}",
            remedy="Choose other weights, or filter the heaviest out.",
        )
    n = int(sums.records)
    return Weighing(
        variable=variable,
        n=n,
        patients=int(sums.patients[1]),
        without=cohort.size.records - n,
        total=total,
        logs=float(sums.logs),
        effective=effective,
    )


def check_parameters(cohort: Cohort, weighing: Weighing | None, parameters: int) -> None:
    """Has the guard compare the parameters with the patients who have a weight."""
    if weighing is not None:
        cohort.fold(weight_sums, WeightState(weighing.variable, parameters))


def checked_offset(cohort: Cohort, offset: Offset | None) -> Offset | None:
    """The offset, once every record is known to have one; raises CannotCompute."""
    if offset is not None and float(cohort.fold(offset_sums, offset).unusable):
        raise CannotCompute(
            f"{offset.variable} is not positive everywhere, so it has no logarithm",
            remedy="Filter these values out, or choose another variable.",
        )
    return offset
