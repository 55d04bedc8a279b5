"""Federated averaging: each share of the records trains a network by itself; their mean goes on."""

from dataclasses import dataclass, replace

import numpy as np

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.network import NetworkState, network_step
from medmip.fold.statistic import FloatArray, Statistic, Sum
from medmip.fold.training import Trained

PATIENCE = 10
"""Rounds without a gain after which the mean is at rest."""
GAIN = 1e-4
"""The least share by which the loss falls in that many rounds, else it is at rest."""


class Diverged(Exception):
    """The networks went beyond all bounds: the steps are too long."""


@dataclass(frozen=True)
class AveragingState:
    """The network that all shares start a round from, and how each goes on by itself.

    epochs passes over its own records, in batches of so many, each a step of rate against the
    gradient of the batch's mean loss and of penalty |weights|² / 2 records, of all records.
    """

    network: NetworkState
    epochs: int
    batch: int
    rate: float
    penalty: float
    records: float


@dataclass(frozen=True)
class Averaged(Statistic):
    """Records (), their loss () where the round began, and their weights times records (q,)."""

    records: Sum
    loss: Sum
    weights: Sum

    def supported_parameters(self) -> int:
        return len(self.weights)


def trained_alone(block: Block, state: AveragingState) -> Averaged:
    """What one block's records, the share of a client, make of the network by themselves.

    Batches are taken in the records' order, so that a rerun gives the same weights.
    Source: McMahan et al., AISTATS 2017, algorithm 1.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        # Steps that are too long lead beyond all bounds, which the driver sees in the loss.
        return _trained_alone(block, state)


def _trained_alone(block: Block, state: AveragingState) -> Averaged:
    begun = network_step(block, state.network)
    network, flat = state.network, state.network.flat.copy()
    shrink = state.penalty / state.records * network.shape.shrunken
    batches = [
        block.only(np.arange(start, min(start + state.batch, block.records)))
        for start in range(0, block.records, state.batch)
    ]
    for _ in range(state.epochs):
        for batch in batches:
            step = network_step(batch, replace(network, flat=flat))
            flat = flat - state.rate * (step.gradient / batch.records + shrink * flat)
    n = float(block.records)
    return Averaged(np.array(n), begun.loss, n * flat)


def averaged(cohort: Cohort, start: AveragingState, rounds: int) -> Trained:
    """The mean network of the least loss in so many rounds at the most.

    It is settled where PATIENCE rounds have brought no gain: at rest, though not at a minimum.
    Raises Diverged where the loss grows beyond all bounds.
    """
    curve: list[float] = []
    state, best, rested = start, start.network, False
    while len(curve) <= rounds and not rested:
        found = cohort.fold(trained_alone, state)
        curve.append(_penalised(float(found.loss), state))
        if not np.isfinite(curve[-1]):
            raise Diverged
        if curve[-1] == min(curve):
            best = state.network
        before, last = curve[:-PATIENCE], curve[-PATIENCE:]
        rested = bool(before) and min(last) > (1.0 - GAIN) * min(before)
        mean: FloatArray = np.asarray(found.weights / found.records)
        state = replace(state, network=replace(state.network, flat=mean))
    step = cohort.fold(network_step, best)
    gradient = (step.gradient + start.penalty * best.shape.shrunken * best.flat) / start.records
    return Trained(
        state=best,
        curve=tuple(curve),
        gradient=float(np.abs(gradient).max()),
        settled=rested,
        rounds=len(curve) - 1,
        curvature_rounds=0,
        folds=len(curve) + 1,
    )


def _penalised(loss: float, state: AveragingState) -> float:
    flat = state.network.flat
    shrunken = float((state.network.shape.shrunken * flat) @ flat)
    return (loss + 0.5 * state.penalty * shrunken) / state.records
