"""A far member of a run as a party of its secure aggregation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from medmip.federation import remote
from medmip.federation.masked_round import MaskedSums, Unmasked, Unmasking, Vote
from medmip.federation.member import SiteTrouble
from medmip.federation.question import Question
from medmip.federation.remote import RemoteMember
from medmip.federation.run_keys import KeyAdvert, OnLoss, Roster, RunLabel
from medmip.federation.sealed_share import SealedShare
from medmip.federation.secure_answers import NoRecords
from medmip.federation.secure_messages import (
    Advertise,
    Agreed,
    Answer,
    Election,
    Fill,
    Hear,
    Introduced,
    Join,
    Mask,
    Shares,
    Shift,
    Step,
)
from medmip.federation.secure_sum import SiteLost
from medmip.federation.site import Progress
from medmip.federation.summands import Shapes
from medmip.fold.statistic import FloatArray

A = TypeVar("A")
Asked = Question[Any, Any]


@dataclass
class RemoteParty:
    """Asks one site the steps of secure aggregation; peers are all sites of the run.

    A lost site is told as such where the run goes on without it, and ends the round otherwise;
    lost tells that it was.
    """

    member: RemoteMember
    peers: tuple[Introduced, ...]
    on_loss: OnLoss
    progress: Progress = field(default=lambda _: None)
    lost: bool = False

    @property
    def site(self) -> str:
        return self.member.peer.site.node

    def advertise(self, run: RunLabel) -> Callable[[], KeyAdvert]:
        return self._asked(Advertise(run.epoch, run.on_loss), KeyAdvert)

    def join(self, roster: Roster) -> Callable[[], tuple[SealedShare, ...]]:
        joined = self._asked(Join(roster, self.peers), Shares)
        return lambda: joined().shares

    def hear(self, shares: tuple[SealedShare, ...]) -> Callable[[], None]:
        heard = self._asked(Hear(shares), Agreed)

        def agreed() -> None:
            heard()

        return agreed

    def answer(self, number: int, question: Asked) -> Callable[[], MaskedSums | NoRecords]:
        asked = self._answer(Mask(number, self.member.shared.asking(question)))

        def answered() -> MaskedSums | NoRecords:
            found = asked()
            if isinstance(found, MaskedSums | NoRecords):
                return found
            raise self._other()

        return answered

    def about(self, number: int, shift: FloatArray) -> Callable[[], MaskedSums]:
        return self._asked(Shift(number, shift), MaskedSums)

    def fill(self, number: int, shapes: Shapes, *, origin: bool) -> Callable[[], MaskedSums]:
        return self._asked(Fill(number, shapes, origin), MaskedSums)

    def vote(self, number: int, survivors: tuple[str, ...]) -> Callable[[], Vote]:
        return self._asked(Election(number, survivors), Vote)

    def unmask(self, request: Unmasking) -> Callable[[], Unmasked]:
        return self._asked(request, Unmasked)

    def _asked(self, step: Step, expected: type[A]) -> Callable[[], A]:
        asked = self._answer(step)

        def answered() -> A:
            found = asked()
            if isinstance(found, expected):
                return found
            raise self._other()

        return answered

    def _answer(self, step: Step) -> Callable[[], Answer]:
        asked = self.member.step(step, self.progress)

        def answered() -> Answer:
            try:
                found = asked()
            except remote.SiteLost:
                if self.on_loss is OnLoss.FAIL:
                    raise
                self.lost = True
                raise SiteLost from None
            if not isinstance(found, Shares | Agreed) and found.site != self.site:
                raise self._other()
            return found

        return answered

    def _other(self) -> SiteTrouble:
        return SiteTrouble(
            f"{self.member.name} answered something else than it was asked",
            site=self.member.name,
            remedy="Compare the software's versions; tell the site's administrator.",
        )
