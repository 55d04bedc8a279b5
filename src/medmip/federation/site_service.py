"""The running site: its link to the hub, and the agent that answers over it."""

import asyncio

from medmip.federation.agent import Agent
from medmip.federation.clock import now
from medmip.federation.house import House
from medmip.federation.peers import Peers
from medmip.federation.site_folder import SiteFolder, Standing
from medmip.federation.site_link import SiteLink
from medmip.federation.site_masks import MaskMaker
from medmip.federation.site_runs import SiteRuns


class SiteService:
    """Serves the hub with what a house offers, while it is entered."""

    def __init__(self, folder: SiteFolder, house: House, *, heartbeat: float = 5.0) -> None:
        membership = folder.membership
        self.house = house
        self._folder = folder
        maker = MaskMaker(
            membership.federation,
            membership.node,
            lambda: folder.identity,
            Peers(folder),
            house.steering,
        )
        self.agent = Agent(
            membership.federation,
            membership.node,
            lambda: folder.membership.hub_keys(now()),
            self._follow,
            SiteRuns(house, maker),
            house.offer,
            house.software,
            heartbeat=heartbeat,
        )
        self.link = SiteLink(folder, self.agent.begin, self._stands)
        self._living: asyncio.Task[None] | None = None

    def _stands(self, standing: Standing) -> None:
        self.house.ledger.note_membership(standing, self._folder.membership.where)

    async def _follow(self) -> None:
        await self.link.follow()

    async def __aenter__(self) -> "SiteService":
        await self.link.__aenter__()
        self._living = asyncio.create_task(self.agent.live())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._living is not None:
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)
        await self.link.__aexit__()
