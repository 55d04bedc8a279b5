"""One question to every site: a kernel, its state, and the road to the records."""

from collections.abc import Callable
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
