"""Sums of partitions in a row, added by one tree whoever adds which of them.

The tree is that of the number of partitions alone: four that follow each other are one branch, four
such branches a larger one, and what is left at the end is the last branch, of fewer. Additions of
floating-point numbers are so the same ones, in the same order, however a row is cut for workers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
TWIGS = 4
"""Branches that make one of the next level."""


@dataclass(frozen=True)
class Branch(Generic[T]):
    """A sum: of one partition at level 0, and at this place of the branches of its level."""

    level: int
    place: int
    sum: T


def grown(
    branches: Iterable[Branch[T]], partitions: int, add: Callable[[Sequence[T]], T]
) -> list[Branch[T]]:
    """The fewest branches that the given ones, in their row's order, make; one if they are all.

    partitions is how many the whole row has, add the sum of some in their order.
    """
    row: list[Branch[T]] = []
    for branch in branches:
        row.append(branch)
        while _joins(row, partitions, add):
            pass
    return row


def _joins(row: list[Branch[T]], partitions: int, add: Callable[[Sequence[T]], T]) -> bool:
    """Makes the row's end one branch of the next level, where it is a whole one."""
    last = row[-1]
    there = -(-partitions // TWIGS**last.level)
    first = last.place // TWIGS * TWIGS
    twigs = row[first - last.place - 1 :]
    whole = last.place == min(first + TWIGS, there) - 1
    if there == 1 or not whole or (twigs[0].level, twigs[0].place) != (last.level, first):
        return False
    made = Branch(last.level + 1, last.place // TWIGS, add([twig.sum for twig in twigs]))
    row[len(row) - len(twigs) :] = [made]
    return True
