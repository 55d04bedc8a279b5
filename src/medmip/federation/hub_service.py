"""The running hub: its broker, the membership desk, and a look at what other processes changed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy import Engine

from medmip.federation.admission import admitted
from medmip.federation.broker import Broker
from medmip.federation.broker_configuration import BrokerUser
from medmip.federation.broker_program import BrokerProgram
from medmip.federation.client import FederationClient
from medmip.federation.clock import now
from medmip.federation.connection import connect_hub
from medmip.federation.desk import Desk
from medmip.federation.hub_folder import HubFolder
from medmip.federation.link import Ends, Link
from medmip.federation.membership import Membership
from medmip.logbook import logger
from medmip.notices.outbox import Outbox

LOOK_EVERY = 0.5
"""Seconds between looks: `mip hub revoke` in another process takes effect within two of them."""
log = logger("medmip.federation.hub_service")

Begin = Callable[[FederationClient], Awaitable[None]]


class HubService:
    """Runs a hub while it is entered.

    begin gets each client of the hub, beside the desk, to subscribe to what the coordinator hears.
    """

    def __init__(
        self,
        folder: HubFolder,
        state: Engine,
        begin: Begin | None = None,
        program: BrokerProgram | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.membership = Membership(state, outbox)
        self.broker = Broker(folder, program)
        self._folder = folder
        self._begin_others = begin
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._desk = Desk(folder, self.membership, self._note_change)
        self._watching: asyncio.Task[None] | None = None
        self.link = Link(
            Ends(
                connect=lambda: connect_hub(folder),
                identity=lambda: folder.identity.public,
                begin=self._begin,
            )
        )

    async def __aenter__(self) -> "HubService":
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._folder.renew, now())
        await asyncio.to_thread(self._start)
        self._watching = asyncio.create_task(self._watch())
        await self.link.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.link.__aexit__()
        await asyncio.to_thread(self.broker.stop)

    def _start(self) -> None:
        self.broker.start(self._users(now()))

    async def _begin(self, client: FederationClient) -> None:
        await self._desk.open(client)
        if self._begin_others is not None:
            await self._begin_others(client)

    def _note_change(self) -> None:
        """Called by the desk, in a thread of its own."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._changed.set)

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_EVERY)
            self._changed.clear()
            try:
                await asyncio.to_thread(self._look, now())
            except Exception as error:  # noqa: BLE001  the next look may succeed
                log.error("look failed", error=type(error).__name__, message=str(error))

    def _look(self, moment: datetime) -> None:
        if self.broker.admit(self._users(moment)):
            log.info("who may connect has changed")
        if self._folder.renew(moment):
            log.info("the hub's certificates were renewed")
            self.broker.reload()

    def _users(self, moment: datetime) -> tuple[BrokerUser, ...]:
        return admitted(self._folder, self.membership, moment)
