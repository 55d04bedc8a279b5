"""A site's road to its hub, walked step by step, so that a fault is told where it lies."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from medmip.errors import MipError
from medmip.federation.address import Address
from medmip.federation.authority import read_certificate
from medmip.federation.client import FederationClient
from medmip.federation.clock import now
from medmip.federation.connection import connect_site, explained, tls_context
from medmip.federation.desk_call import ClocksApart, Word
from medmip.federation.desk_messages import Hello, software_version
from medmip.federation.site_folder import SiteFolder, Standing
from medmip.federation.site_link import say
from medmip.federation.site_record import SiteState
from medmip.federation.subjects import all_to_site
from medmip.federation.tunnel import open_tunnel

PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was found; ask is a line for the network team where it failed."""

    name: str
    sound: bool
    found: str
    ask: str | None = None


async def walk(folder: SiteFolder) -> AsyncIterator[Step]:
    """The steps from name to version, up to the first that fails."""
    membership = folder.membership
    hub, proxy = membership.address, membership.way
    first = proxy.address if proxy else hub
    through = f" through the HTTP proxy {first} (method CONNECT)" if proxy else ""
    please = f"Please allow TCP from this machine, outbound, to {hub}{through}; TLS 1.3 from end "
    please += "to end, not inspected; connections stay open for days."
    for step in (_certificate(folder, now()), await _dns(first), await _tcp(first, please)):
        yield step
        if not step.sound:
            return
    if proxy:
        try:
            _, writer = await open_tunnel(proxy, hub)
        except MipError as error:
            yield Step("proxy", False, error.what, please)
            return
        writer.close()
        yield Step("proxy", True, f"{first} opens a tunnel to {hub}")
    step = await _tls(folder, please)
    yield step
    if not step.sound:
        return
    try:
        client = await connect_site(folder)
    except MipError as error:
        yield Step("identity", False, _sentence(error))
        return
    yield Step("identity", True, f"the hub knows {folder.identity.public.fingerprint}")
    try:
        async for step in _greeting(folder, client):
            yield step
    finally:
        await client.close()


async def _greeting(folder: SiteFolder, client: FederationClient) -> AsyncIterator[Step]:
    try:
        word = await say(folder, client, Hello())
    except ClocksApart as error:
        yield Step("clock", False, _sentence(error), "Please let this machine reach a time server.")
        return
    except MipError as error:
        yield Step("permissions", False, _sentence(error))
        return
    yield _permissions(folder, word, await client.hears(all_to_site(folder.membership.node)))
    yield Step("clock", True, f"the hub's is {word.skew} (± {word.skew.uncertainty:.3f} s)")
    here = software_version()
    alike = here.split(".")[:2] == word.version.split(".")[:2]
    yield Step("versions", alike, f"hub {word.version}, site {here}")


def _permissions(folder: SiteFolder, word: Word, hears: bool) -> Step:
    state = word.welcome.state
    if state is SiteState.MEMBER and not hears:
        return Step("permissions", False, "a member, but the broker does not let it hear the hub")
    if state is SiteState.MEMBER:
        folder.stand(Standing.MEMBER)
    found = {
        SiteState.MEMBER: f"{word.welcome.name} may speak to the hub, and hears it",
        SiteState.WAITING: "waiting for approval; call the hub's operator",
    }.get(state, f"the hub says: {state}")
    return Step("permissions", state is SiteState.MEMBER, found)


def _certificate(folder: SiteFolder, moment: datetime) -> Step:
    try:
        until = read_certificate(folder.certificate).not_valid_after_utc
    except MipError as error:
        return Step("certificate", False, _sentence(error))
    if until < moment:
        return Step(
            "certificate",
            False,
            f"it ran out on {until:%d %B %Y}, as the site was away for long; leave and join again",
        )
    return Step("certificate", True, f"valid until {until:%d %B %Y}")


async def _dns(address: Address) -> Step:
    if address.is_number:
        return Step("DNS", True, f"{address.host} is a number")
    try:
        async with asyncio.timeout(PATIENCE):
            found = await asyncio.get_running_loop().getaddrinfo(address.host, address.port)
    except (OSError, TimeoutError):
        return Step(
            "DNS",
            False,
            f"the name {address.host} is not known here",
            f"Please let this machine resolve the DNS name {address.host}.",
        )
    numbers = sorted({str(one[4][0]) for one in found})
    return Step("DNS", True, f"{address.host} is {', '.join(numbers)}")


async def _tcp(address: Address, please: str) -> Step:
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError) as error:
        return Step("TCP", False, explained(error, address).what.lower(), please)
    writer.close()
    return Step("TCP", True, f"{address} takes connections")


async def _tls(folder: SiteFolder, please: str) -> Step:
    """A handshake, and the server's first word, which only good certificates get to hear."""
    membership = folder.membership
    hub, proxy = membership.address, membership.way
    try:
        context = tls_context(folder.authority_certificate, folder.certificate, folder.tls_key)
        async with asyncio.timeout(PATIENCE):
            if proxy:
                reader, writer = await open_tunnel(proxy, hub)
            else:
                reader, writer = await asyncio.open_connection(hub.host, hub.port)
            await writer.start_tls(context, server_hostname=hub.host)
            heard = await reader.read(4)
            version = writer.get_extra_info("ssl_object").version()
            writer.close()
    except ssl.SSLCertVerificationError as error:
        found = f"not this federation's hub: {error.verify_message}"
        return Step("TLS", False, found, please)
    except (OSError, TimeoutError) as error:
        return Step("TLS", False, _sentence(explained(error, hub)), please)
    except MipError as error:
        return Step("TLS", False, _sentence(error))
    if heard != b"INFO":
        return Step("TLS", False, "it is no NATS server, or refused the certificate", please)
    return Step("TLS", True, f"{version}, with the federation's certificates on both sides")


def _sentence(error: MipError) -> str:
    return error.what if error.remedy is None else f"{error.what}. {error.remedy}"
