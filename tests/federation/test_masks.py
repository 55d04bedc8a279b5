"""Masks of many peers at once, beside each on its own."""

import numpy as np
import pytest

from medmip.federation import masks
from medmip.federation.masks import MaskKey, masked
from medmip.federation.summands import Sums

RNG = np.random.default_rng(4)
PEERS = [MaskKey(RNG.bytes(32), minus=bool(index % 3)) for index in range(7)]
HELD = Sums(
    RNG.integers(0, 2**64, (3, 11), dtype=np.uint64), RNG.integers(0, 2**64, 2, dtype=np.uint64)
)


def same(one: Sums, other: Sums) -> bool:
    return np.array_equal(one.numbers, other.numbers) and np.array_equal(one.counts, other.counts)


@pytest.mark.parametrize("at_once", [1, 40, 10**6])
def test_masks_together_are_those_of_each_peer_one_after_another(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    one_by_one = HELD
    for peer in PEERS:
        one_by_one = masked(one_by_one, [peer], 5)
    monkeypatch.setattr(masks, "_AT_ONCE", at_once)
    together = masked(HELD, PEERS, 5)
    assert same(together, one_by_one)
    assert not same(together, HELD)
    assert same(masked(together, [-peer for peer in PEERS], 5), HELD)


def test_a_round_has_masks_of_its_own() -> None:
    assert not same(masked(HELD, PEERS, 5), masked(HELD, PEERS, 6))


def test_without_peers_nothing_is_masked() -> None:
    assert same(masked(HELD, [], 5), HELD)
