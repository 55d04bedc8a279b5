"""The transport over members: a question goes to all of them, and their sum comes back."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np

from medmip.federation.aggregation import Aggregation, Choice, Clear
from medmip.federation.member import Admitted, LocalMember, Member
from medmip.federation.question import Question, Road
from medmip.federation.specification import CohortSpec
from medmip.fold.adjustment import Adjustment
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort, CohortSize, DatasetSize
from medmip.fold.local import Cancelled
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


class Watcher(Protocol):
    """Whoever follows a run: told of its progress, asked whether to stop."""

    def advanced(self, rounds: int, fraction: float | None) -> None:
        """Rounds finished so far, and how much of the present one, 0 to 1, where known."""

    def cancelled(self) -> bool: ...

    def held_up(self, by: str) -> None:
        """The present round waits for somebody; empty once it gets on."""


@dataclass
class Rounds:
    """The rounds of one run, over all roads to its records."""

    watcher: Watcher | None = None
    done: int = 0

    def finished(self) -> None:
        """One more is done."""
        self.done += 1
        self.tell(None)

    def progress(self, records: int) -> "RoundProgress":
        """Follows one round over about so many records, 0 where unknown."""
        return RoundProgress(self, records)

    def tell(self, fraction: float | None) -> None:
        """Tells the watcher, if any."""
        if self.watcher is not None:
            self.watcher.advanced(self.done, fraction)


@dataclass
class RoundProgress:
    """How far one round is; called with each number of records that were folded."""

    rounds: Rounds
    records: int
    _seen: int = 0
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, more: int) -> None:
        """Raises Cancelled."""
        watcher = self.rounds.watcher
        if watcher is not None and watcher.cancelled():
            raise Cancelled
        # Several members in this process may be at it.
        with self._telling:
            self._seen += more
            if self.records:
                self.rounds.tell(min(1.0, self._seen / self.records))

    def held_up(self, by: str) -> None:
        """The round waits for somebody; empty once it gets on."""
        if self.rounds.watcher is not None:
            self.rounds.watcher.held_up(by)


@dataclass(frozen=True)
class Members:
    """The road to the records of some members; records is about how many lie at its end."""

    members: tuple[Member, ...]
    datasets: tuple[str, ...]
    rounds: Rounds
    aggregation: Aggregation = field(default_factory=Clear)
    road: Road = field(default_factory=Road)
    records: int = 0

    def admit(self) -> tuple["Members", CohortSize, list[Admitted]]:
        """Every member counts its part and lets it in; raises Refused."""
        progress = self.rounds.progress(0)
        asked = [member.admit(self.road, progress) for member in self.members]
        found = [answer() for answer in asked]
        if not any(part.patients for part in found):
            for member in self.members:
                member.admit(self.road, progress, if_empty=True)()
        size = self._size(found)
        return replace(self, records=size.records), size, found

    def share(self, groups: tuple[int, ...]) -> tuple["Members", CohortSize]:
        """The same road to the records of these groups alone; raises Refused."""
        shared, size, _ = replace(self, road=replace(self.road, groups=groups)).admit()
        return shared, size

    def adjusted(self, adjustments: tuple[Adjustment, ...]) -> "Members":
        """The same road to the same records, changed further by these adjustments."""
        changes = (*self.road.adjustments, *adjustments)
        return replace(self, road=replace(self.road, adjustments=changes))

    def fold(self, kernel: Callable[[Block, State], S], state: State, cells: Sequence[str]) -> S:
        question = Question(kernel, state, tuple(cells), self.road)
        progress = self.rounds.progress(self.records)
        total = self.aggregation.total(self.members, question, progress)
        if total is None:
            raise RuntimeError("a cohort was admitted without records")
        self.rounds.finished()
        return total

    def _size(self, found: Sequence[Admitted]) -> CohortSize:
        counts = [part.counts for part in found if part.counts is not None]
        total = counts[0]
        for count in counts[1:]:
            total = total + count
        records = sum(part.records for part in found)
        return CohortSize(
            records,
            sum(part.patients for part in found),
            sum(part.chosen for part in found) - records,
            tuple(
                DatasetSize(
                    code, *(_unmasked(values[index]) for values in (total.records, total.patients))
                )
                for index, code in enumerate(self.datasets)
            ),
        )


def opened(
    members: Sequence[Member],
    spec: CohortSpec,
    watcher: Watcher | None = None,
    choice: Choice = lambda _members, _admitted: Clear(),
) -> Cohort:
    """The cohort of a request, once every member's guard has let its part in; raises Refused.

    choice tells how their sums come together then.
    """
    road = Members(tuple(members), spec.datasets, Rounds(watcher))
    transport, size, admitted = road.admit()
    transport = replace(transport, aggregation=choice(members, admitted))
    return Cohort(
        y=spec.taken(spec.y),
        x=spec.taken(spec.x),
        levels=spec.levels(),
        datasets=spec.datasets,
        size=size,
        minimum=max(part.minimum for part in admitted),
        releases_extremes=all(part.extremes for part in admitted),
        transport=transport,
        groups=spec.groups,
        travels=not all(isinstance(member, LocalMember) for member in members),
    )


def _unmasked(value: object) -> int | None:
    return None if value is np.ma.masked else int(np.asarray(value))
