"""How a hospital joins: with an invitation, by keys that are made there and stay there."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.errors import Conflict
from medmip.federation.address import Address, Proxy
from medmip.federation.authority import TlsKey
from medmip.federation.client import FederationClient
from medmip.federation.connection import (
    Credentials,
    NotAdmitted,
    admitted,
    connect,
    connect_site,
    tls_context,
)
from medmip.federation.desk_call import ask, pinned
from medmip.federation.desk_messages import Enrol, Hello
from medmip.federation.invitation import BadInvitation, Invitation
from medmip.federation.site_folder import SiteFolder, SiteMembership, Standing
from medmip.federation.site_record import SiteState
from medmip.federation.subjects import all_to_site, site_inbox

READ_WITHIN = 3.0
"""Seconds within which the running hub knows of an invitation."""
PATIENCE = 5
"""How often in a row the broker may turn a waiting site away."""
LOOK_EVERY = 1.0
"""Seconds between looks at whether the hub's operator has decided."""


class Rejected(Conflict):
    """The hub's operator sent the site away."""

    title = "The hub rejected this site"


async def enrol(
    folder: SiteFolder,
    invitation: Invitation,
    moment: datetime,
    hub: Address | None = None,
    proxy: str | None = None,
) -> SiteMembership:
    """Asks to become a site; the membership then waits for approval.

    hub stands in for the invitation's address. An interrupted call may be repeated with the same
    token: keys and answer are the same. Raises BadInvitation, NotAdmitted, HubUnreachable,
    HubRefused, and Conflict where the home belongs to a federation already.
    """
    if folder.is_whole:
        held = folder.membership
        raise Conflict(
            f"This node is the site {held.name!r} of {held.federation!r} already",
            remedy="`mip site status` shows it; `mip site leave` ends it.",
        )
    if invitation.expires <= moment:
        raise BadInvitation(
            f"The invitation ran out on {invitation.expires:%d %B %Y at %H:%M} UTC",
            remedy="Ask the hub's operator for a new one: `mip hub invite`.",
        )
    way = Proxy.parsed(proxy) if proxy else None
    address = hub or invitation.hub
    folder.make_keys()
    tls_key = TlsKey.read(folder.tls_key)
    async with _invited(invitation, address, way) as client:
        word = await ask(
            client,
            invitation.one_time.public.node,
            Enrol(tls_key=tls_key.public.hex()),
            folder.identity,
            pinned(invitation.hub_key),
        )
    welcome = word.welcome
    assert welcome.certificate is not None
    membership = SiteMembership(
        federation=invitation.federation,
        name=welcome.name,
        node=welcome.node,
        host=address.host,
        port=address.port,
        proxy=proxy,
        hub_key=invitation.hub_key.hex,
        standing=Standing.WAITING,
    )
    with alone(folder.path):
        folder.keep_certificate(welcome.certificate.encode())
        write_atomically(folder.authority_certificate, invitation.authority)
        folder.keep(membership)
    # From here on the site speaks by its own identity, which the broker has to read of.
    await (await admitted(lambda: connect_site(folder))).close()
    return membership


async def decided(folder: SiteFolder) -> SiteMembership:
    """The membership once the hub's operator has approved it; raises Rejected, NotAdmitted."""
    turned_away = 0
    while True:
        try:
            if await look(folder) is Standing.MEMBER:
                return folder.membership
            turned_away = 0
        except NotAdmitted:
            # A broker that reads who may connect, or is slow, may turn a site away for a moment.
            turned_away += 1
            if turned_away == PATIENCE:
                raise
        await asyncio.sleep(LOOK_EVERY)


async def look(folder: SiteFolder) -> Standing:
    """Where a waiting site stands now, as its hub says; the folder remembers it."""
    membership = folder.membership
    client = await connect_site(folder)
    try:
        word = await ask(client, membership.node, Hello(), folder.identity, folder.follow_hub)
        heard = await client.hears(all_to_site(membership.node))
    finally:
        await client.close()
    match word.welcome.state:
        case SiteState.MEMBER if not heard:
            # Approved a moment ago: the broker has not read of it yet.
            return Standing.WAITING
        case SiteState.WAITING:
            return Standing.WAITING
        case SiteState.MEMBER:
            folder.stand(Standing.MEMBER)
            return Standing.MEMBER
        case _:
            raise Rejected(
                f"{membership.name} was not admitted to {membership.federation}",
                remedy="Call the hub's operator; `mip site leave` clears this attempt away.",
            )


@asynccontextmanager
async def _invited(
    invitation: Invitation, address: Address, proxy: Proxy | None
) -> AsyncIterator[FederationClient]:
    """A connection by the invitation's one-time identity, whose key is that of its certificate."""
    one_time = invitation.one_time
    with tempfile.TemporaryDirectory() as place:
        # OpenSSL reads certificates and keys from files alone.
        files = [Path(place) / name for name in ("authority.pem", "tls.pem", "tls.key")]
        contents = (invitation.authority, invitation.certificate, TlsKey.of(one_time).pem)
        for path, content in zip(files, contents, strict=True):
            write_atomically(path, content)
        context = tls_context(*files)
    credentials = Credentials(
        one_time, context, site_inbox(one_time.public.node), one_time.public.node
    )
    try:
        client = await admitted(lambda: connect(address, credentials, proxy), READ_WITHIN)
    except NotAdmitted:
        raise BadInvitation(
            "The hub does not take this invitation",
            where=str(address),
            remedy="It was used already, has run out, or was replaced by a newer one; ask the "
            "hub's operator for a new one: `mip hub invite`.",
        ) from None
    try:
        yield client
    finally:
        await client.close()
