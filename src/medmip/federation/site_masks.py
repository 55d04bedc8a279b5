"""A site's masks in the runs that are open: each step of secure aggregation, checked and done."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_bytes

from medmip.federation.clock import now
from medmip.federation.identity import Identity, PublicIdentity
from medmip.federation.masked_round import Unmasking
from medmip.federation.masking_site import MaskingSite
from medmip.federation.member import LocalMember
from medmip.federation.messages import Asking
from medmip.federation.peers import Met, Peers
from medmip.federation.run_keys import RunLabel, Trust, Untrustworthy
from medmip.federation.secure_answers import SecureAnswers
from medmip.federation.secure_messages import (
    Advertise,
    Agreed,
    Answer,
    Election,
    Fill,
    Hear,
    Join,
    Mask,
    Shares,
    Shift,
    Step,
)
from medmip.federation.steering import SteeringRule
from medmip.federation.wire import decoded
from medmip.fold.statistic import Statistic

Fold = Callable[[Asking], tuple[type[Statistic], Statistic | None]]
"""Makes the guarded statistic that is asked for, with its type; None of no record."""
_NAME = 100
_NO_KEYS = "The hub asks for a step before the sites' keys"


@dataclass(frozen=True)
class MaskMaker:
    """What the masks of all of a site's runs are made with.

    identity reads the site's present key; rule is one for all runs, since it lets one after the
    other decide.
    """

    federation: str
    node: str
    identity: Callable[[], Identity]
    peers: Peers
    rule: SteeringRule


class RunMasks:
    """One run's masks. Keys may be made anew in mid-run; what was masked with others is void."""

    def __init__(self, maker: MaskMaker, run: str, member: LocalMember) -> None:
        self._maker, self._run, self._member = maker, run, member
        self._epoch = 0
        self._answers: SecureAnswers | None = None
        self._lock = threading.Lock()

    @property
    def begun(self) -> bool:
        """Whether sums of this run travel under masks."""
        return self._answers is not None

    def answer(self, step: Step, fold: Fold) -> Answer:
        """What the site answers to a step; raises Untrustworthy, SwappedKey, Refused."""
        answers = self._answers
        if isinstance(step, Mask):
            if answers is None:
                raise Untrustworthy(_NO_KEYS)
            kind, statistic = fold(decoded(step.asked, Asking))
            # One by one: two rounds of one number at a time would both go out under its masks.
            with self._lock:
                return answers.answer(step.number, kind, statistic)
        with self._lock:
            if isinstance(step, Advertise):
                return self._advertised(step)
            if answers is None:
                raise Untrustworthy(_NO_KEYS)
            return self._stepped(answers, step)

    def _stepped(
        self, answers: SecureAnswers, step: Join | Hear | Shift | Fill | Election | Unmasking
    ) -> Answer:
        match step:
            case Join():
                return Shares(answers.masking.join(step.roster, self._trust(step)))
            case Hear():
                answers.masking.hear(step.shares)
                return Agreed()
            case Shift():
                return answers.about(step.number, step.shift)
            case Fill():
                return answers.fill(step.number, step.shapes, origin=step.origin)
            case Election():
                return answers.vote(step.number, step.survivors)
            case Unmasking():
                return answers.unmask(step)

    def _advertised(self, step: Advertise) -> Answer:
        part = self._member.part
        if not self._member.patients:
            raise Untrustworthy("The hub asks for keys where there are no records to mask")
        if step.epoch <= self._epoch:
            raise Untrustworthy("The hub asks for keys of a run that has newer ones")
        self._epoch = step.epoch
        identity = self._maker.identity()
        masking = MaskingSite(
            RunLabel(self._maker.federation, self._run, step.epoch, step.on_loss),
            self._maker.node,
            identity.public.key,
            identity,
            token_bytes(32),
        )
        extremes = part.site.guard.policy.extremes
        self._answers = SecureAnswers(masking, self._maker.rule, part.access, extremes=extremes)
        return masking.advert

    def _trust(self, step: Join) -> Trust:
        introduced = {peer.node: peer for peer in step.peers}

        def trust(identities: Mapping[str, bytes]) -> None:
            met = []
            for site, key in identities.items():
                peer = introduced.get(site)
                if peer is None:
                    raise Untrustworthy("The hub does not say who a site of the run is")
                met.append(Met(site, peer.name[:_NAME], PublicIdentity(key), peer.successions))
            self._maker.peers.trusted(met, now())

        return trust
