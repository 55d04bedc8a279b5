"""A statistic with a field of every kind, and random ones of it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from medmip.fold.statistic import (
    Cells,
    Count,
    FieldKind,
    FloatArray,
    IntArray,
    Max,
    Min,
    Rank,
    SearchSum,
    Shift,
    Statistic,
    Sum,
    Symmetric,
    count_with,
    sum_over,
    tail_of,
)


@dataclass(frozen=True)
class Sums(Statistic):
    """What most statistics are of: no minimum, nothing that steers."""

    patients: Count
    by_cell: Annotated[FloatArray, sum_over("patients")]
    table: Annotated[IntArray, count_with((0, 1))]
    cells: Cells
    total: Sum
    high: Sum
    low: Annotated[FloatArray, tail_of("high")]
    shift: Shift
    matrices: Symmetric


@dataclass(frozen=True)
class Extremes(Statistic):
    """Minima and maxima of cells."""

    patients: Count
    low: Min
    high: Max
    narrow: Annotated[FloatArray, FieldKind("max", extreme=True, cells="patients")]


@dataclass(frozen=True)
class Steering(Statistic):
    """Counts that no one may see of a single site."""

    counts: Rank
    sums: SearchSum


SHIFT = np.array([1.5, -0.0, 1e-300])


def sums_of(rng: np.random.Generator, *, hidden: bool = False) -> Sums:
    """A site's sums; the guard has hidden cells of hidden ones."""
    patients = rng.integers(10, 1000, 3)
    by_cell = rng.normal(size=(3, 2)) * 1e6
    total = np.asarray(rng.normal() * 1e4)
    high = rng.normal(size=4)
    half = rng.normal(size=(2, 3, 3))
    matrices = half + half.transpose(0, 2, 1)
    mask = np.array([False, True, False])
    if not hidden:
        return Sums(
            patients,
            by_cell,
            rng.integers(10, 99, (2, 2)),
            rng.integers(10, 99, 2),
            total,
            high,
            high * 1e-17,
            SHIFT,
            matrices,
        )
    return Sums(
        np.ma.masked_array(patients, mask),
        np.ma.masked_array(by_cell, np.broadcast_to(mask[:, None], (3, 2))),
        np.ma.masked_array(rng.integers(10, 99, (2, 2)), np.eye(2, dtype=bool)),
        rng.integers(10, 99, 2),
        total,
        high,
        high * 1e-17,
        SHIFT,
        matrices,
    )


def steering_of(rng: np.random.Generator) -> Steering:
    """A site's counts and sums for a search."""
    return Steering(rng.integers(0, 5, (2, 3)), rng.normal(size=4))
