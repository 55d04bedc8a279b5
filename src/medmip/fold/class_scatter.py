"""Cross-products of a design's columns in the classes of a nominal variable."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.shifted import Origin, Shifted
from medmip.fold.statistic import Cells, CodeArray, FloatArray, IntArray, Shift, Sum


@dataclass(frozen=True)
class ScatterState:
    """The outcome with its number of classes, and the columns.

    apart tells whether the scatter of each class is wanted, or that of all together; crossed are
    the pairs of nominal covariates whose levels a class's scatter would count, each (variable,
    its number of levels).
    """

    outcome: str
    classes: int
    design: Design
    apart: bool
    crossed: tuple[tuple[tuple[str, int], tuple[str, int]], ...]


@dataclass(frozen=True)
class ClassScatter(Shifted):
    """Of k classes: records (k,), sums (k, p) and cross-products (m, p, p) about a shift (p,).

    m is k, or 1 where those of the classes are added up. cells (k, 1 + levels + pairs): patients
    of each class, then those with each level, then with each pair of levels in question.
    """

    cells: Cells
    records: Sum
    shift: Shift
    total: Sum
    cross: Sum

    def origin(self) -> Origin:
        weight = self.records.sum()
        mean = weight * self.shift + self.total.sum(axis=0)
        return Origin(weight, np.where(self.shift == 0.0, 0.0, mean))

    def about(self, shift: FloatArray) -> Self:
        step = self.shift - shift
        n, total = self.records, self.total
        if len(self.cross) == 1:
            n, total = n.sum(keepdims=True), total.sum(axis=0, keepdims=True)
        lean = total[:, :, None] * step
        cross = self.cross + lean + lean.transpose(0, 2, 1)
        cross += n[:, None, None] * np.outer(step, step)
        return replace(
            self, shift=shift, total=self.total + self.records[:, None] * step, cross=cross
        )

    def supported_parameters(self) -> int:
        classes, columns = int(np.count_nonzero(self.records)), int(self.total.shape[1])
        each = columns * (columns + 3) // 2 if len(self.cross) > 1 else columns
        return classes * each


def class_scatter(block: Block, state: ScatterState) -> ClassScatter:
    """The sums of one block by class, about the block's own means."""
    x, held = block.matrix(state.design), block.levels(state.outcome)
    k, p = state.classes, x.shape[1]
    shift = x.mean(axis=0) if block.records else np.zeros(p)
    total, cross = np.zeros((k, p)), np.zeros((k if state.apart else 1, p, p))
    for index in range(k):
        centred = x[held == index] - shift
        total[index] = centred.sum(axis=0)
        cross[index % len(cross)] += np.dot(centred.T, centred)
    records = np.bincount(held, minlength=k).astype(np.float64)
    return ClassScatter(_cells(block, state, held), records, shift, total, cross)


def _cells(block: Block, state: ScatterState, held: CodeArray) -> IntArray:
    k = state.classes
    own = held.astype(np.int64)
    cells = [block.cells(own, k)[:, None]]
    for index in state.design.with_levels:
        column = state.design.columns[index]
        cells.append(block.cells(np.where(column.held(block), own, -1), k)[:, None])
    for (first, down), (second, across) in state.crossed:
        codes = (own * down + block.levels(first)) * across + block.levels(second)
        cells.append(block.cells(codes, k * down * across).reshape(k, -1))
    return np.hstack(cells)


@dataclass(frozen=True)
class Classes:
    """The classes that are there: records (k,), means (k, p), scatter (m, p, p) as ClassScatter."""

    records: FloatArray
    means: FloatArray
    scatter: FloatArray

    @classmethod
    def of(cls, folded: ClassScatter, present: IntArray, kept: Sequence[int]) -> Self:
        """The classes at the indices present, in the columns at the indices kept."""
        n = folded.records[present]
        total = folded.total[present][:, kept]
        lean = np.einsum("ki,kj->kij", total, total) / n[:, None, None]
        cross = folded.cross[:, kept][:, :, kept]
        scatter = cross[present] - lean if len(cross) > 1 else cross - lean.sum(axis=0)
        return cls(n, folded.shift[kept] + total / n[:, None], scatter)

    @property
    def n(self) -> float:
        return float(self.records.sum())

    @property
    def grand(self) -> FloatArray:
        """The mean of all records, (p,)."""
        grand: FloatArray = self.records @ self.means / self.n
        return grand

    @property
    def spread(self) -> FloatArray:
        """Standard deviations over all records, classes apart or not, (p,)."""
        apart = self.means - self.grand
        within = np.diagonal(self.scatter, axis1=1, axis2=2).sum(axis=0)
        spread: FloatArray = np.sqrt(np.maximum(within + self.records @ apart**2, 0.0) / self.n)
        return spread

    @property
    def pooled(self) -> FloatArray:
        """The unbiased covariance within classes, (p, p)."""
        pooled: FloatArray = self.scatter.sum(axis=0) / (self.n - len(self.records))
        return pooled

    def covariance(self, index: int) -> FloatArray:
        """The unbiased covariance of one class, or of all where it is not told apart, (p, p)."""
        if len(self.scatter) == 1:
            return self.pooled
        covariance: FloatArray = self.scatter[index] / (self.records[index] - 1.0)
        return covariance
