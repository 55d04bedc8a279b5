"""Secure aggregation of a run: the hub is shown what hospitals add up to, and no hospital's sums.

Datasets of the hub's own travel in clear beside: the hub knows them, so that it could take them
off any total, and they would hide nobody.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from medmip.federation.aggregation import Aggregation, Clear, added
from medmip.federation.kernels import described
from medmip.federation.member import Admitted, Member, SiteTrouble
from medmip.federation.question import Question
from medmip.federation.remote import RemoteMember, SiteLost, SiteRestarted
from medmip.federation.run_keys import FEWEST, OnLoss, RunLabel, TooFewSites
from medmip.federation.secure_messages import Introduced
from medmip.federation.secure_party import RemoteParty
from medmip.federation.secure_sum import SecureSum
from medmip.federation.site import Progress
from medmip.federation.statistics import checked
from medmip.federation.wire import Malformed
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)
MOST_STARTS = 5
"""How often a round is asked for again, with new keys, since sites have started anew."""


def aggregation_of(
    members: Sequence[Member], admitted: Sequence[Admitted], on_loss: OnLoss
) -> Aggregation:
    """How these members' sums come together: under masks where enough far ones have patients."""
    far = [member for member in members if isinstance(member, RemoteMember)]
    holders = [
        member
        for member, part in zip(members, admitted, strict=True)
        if isinstance(member, RemoteMember) and part.patients
    ]
    if len(holders) >= FEWEST:
        # With three there is none to spare: should one be lost, the run begins again without it.
        return Masked(holders, on_loss if len(holders) > FEWEST else OnLoss.FAIL)
    if not far:
        return Clear()
    return Clear(
        f"{len(holders)} hospital{'s' * (len(holders) != 1)} with patients took part; fewer than "
        f"{FEWEST} cannot hide one another, so the hub was shown each one's guarded sums."
    )


class Masked:
    """Far members' sums are added up under masks; those of other members in clear beside."""

    secure = True

    def __init__(self, members: Sequence[RemoteMember], on_loss: OnLoss) -> None:
        self.reason = (
            f"{len(members)} hospitals' sums were added up under masks: the hub was shown their "
            "totals, and no hospital's own."
        )
        self._on_loss = on_loss
        self._shared = members[0].shared
        self._parties = [RemoteParty(member, introduced(members), on_loss) for member in members]
        self._sums: SecureSum[Question[Any, Any]] | None = None

    def total(
        self, members: Sequence[Member], question: Question[State, S], progress: Progress
    ) -> S | None:
        found = self._masked(question, progress)
        beside = [member for member in members if not isinstance(member, RemoteMember)]
        own = Clear().total(beside, question, progress)
        return added(found, own, "this installation")

    def _masked(self, question: Question[State, S], progress: Progress) -> S | None:
        expected: Any = described(question.kernel).statistic
        for party in self._parties:
            party.progress, party.lost = progress, False
        for _ in range(MOST_STARTS):
            sums, self._sums = self._sums, None
            try:
                sums = sums or SecureSum(self._label(), self._parties)
                # Before they agree, too, the cohort was admitted with all of them.
                self._check_lost()
                found: S | None = sums.total(question, expected)
                self._check_lost()
                found = found if found is None else checked(found)
            except SiteRestarted:
                continue
            except TooFewSites:
                self._check_lost()
                raise
            except Malformed as error:
                raise SiteTrouble(
                    f"The hospitals' answers add up to no {expected.__name__}: {error.what}",
                    site="",
                    remedy="Tell the sites' administrators.",
                ) from None
            # Kept only where all went well: whatever went wrong, new keys are agreed on.
            self._sums = sums
            return found
        raise SiteTrouble(
            f"Sites began anew {MOST_STARTS} times within one round",
            site="",
            remedy="Run it again once they are stable.",
        )

    def _label(self) -> RunLabel:
        shared = self._shared
        epoch = shared.following()
        return RunLabel(shared.coordinator.federation, shared.run, epoch, self._on_loss)

    def _check_lost(self) -> None:
        """Raises SiteLost where a site did not answer: no result is of other sites than another."""
        for party in self._parties:
            if party.lost:
                raise SiteLost(
                    f"{party.member.name} was lost in the middle of the analysis",
                    site=party.member.name,
                    remedy="Run it again once the site is back, or let it go on without a lost "
                    "site.",
                )


def introduced(members: Sequence[RemoteMember]) -> tuple[Introduced, ...]:
    """Who the sites of a run are, for one another."""
    sites = [member.peer.site for member in members]
    return tuple(Introduced(site.node, site.name, site.successions) for site in sites)
