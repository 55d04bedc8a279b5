"""The search finds what brute force over the whole lattice finds, with fewer trials."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.anonymise.errors import AnonymisationError
from medmip.anonymise.lattice import Trial, least_loss


def by_brute_force(losses, trial):
    found = [
        (trial(node).loss, node)
        for node in product(*(range(len(steps)) for steps in losses))
        if trial(node).enough
    ]
    return min(found, default=None)


@st.composite
def lattices(draw):
    """Losses that do not fall, and a monotone rule: enough at or above any of some nodes."""
    shape = draw(st.lists(st.integers(2, 4), min_size=1, max_size=4))
    losses = [
        sorted(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))) for size in shape
    ]
    node = st.tuples(*(st.integers(0, size - 1) for size in shape))
    least = draw(st.lists(node, max_size=4))
    seed = draw(st.integers(0, 1000))
    return losses, least, seed


@given(lattices(), st.booleans())
def test_the_best_of_all_is_found(lattice, monotone):
    losses, least, seed = lattice
    rng = np.random.default_rng(seed)
    shape = [len(steps) for steps in losses]
    suppressed = rng.random(shape)

    def trial(node):
        if monotone:
            enough = any(all(a <= b for a, b in zip(low, node, strict=True)) for low in least)
        else:
            enough = bool(suppressed[node] < 0.3)
        kept = float(np.mean([steps[step] for steps, step in zip(losses, node, strict=True)]))
        return Trial(enough, kept + (1 - kept) * float(suppressed[node]))

    found = least_loss(losses, trial, monotone=monotone)
    best = by_brute_force(losses, trial)
    if best is None:
        assert found is None
    else:
        assert found is not None
        assert found.loss == best[0]
        assert trial(found.node).enough


def test_most_of_a_lattice_is_never_tried():
    losses = [np.linspace(0, 1, 8).tolist()] * 5

    def trial(node):
        return Trial(sum(node) >= 9, float(np.mean([step / 7 for step in node])))

    found = least_loss(losses, trial, monotone=True)
    assert found is not None
    assert sum(found.node) == 9
    assert found.tried < 8**5 / 10


def test_a_lattice_too_large_to_search_is_refused():
    with pytest.raises(AnonymisationError, match="2,000,000 combinations"):
        least_loss([[0.0, 0.5, 1.0]] * 14, lambda _: Trial(True, 0.0), monotone=True)
