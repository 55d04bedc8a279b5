"""Whom the broker lets in: the hub, who belongs to the federation, and who is invited."""

from collections.abc import Iterator
from datetime import datetime

from medmip.federation.authority import TlsKey
from medmip.federation.broker_configuration import BrokerUser
from medmip.federation.hub_folder import HubFolder
from medmip.federation.identity import Identity
from medmip.federation.invitation import LIFE, Invitation
from medmip.federation.membership import Membership, Within
from medmip.federation.site_record import Site, SiteState
from medmip.federation.subjects import HUB, candidate, member


def admitted(folder: HubFolder, membership: Membership, now: datetime) -> tuple[BrokerUser, ...]:
    """Every identity that may connect now, and what it may do."""
    return tuple(_users(folder, membership, now))


def open_invitation(
    folder: HubFolder,
    membership: Membership,
    hospital: str,
    now: datetime,
    within: Within | None = None,
) -> Invitation:
    """A new invitation for a hospital; its one-time key is kept nowhere but in the token.

    within is that of `Membership.decide`.
    """
    one_time, settings, authority = Identity.made(), folder.settings, folder.authority
    expires = membership.invite(hospital, one_time.public, now, within)
    key = TlsKey.of(one_time).public
    return Invitation(
        federation=settings.federation,
        name=hospital,
        hub=settings.address,
        hub_key=folder.identity.public,
        one_time=one_time,
        certificate=authority.for_client(one_time.public.node, key, now),
        authority=authority.pem,
        expires=expires,
    )


def _users(folder: HubFolder, membership: Membership, now: datetime) -> Iterator[BrokerUser]:
    for key in folder.accepted(now):
        yield BrokerUser(key, HUB)
    for invited in membership.invitations():
        if invited.is_open(now):
            yield BrokerUser(invited.key, candidate(invited.node))
    for site in membership.sites():
        if site.state is SiteState.MEMBER:
            for key in site.keys(now):
                yield BrokerUser(key, member(site.node))
        elif _may_ask(site, now):
            yield BrokerUser(site.key, candidate(site.node))


def _may_ask(site: Site, now: datetime) -> bool:
    """Who waits may ask for the decision, and who was rejected hears of it for a while."""
    if site.state is SiteState.REJECTED:
        return site.decided is not None and now < site.decided + LIFE
    return site.state is SiteState.WAITING
