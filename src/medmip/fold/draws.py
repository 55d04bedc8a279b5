"""Random samples of records for trees, the same however records are divided."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medmip.fold.block import Block, hashed
from medmip.fold.statistic import FloatArray

REMEMBERED = 4
"""Trees that grow together and whose places and weights a block has room for."""
_POISSON = np.cumsum([1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040]) / np.e
"""The chances of at most 0, 1, 2, … of a Poisson law of mean 1."""


def drawn_weights(drawn: NDArray[np.uint64], seed: int) -> FloatArray:
    """How often a tree's random sample holds each record, (n,), by a Poisson law of mean 1.

    drawn (n,) is `hashed(block)`: a record's own values and the seed decide, so that the sample
    is the same however records are divided. Records that are alike in every value are drawn alike.
    Source: Hanley & MacGibbon, Computer Methods and Programs in Biomedicine 83 (2006) 57-62.
    """
    mixed = (drawn + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    uniform = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return np.searchsorted(_POISSON, uniform, side="right").astype(np.float64)


def weights_by_tree(
    block: Block, seeds: tuple[int, ...] | None, trees: int
) -> Callable[[int], FloatArray]:
    """The weights (n,) of a block's records in a tree, remembered while few trees grow."""
    drawn: list[NDArray[np.uint64]] = []

    def weighed(index: int) -> FloatArray:
        if seeds is None:
            return np.ones(block.records)
        name = f"weights {index}"
        known = block.remembered(name)
        if known is not None and known[0] == seeds[index]:
            return known[1].astype(np.float64)
        if not drawn:
            drawn.append(hashed(block))
        weights = drawn_weights(drawn[0], seeds[index])
        if trees <= REMEMBERED:
            block.remember(name, seeds[index], weights.astype(np.uint8))
        return weights

    return weighed
