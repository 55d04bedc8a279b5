"""Connections to the federation's broker, for the hub itself, its sites, and those who join."""

import asyncio
import base64
import random
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Server
from nats.errors import Error as NatsError

from medmip.errors import MipError
from medmip.federation.address import Address, Proxy
from medmip.federation.client import FederationClient, LoginRefused
from medmip.federation.hub_folder import HubFolder
from medmip.federation.identity import Identity
from medmip.federation.site_folder import SiteFolder
from medmip.federation.subjects import HUB_INBOX, site_inbox
from medmip.federation.tunnel import Tunnel
from medmip.logbook import logger

CONNECT_TIMEOUT = 5
PING_EVERY = 5
PINGS_LOST = 2
FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
"""Seconds between attempts to reach a broker that went away; they double, and vary by chance."""
ADMITTED_WITHIN = 10.0
"""Seconds within which the broker knows a key that the hub has taken up."""
TRY_EVERY = 0.2
log = logger("medmip.federation.connection")


class HubUnreachable(MipError):
    """The broker could not be reached, or is not the federation's."""

    title = "The hub cannot be reached"
    status = 503


class NotAdmitted(MipError):
    """The broker was reached and does not let this node in."""

    title = "The hub does not let this node in"
    status = 403


@dataclass(frozen=True)
class Credentials:
    """What a node shows the broker: TLS certificate and identity; inbox is its answers' prefix."""

    identity: Identity
    context: ssl.SSLContext
    inbox: str
    name: str


async def connect_hub(folder: HubFolder, name: str = "hub") -> FederationClient:
    """The hub's own connection to its broker, on this machine.

    The client reconnects by itself for ever; it is closed only where the broker no longer knows its
    identity. Raises HubUnreachable, NotAdmitted.
    """
    context = tls_context(
        folder.authority_certificate, folder.client_certificate, folder.client_key
    )
    credentials = Credentials(folder.identity, context, HUB_INBOX, name)
    return await connect(folder.settings.local, credentials)


async def connect_site(folder: SiteFolder, identity: Identity | None = None) -> FederationClient:
    """A member's connection to its hub, through the site's proxy where it has one.

    identity stands in for the site's present one. Reconnects and raises as `connect_hub`.
    """
    membership = folder.membership
    context = tls_context(folder.authority_certificate, folder.certificate, folder.tls_key)
    inbox = site_inbox(membership.node)
    credentials = Credentials(identity or folder.identity, context, inbox, membership.node)
    return await connect(membership.address, credentials, membership.way)


async def connect(
    hub: Address, credentials: Credentials, proxy: Proxy | None = None
) -> FederationClient:
    """A connection that reconnects by itself, once the first attempt was a success.

    Raises HubUnreachable where the first attempt ends before the log-in, NotAdmitted at the log-in.
    """
    tunnel = await Tunnel(proxy, hub).__aenter__() if proxy else None
    client = FederationClient(credentials.identity, tunnel)
    connecting, ending = True, False

    async def on_error(error: Exception) -> None:
        nonlocal ending
        if ending:
            return
        if connecting:
            # Raised through `connect`, which otherwise would try again for ever.
            ending = True
            raise (tunnel and tunnel.trouble) or explained(error, hub)
        if "permissions violation" in str(error).lower():
            client.forbidden = str(error)
        log.warning("broker", hub=str(hub), error=type(error).__name__, message=str(error))

    async def on_reconnect() -> None:
        log.info("reconnected", hub=str(hub))

    async def on_disconnect() -> None:
        if not connecting:
            log.warning("disconnected", hub=str(hub))

    try:
        await client.connect(
            servers=(tunnel.address if tunnel else hub).url,
            error_cb=on_error,
            disconnected_cb=on_disconnect,
            reconnected_cb=on_reconnect,
            name=credentials.name,
            connect_timeout=CONNECT_TIMEOUT,
            reconnect_to_server_handler=_the_first if tunnel else _least_tried,
            max_reconnect_attempts=-1,
            ping_interval=PING_EVERY,
            max_outstanding_pings=PINGS_LOST,
            no_echo=True,
            tls=credentials.context,
            tls_hostname=hub.host,
            tls_handshake_first=True,
            signature_cb=lambda nonce: base64.b64encode(credentials.identity.sign(nonce.encode())),
            inbox_prefix=credentials.inbox,
        )
    except BaseException:
        await client.close()
        raise
    connecting = False
    return client


async def admitted(
    attempt: Callable[[], Awaitable[FederationClient]], within: float = ADMITTED_WITHIN
) -> FederationClient:
    """A connection for which the running broker may have to read of the node first.

    Raises NotAdmitted where it has not, within so many seconds.
    """
    last = time.monotonic() + within
    while True:
        try:
            return await attempt()
        except NotAdmitted:
            if time.monotonic() > last:
                raise
            await asyncio.sleep(TRY_EVERY)


def _least_tried(servers: list[Server], _: dict[str, object]) -> tuple[Server | None, float]:
    """The hub's next server: where it has several, they tell of each other; after a while."""
    chosen = min(servers, key=lambda server: server.reconnects)
    wait = min(FIRST_WAIT * 2 ** min(chosen.reconnects, 10), LONGEST_WAIT)
    return chosen, wait * random.uniform(0.5, 1)


def _the_first(servers: list[Server], told: dict[str, object]) -> tuple[Server | None, float]:
    """The door of the tunnel: servers that others tell of are not reached without it."""
    return _least_tried(servers[:1], told)


def tls_context(authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Mutual TLS 1.3 that trusts the federation's authority alone; all three are PEM files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(authority)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        raise HubUnreachable(
            "The TLS certificate or its key cannot be read",
            where=str(certificate.parent),
            remedy="Restore the folder from a back-up, or join again with a new invitation.",
        ) from None
    return context


def explained(error: Exception, hub: Address) -> MipError:
    """What an error of the network, TLS or NATS means to the person who wants to connect."""
    where = str(hub)
    match error:
        case MipError():
            return error
        case socket.gaierror():
            what, remedy = "The name is not known", "Check the name, and this machine's DNS."
        case ssl.SSLCertVerificationError():
            what = f"The server is not this federation's hub: {error.verify_message}"
            remedy = "Check the address. A proxy that opens TLS must leave this host alone."
        case ssl.SSLError():
            return NotAdmitted(
                f"The hub refused this node's certificate ({error.reason})",
                where=where,
                remedy="If the certificate is out of date, join again with a new invitation.",
            )
        case LoginRefused():
            return NotAdmitted(
                "The hub does not know this node's identity",
                where=where,
                remedy="It may wait for approval, be revoked, or hold an invitation that was used "
                "or ran out; ask the hub's operator.",
            )
        case TimeoutError():
            what = f"Nobody answered within {CONNECT_TIMEOUT} seconds"
            remedy = f"Ask the network team for outbound TCP to {hub}."
        case ConnectionRefusedError():
            what, remedy = "Nothing listens there", "Check the address; the hub may be stopped."
        case NatsError() | ConnectionError():
            return NotAdmitted(
                "The hub closed the connection on this node's certificate",
                where=where,
                remedy="It may be out of date or of another federation; `mip doctor` tells more.",
            )
        case _:
            what, remedy = str(error) or type(error).__name__, "`mip doctor` tells more."
    return HubUnreachable(what, where=where, remedy=remedy)
