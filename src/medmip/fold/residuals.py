"""Standardised residuals of a linear model, and how they are spread over bins of patients."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import Count, FloatArray, Statistic, sum_over
from medmip.fold.value_grid import Values

_LEAST = 1e-10
"""A residual of a record that is fitted whatever its outcome, by this share, is none."""


@dataclass(frozen=True)
class Standardised(Values):
    """Residuals in units of their own standard errors, and fitted values, as values of a search.

    design's last column is y; means are (p + 1,), slopes (p,), inverse p rows of the centred X'X's;
    total is the number of records, or the sum of their weights; spread, the residual standard
    error. A record without weight is missing. Source: Cook & Weisberg, Residuals and Influence in
    Regression (1982), 2.2.
    """

    design: Design
    means: tuple[float, ...]
    slopes: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]
    total: float
    spread: float
    weights: str | None = None

    def of(self, block: Block) -> FloatArray:
        """(n, 2), remembered from round to round."""
        return block.derived("residuals", self, lambda: self._made(block))

    def _made(self, block: Block) -> FloatArray:
        """Term by term: a matrix product may round differently in another block."""
        columns = block.matrix(self.design)
        centred = [columns[:, index] - mean for index, mean in enumerate(self.means)]
        fitted = np.full(block.records, self.means[-1])
        leverage = np.full(block.records, 1.0 / self.total)
        part = np.empty(block.records)
        for index, slope in enumerate(self.slopes):
            fitted += np.multiply(centred[index], slope, out=part)
            lean = centred[index] * self.inverse[index][index]
            for other in range(index):
                lean += np.multiply(centred[other], 2.0 * self.inverse[index][other], out=part)
            leverage += np.multiply(centred[index], lean, out=part)
        residual = columns[:, -1] - fitted
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.weights is not None:
                weights = block.column(self.weights)
                residual *= np.sqrt(weights)
                leverage *= weights
                fitted[~(weights > 0)] = np.nan
            left = np.where(1.0 - leverage > _LEAST, 1.0 - leverage, np.nan)
            residual /= self.spread * np.sqrt(left)
        residual[np.isnan(fitted)] = np.nan
        return np.column_stack([residual, fitted])


@dataclass(frozen=True)
class ResidualBins:
    """Edges (b - 1,) between bins of residuals, and cuts (g - 1,) between bins of fitted values."""

    values: Standardised
    edges: tuple[float, ...]
    cuts: tuple[float, ...]


@dataclass(frozen=True)
class ResidualSums(Statistic):
    """Patients and records by bin of residuals, (b,), and patients by bin of fitted values, (g,).

    sums (g, 4): records, then their sums of fitted values, of residuals r and of root |r|.
    """

    patients: Count
    records: Annotated[FloatArray, sum_over("patients")]
    fitted: Count
    sums: Annotated[FloatArray, sum_over("fitted")]


def residual_sums(block: Block, state: ResidualBins) -> ResidualSums:
    """The sums of one block."""
    residual, fitted = state.values.of(block).T
    known = ~np.isnan(residual)
    bins, groups = len(state.edges) + 1, len(state.cuts) + 1
    place = np.where(known, np.searchsorted(np.array(state.edges), residual), -1)
    group = np.where(known, np.searchsorted(np.array(state.cuts), fitted), -1)
    given = (np.ones(block.records), fitted, residual, np.sqrt(np.abs(residual)))
    return ResidualSums(
        patients=block.cells(place, bins),
        records=np.bincount(place[known], minlength=bins).astype(np.float64),
        fitted=block.cells(group, groups),
        sums=np.column_stack(
            [np.bincount(group[known], part[known], minlength=groups) for part in given]
        ),
    )
