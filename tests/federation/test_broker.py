"""What the broker itself refuses, tried with the real server."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.federation.authority import Authority, TlsKey
from medmip.federation.broker import broker_answers
from medmip.federation.broker_configuration import MAX_PAYLOAD
from medmip.federation.broker_program import PROGRAM_VARIABLE, BrokerProgram, UnusableBroker
from medmip.federation.client import FederationClient
from medmip.federation.clock import now
from medmip.federation.connection import (
    Credentials,
    HubUnreachable,
    NotAdmitted,
    connect,
    connect_hub,
    connect_site,
    tls_context,
)
from medmip.federation.identity import Identity
from medmip.federation.site_folder import SiteFolder
from medmip.federation.subjects import HUB_INBOX, all_to_site, answer_inbox, to_hub, to_site
from tests.federation.members import Hub, joined, made_hub, running, waiting


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return made_hub(tmp_path_factory.mktemp("hub"))


async def refused(client, attempt, errors: list[str]) -> bool:
    """Whether the broker told the client that this attempt is not permitted."""
    errors.clear()
    with contextlib.suppress(NatsError):
        await attempt
    with contextlib.suppress(NatsError, TimeoutError):
        await client.flush(timeout=5)
    for _ in range(100):
        if any("permissions violation" in error.lower() for error in errors):
            return True
        await asyncio.sleep(0.02)
    return False


async def listening(folder: SiteFolder) -> tuple[FederationClient, list[str]]:
    """A site's client, and what the broker told it of errors."""
    client = await connect_site(folder)
    errors: list[str] = []

    async def hear(error: Exception) -> None:
        errors.append(str(error))

    client._error_cb = hear
    return client, errors


def test_a_compromised_site_is_refused_every_foreign_subject(hub: Hub, tmp_path: Path) -> None:
    async def attack() -> dict[str, bool]:
        async with running(hub):
            north = await joined(hub, tmp_path, "North")
            south = await joined(hub, tmp_path, "South")
            other = south.membership.node
            own = north.membership.node
            client, errors = await listening(north)
            heard = []

            async def hear(message) -> None:
                heard.append(message.subject)

            told = {}
            for subject in (
                ">",
                "*",
                "mip.>",
                "mip.site.>",
                "mip.site.*.ask",
                "mip.hub.>",
                f"mip.hub.{own}.>",
                f"{HUB_INBOX}.>",
                "mip.answer.>",
                f"mip.answer.{own}.>",
                all_to_site(other),
                to_site(other, "fold"),
                "_INBOX.>",
                "$SYS.>",
                "$JS.API.>",
            ):
                told[f"hear {subject}"] = await refused(
                    client, client.subscribe(subject, cb=hear), errors
                )
                told[f"hear {subject} in a group"] = await refused(
                    client, client.subscribe(subject, queue="desk", cb=hear), errors
                )
            for subject in (
                to_site(other, "fold"),
                to_site(own, "fold"),
                to_hub(other, "heartbeat"),
                to_hub(other, "membership"),
                f"{HUB_INBOX}.abc",
                f"mip.answer.{other}.x",
                "mip.hub",
                "$SYS.REQ.SERVER.PING",
                "$JS.API.STREAM.LIST",
                "anything",
            ):
                told[f"say {subject}"] = await refused(
                    client, client.publish(subject, b"x"), errors
                )
            # While it does all that, the hub speaks to the other, and nothing is overheard.
            coordinator = await connect_hub(hub.folder)
            await coordinator.publish(to_site(other, "fold"), b"secret")
            await coordinator.flush()
            await client.flush()
            await asyncio.sleep(0.1)
            assert heard == []
            # It is still a member, who may say and hear its own.
            assert not await refused(client, client.publish(to_hub(own, "heartbeat"), b"x"), errors)
            for one in (client, coordinator):
                await one.close()
            return told

    told = asyncio.run(attack())
    assert len(told) == 40
    assert {attempt for attempt, was in told.items() if not was} == set()


def test_who_waits_may_speak_to_the_desk_alone(hub: Hub, tmp_path: Path) -> None:
    async def attack() -> list[bool]:
        async with running(hub):
            folder = await waiting(hub, tmp_path, "West")
            node = folder.membership.node
            client, errors = await listening(folder)
            attempts = (
                client.publish(to_hub(node, "heartbeat"), b"x"),
                client.subscribe(to_site(node, "fold")),
                client.subscribe(all_to_site(node)),
                client.publish(f"{HUB_INBOX}.abc", b"x"),
            )
            told = [await refused(client, attempt, errors) for attempt in attempts]
            await client.close()
            return told

    assert asyncio.run(attack()) == [True] * 4


def test_a_foreign_or_missing_certificate_is_refused(hub: Hub, tmp_path: Path) -> None:
    def context(*, with_certificate: bool, folder: Path) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=hub.folder.authority_certificate)
        if with_certificate:
            foreign, key = Authority.made("other", now()), TlsKey.made()
            write_atomically(folder / "key.pem", key.pem)
            write_atomically(folder / "tls.pem", foreign.for_client("x", key.public, now()))
            made.load_cert_chain(folder / "tls.pem", folder / "key.pem")
        return made

    async def attack() -> None:
        async with running(hub):
            for with_certificate in (True, False):
                offered = context(with_certificate=with_certificate, folder=tmp_path)
                # The hub's own identity does not help without a certificate.
                credentials = Credentials(hub.folder.identity, offered, HUB_INBOX, "thief")
                with pytest.raises(NotAdmitted, match="certificate"):
                    await connect(hub.folder.settings.local, credentials)

    asyncio.run(attack())


def test_a_good_certificate_does_not_help_a_stranger(hub: Hub, tmp_path: Path) -> None:
    async def attack() -> None:
        async with running(hub):
            folder = await joined(hub, tmp_path, "East")
            with pytest.raises(NotAdmitted, match="identity"):
                await connect_site(folder, Identity.made())
            other = made_hub(tmp_path / "other")
            context = tls_context(
                other.folder.authority_certificate, folder.certificate, folder.tls_key
            )
            credentials = Credentials(folder.identity, context, HUB_INBOX, "x")
            with pytest.raises(HubUnreachable, match="not this federation's hub"):
                await connect(hub.folder.settings.local, credentials)

    asyncio.run(attack())


def test_older_tls_is_refused(hub: Hub) -> None:
    context = ssl.create_default_context(cafile=hub.folder.authority_certificate)
    context.load_cert_chain(hub.folder.client_certificate, hub.folder.client_key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    local = hub.folder.settings.local

    async def attack() -> None:
        async with running(hub):
            assert await asyncio.to_thread(broker_answers, hub.folder)
            with (
                pytest.raises(ssl.SSLError, match=r"(?i)version"),
                socket.create_connection((local.host, local.port)) as plain,
                context.wrap_socket(plain, server_hostname="localhost"),
            ):
                pass

    asyncio.run(attack())


def test_a_message_that_is_too_long_is_not_sent(hub: Hub) -> None:
    async def attempt() -> int:
        async with running(hub) as service:
            client = await service.link.client()
            return client.max_payload

    assert asyncio.run(attempt()) == MAX_PAYLOAD == 8 * 1024 * 1024


REVOKE = """
import sys, time, pathlib
from medmip.catalogue.home import Home
from medmip.federation.client import FederationClient
from medmip.federation.clock import now
from medmip.federation.membership import Membership
from medmip.store.state import open_state
membership = Membership(open_state(Home(pathlib.Path(sys.argv[1]))))
membership.revoke(sys.argv[2], now())
print(time.time())
"""


def test_another_process_revokes_within_five_seconds(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")

    async def revoke() -> float:
        async with running(hub):
            folder = await joined(hub, tmp_path, "North")
            stays = await joined(hub, tmp_path, "South")
            client = await connect_site(folder)
            bystander = await connect_site(stays)
            lost: asyncio.Future[float] = asyncio.get_running_loop().create_future()

            async def disconnected() -> None:
                if not lost.done():
                    lost.set_result(time.time())

            client._disconnected_cb = disconnected
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                REVOKE,
                str(hub.home.path),
                "North",
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
            took = await asyncio.wait_for(lost, 10) - float(said)
            # The client does not come back, and says so.
            for _ in range(1000):
                if client.is_closed:
                    break
                await asyncio.sleep(0.01)
            assert client.refused or client.is_closed
            with pytest.raises(NotAdmitted):
                await connect_site(folder)
            assert bystander.is_connected
            assert bystander.stats["reconnects"] == 0
            await bystander.close()
            return took

    assert asyncio.run(revoke()) < 5


def test_a_killed_broker_comes_back_with_its_connections(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")

    async def kill() -> None:
        async with running(hub) as service:
            folder = await joined(hub, tmp_path, "North")
            node = folder.membership.node
            site = await connect_site(folder)

            async def answer(message) -> None:
                await message.respond(b"yes " + message.data)

            await site.subscribe(to_site(node, "ask"), cb=answer)
            await site.flush()
            client = await service.link.client()
            answers = await client.subscribe(answer_inbox(node, "test"))

            async def asked(content: bytes, within: float) -> bytes:
                await client.publish(to_site(node, "ask"), content, reply=answers.subject)
                return (await answers.next_msg(within)).data

            assert await asked(b"1", 5) == b"yes 1"
            former = service.broker.pid
            assert former
            os.kill(former, signal.SIGKILL)
            for _ in range(200):
                with contextlib.suppress(NatsError):
                    if answered := await asked(b"2", 1):
                        break
                await asyncio.sleep(0.1)
            assert answered == b"yes 2"
            assert service.broker.pid not in (None, former)
            await site.close()

    asyncio.run(kill())


KILLED_HUB = """
import asyncio, sys, pathlib
from medmip.catalogue.home import Home
from medmip.federation.hub_folder import HubFolder
from medmip.federation.hub_service import HubService
from medmip.store.state import open_state
async def main():
    home = Home(pathlib.Path(sys.argv[1]))
    async with HubService(HubFolder.of(home), open_state(home)) as service:
        await service.link.client()
        print(service.broker.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def test_the_broker_of_a_killed_hub_is_ended_by_the_next(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    command = [sys.executable, "-c", KILLED_HUB, str(hub.home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        orphan = int(process.stdout.readline())
        process.kill()
    assert Path(f"/proc/{orphan}").exists()

    async def again() -> int | None:
        async with running(hub) as service:
            return service.broker.pid

    assert asyncio.run(again()) != orphan
    assert not Path(f"/proc/{orphan}").exists()
    assert not broker_answers(hub.folder)


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")

    async def start() -> None:
        async with running(hub):
            pass

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", hub.folder.settings.port))
        taken.listen()
        with pytest.raises(UnusableBroker, match="does not come up"):
            asyncio.run(start())


def test_every_file_of_hub_and_site_is_its_owners_alone(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")

    async def use() -> SiteFolder:
        async with running(hub):
            return await joined(hub, tmp_path, "North")

    folder = asyncio.run(use())
    files = [*hub.folder.path.rglob("*"), *folder.path.rglob("*"), *hub.home.logs.iterdir()]
    assert {path.name for path in files} >= {"identity.key", "tls.key", "authority.key"}
    open_to_others = [path for path in files if stat.S_IMODE(path.stat().st_mode) != 0o600]
    assert open_to_others == []
    for place in (hub.folder.path, folder.path):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "said, told",
    [
        ("nats-server: v2.9.10", "too old"),
        ("nats-server: v2.12.6", "too old"),
        ("no version", "does not tell"),
    ],
)
def test_an_unsound_server_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    program = tmp_path / "nats-server"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv(PROGRAM_VARIABLE, str(program))
    with pytest.raises(UnusableBroker, match=told):
        BrokerProgram.found()
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(UnusableBroker, match="does not run"):
        BrokerProgram.found()


def test_a_sound_server_is_found_behind_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nats-server"
    program.write_text("#!/bin/sh\necho 'nats-server: v2.9.10'\n")
    program.chmod(0o755)
    monkeypatch.delenv(PROGRAM_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert BrokerProgram.found().path != program


def test_certificates_are_renewed_before_they_run_out(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    before = hub.folder.server_certificate.read_bytes()
    assert not hub.folder.renew(now())
    assert hub.folder.renew(now() + timedelta(days=61))
    assert hub.folder.server_certificate.read_bytes() != before
    assert hub.folder.authority_certificate.read_bytes() == hub.folder.authority.pem


def test_a_home_is_neither_hub_nor_site_before_it_is_made(home: Home) -> None:
    assert not home.hub.exists()
    assert not home.site.exists()
