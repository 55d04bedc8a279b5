"""One question to every site: a kernel, its state, and the road to the records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from medmip.fold.adjustment import Adjustment, Observed, Step
from medmip.fold.block import Block
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)
Change = Step | Observed
"""The adjustments that there are, as they travel."""


@dataclass(frozen=True)
class Road:
    """Which of a cohort's records: those of some groups (None: all), as adjustments change them."""

    groups: tuple[int, ...] | None = None
    adjustments: tuple[Adjustment, ...] = ()


@dataclass(frozen=True)
class Question(Generic[State, S]):
    """What is summed over the records; cells names the cells of the statistic's Cells fields."""

    kernel: Callable[[Block, State], S]
    state: State
    cells: tuple[str, ...] = ()
    road: Road = field(default_factory=Road)

    def over(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """Of a cohort's blocks, the records at the road's end, before they are adjusted."""
        groups = self.road.groups
        if groups is None:
            return blocks
        return (block for whole in blocks if (block := whole.share(groups)).records)

    def answer(self, raw: Block) -> S | None:
        """The kernel of an adjusted block, so that threads share that work; None of no record."""
        changes = self.road.adjustments
        block = raw.adjusted(changes) if changes else raw
        return self.kernel(block, self.state) if block.records or not changes else None
