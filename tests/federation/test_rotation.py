"""Keys change while requests flow, and none is lost."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.federation.client import FederationClient
from medmip.federation.clock import now
from medmip.federation.coordinator import Coordinator, Peer, Timing
from medmip.federation.desk_messages import Hello
from medmip.federation.hub_service import HubService
from medmip.federation.messages import Outcome, Problem
from medmip.federation.site_folder import SiteFolder, Standing
from medmip.federation.site_link import SiteLink, rotate, say
from medmip.federation.site_service import SiteService
from medmip.federation.sites import directory_of
from tests.federation.members import Hub, joined, made_hub, running


@dataclass
class Pair:
    """A hub and its one site, both running, and what the hub asks it with."""

    hub: Hub
    service: HubService
    coordinator: Coordinator
    folder: SiteFolder
    site: SiteLink

    @property
    def peer(self) -> Peer:
        (found,) = self.coordinator.peers()
        return found

    async def asked(self) -> Outcome:
        """What the site offers, fetched as the hub fetches it."""
        question = self.coordinator.ask(self.peer, "offer", b"", deadline=20)
        return await asyncio.wrap_future(question)


@asynccontextmanager
async def pair(place: Path, offer: Callable[[], bytes] = lambda: b"offered") -> AsyncIterator[Pair]:
    hub = made_hub(place / "hub")
    # A question is asked once: an answer that were lost would not come a second time.
    once = Timing(again=60.0)
    coordinator = Coordinator("test", lambda: directory_of(hub.membership), once)
    async with running(hub, coordinator.begin) as service:
        folder = await joined(hub, place, "North")
        site = SiteService(folder, ExperimentService(Home(place / "North")).house())
        site.agent._offer = offer
        async with site:
            made = Pair(hub, service, coordinator, folder, site.link)
            await until(lambda: made.peer.offer)
            yield made


def rotated(
    place: Path, change: Callable[[Pair], Awaitable[None]]
) -> tuple[int, list[Problem | None], Pair]:
    """How many requests were answered while the change came, and what went wrong."""

    async def flow(made: Pair, stop: asyncio.Event) -> tuple[int, list[Problem | None]]:
        lost: list[Problem | None] = []
        answered = 0
        while not stop.is_set():
            outcome = await made.asked()
            if outcome.problem is None and outcome.content == b"offered":
                answered += 1
            else:
                lost.append(outcome.problem)
            await asyncio.sleep(0.002)
        return answered, lost

    async def go() -> tuple[int, list[Problem | None], Pair]:
        async with pair(place) as made:
            stop = asyncio.Event()
            flowing = asyncio.create_task(flow(made, stop))
            await asyncio.sleep(0.5)
            await change(made)
            await asyncio.sleep(0.5)
            stop.set()
            return *(await flowing), made

    return asyncio.run(go())


async def silent(_: FederationClient) -> None:
    """What a site hears that hears nothing."""


async def until(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError


def test_a_site_rotates_while_requests_flow(tmp_path: Path) -> None:
    keys: list[object] = []

    async def change(made: Pair) -> None:
        keys.append(made.folder.identity.public)
        former = await made.site.link.client()
        await rotate(made.folder, now())
        await until(lambda: made.site.link._client is not former and former.is_closed)

    answered, lost, made = rotated(tmp_path, change)
    assert lost == []
    assert answered > 50
    record = made.hub.membership.site("North")
    assert record.key == made.folder.identity.public != keys[0]
    assert record.former_key == keys[0]


def test_the_hub_rotates_while_requests_flow(tmp_path: Path) -> None:
    known: list[object] = []

    async def change(made: Pair) -> None:
        known.append(made.folder.membership.hub)
        former = await made.service.link.client()
        made.hub.folder.rotate(now())
        await until(lambda: made.service.link._client is not former and former.is_closed)

    answered, lost, made = rotated(tmp_path, change)
    assert lost == []
    assert answered > 50
    assert made.folder.membership.hub == made.hub.folder.identity.public != known[0]


def test_an_answer_outlives_a_change_of_who_may_connect(tmp_path: Path) -> None:
    slowly, begun = threading.Event(), threading.Event()

    def slow() -> bytes:
        if slowly.is_set():
            begun.set()
            time.sleep(2)
        return b"at last"

    async def go() -> bytes:
        async with pair(tmp_path, slow) as made:
            slowly.set()
            answer = asyncio.create_task(made.asked())
            await until(begun.is_set)
            made.hub.invitation("South")
            return (await answer).content

    assert asyncio.run(go()) == b"at last"


def test_a_rotation_that_was_cut_short_is_brought_to_its_end(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")

    async def go() -> None:
        async with running(hub):
            folder = await joined(hub, tmp_path, "North")
            former = folder.identity
            # Killed after the hub took the new key, before the site did.
            await rotate(folder, now())
            following = folder.identity
            os.replace(folder.identity_key, folder.next_key)
            former.write(folder.identity_key)
            async with SiteLink(folder, silent) as site:
                client = await site.link.client(within=20)
                assert client.identity.public == following.public
                assert (await say(folder, client, Hello())).welcome.name == "North"
            assert not folder.next_key.exists()

    asyncio.run(go())


def test_a_revoked_site_knows_it_and_a_link_takes_no_rest(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")

    async def go() -> None:
        async with running(hub):
            folder = await joined(hub, tmp_path, "North")
            async with SiteLink(folder, silent) as site:
                client = await site.link.client(within=20)
                hub.membership.revoke("North", now())
                await until(lambda: client.is_closed)
                await until(lambda: folder.membership.standing is Standing.REVOKED)
                assert site.link.trouble is not None

    asyncio.run(go())
