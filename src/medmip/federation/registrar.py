"""Who decides on the hub's sites: each decision is written into the ledger together with it."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection

from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.federation.admission import open_invitation
from medmip.federation.clock import now as present
from medmip.federation.common_policy import Stated, write_common
from medmip.federation.hub_folder import HubFolder
from medmip.federation.invitation import Invitation
from medmip.federation.membership import Membership
from medmip.federation.site_record import Site, SiteState
from medmip.notices.outbox import Outbox
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.privacy.policy import checked
from medmip.store.state import open_state

_VERDICTS: Mapping[SiteState, str] = {
    SiteState.MEMBER: "approved",
    SiteState.REJECTED: "rejected",
    SiteState.REVOKED: "revoked",
}


class Registrar:
    """Invites, approves, rejects and revokes, for portal and command line alike.

    now tells the time.
    """

    def __init__(
        self,
        folder: HubFolder,
        membership: Membership,
        ledger: Ledger,
        now: Callable[[], datetime] = present,
    ) -> None:
        self.folder = folder
        self.membership = membership
        self._ledger = ledger
        self._now = now

    @classmethod
    def of(cls, home: Home) -> "Registrar":
        """That of a home that is a hub; raises Conflict where it is none."""
        folder, state = HubFolder.of(home), open_state(home)
        membership = Membership(state, Outbox.of(home, state))
        return cls(folder, membership, Ledger(state, LedgerHead(home)))

    def invite(self, hospital: str, by: str) -> Invitation:
        """An invitation whose token is to be handed over once; raises RequestError, Conflict."""
        return open_invitation(
            self.folder,
            self.membership,
            hospital,
            self._now(),
            lambda: self._written(hospital, "invited", "", by),
        )

    def approve(self, named: str, fingerprint: str, by: str) -> Site:
        """Makes a waiting site a member, whose fingerprint was compared by phone.

        Raises Conflict where it has another fingerprint than the hospital read out.
        """
        site = self.membership.site(named)
        if _plain(fingerprint) != _plain(site.key.fingerprint):
            raise Conflict(
                f"{site.name} has another fingerprint than the one you were told",
                remedy=f"Do not approve it: reject it (`mip hub reject {site.node}`), find out how "
                "the token got lost, and invite the hospital again.",
            )
        return self._decide(site, SiteState.MEMBER, by)

    def reject(self, named: str, by: str) -> Site:
        """Sends a waiting site away; raises NotFound, Conflict."""
        return self._decide(self.membership.site(named), SiteState.REJECTED, by)

    def revoke(self, named: str, by: str) -> Site:
        """Puts a member out; raises NotFound, Conflict."""
        return self._decide(self.membership.site(named), SiteState.REVOKED, by)

    def state_policy(self, stated: Stated, by: str) -> None:
        """Puts these thresholds in force for the whole federation; raises PolicyError."""
        checked(stated, self.folder.policy.name)
        # A kill in between leaves a row too many, never thresholds that nobody wrote down.
        self._ledger.record(
            Access(user=by, experiment="", algorithm=""),
            statistic="federation policy",
            verdict="in force",
            rule="",
            reason=json.dumps(dict(stated)),
            suppressed=0,
        )
        write_common(self.folder.policy, stated)

    def _decide(self, site: Site, after: SiteState, by: str) -> Site:
        fingerprint = f"fingerprint {site.key.fingerprint}"
        return self.membership.decide(
            site.node,
            after,
            self._now(),
            lambda: self._written(site.name, _VERDICTS[after], fingerprint, by),
        )

    def _written(
        self, site: str, verdict: str, reason: str, by: str
    ) -> AbstractContextManager[Connection]:
        return self._ledger.together(
            Access(user=by, experiment="", algorithm=""),
            statistic=f"membership of {site}",
            verdict=verdict,
            reason=reason,
        )


def _plain(fingerprint: str) -> str:
    """A fingerprint without the spaces and the letter case that people give it."""
    return "".join(fingerprint.split()).lower()
