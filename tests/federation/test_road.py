"""The road to the hub: each fault is told where it lies, and through a proxy too."""

import asyncio
import base64
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from medmip.federation.address import Proxy
from medmip.federation.connection import connect_site
from medmip.federation.desk_messages import Hello
from medmip.federation.road import Step, walk
from medmip.federation.site_folder import SiteFolder
from medmip.federation.site_link import say
from medmip.federation.site_record import SiteState
from medmip.federation.tunnel import ProxyRefused
from tests.federation.members import Hub, joined, made_hub, running, waiting
from tests.ports import free_port

WAY = ["certificate", "DNS", "TCP", "TLS", "identity", "permissions", "clock", "versions"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return made_hub(tmp_path_factory.mktemp("hub"))


@asynccontextmanager
async def proxy(word: str = "user:p@ss"):
    """An HTTP proxy that opens tunnels for who knows the word; yields its address and requests."""
    asked: list[str] = []
    right = "Basic " + base64.b64encode(word.encode()).decode()

    carrying: set[asyncio.Task[None] | None] = set()

    async def carry(reader, writer) -> None:
        try:
            while piece := await reader.read(65536):
                writer.write(piece)
        finally:
            writer.close()

    async def serve(reader, writer) -> None:
        carrying.add(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *headers = head.strip().split("\r\n")
        asked.append(line)
        if f"Proxy-Authorization: {right}" not in headers:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            writer.close()
            return
        host, port = line.split()[1].rsplit(":", 1)
        there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(
            carry(reader, there[1]), carry(there[0], writer), return_exceptions=True
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], asked
    server.close()
    await asyncio.wait([task for task in carrying if task], timeout=5)


async def steps(folder: SiteFolder) -> list[Step]:
    return [step async for step in walk(folder)]


def changed(folder: SiteFolder, **values: object) -> SiteFolder:
    folder.keep(folder.membership.model_copy(update=values))
    return folder


def test_a_sound_road_is_walked_to_its_end(hub: Hub, tmp_path: Path) -> None:
    async def go() -> list[Step]:
        async with running(hub):
            return await steps(await joined(hub, tmp_path, "North"))

    found = asyncio.run(go())
    assert [step.name for step in found] == WAY
    assert all(step.sound and step.ask is None for step in found)


def test_each_fault_is_told_at_its_step(hub: Hub, tmp_path: Path) -> None:
    async def go() -> dict[str, Step]:
        found = {}
        async with running(hub):
            folder = await joined(hub, tmp_path, "East")
            right = folder.membership
            other = made_hub(tmp_path / "other")
            async with running(other):
                changed(folder, port=other.folder.settings.port)
                found["TLS"] = (await steps(folder))[-1]
            changed(folder, host="no-such-host.invalid")
            found["DNS"] = (await steps(folder))[-1]
            changed(folder, host=right.host, port=free_port())
            found["TCP"] = (await steps(folder))[-1]
            folder.keep(right)
            early = await waiting(hub, tmp_path, "Early")
            found["permissions"] = (await steps(early))[-3]
            hub.membership.reject("Early", _now())
            hub.membership.revoke("East", _now())
            await asyncio.sleep(1.5)
            found["identity"] = (await steps(folder))[-1]
        folder.certificate.write_bytes(b"damaged")
        found["certificate"] = (await steps(folder))[-1]
        return found

    found = asyncio.run(go())
    assert {name: (step.name, step.sound) for name, step in found.items()} == {
        name: (name, False) for name in found
    }
    assert "not this federation's hub" in found["TLS"].found
    for name in ("DNS", "TCP", "TLS"):
        ask = found[name].ask
        assert ask
        assert "\n" not in ask
    assert found["TCP"].ask
    assert "outbound" in found["TCP"].ask
    assert "waiting" in found["permissions"].found


def _now():
    from medmip.federation.clock import now

    return now()


def test_a_site_joins_and_works_through_a_proxy(hub: Hub, tmp_path: Path) -> None:
    async def go() -> tuple[list[Step], list[str]]:
        async with running(hub), proxy() as (port, asked):
            way = f"http://user:p%40ss@127.0.0.1:{port}"
            folder = await joined(hub, tmp_path, "South", proxy=way)
            client = await connect_site(folder)
            assert (await say(folder, client, Hello())).welcome.state is SiteState.MEMBER
            # A new tunnel is opened where the connection is made again.
            before = len(asked)
            await client.force_reconnect()
            for _ in range(200):
                if client.is_connected and len(asked) > before:
                    break
                await asyncio.sleep(0.05)
            assert (await say(folder, client, Hello())).welcome.state is SiteState.MEMBER
            await client.close()
            return await steps(folder), asked

    found, asked = asyncio.run(go())
    assert [step.name for step in found] == [*WAY[:3], "proxy", *WAY[3:]]
    assert all(step.sound for step in found)
    assert set(asked) == {f"CONNECT {hub.folder.settings.address} HTTP/1.1"}


def test_a_proxy_that_refuses_is_told_with_what_to_ask(hub: Hub, tmp_path: Path) -> None:
    async def go() -> Step:
        async with running(hub), proxy() as (port, _):
            folder = await joined(hub, tmp_path, "West")
            changed(folder, proxy=f"http://user:wrong@127.0.0.1:{port}")
            with pytest.raises(ProxyRefused, match="407") as caught:
                await connect_site(folder)
            assert "wrong" not in str(caught.value)
            return (await steps(folder))[-1]

    step = asyncio.run(go())
    assert (step.name, step.sound) == ("proxy", False)
    assert step.ask
    assert "CONNECT" in step.ask


def test_a_proxys_way_keeps_no_password_in_sight() -> None:
    assert "secret" not in str(Proxy.parsed("http://user:secret@proxy:1").address)
