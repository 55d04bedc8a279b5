"""One batch of a cohort's records, encoded by the data model, as kernels see it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medmip.fold.statistic import CodeArray, FloatArray, IntArray

if TYPE_CHECKING:
    from medmip.fold.design import Design


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a block holds which variable.

    numeric and nominal are variable codes in column order; levels are the codes of each
    nominal variable's levels, in the data model's order.
    """

    numeric: tuple[str, ...]
    nominal: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]

    def levels_of(self, variable: str) -> tuple[str, ...]:
        """The levels of a nominal variable, in the data model's order."""
        return self.levels[self.nominal.index(variable)]


@dataclass(frozen=True, eq=False)
class Block:
    """Up to some ten thousand records of a cohort.

    numeric is (n, k) float64, column-major, NaN where missing; codes is (n, m) int32,
    column-major, level indices, -1 where missing; dataset is (n,), an index into the cohort's
    datasets; patient is (n,), ascending and unique to a patient within the block, or None where
    every record is a patient of its own. A patient's records never straddle two blocks.
    """

    layout: Layout
    numeric: FloatArray
    codes: CodeArray
    dataset: CodeArray
    patient: IntArray | None
    _matrices: dict[object, FloatArray] = field(default_factory=dict, repr=False)

    @property
    def records(self) -> int:
        return len(self.dataset)

    @property
    def patients(self) -> int:
        if self.patient is None:
            return self.records
        return int(np.count_nonzero(np.diff(self.patient))) + 1 if self.records else 0

    @property
    def nbytes(self) -> int:
        size = self.numeric.nbytes + self.codes.nbytes + self.dataset.nbytes
        return size + (0 if self.patient is None else self.patient.nbytes)

    def column(self, variable: str) -> FloatArray:
        """The values of a numeric variable, (n,), NaN where missing."""
        return self.numeric[:, self.layout.numeric.index(variable)]

    def levels(self, variable: str) -> CodeArray:
        """The level indices of a nominal variable, (n,), -1 where missing."""
        return self.codes[:, self.layout.nominal.index(variable)]

    def cells(self, codes: CodeArray | IntArray, size: int) -> IntArray:
        """The number of patients in each of `size` cells; codes is (n,), -1 for no cell."""
        chosen = codes >= 0
        if self.patient is None:
            return np.bincount(codes[chosen], minlength=size).astype(np.int64)
        pairs = self.patient[chosen].astype(np.int64) * size + codes[chosen]
        return np.bincount(np.unique(pairs) % size, minlength=size).astype(np.int64)

    def matrix(self, design: "Design") -> FloatArray:
        """The design matrix of this block, (n, p) float64, column-major, without intercept."""
        if design.numeric_only == self.layout.numeric:
            return self.numeric
        known = self._matrices.get(design)
        if known is None:
            self._matrices.clear()
            known = self._matrices[design] = design.encode(self)
        return known
