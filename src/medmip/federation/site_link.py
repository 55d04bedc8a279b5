"""A site's lasting connection to its hub, and what it says there: hello, renew, rotate, leave."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from datetime import datetime

from medmip.catalogue.atomic_file import alone
from medmip.errors import MipError
from medmip.federation.authority import TlsKey, read_certificate, renewal_of
from medmip.federation.client import FederationClient
from medmip.federation.clock import now
from medmip.federation.common_policy import Stated, read_common, write_common
from medmip.federation.connection import HubUnreachable, NotAdmitted, admitted, connect_site
from medmip.federation.desk_call import Word, ask
from medmip.federation.desk_messages import Hello, Leave, Matter, Renew, Rotate
from medmip.federation.enrolment import Rejected, look
from medmip.federation.identity import Identity
from medmip.federation.link import Ends, Link
from medmip.federation.site_folder import SiteFolder, Standing
from medmip.federation.subjects import all_to_site
from medmip.federation.succession import Succession
from medmip.logbook import logger
from medmip.privacy.policy import PolicyError

HELLO_EVERY = 30.0
"""Seconds between hellos: clocks are compared, and the hub's next key is heard of."""
log = logger("medmip.federation.site_link")

Begin = Callable[[FederationClient], Awaitable[None]]


class SiteLink:
    """Keeps a site connected while it is entered.

    begin gets each client, once the hub has greeted it as a member, to subscribe to what the site
    hears, with the queue group of its node; stands is told where the site stands, as the hub says.
    """

    def __init__(
        self, folder: SiteFolder, begin: Begin, stands: Callable[[Standing], None] = lambda _: None
    ) -> None:
        self._folder = folder
        self._begin_others = begin
        self._stands = stands
        self._greeting: asyncio.Task[None] | None = None
        self.word: Word | None = None
        """The hub's last word: its clock against ours, and its version."""
        self.link = Link(
            Ends(
                connect=self._connect,
                identity=lambda: folder.identity.public,
                begin=self._begin,
            )
        )

    async def __aenter__(self) -> "SiteLink":
        await self.link.__aenter__()
        self._greeting = asyncio.create_task(self._greet())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            await asyncio.gather(self._greeting, return_exceptions=True)
        await self.link.__aexit__()

    async def follow(self) -> None:
        """Asks the hub for its present key, and takes it up where the known one signed it."""
        await self._hear(await self.link.client())

    async def _connect(self) -> FederationClient:
        folder = self._folder
        if folder.membership.standing is Standing.WAITING and await look(folder) is not (
            Standing.MEMBER
        ):
            raise Rejected(
                "The hub's operator has not approved this site yet",
                remedy="Call the operator and compare fingerprints: `mip site status`.",
            )
        if folder.next_key.exists():
            await rotate(folder, now())
        try:
            return await connect_site(folder)
        except NotAdmitted:
            await self._stand(Standing.REVOKED)
            raise

    async def _begin(self, client: FederationClient) -> None:
        await self._hear(client)
        if not await client.hears(all_to_site(self._folder.membership.node)):
            raise NotAdmitted(
                "The broker does not let this site hear the hub",
                remedy="It may have read of its approval only now; the next attempt tells.",
            )
        await self._stand(Standing.MEMBER)
        await self._begin_others(client)
        await client.flush()

    async def _stand(self, standing: Standing) -> None:
        self._folder.stand(standing)
        await asyncio.to_thread(self._stands, standing)

    async def _greet(self) -> None:
        while True:
            await asyncio.sleep(HELLO_EVERY)
            try:
                await self._hear(await self.link.client())
            except MipError as error:
                log.warning("hello failed", reason=error.what)

    async def _hear(self, client: FederationClient) -> None:
        folder = self._folder
        self.word = await say(folder, client, Hello())
        await asyncio.to_thread(follow_policy, folder, self.word.welcome.policy)
        if now() >= renewal_of(read_certificate(folder.certificate)):
            await renew(folder, client)


def follow_policy(folder: SiteFolder, stated: Stated) -> None:
    """Keeps the federation's thresholds; those that make no sense here change nothing."""
    try:
        if stated != read_common(folder.common):
            write_common(folder.common, stated)
            log.info("the federation's thresholds have changed", policy=dict(stated))
    except PolicyError as error:
        log.error("the federation's thresholds are not taken", reason=error.what)


async def say(folder: SiteFolder, client: FederationClient, matter: Matter) -> Word:
    """The hub's word to this site over its connection; raises as `ask`."""
    node = folder.membership.node
    return await ask(client, node, matter, client.identity, folder.follow_hub)


async def renew(folder: SiteFolder, client: FederationClient) -> None:
    """Fetches a new certificate, which the client's next handshake shows."""
    key = TlsKey.read(folder.tls_key).public.hex()
    word = await say(folder, client, Renew(tls_key=key))
    assert word.welcome.certificate is not None
    with alone(folder.path):
        folder.keep_certificate(word.welcome.certificate.encode())
    context = client.options["tls"]
    context.load_cert_chain(folder.certificate, folder.tls_key)
    log.info("the site's certificate was renewed")


async def rotate(folder: SiteFolder, moment: datetime) -> None:
    """Hands over to a new identity key; a running link moves to it within a second.

    Where an earlier attempt was interrupted, it is brought to its end instead.
    """
    with alone(folder.path):
        if not folder.next_key.exists():
            Identity.made().write(folder.next_key)
        following = Identity.read(folder.next_key)
    former = folder.identity
    try:
        client = await connect_site(folder)
        try:
            step = Succession.made(former, following, moment)
            await say(folder, client, Rotate(succession=step))
        finally:
            await client.close()
    except NotAdmitted:
        log.info("the former key is out of use; trying the one that was to follow it")
    client = await admitted(lambda: connect_site(folder, following))
    await client.close()
    os.replace(folder.next_key, folder.identity_key)


async def leave(folder: SiteFolder) -> None:
    """Tells the hub that the site goes, and then forgets the federation."""
    client = await connect_site(folder)
    try:
        await say(folder, client, Leave())
    except HubUnreachable:
        # The hub may have closed the connection before its answer was through.
        with contextlib.suppress(NotAdmitted):
            await (await connect_site(folder)).close()
            raise
    finally:
        await client.close()
    folder.leave()
