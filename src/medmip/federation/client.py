"""The NATS client of a node: nats-py, logging in by an identity, and ending where it is refused."""

import asyncio
import contextlib
import logging

from nats.aio.client import Client
from nats.errors import Error as NatsError

from medmip.federation.identity import Identity
from medmip.federation.tunnel import Tunnel

REFUSALS = 3
"""Refused log-ins in a row after which a client gives up: it is revoked, not unlucky."""

CLOSED_WITHIN = 2.0


class LoginRefused(NatsError):
    """The broker took the certificate, and then closed the connection on this identity."""


class FederationClient(Client):
    """A client that reconnects for ever, unless the broker refuses its identity.

    nats-py 2.16 takes a connection that the broker closes at the log-in for a good one and tries
    again at once, without end. This client counts it as refused, and closes for good after a few.
    """

    def __init__(self, identity: Identity, tunnel: Tunnel | None = None) -> None:
        super().__init__()
        self.identity = identity
        self.tunnel = tunnel
        """The way through a proxy, which ends with the client."""
        self.refused = False
        """Whether the broker closed the client for good."""
        self.forbidden: str | None = None
        """What the broker last refused to let this client publish or hear."""
        self._refusals = 0
        self._ending: asyncio.Task[None] | None = None
        # nats-py sends a public NKey beside `signature_cb` only where its optional library `nkeys`
        # read the private one from a seed in base32; ours stays in `cryptography`.
        self._public_nkey = identity.public.nkey

    async def close(self) -> None:
        """Ends the connection for good."""
        # After a TLS handshake that failed, nats-py waits without end for its socket to close.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(super().close(), CLOSED_WITHIN)
        if self.tunnel is not None:
            await self.tunnel.close()

    async def hears(self, subject: str) -> bool:
        """Whether the broker lets this client subscribe to a subject; it then does no more."""
        self.forbidden = None
        probe = await self.subscribe(subject)
        await self.flush()
        await probe.unsubscribe()
        # The broker's word may come right behind the answer to the flush.
        await self.flush()
        return self.forbidden is None

    async def _process_connect_init(self) -> None:
        self._server_info = {}
        try:
            await super()._process_connect_init()
            if self._status != Client.CONNECTED:
                await self._end_tasks()
                raise LoginRefused
        except (OSError, NatsError, TimeoutError):
            if not self._server_info:
                raise
            # The broker told of itself, so the certificate was taken; its word of refusal may be
            # lost where the connection is reset, so that any end before the first PONG counts.
            self._refusals += 1
            if self._refusals >= REFUSALS:
                self.refused = True
                self._ending = asyncio.create_task(self.close())
            raise LoginRefused from None
        self._refusals = 0

    async def _end_tasks(self) -> None:
        tasks = (self._reading_task, self._ping_interval_task, self._flusher_task)
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


class _ClosedByPeer(logging.Filter):
    """asyncio warns at the end of every connection whose TLS nats-py began by `start_tls`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "eof_received" not in str(record.msg)


logging.getLogger("asyncio").addFilter(_ClosedByPeer())
