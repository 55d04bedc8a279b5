"""How the members' answers of one round become their sum."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from medmip.federation.member import Member, Progress, SiteTrouble
from medmip.federation.question import Question
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


class Aggregation(Protocol):
    """The whole of one round: members are asked, their answers summed."""

    secure: bool
    """Whether nobody but the site itself is shown its statistic."""

    def total(
        self, members: Sequence[Member], question: Question[State, S], progress: Progress
    ) -> S | None:
        """The sum over all members, in their order; None where none of them has a record."""


class Clear:
    """Each member's guarded statistic is shown to the hub, which adds them up."""

    secure = False

    def total(
        self, members: Sequence[Member], question: Question[State, S], progress: Progress
    ) -> S | None:
        asked = [(member, member.fold(question, progress)) for member in members]
        total: S | None = None
        for member, answer in asked:
            part = answer()
            if part is None:
                continue
            try:
                # In the members' order always, so that a rerun gives the same bits.
                total = part if total is None else total + part
            except ValueError as error:
                raise SiteTrouble(
                    f"{member.name} answered something else than the others: {error}",
                    site=member.name,
                    remedy="Compare the software's versions; tell the site's administrator.",
                ) from None
        return total
