"""Lloyd's step of k-means, and starting centres that copy no patient."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.scratch import scratch
from medmip.fold.statistic import FloatArray, IntArray, Statistic, Sum, count_with, sum_over

_TILE = 8192
"""Records assigned at a time: their distances stay in the processor's cache."""


@dataclass(frozen=True)
class LloydState:
    """Centres (k, p) of columns z = (x - shift) / scale; one in `share` records is looked at."""

    design: Design
    shift: FloatArray
    scale: FloatArray
    centres: FloatArray
    share: int = 1


@dataclass(frozen=True)
class LloydStep(Statistic):
    """Patients (k,) nearest to each centre, their records, and sums (k, p) of z.

    distance () sums |z - centre|² - |z|² over all records.
    """

    patients: Annotated[IntArray, count_with(())]
    records: Annotated[FloatArray, sum_over("patients")]
    sums: Annotated[FloatArray, sum_over("patients")]
    distance: Sum

    def supported_parameters(self) -> int:
        return len(self.patients)


def lloyd_step(block: Block, state: LloydState) -> LloydStep:
    """Assigns one block's records to their nearest centres.

    Source: Lloyd, IEEE Transactions on Information Theory 28 (1982) 129-137.
    """
    if state.share > 1:
        block = block.sample(state.share)
    x = block.matrix(state.design)
    (size, p), records = state.centres.shape, block.records
    slopes = -2.0 * state.centres / state.scale
    length = np.einsum("kp,kp->k", state.centres, state.centres)[:, None]
    origin = state.shift[:, None]
    sums, counts, total = np.zeros((size, p)), np.zeros(size), 0.0
    nearest = None if block.patient is None else np.empty(records, dtype=np.int64)
    for start in range(0, records, _TILE):
        stop = min(start + _TILE, records)
        memory = scratch(p + 2 * size, stop - start)
        centred, distance, chosen = memory[:p], memory[p : p + size], memory[p + size :]
        np.subtract(x.T[:, start:stop], origin, out=centred)
        np.dot(slopes, centred, out=distance)
        distance += length
        least = distance.min(axis=0)
        np.equal(distance, least, out=chosen)
        here = chosen.sum(axis=1)
        if nearest is not None or here.sum() != stop - start:
            # Equally near to two centres: the first has it.
            first = distance.argmin(axis=0)
            chosen[:] = 0.0
            chosen[first, np.arange(stop - start)] = 1.0
            here = chosen.sum(axis=1)
            if nearest is not None:
                nearest[start:stop] = first
        counts += here
        sums += np.dot(chosen, centred.T)
        total += least.sum()
    return LloydStep(
        patients=counts.astype(np.int64) if nearest is None else block.cells(nearest, size),
        records=counts,
        sums=sums / state.scale,
        distance=np.array(total),
    )


def weighted_centres(
    points: FloatArray, weights: FloatArray, k: int, rng: np.random.Generator, starts: int = 20
) -> FloatArray:
    """The best k centres (k, p) of few weighted points (m, p), of several starts.

    Source: Arthur & Vassilvitskii, SODA 2007, 1027-1035 (k-means++).
    """
    best, least = points[:k], np.inf
    for _ in range(starts):
        centres = points[[rng.choice(len(points), p=weights / weights.sum())]]
        while len(centres) < k:
            gap = _squared(points, centres).min(axis=1) * weights
            chance = gap / gap.sum() if gap.sum() > 0 else weights / weights.sum()
            centres = np.vstack([centres, points[[rng.choice(len(points), p=chance)]]])
        for _ in range(50):
            nearest = _squared(points, centres).argmin(axis=1)
            shares = np.where(nearest == np.arange(k)[:, None], weights, 0.0)
            totals = shares.sum(axis=1, keepdims=True)
            moved = np.divide(shares @ points, totals, out=centres.copy(), where=totals > 0)
            if np.array_equal(moved, centres):
                break
            centres = moved
        spread = float((_squared(points, centres).min(axis=1) * weights).sum())
        if spread < least:
            best, least = centres, spread
    return best


def _squared(points: FloatArray, centres: FloatArray) -> FloatArray:
    squared: FloatArray = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return squared
