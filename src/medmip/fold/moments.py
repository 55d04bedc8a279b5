"""Counts, sums and cross-products about a shift: the one statistic behind most closed forms."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.products import products
from medmip.fold.scratch import scratch
from medmip.fold.shifted import Origin, Shifted
from medmip.fold.statistic import Cells, FloatArray, Shift, Sum, Symmetric
from medmip.fold.weights import weighed


@dataclass(frozen=True)
class MomentsState:
    """Which columns, and the shift to take sums about; None leaves each block its own means.

    weights names the variable that weighs records: sums are then of weights and weighted columns,
    and records without weight count nowhere.
    """

    design: Design
    shift: FloatArray | None = None
    weights: str | None = None


@dataclass(frozen=True)
class Moments(Shifted):
    """Sums of p design columns about a shift.

    records (): number of records, or sum of their weights; cells (p,): patients who have the levels
    that a column is of (for a product of numeric variables, all patients); shift (p,); total (p,):
    sum of x - shift; cross (p, p): sum of (x - shift)(x - shift)'.
    """

    records: Sum
    cells: Cells
    shift: Shift
    total: Sum
    cross: Symmetric

    def origin(self) -> Origin:
        mean = self.records * self.shift + self.total
        # Indicators are about 0, which keeps their sums whole.
        return Origin(self.records, np.where(self.shift == 0.0, 0.0, mean))

    def about(self, shift: FloatArray) -> Self:
        step = self.shift - shift
        n = float(self.records)
        total = self.total + n * step
        cross = self.cross + np.outer(self.total, step) + np.outer(step, self.total)
        cross += n * np.outer(step, step)
        return replace(self, shift=shift, total=total, cross=cross)

    def supported_parameters(self) -> int:
        return int(np.count_nonzero(self.cells))

    def select(self, keep: list[int]) -> Self:
        """The moments of the columns at these indices only, in this order."""
        return replace(
            self,
            cells=self.cells[keep],
            shift=self.shift[keep],
            total=self.total[keep],
            cross=self.cross[np.ix_(keep, keep)],
        )

    @property
    def mean(self) -> FloatArray:
        """Column means, (p,)."""
        return self.shift + self.total / self.records

    @property
    def scatter(self) -> FloatArray:
        """Cross-products about the means, (p, p)."""
        scatter: FloatArray = self.cross - np.outer(self.total, self.total) / self.records
        return scatter

    @property
    def covariance(self) -> FloatArray:
        """The unbiased covariance matrix, (p, p)."""
        covariance: FloatArray = self.scatter / (self.records - 1.0)
        return covariance


def moments(block: Block, state: MomentsState) -> Moments:
    """The moments of one block's design columns, about state.shift or the block's own means."""
    held, weights = weighed(block, state.weights)
    shift, centred = centred_columns(held, state)
    return moments_of(held, state.design, shift, centred, weights)


def centred_columns(block: Block, state: MomentsState) -> tuple[FloatArray, FloatArray]:
    """The shift (p,) and the columns about it, (p, n), in the thread's own memory."""
    x = block.matrix(state.design)
    shift = state.shift
    if shift is None:
        means = x.mean(axis=0) if block.records else 0.0
        shift = np.where(state.design.indicators > 0, 0.0, means)
    centred = scratch(x.shape[1], block.records)
    np.subtract(x.T, shift[:, None], out=centred)
    return shift, centred


def moments_of(
    block: Block,
    design: Design,
    shift: FloatArray,
    centred: FloatArray,
    weights: FloatArray | None = None,
) -> Moments:
    """The moments of columns (p, n) that are about a shift (p,) already; weights are (n,)."""
    if weights is not None:
        return Moments(
            records=np.array(weights.sum()),
            cells=column_cells(block, design, block.matrix(design)),
            shift=shift,
            total=np.dot(centred, weights),
            cross=np.dot(centred * weights, centred.T),
        )
    return Moments(
        records=np.array(float(block.records)),
        cells=column_cells(block, design, block.matrix(design)),
        shift=shift,
        total=centred.sum(axis=1),
        cross=products(centred),
    )


def column_cells(block: Block, design: Design, x: FloatArray) -> Cells:
    """Patients who have each design column's levels, (p,); all of them for one without levels."""
    cells = np.full(len(design.columns), block.patients, dtype=np.int64)
    for index in design.with_levels:
        column = design.columns[index]
        held = x[:, index] == 1.0 if column.is_indicator else column.held(block)
        if block.patient is None:
            cells[index] = int(np.count_nonzero(held))
        else:
            cells[index] = len(np.unique(block.patient[held]))
    return cells
