r"""Who belongs to the federation: the hub's record of invitations and sites.

    invited --enrol--> waiting --approve--> member --revoke, leave--> revoked, left
                          \--reject--> rejected

It lives in the state database beside experiments and ledger: each step is one transaction, so that
a race or a kill leaves the state before the step or after it, and one back-up holds all.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, or_, select, update

from medmip.errors import Conflict, NotFound, RequestError
from medmip.federation.identity import PublicIdentity
from medmip.federation.invitation import LIFE, BadInvitation
from medmip.federation.site_record import Invited, Site, SiteState, invited_of, site_of
from medmip.federation.succession import BrokenSuccession, Succession
from medmip.notices.event import Event, Kind
from medmip.notices.outbox import Outbox
from medmip.store.state import hub_invitations, hub_sites

Within = Callable[[], AbstractContextManager[Connection]]
NAME = re.compile(r"[^\W_][\w .,'&()/-]{0,78}[\w.)]")


class Membership:
    """Invitations and sites, with every step that they take.

    outbox gets a notice of who comes and goes, in the same transaction.
    """

    def __init__(self, state: Engine, outbox: Outbox | None = None) -> None:
        self._state = state
        self._outbox = outbox

    def sites(self) -> tuple[Site, ...]:
        """All sites that ever asked, in the order of their names."""
        with self._state.begin() as connection:
            rows = connection.execute(select(hub_sites).order_by(hub_sites.c.name)).all()
        return tuple(map(site_of, rows))

    def members(self) -> tuple[Site, ...]:
        """The sites that take part."""
        return tuple(site for site in self.sites() if site.state is SiteState.MEMBER)

    def invitations(self) -> tuple[Invited, ...]:
        with self._state.begin() as connection:
            rows = connection.execute(select(hub_invitations).order_by(hub_invitations.c.name))
            return tuple(map(invited_of, rows.all()))

    def site(self, named: str) -> Site:
        """The site of this name or node; a present one before a former of the same name."""
        found = [site for site in self.sites() if named in (site.node, site.name)]
        present = [site for site in found if site.state in _PRESENT]
        if not found:
            names = ", ".join(sorted({site.name for site in self.sites()})) or "none yet"
            raise NotFound(f"No site is called {named!r}", remedy=f"Sites of this hub: {names}.")
        return (present or found)[-1]

    def invite(
        self,
        name: str,
        one_time: PublicIdentity,
        now: datetime,
        within: Within | None = None,
    ) -> datetime:
        """Opens an invitation, withdraws an earlier one of this name; tells when it runs out.

        within is that of `decide`.
        """
        if not NAME.fullmatch(name):
            raise RequestError(
                f"{name!r} cannot be a site's name",
                remedy="A name has 2 to 80 letters, digits, spaces and simple signs.",
            )
        invited = hub_invitations
        with (within or self._state.begin)() as connection:
            self._refuse_taken(connection, name)
            connection.execute(
                update(invited)
                .where(invited.c.name == name, invited.c.used_by.is_(None))
                .values(closed=True)
            )
            connection.execute(
                insert(invited).values(
                    node=one_time.node,
                    name=name,
                    key=one_time.hex,
                    expires=now + LIFE,
                    closed=False,
                )
            )
        return now + LIFE

    def enrol(self, invitation: str, key: PublicIdentity, version: str, now: datetime) -> Site:
        """Turns an invitation, by its node, into a waiting site: once, for the first key that asks.

        The same key may ask again, after an answer that was lost. Raises BadInvitation.
        """
        invited = hub_invitations
        with self._state.begin() as connection:
            claimed = connection.execute(
                update(invited)
                .where(
                    invited.c.node == invitation,
                    invited.c.used_by.is_(None),
                    invited.c.closed.is_(False),
                    invited.c.expires > now,
                )
                .values(used_by=key.node)
            ).rowcount
            row = connection.execute(
                select(invited).where(invited.c.node == invitation)
            ).one_or_none()
            if row is None:
                raise BadInvitation("The hub knows no such invitation", remedy=_ASK_AGAIN)
            if not claimed:
                if row.used_by != key.node:
                    raise _unusable(invited_of(row), now)
                return self._read(connection, key.node)
            self._refuse_taken(connection, row.name)
            known = select(hub_sites.c.node).where(hub_sites.c.node == key.node)
            if connection.execute(known).first():
                raise Conflict(
                    "This key belonged to a site before", remedy="Leave first: `mip site leave`."
                )
            connection.execute(
                insert(hub_sites).values(
                    node=key.node,
                    name=row.name,
                    state=SiteState.WAITING,
                    key=key.hex,
                    successions=[],
                    asked=now,
                    version=version[:40],
                )
            )
            return self._read(connection, key.node)

    def close_invitation(self, site: str) -> bool:
        """Ends the one-time identity of a site that has spoken by its own; tells whether it did."""
        with self._state.begin() as connection:
            closed = connection.execute(
                update(hub_invitations)
                .where(hub_invitations.c.used_by == site, hub_invitations.c.closed.is_(False))
                .values(closed=True)
            ).rowcount
        return closed > 0

    def approve(self, named: str, now: datetime) -> Site:
        """Makes a waiting site a member."""
        return self.decide(named, SiteState.MEMBER, now)

    def reject(self, named: str, now: datetime) -> Site:
        """Sends a waiting site away."""
        return self.decide(named, SiteState.REJECTED, now)

    def revoke(self, named: str, now: datetime) -> Site:
        """Puts a member out; the running hub closes its connections within a second."""
        return self.decide(named, SiteState.REVOKED, now)

    def leave(self, node: str, now: datetime) -> Site:
        """A member, or one who waits, goes by itself."""
        return self.decide(node, SiteState.LEFT, now)

    def decide(
        self, named: str, after: SiteState, now: datetime, within: Within | None = None
    ) -> Site:
        """Takes a site to another state; raises Conflict where that does not follow on its own.

        within opens the transaction of the step, for what is to be written together with it.
        """
        site = self.site(named)
        with (within or self._state.begin)() as connection:
            done = connection.execute(
                update(hub_sites)
                .where(hub_sites.c.node == site.node, hub_sites.c.state.in_(_BEFORE[after]))
                .values(state=after, decided=now)
            ).rowcount
            site = self._read(connection, site.node)
            if not done:
                raise Conflict(
                    f"{site.name} is {_TOLD[site.state]}", remedy=_next_step(site, after)
                )
            if self._outbox is not None and after in _NOTICES:
                self._outbox.note(connection, Event(_NOTICES[after], identity=site.node))
        return site

    def rotate(self, node: str, step: Succession, until: datetime) -> Site:
        """Takes up a site's next key; the former one is accepted beside it until then."""
        step.checked()
        with self._state.begin() as connection:
            site = self._read(connection, node)
            if site.key.hex == step.following:
                return site
            if site.key.hex != step.former:
                raise BrokenSuccession("The new key does not follow the site's present key")
            connection.execute(
                update(hub_sites)
                .where(hub_sites.c.node == node, hub_sites.c.key == step.former)
                .values(
                    key=step.following,
                    former_key=step.former,
                    former_until=until,
                    successions=[one.model_dump(mode="json") for one in (*site.successions, step)],
                )
            )
            return self._read(connection, node)

    def note(self, node: str, skew: float, version: str, now: datetime) -> None:
        """Remembers that a site spoke, by which clock and version."""
        with self._state.begin() as connection:
            connection.execute(
                update(hub_sites)
                .where(hub_sites.c.node == node)
                .values(seen=now, skew=skew, version=version[:40])
            )

    def _read(self, connection: Connection, node: str) -> Site:
        found = connection.execute(select(hub_sites).where(hub_sites.c.node == node))
        row = found.one_or_none()
        if row is None:
            raise NotFound(f"No site has the node {node}")
        return site_of(row)

    def _refuse_taken(self, connection: Connection, name: str) -> None:
        taken = select(hub_sites.c.state).where(
            hub_sites.c.name == name, or_(*(hub_sites.c.state == one for one in _PRESENT))
        )
        if (state := connection.execute(taken).scalar()) is not None:
            raise Conflict(
                f"{name} is {_TOLD[SiteState(state)]}",
                remedy="Choose another name, or revoke or reject that site first.",
            )


_PRESENT = (SiteState.WAITING, SiteState.MEMBER)
_BEFORE = {
    SiteState.MEMBER: (SiteState.WAITING,),
    SiteState.REJECTED: (SiteState.WAITING,),
    SiteState.REVOKED: (SiteState.MEMBER,),
    SiteState.LEFT: _PRESENT,
}
"""From which states a site comes to another."""
_NOTICES = {
    SiteState.MEMBER: Kind.SITE_JOINED,
    SiteState.REVOKED: Kind.SITE_LEFT,
    SiteState.LEFT: Kind.SITE_LEFT,
}
_ASK_AGAIN = "Ask the hub's operator for a new one: `mip hub invite`."
_TOLD = {
    SiteState.WAITING: "waiting for approval",
    SiteState.MEMBER: "a member already",
    SiteState.REJECTED: "rejected",
    SiteState.REVOKED: "revoked",
    SiteState.LEFT: "gone: it left the federation",
}


def _next_step(site: Site, wanted: SiteState) -> str:
    if site.state is SiteState.WAITING:
        return f"Approve it with `mip hub approve {site.node}`, or send it away with `reject`."
    if site.state is SiteState.MEMBER:
        return f"`mip hub revoke {site.node}` ends its membership."
    if wanted is SiteState.MEMBER:
        return f"Invite it again: `mip hub invite '{site.name}'`."
    return "Nothing needs to be done."


def _unusable(invited: Invited, now: datetime) -> BadInvitation:
    if invited.used_by is not None:
        return BadInvitation(
            "The invitation was used already, by another key",
            remedy="If that was not you, tell the hub's operator to reject that site, and "
            "ask for a new invitation.",
        )
    if invited.expires <= now:
        return BadInvitation("The invitation has run out", remedy=_ASK_AGAIN)
    return BadInvitation("The invitation was withdrawn by a newer one", remedy=_ASK_AGAIN)
