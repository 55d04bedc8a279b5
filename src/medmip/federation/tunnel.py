"""A way through an HTTP proxy: a door on loopback whose every caller gets a CONNECT tunnel.

nats-py opens its own sockets and knows no proxy, so it is sent to the door. TLS runs from end to
end through the tunnel: the proxy, and whoever else finds the door, sees the hub's host and port.
"""

import asyncio
import base64
import contextlib
from types import TracebackType

from medmip.errors import MipError
from medmip.federation.address import Address, Proxy

HEAD_LIMIT = 16_384
PIECE = 65_536
PATIENCE = 10.0
"""Seconds for the proxy to answer."""

CLOSED_WITHIN = 1.0
"""Seconds an open tunnel has to carry what its caller last said."""


class ProxyRefused(MipError):
    """A proxy that did not open the way to the hub."""

    title = "The proxy does not let the connection through"
    status = 502


class Tunnel:
    """The door. `address` is where it listens once entered."""

    def __init__(self, proxy: Proxy, hub: Address) -> None:
        self._proxy = proxy
        self._hub = hub
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.trouble: MipError | None = None
        """Why the proxy last refused; the caller at the door only sees its connection close."""

    async def __aenter__(self) -> "Tunnel":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=PIECE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Shuts the door; open tunnels end with their callers, or soon after."""
        if self._server is not None:
            self._server.close()
        if self._open:
            _, left = await asyncio.wait(set(self._open), timeout=CLOSED_WITHIN)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    @property
    def address(self) -> Address:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await open_tunnel(self._proxy, self._hub)
        except MipError as error:
            self.trouble = error
            await _ended(writer)
            return
        self.trouble = None
        try:
            await asyncio.gather(_carry(reader, back), _carry(there, writer))
        finally:
            await asyncio.gather(_ended(writer), _ended(back))


async def open_tunnel(
    proxy: Proxy, hub: Address
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the hub through the proxy; raises ProxyRefused with the proxy's word."""
    where = f"proxy {proxy.address}"
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                proxy.address.host, proxy.address.port, limit=HEAD_LIMIT
            )
            writer.write(_request(proxy, hub))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        if writer is not None:
            await _ended(writer)
        raise ProxyRefused(
            "The proxy does not answer", where=where, remedy=f"It said: {type(error).__name__}."
        ) from None
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status.split(" ")[1:2] != ["200"]:
        await _ended(writer)
        raise ProxyRefused(
            f"The proxy refused to open a tunnel to {hub} ({status[:80]})",
            where=where,
            remedy=f"Ask the network team to allow CONNECT to {hub}.",
        )
    return reader, writer


def _request(proxy: Proxy, hub: Address) -> bytes:
    lines = [f"CONNECT {hub} HTTP/1.1", f"Host: {hub}"]
    if proxy.user:
        word = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {word}")
    return "\r\n".join([*lines, "", ""]).encode()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


async def _ended(writer: asyncio.StreamWriter) -> None:
    """Closes a connection and waits until it is."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
