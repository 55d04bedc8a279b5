"""However a row of partitions is cut, its sums are added in the same order."""

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.federation.sum_tree import Branch, grown


def leaves(first, after):
    return [Branch(0, place, str(place)) for place in range(first, after)]


def told(parts):
    return f"({' '.join(parts)})"


def whole(partitions):
    (branch,) = grown(leaves(0, partitions), partitions, told)
    return branch.sum


@pytest.mark.parametrize(
    "partitions, expected",
    [
        (1, "0"),
        (2, "(0 1)"),
        (4, "(0 1 2 3)"),
        (5, "((0 1 2 3) (4))"),
        (9, "((0 1 2 3) (4 5 6 7) (8))"),
    ],
)
def test_the_tree_is_that_of_fours(partitions, expected):
    assert whole(partitions) == expected


@given(st.data())
def test_every_way_to_cut_a_row_makes_the_same_tree(data):
    partitions = data.draw(st.integers(1, 150))
    cuts = data.draw(st.sets(st.integers(1, max(partitions - 1, 1)), max_size=6))
    ends = [0, *sorted(cut for cut in cuts if cut < partitions), partitions]
    shares = [grown(leaves(first, after), partitions, told) for first, after in pairwise(ends)]
    while len(shares) > 1:
        pairs = [[*chain(*shares[at : at + 2])] for at in range(0, len(shares), 2)]
        shares = [grown(pair, partitions, told) for pair in pairs]
    (branch,) = shares[0]
    assert branch.sum == whole(partitions)


def test_a_share_of_a_long_row_is_few_branches():
    assert len(grown(leaves(3, 997), 1000, told)) < 30
