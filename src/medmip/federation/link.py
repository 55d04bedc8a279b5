"""A lasting connection: made again where it was refused, renewed where the identity changed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from medmip.errors import MipError
from medmip.federation.client import FederationClient
from medmip.federation.identity import PublicIdentity
from medmip.logbook import logger

LOOK_EVERY = 0.5
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds before a hub that cannot be reached, or refused, is tried again; they double."""
log = logger("medmip.federation.link")


@dataclass(frozen=True)
class Ends:
    """How a link is made.

    connect gives a client by the present identity, which `identity` tells. begin gets each new
    client and subscribes to what the node hears, with the queue group of its node: while an
    identity changes, two clients live for a moment, and the broker then gives a message to one.
    """

    connect: Callable[[], Awaitable[FederationClient]]
    identity: Callable[[], PublicIdentity]
    begin: Callable[[FederationClient], Awaitable[None]]


class Link:
    """Keeps a node connected until it is closed. The present client may change: ask each time."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._client: FederationClient | None = None
        self._retiring: dict[asyncio.Task[None], FederationClient] = {}
        self._there = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: MipError | None = None
        """Why the last attempt to connect failed; None while there is a connection."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._client is not None and self._client.is_connected

    async def client(self, within: float | None = None) -> FederationClient:
        """The present client, once there is one; raises TimeoutError."""
        async with asyncio.timeout(within):
            await self._there.wait()
        assert self._client is not None
        return self._client

    async def __aenter__(self) -> "Link":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for task, former in list(self._retiring.items()):
            task.cancel()
            await former.close()
        if self._client is not None:
            await self._client.close()

    async def _run(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                if self._client is None or self._client.is_closed or self._is_old(self._client):
                    await self._replace()
                    wait = FIRST_WAIT
            except MipError as error:
                if self.trouble is None or self.trouble.what != error.what:
                    log.warning("no connection", reason=error.what)
                self.trouble = error
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            except Exception as error:  # noqa: BLE001  a dead link would leave its node silent
                log.error("link failed", error=type(error).__name__, message=str(error))
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                await asyncio.sleep(LOOK_EVERY)

    def _is_old(self, client: FederationClient) -> bool:
        return client.identity.public != self._ends.identity()

    async def _replace(self) -> None:
        former = self._client
        if former is None or former.is_closed:
            self._there.clear()
        client = await self._ends.connect()
        try:
            await self._ends.begin(client)
        except BaseException:
            await client.close()
            raise
        self._client, self.trouble = client, None
        self._there.set()
        log.info("connected", identity=client.identity.public.node)
        if former is not None and not former.is_closed:
            task = asyncio.create_task(former.drain())
            self._retiring[task] = former
            task.add_done_callback(self._retired)

    def _retired(self, task: asyncio.Task[None]) -> None:
        del self._retiring[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a former connection broke", error=type(error).__name__)
