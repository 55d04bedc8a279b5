"""Hubs and sites for tests: real folders, a real broker, real TLS on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from medmip.catalogue.home import Home
from medmip.federation.admission import open_invitation
from medmip.federation.clock import now
from medmip.federation.enrolment import decided, enrol
from medmip.federation.hub_folder import HubFolder, HubSettings
from medmip.federation.hub_service import Begin, HubService
from medmip.federation.invitation import Invitation
from medmip.federation.membership import Membership
from medmip.federation.site_folder import SiteFolder
from medmip.store.state import open_state
from tests.ports import free_port


@dataclass(frozen=True)
class Hub:
    """A hub that runs, or could."""

    home: Home
    folder: HubFolder
    state: Engine
    membership: Membership

    def invitation(self, name: str) -> Invitation:
        return open_invitation(self.folder, self.membership, name, now())


def made_hub(place: Path, federation: str = "test") -> Hub:
    home = Home(place).prepare()
    folder = HubFolder(home)
    settings = HubSettings(
        federation=federation, host="localhost", port=free_port(), listen="127.0.0.1"
    )
    folder.make(settings, now())
    state = open_state(home)
    return Hub(home, folder, state, Membership(state))


@asynccontextmanager
async def running(hub: Hub, begin: Begin | None = None) -> AsyncIterator[HubService]:
    async with HubService(hub.folder, hub.state, begin) as service:
        await service.link.client(within=20)
        yield service


async def waiting(hub: Hub, place: Path, name: str, proxy: str | None = None) -> SiteFolder:
    """A site that has asked."""
    folder = SiteFolder(Home(place / name).prepare())
    await enrol(folder, Invitation.read(hub.invitation(name).token()), now(), proxy=proxy)
    return folder


async def joined(hub: Hub, place: Path, name: str, proxy: str | None = None) -> SiteFolder:
    """A member."""
    folder = await waiting(hub, place, name, proxy)
    hub.membership.approve(name, now())
    await decided(folder)
    return folder
