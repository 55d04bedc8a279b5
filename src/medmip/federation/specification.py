"""Whose records and which variables: what a request asks of every site."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.store.engine import Partition
from medmip.store.filters import Filter
from medmip.store.visits import Visits


@dataclass(frozen=True)
class CohortSpec:
    """Whose records and which variables: what a request asks for, already validated.

    missing: `drop` analyses complete cases only, `keep` leaves missing values in. partition
    divides the patients into groups, for validation. visits makes one record of a patient's, of
    the visits that the filter keeps; y and x are told as the data model has them. Of a cohort
    that is prepared before it is analysed: adjustable is true; besides are the further variables
    that this needs; gaps are the variables whose missing values stay in; keyed says that it makes
    random draws for records.
    """

    model: DataModel
    datasets: tuple[str, ...]
    y: tuple[Variable, ...]
    x: tuple[Variable, ...]
    filter: Filter | None
    missing: Literal["drop", "keep"]
    partition: Partition | None = None
    visits: Visits | None = None
    adjustable: bool = False
    besides: tuple[Variable, ...] = ()
    gaps: tuple[str, ...] = ()
    keyed: bool = False

    @property
    def groups(self) -> int:
        """The number of groups that the cohort is divided into, 0 where it is not."""
        if self.partition is None:
            return 0
        return self.partition.folds or len(self.datasets)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Every variable once, x before y."""
        named = (*self.x, *self.y, *self.besides)
        return tuple({variable.code: variable for variable in named}.values())

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that records are told apart by, where they need keys."""
        named = (self.model.patient_column, self.model.visit_column)
        return tuple(code for code in named if code is not None) if self.keyed else ()

    def taken(self, variables: Sequence[Variable]) -> tuple[Variable, ...]:
        """The variables as the analysis meets them, once visits are one record."""
        if self.visits is None:
            return tuple(variables)
        return tuple(self.visits.variable(variable) for variable in variables)

    def levels(self) -> dict[str, tuple[str, ...]]:
        """The level codes of every nominal variable; those of `dataset` are the cohort's."""
        return {
            variable.code: self.datasets if variable.code == "dataset" else variable.levels
            for variable in self.variables
            if variable.is_nominal
        }
