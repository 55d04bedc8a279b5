"""Support vectors: squared losses within the margin, and chances by decision values."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.special import expit

from medmip.fold.block import Block
from medmip.fold.descent import Curvature
from medmip.fold.design import Design
from medmip.fold.scratch import scratch
from medmip.fold.statistic import Cells, FloatArray, IntArray, Statistic, count_with

_TILE = 2048
"""Records worked on at a time: their columns stay in the processor's cache."""
STEP, REACH = 0.25, 3.0
"""Width of the steps in which decision values are counted, and where the outermost begin."""
BINS = int(2 * REACH / STEP) + 2


@dataclass(frozen=True)
class MarginState:
    """k problems, each of one level of the outcome against all others.

    positive are those levels' indices; beta (k, p + 1), intercept first, are weights of columns
    z = (x - shift) / scale; penalty is the weight of the losses.
    """

    design: Design
    outcome: str
    positive: tuple[int, ...]
    shift: FloatArray
    scale: FloatArray
    beta: FloatArray
    penalty: float

    def decisions(self, block: Block) -> FloatArray:
        """The decision values of a block's records, (k, n)."""
        x = block.matrix(self.design)
        # About the shift first, so that no digits cancel.
        values: FloatArray = np.dot(self.beta[:, 1:] / self.scale, (x - self.shift).T)
        return values + self.beta[:, :1]

    def sides(self, block: Block) -> FloatArray:
        """1.0 where a record has a problem's level, else -1.0; (k, n)."""
        held = block.levels(self.outcome)
        return np.where(held == np.array(self.positive)[:, None], 1.0, -1.0)


@dataclass(frozen=True)
class MarginCurvature(Curvature):
    """Squared hinge losses; within (k,): patients within the margin, on whom all sums rest."""

    within: Cells


def margin_curvature(block: Block, state: MarginState) -> MarginCurvature:
    """The penalised losses of one block, with gradient and generalised Hessian matrix.

    A record's loss is max(0, 1 - side · decision)².
    Source: Keerthi & DeCoste, Journal of Machine Learning Research 6 (2005) 341-361.
    """
    x = block.matrix(state.design)
    (k, q), records = state.beta.shape, block.records
    weights = np.concatenate([state.beta[:, :1], state.beta[:, 1:] / state.scale], axis=1)
    sides, origin = state.sides(block), state.shift[:, None]
    value, gradient, hessian = np.zeros(k), np.zeros((k, q)), np.zeros((k, q, q))
    within = np.empty((k, records), dtype=np.bool_)
    for start in range(0, records, _TILE):
        stop = min(start + _TILE, records)
        memory = scratch(2 * q, stop - start)
        z, part = memory[:q], memory[q:]
        z[0] = 1.0
        np.subtract(x.T[:, start:stop], origin, out=z[1:])
        short = 1.0 - sides[:, start:stop] * np.dot(weights, z)
        within[:, start:stop] = short > 0
        np.maximum(short, 0.0, out=short)
        for index in range(k):
            lack, side = short[index], sides[index, start:stop]
            np.multiply(z, within[index, start:stop], out=part)
            value[index] += np.dot(lack, lack)
            gradient[index] += np.dot(part, lack * side)
            hessian[index] += np.dot(part, part.T)
    scale = np.concatenate([[1.0], state.scale])
    return MarginCurvature(
        value=state.penalty * value,
        gradient=-2.0 * state.penalty * gradient / scale,
        hessian=2.0 * state.penalty * hessian / np.outer(scale, scale),
        within=np.array([block.cells(part.astype(np.int64) - 1, 1)[0] for part in within]),
    )


@dataclass(frozen=True)
class ChanceState:
    """Lines (k, 2), intercept first, from decision values to log odds.

    aims (k, 2) are the chances that records without and with the level should have.
    """

    margins: MarginState
    aims: FloatArray
    lines: FloatArray


def chance_curvature(block: Block, state: ChanceState) -> Curvature:
    """The cross-entropy of one block's chances with their aims, with gradient and Hessian matrix.

    Source: Lin, Lin & Weng, Machine Learning 68 (2007) 267-276.
    """
    values = state.margins.decisions(block)
    aims = np.where(state.margins.sides(block) > 0, state.aims[:, 1:], state.aims[:, :1])
    odds = state.lines[:, :1] + state.lines[:, 1:] * values
    chance = expit(odds)
    loss = np.logaddexp(0.0, odds) - aims * odds
    columns = np.stack([np.ones_like(values), values], axis=1)
    weight = (chance * expit(-odds))[:, None, :]
    return Curvature(
        value=loss.sum(axis=1),
        gradient=np.einsum("kqn,kn->kq", columns, chance - aims),
        hessian=np.einsum("kqn,krn->kqr", columns * weight, columns),
    )


@dataclass(frozen=True)
class DecisionCounts(Statistic):
    """Patients by problem, without and with its level, and step of decision values, (k, 2, BINS).

    The first and last step hold all values beyond REACH.
    """

    patients: Annotated[IntArray, count_with((2,))]


def decision_counts(block: Block, state: MarginState) -> DecisionCounts:
    """How one block's decision values spread."""
    # A value that is a step's edge but for rounding falls above it at every site.
    place = np.floor((state.decisions(block) + REACH) / STEP + 1e-9).astype(np.int64) + 1
    cells = np.clip(place, 0, BINS - 1) + BINS * (state.sides(block) > 0)
    return DecisionCounts(
        np.stack([block.cells(part, 2 * BINS).reshape(2, BINS) for part in cells])
    )
