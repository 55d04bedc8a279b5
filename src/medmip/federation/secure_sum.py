"""The hub's way through secure aggregation: from a question to all sites to their total."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from medmip.federation.masked_round import MaskedSums, Unmasked, Unmasking, Vote
from medmip.federation.masking_hub import MaskedRound, RoundLost, Total, delivered
from medmip.federation.run_keys import KeyAdvert, OnLoss, Roster, RunLabel
from medmip.federation.sealed_share import SealedShare
from medmip.federation.secure_answers import NoRecords
from medmip.federation.summands import Shapes, total
from medmip.fold.shifted import Origin, Shifted
from medmip.fold.statistic import FloatArray, Statistic

A = TypeVar("A")
Q_contra = TypeVar("Q_contra", contravariant=True)
S = TypeVar("S", bound=Statistic)


class SiteLost(Exception):
    """A site did not answer in time; what it may still send counts no more."""


class Party(Protocol[Q_contra]):
    """A site as the hub reaches it.

    A question is sent at once; the function that is returned waits for the answer, and raises
    SiteLost where none comes.
    """

    @property
    def site(self) -> str:
        """Its id."""

    def advertise(self, run: RunLabel) -> Callable[[], KeyAdvert]: ...

    def join(self, roster: Roster) -> Callable[[], tuple[SealedShare, ...]]: ...

    def hear(self, shares: tuple[SealedShare, ...]) -> Callable[[], None]: ...

    def answer(self, number: int, question: Q_contra) -> Callable[[], MaskedSums | NoRecords]: ...

    def about(self, number: int, shift: FloatArray) -> Callable[[], MaskedSums]: ...

    def fill(self, number: int, shapes: Shapes, *, origin: bool) -> Callable[[], MaskedSums]: ...

    def vote(self, number: int, survivors: tuple[str, ...]) -> Callable[[], Vote]: ...

    def unmask(self, request: Unmasking) -> Callable[[], Unmasked]: ...


class SecureSum(Generic[Q_contra]):
    """The rounds of one run over parties that all have records in its cohort.

    lost are the sites that a round went on without; the run is closed then, and is begun again
    with new keys. Methods raise TooFewSites, RoundLost and NotTheSame besides what parties raise.
    """

    def __init__(self, run: RunLabel, parties: Sequence[Party[Q_contra]]) -> None:
        self._run = run
        self._parties = {party.site: party for party in parties}
        self._number = 0
        self._roster, self._participants = self._agreed()
        self.lost: tuple[str, ...] = ()

    def total(self, question: Q_contra, kind: type[S]) -> S | None:
        """The sum of all sites' statistics of this kind; None where none has a record."""
        if self.lost:
            raise RoundLost("The run is closed since sites were lost", self.lost)
        number = self._next()
        first = self._ask(
            self._participants, lambda party: party.answer(number, question), "answered"
        )
        masked = [part for part in first.values() if isinstance(part, MaskedSums)]
        empty = [part.site for part in first.values() if isinstance(part, NoRecords)]
        if not masked:
            return None
        shifted = issubclass(kind, Shifted)
        found = self._unmasked(number, masked, empty, origin=shifted)
        if not shifted:
            return total(kind, found.shapes, found.sums, found.clear)
        if self.lost:
            raise RoundLost("Sites were lost while a common shift was sought", self.lost)
        shift = total(Origin, found.shapes, found.sums, found.clear).shift
        number = self._next()
        holders = [site for site in self._participants if site not in empty]
        second = self._ask(holders, lambda party: party.about(number, shift), "answered")
        found = self._unmasked(number, [*second.values()], empty, origin=False)
        return total(kind, found.shapes, found.sums, found.clear)

    def _agreed(self) -> tuple[Roster, tuple[str, ...]]:
        """Keys made, signed and passed on."""
        adverts = self._ask(self._parties, lambda party: party.advertise(self._run), "sent keys")
        roster = Roster.of(self._run, adverts.values())
        shares = self._ask(roster.sites, lambda party: party.join(roster), "agreed on keys")
        if self._run.on_loss is OnLoss.FAIL:
            return roster, roster.sites
        heard = delivered(roster, shares)
        self._ask(heard, lambda party: party.hear(heard[party.site]), "agreed on keys")
        return roster, tuple(heard)

    def _unmasked(
        self, number: int, masked: list[MaskedSums], empty: Sequence[str], *, origin: bool
    ) -> Total:
        shapes = masked[0].shapes
        zeros = self._ask(
            empty, lambda party: party.fill(number, shapes, origin=origin), "answered"
        )
        round_ = MaskedRound(self._roster, self._participants, [*masked, *zeros.values()])
        votes: Mapping[str, Vote] = {}
        if round_.needs_votes:
            votes = self._ask(
                round_.survivors, lambda party: party.vote(number, round_.survivors), "agreed"
            )
            self.lost = round_.lost
        answers: Iterable[Unmasked] = ()
        if round_.is_masked:
            signed = tuple(votes.values())
            answers = self._ask(
                round_.survivors,
                lambda party: party.unmask(round_.request(party.site, signed)),
                "unmasked the total",
            ).values()
        return round_.total([*answers])

    def _ask(
        self, sites: Iterable[str], ask: Callable[[Party[Q_contra]], Callable[[], A]], done: str
    ) -> dict[str, A]:
        """The answers of those that answer, all asked side by side; raises RoundLost on `fail`."""
        asked = {site: ask(self._parties[site]) for site in sites}
        found: dict[str, A] = {}
        lost = []
        for site, answer in asked.items():
            try:
                found[site] = answer()
            except SiteLost:
                lost.append(site)
        if lost and self._run.on_loss is OnLoss.FAIL:
            raise RoundLost(f"{len(lost)} sites were lost before they {done}", tuple(lost))
        return found

    def _next(self) -> int:
        self._number += 1
        return self._number
