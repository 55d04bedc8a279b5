"""How the members' answers of one round become their sum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from medmip.federation.member import Admitted, Member, SiteTrouble
from medmip.federation.question import Question
from medmip.federation.site import Progress
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


class Aggregation(Protocol):
    """The whole of one round: members are asked, their answers summed."""

    @property
    def secure(self) -> bool:
        """Whether nobody but a site far away itself is shown its statistics."""

    @property
    def reason(self) -> str:
        """Why, as a sentence; empty where nobody far away takes part."""

    def total(
        self, members: Sequence[Member], question: Question[State, S], progress: Progress
    ) -> S | None:
        """The sum over all members, in their order; None where none of them has a record."""


Choice = Callable[[Sequence[Member], Sequence[Admitted]], Aggregation]
"""Chooses how sums come together, once all members are admitted."""


@dataclass(frozen=True)
class Clear:
    """Each member's guarded statistic is shown to the hub, which adds them up."""

    reason: str = ""

    @property
    def secure(self) -> bool:
        return False

    def total(
        self, members: Sequence[Member], question: Question[State, S], progress: Progress
    ) -> S | None:
        asked = [(member, member.fold(question, progress)) for member in members]
        total: S | None = None
        owned = False
        for member, answer in asked:
            # In the members' order always, so that a rerun gives the same bits.
            part = answer()
            before, total = total, added(total, part, member.name, owned=owned)
            owned = owned or (before is not None and part is not None)
        return total


def added(total: S | None, part: S | None, site: str, *, owned: bool = False) -> S | None:
    """The sum of what there is; raises SiteTrouble where a site's part does not fit the others.

    owned: nobody else holds the total's arrays.
    """
    if total is None or part is None:
        return part if total is None else total
    try:
        return total.added(part) if owned else total + part
    except ValueError as error:
        raise SiteTrouble(
            f"{site} answered something else than the others: {error}",
            site=site,
            remedy="Compare the software's versions; tell the site's administrator.",
        ) from None
