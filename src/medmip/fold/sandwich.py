"""The middle of the sandwich: how residuals scatter along the columns, whatever their variance."""

from dataclasses import dataclass

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.scratch import scratch
from medmip.fold.statistic import FloatArray, Statistic, Sum
from medmip.fold.weights import weighed


@dataclass(frozen=True)
class SandwichState:
    """A fitted linear model: design's last column is y.

    means (p + 1,); slopes (p,); inverse (p, p) of the centred X'X; records n, or the
    sum of the weights, which are as MomentsState's. by_patient adds up
    a patient's records before they are squared; else each residual e becomes e / (1 - h).
    """

    design: Design
    means: FloatArray
    slopes: FloatArray
    inverse: FloatArray
    records: float
    by_patient: bool
    weights: str | None = None


@dataclass(frozen=True)
class SandwichSums(Statistic):
    """Patients () and records (); sums of products of scores (1, x - mean) e, (p + 1, p + 1)."""

    patients: Sum
    records: Sum
    meat: Sum

    def supported_parameters(self) -> int:
        return len(self.meat)


def sandwich_sums(block: Block, state: SandwichState) -> SandwichSums:
    """The sums of one block.

    Sources: MacKinnon & White, Journal of Econometrics 29 (1985) 305-325; Liang & Zeger,
    Biometrika 73 (1986) 13-22.
    """
    block, weights = weighed(block, state.weights)
    x = block.matrix(state.design)
    columns = scratch(x.shape[1], block.records)
    np.subtract(x.T, state.means[:, None], out=columns)
    residual = columns[-1] - np.dot(state.slopes, columns[:-1])
    # The outcome's place is taken by the intercept's ones.
    columns[-1] = 1.0
    if not state.by_patient:
        leverage = np.einsum("pn,pn->n", columns[:-1], np.dot(state.inverse, columns[:-1]))
        leverage += 1.0 / state.records
        if weights is not None:
            leverage *= weights
        residual /= np.maximum(1.0 - leverage, 1e-12)
    if weights is not None:
        residual *= weights
    columns *= residual
    if state.by_patient and block.patient is not None and block.records:
        starts = np.concatenate([[0], np.flatnonzero(np.diff(block.patient)) + 1])
        columns = np.add.reduceat(columns, starts, axis=1)
    meat = np.roll(np.dot(columns, columns.T), 1, axis=(0, 1))
    return SandwichSums(np.array(float(block.patients)), np.array(float(block.records)), meat)


def sandwich(state: SandwichState, sums: SandwichSums) -> FloatArray:
    """The covariance of intercept and slopes, (p + 1, p + 1), allowing for few patients."""
    p = len(state.slopes)
    bread = np.zeros((p + 1, p + 1))
    bread[0, 0] = 1.0 / state.records
    bread[1:, 1:] = state.inverse
    bread[0] = bread[0] - state.means[:-1] @ bread[1:]
    covariance: FloatArray = bread @ sums.meat @ bread.T
    if state.by_patient:
        groups, n = float(sums.patients), float(sums.records)
        covariance = covariance * (groups / (groups - 1) * (n - 1) / (n - p - 1))
    return covariance
