"""Sites in this process, each with its own keys, behind the hub's protocol of a party."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from medmip.authoring.analysis import Witnessed
from medmip.federation.masked_round import MaskedSums, Unmasked, Unmasking, Vote
from medmip.federation.masking_site import MaskingSite
from medmip.federation.run_keys import KeyAdvert, OnLoss, Roster, RunLabel, Untrustworthy
from medmip.federation.sealed_share import SealedShare
from medmip.federation.secure_answers import NoRecords, SecureAnswers
from medmip.federation.secure_sum import SiteLost
from medmip.federation.steering import KeptSets, SteeringRule
from medmip.federation.summands import Shapes
from medmip.fold.statistic import FloatArray, Statistic
from medmip.privacy.guard import Access

A = TypeVar("A")
Asked = Callable[[Any], tuple[type[Statistic], Statistic | None]]
STAGES = ("advertise", "join", "hear", "answer", "fill", "about", "vote", "unmask")


def label(on_loss: OnLoss = OnLoss.FAIL, epoch: int = 1) -> RunLabel:
    return RunLabel("dementia-network", "run-1", epoch, on_loss)


@dataclass
class Pins:
    """Identities as they were first seen."""

    known: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, identities: Mapping[str, bytes]) -> None:
        for site, identity in identities.items():
            if self.known.setdefault(site, identity) != identity:
                raise Untrustworthy(f"The identity of site {site} has changed")


@dataclass
class LocalParty:
    """One site.

    asked makes the released statistic of a question; dies names the stage at which the site is
    gone for good, before its answer is made, or after with answered; heard is all that the hub
    was sent.
    """

    site: str
    engine: Engine
    asked: Asked
    cohort: str
    dies: str | None = None
    answered: bool = False
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    identity: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    heard: list[object] = field(default_factory=list)
    extremes: bool = True
    pins: Pins = field(default_factory=Pins)
    masking: MaskingSite = field(init=False)
    answers: SecureAnswers = field(init=False)
    gone: bool = False

    def advertise(self, run: RunLabel) -> Callable[[], KeyAdvert]:
        def made() -> KeyAdvert:
            public = self.identity.public_key().public_bytes_raw()
            self.masking = MaskingSite(run, self.site, public, self.identity, self.secret)
            rule = SteeringRule(KeptSets(self.engine), Witnessed())
            access = Access("tester", "test", "test", cohort=self.cohort)
            self.answers = SecureAnswers(self.masking, rule, access, extremes=self.extremes)
            return self.masking.advert

        return lambda: self._at("advertise", made)

    def join(self, roster: Roster) -> Callable[[], tuple[SealedShare, ...]]:
        return lambda: self._at("join", lambda: self.masking.join(roster, self.pins))

    def hear(self, shares: tuple[SealedShare, ...]) -> Callable[[], None]:
        return lambda: self._at("hear", lambda: self.masking.hear(shares))

    def answer(self, number: int, question: Any) -> Callable[[], MaskedSums | NoRecords]:
        return lambda: self._at(
            "answer", lambda: self.answers.answer(number, *self.asked(question))
        )

    def about(self, number: int, shift: FloatArray) -> Callable[[], MaskedSums]:
        return lambda: self._at("about", lambda: self.answers.about(number, shift))

    def fill(self, number: int, shapes: Shapes, *, origin: bool) -> Callable[[], MaskedSums]:
        return lambda: self._at("fill", lambda: self.answers.fill(number, shapes, origin=origin))

    def vote(self, number: int, survivors: tuple[str, ...]) -> Callable[[], Vote]:
        return lambda: self._at("vote", lambda: self.answers.vote(number, survivors))

    def unmask(self, request: Unmasking) -> Callable[[], Unmasked]:
        return lambda: self._at("unmask", lambda: self.answers.unmask(request))

    def _at(self, stage: str, made: Callable[[], A]) -> A:
        if stage == self.dies:
            if self.answered:
                made()
            self.gone = True
        if self.gone:
            raise SiteLost
        answer = made()
        self.heard.append(answer)
        return answer


def parties_of(
    engine: Engine,
    statistics: Mapping[str, Statistic | None],
    dying: Mapping[str, str] | None = None,
    *,
    answered: bool = False,
) -> list[LocalParty]:
    """A site for each name that answers every question by its statistic."""
    kind = next(type(found) for found in statistics.values() if found is not None)
    run = secrets.token_hex(8)
    return [
        LocalParty(
            site,
            engine,
            partial(_found, kind, found),
            f"{run}-{site}",
            (dying or {}).get(site),
            answered,
        )
        for site, found in statistics.items()
    ]


def _found(
    kind: type[Statistic], found: Statistic | None, _: object
) -> tuple[type[Statistic], Statistic | None]:
    return kind, found


def names(number: int) -> Sequence[str]:
    return [f"site{index:02d}" for index in range(number)]
