"""Numeric variables brought to mean 0 and standard deviation 1 before an analysis."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.declaration import CannotCompute
from medmip.catalogue.variable import Variable
from medmip.fold.adjustment import Scale, Scaled
from medmip.fold.cohort import Cohort
from medmip.fold.column_sums import ColumnState, column_sums
from medmip.fold.value_grid import Columns


class Standardise(BaseModel):
    """Numeric variables are told in standard deviations from the cohort's mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Standardise")

    variables: tuple[str, ...] = Field(
        (),
        max_length=1000,
        title="Variables",
        description=(
            "The numeric variables to standardise; none named: every numeric covariate, or every "
            "numeric variable where there is no outcome."
        ),
        json_schema_extra={"variables_of": ["x", "y"], "kinds": ["numeric"]},
    )

    def chosen(self, y: Sequence[Variable], x: Sequence[Variable]) -> tuple[str, ...]:
        """The variables to standardise, of those in the roles."""
        if self.variables:
            return self.variables
        return tuple(variable.code for variable in covariates(y, x) if variable.is_numeric)

    def estimated(self, cohort: Cohort) -> Scaled:
        """Means and standard deviations (of denominator n - 1) over the cohort.

        A missing value stays missing. Raises CannotCompute naming constant variables.
        """
        codes = self.chosen(cohort.y, cohort.x)
        means, deviations = spreads(cohort, codes)
        bad = [
            code
            for code, mean, deviation in zip(codes, means, deviations, strict=True)
            if not deviation > 1e-14 * abs(mean)
        ]
        if bad:
            raise CannotCompute(
                f"These variables do not vary, so they cannot be standardised: {', '.join(bad)}",
                remedy="Standardise others, or leave these out.",
            )
        return Scaled(
            scales=tuple(
                Scale(variable=code, mean=float(mean), deviation=float(deviation))
                for code, mean, deviation in zip(codes, means, deviations, strict=True)
            )
        )


def covariates(y: Sequence[Variable], x: Sequence[Variable]) -> tuple[Variable, ...]:
    """The covariates of a request, or its variables where there are no covariates."""
    return tuple(x or y)


def spreads(cohort: Cohort, codes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each numeric variable, (k,), missing values left out.

    Not a number where fewer than the minimum of patients have a value.
    """
    columns = Columns(tuple(codes))
    shift = np.zeros((len(codes), 1))
    for _ in range(2):
        mean, deviation = cohort.fold(column_sums, ColumnState(columns, 0, shift)).moments(shift)
        shift = np.nan_to_num(mean)
    return mean[:, 0], deviation[:, 0]
