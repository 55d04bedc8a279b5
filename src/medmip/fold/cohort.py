"""Whose records: the cohort that an algorithm works on, and its only way to data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from medmip.catalogue.variable import Variable
from medmip.errors import RequestError
from medmip.fold.adjustment import Adjustment
from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import Statistic
from medmip.fold.transform import Transform

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


@dataclass(frozen=True)
class DatasetSize:
    """One dataset's share of a cohort; None where fewer than the policy's minimum."""

    dataset: str
    records: int | None
    patients: int | None


@dataclass(frozen=True)
class CohortSize:
    """What may be told about a cohort's size.

    records and patients are those analysed, excluded the records dropped for missing values.
    """

    records: int
    patients: int
    excluded: int
    datasets: tuple[DatasetSize, ...]


class Transport(Protocol):
    """The road from a cohort's records to their sum: one process, a cluster, a federation."""

    def fold(self, kernel: Callable[[Block, State], S], state: State, cells: Sequence[str]) -> S:
        """The guarded sum of kernel over all records; raises Refused or Cancelled."""

    def share(self, groups: tuple[int, ...]) -> tuple["Transport", CohortSize]:
        """The road to the records of some groups of a divided cohort; raises Refused."""

    def adjusted(self, adjustments: tuple[Adjustment, ...]) -> "Transport":
        """The road to the same records, changed further by these adjustments."""


@dataclass(frozen=True)
class Cohort:
    """The records that one analysis may see, already checked by the guard.

    y and x are the variables by role; levels gives each nominal variable's level codes in the
    data model's order (for `dataset`, the cohort's datasets); minimum is the smallest number of
    patients a released cell may rest on; releases_extremes tells whether single patients'
    minima and maxima may be asked for; groups is the number of groups that the cohort is divided
    into for validation, 0 where it is not; travels tells whether sums come over a network, where
    large ones cost more than another round.
    """

    y: tuple[Variable, ...]
    x: tuple[Variable, ...]
    levels: Mapping[str, tuple[str, ...]]
    datasets: tuple[str, ...]
    size: CohortSize
    minimum: int
    releases_extremes: bool
    transport: Transport
    groups: int = 0
    travels: bool = False

    def fold(
        self,
        kernel: Callable[[Block, State], S],
        state: State,
        *,
        cells: Sequence[str] = (),
    ) -> S:
        """The sum of kernel(block, state) over the cohort.

        cells names the cells of the statistic's Cells fields, for the message of a refusal.
        """
        return self.transport.fold(kernel, state, cells)

    def share(self, groups: Sequence[int]) -> "Cohort":
        """The part of a divided cohort that these groups are; raises Refused where it is small."""
        transport, size = self.transport.share(tuple(groups))
        return replace(self, transport=transport, size=size)

    def adjusted(self, *adjustments: Adjustment) -> "Cohort":
        """The same records as these adjustments, one after another, change them."""
        return replace(self, transport=self.transport.adjusted(adjustments))

    def design(
        self,
        variables: Sequence[Variable],
        interactions: Sequence[Sequence[str]] = (),
        transforms: Mapping[str, Transform] | None = None,
        curves: Mapping[str, Sequence[Transform]] | None = None,
    ) -> Design:
        """The full design of these variables: every level has its column; as Design.full."""
        return Design.full(variables, dict(self.levels), interactions, transforms, curves)

    def level(self, variable: Variable, code: str, field: str) -> int:
        """The index of a level named by a parameter; raises RequestError naming the field."""
        levels = self.levels[variable.code]
        if code not in levels:
            raise RequestError(
                f"{field}: {variable.code} has no such level",
                remedy=f"Choose one of: {', '.join(levels)}.",
            )
        return levels.index(code)
