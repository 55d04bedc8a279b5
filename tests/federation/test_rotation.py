"""Keys change while requests flow, and none is lost."""

import asyncio
import os
from pathlib import Path

from nats.errors import Error as NatsError

from medmip.federation.clock import now
from medmip.federation.desk_messages import Hello
from medmip.federation.hub_service import HubService
from medmip.federation.identity import Identity
from medmip.federation.site_folder import SiteFolder, Standing
from medmip.federation.site_link import SiteLink, rotate, say
from medmip.federation.subjects import to_site
from tests.federation.members import Hub, joined, made_hub, running


async def answering(client) -> None:
    async def answer(message) -> None:
        await message.respond(message.data)

    node = client.options["name"]
    await client.subscribe(to_site(node, "ask"), queue=node, cb=answer)


async def flow(service: HubService, node: str, stop: asyncio.Event) -> tuple[int, list[str]]:
    """Requests one after another until stopped: how many were answered, and what went wrong."""
    answered, lost = 0, []
    while not stop.is_set():
        client = await service.link.client()
        try:
            reply = await client.ask_site(node, "ask", str(answered).encode(), timeout=10)
            assert reply.data == str(answered).encode()
            answered += 1
        except NatsError as error:
            lost.append(type(error).__name__)
        await asyncio.sleep(0.002)
    return answered, lost


def rotated(hub: Hub, place: Path, change) -> tuple[int, list[str], SiteFolder]:
    async def go() -> tuple[int, list[str], SiteFolder]:
        async with running(hub) as service:
            folder = await joined(hub, place, "North")
            async with SiteLink(folder, answering) as site:
                await site.link.client(within=20)
                stop = asyncio.Event()
                flowing = asyncio.create_task(flow(service, folder.membership.node, stop))
                await asyncio.sleep(0.5)
                await change(folder, service, site)
                await asyncio.sleep(0.5)
                stop.set()
                return *(await flowing), folder

    return asyncio.run(go())


async def until(condition) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError


def test_a_site_rotates_while_requests_flow(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    keys: list[object] = []

    async def change(folder: SiteFolder, _: HubService, site: SiteLink) -> None:
        keys.append(folder.identity.public)
        former = await site.link.client()
        await rotate(folder, now())
        await until(lambda: site.link._client is not former and former.is_closed)

    answered, lost, folder = rotated(hub, tmp_path, change)
    assert lost == []
    assert answered > 50
    record = hub.membership.site("North")
    assert record.key == folder.identity.public != keys[0]
    assert record.former_key == keys[0]


def test_the_hub_rotates_while_requests_flow(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    known: list[object] = []

    async def change(folder: SiteFolder, service: HubService, site: SiteLink) -> None:
        known.append(folder.membership.hub)
        former = await service.link.client()
        hub.folder.rotate(now())
        await until(lambda: service.link._client is not former and former.is_closed)
        stranger = Identity.made().public
        assert await site.knows(hub.folder.identity.public)
        assert not await site.knows(stranger)

    answered, lost, folder = rotated(hub, tmp_path, change)
    assert lost == []
    assert answered > 50
    assert folder.membership.hub == hub.folder.identity.public != known[0]


def test_an_answer_outlives_a_change_of_who_may_connect(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")

    async def slow(client) -> None:
        async def answer(message) -> None:
            await asyncio.sleep(2)
            await message.respond(b"at last")

        node = client.options["name"]
        await client.subscribe(to_site(node, "ask"), queue=node, cb=answer)

    async def go() -> bytes:
        async with running(hub) as service:
            folder = await joined(hub, tmp_path, "North")
            async with SiteLink(folder, slow) as site:
                await site.link.client(within=20)
                client = await service.link.client()
                node = folder.membership.node
                answer = asyncio.create_task(client.ask_site(node, "ask", b"", timeout=20))
                await asyncio.sleep(0.3)
                hub.invitation("South")
                return (await answer).data

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
            async with SiteLink(folder, answering) as site:
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
            async with SiteLink(folder, answering) as site:
                client = await site.link.client(within=20)
                hub.membership.revoke("North", now())
                await until(lambda: client.is_closed)
                await until(lambda: folder.membership.standing is Standing.REVOKED)
                assert site.link.trouble is not None

    asyncio.run(go())
