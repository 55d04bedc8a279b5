"""Statistics of sums about a shift that each part chooses for itself, and may have to change."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np

from medmip.fold.statistic import FloatArray, Statistic, Sum


@dataclass(frozen=True)
class Origin(Statistic):
    """What parts add up to agree on one shift: weight, and weight times mean, of every column.

    weight is (p,), or () where all columns have the same; total is (p,).
    """

    weight: Sum
    total: Sum

    @property
    def shift(self) -> FloatArray:
        """The mean over all parts, (p,); 0 where they have no weight."""
        weight = np.broadcast_to(np.asarray(self.weight, dtype=np.float64), np.shape(self.total))
        return np.divide(self.total, weight, out=np.zeros(weight.shape), where=weight > 0)


class Shifted(Statistic, ABC):
    """Base of statistics whose field `shift` is the origin that their other sums are taken about.

    Parts with different shifts add up by the parallel-axis rule. Where they can only be added
    field by field, as under secure aggregation, each is first brought about the shift that the
    sum of all their origins gives.
    Source: Chan, Golub & LeVeque, The American Statistician 37 (1983), 242-247.
    """

    shift: FloatArray

    @abstractmethod
    def about(self, shift: FloatArray) -> Self:
        """The same sums about another shift of the same shape, by the parallel-axis rule."""

    @abstractmethod
    def origin(self) -> Origin:
        """This part's say in the shift of all; a column that is about 0 stays so."""

    def __add__(self, other: Self) -> Self:
        if not np.array_equal(self.shift, other.shift):
            other = other.about(self.shift)
        return super().__add__(other)
