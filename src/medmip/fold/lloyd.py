"""Lloyd's step of k-means, and starting centres that copy no patient."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import FloatArray, IntArray, Statistic, Sum, count_with, sum_over


@dataclass(frozen=True)
class LloydState:
    """Centres (k, p) of columns z = (x - shift) / scale."""

    design: Design
    shift: FloatArray
    scale: FloatArray
    centres: FloatArray


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
    z = (block.matrix(state.design) - state.shift) / state.scale
    distance = np.dot(z, -2.0 * state.centres.T)
    distance += np.einsum("kp,kp->k", state.centres, state.centres)
    nearest = distance.argmin(axis=1)
    size = len(state.centres)
    chosen = np.zeros((size, block.records))
    chosen[nearest, np.arange(block.records)] = 1.0
    return LloydStep(
        patients=block.cells(nearest, size),
        records=np.bincount(nearest, minlength=size).astype(np.float64),
        sums=np.dot(chosen, z),
        distance=np.array(distance[np.arange(block.records), nearest].sum()),
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
            totals = np.bincount(nearest, weights, minlength=k)
            moved = centres.copy()
            for index in np.flatnonzero(totals > 0):
                rows = nearest == index
                moved[index] = np.average(points[rows], axis=0, weights=weights[rows])
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
