"""A bad road between hub and hospitals: late, repeated, reordered messages, and a road cut."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import pytest

from medmip.authoring.analysis import model_of
from medmip.catalogue.variable import Variable, VariableType
from medmip.federation.chunks import PART, chunks_of
from medmip.federation.connection import connect_hub
from medmip.federation.coordinator import Timing
from medmip.federation.messages import HUB, Doorkeeper, Header, Outcome, digest, sealed
from medmip.federation.remote import SiteLost
from medmip.federation.subjects import answer_inbox, to_site
from medmip.federation.wire import decoded
from medmip.fold.moments import Moments, MomentsState, moments
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from tests.federation.distance import distant
from tests.federation.federation import OPEN_POLICY, Federation

NAMES = ("Hospital 01", "Hospital 02", "Hospital 03")
TIMING = Timing(silence=6.0, grace=60.0, deadline=120.0, again=20.0)
HURRIED = replace(TIMING, again=0.2)
"""Asks again long before an answer can have come back."""


@contextmanager
def hospitals(folder: Path, host: str = "127.0.0.1") -> Iterator[Federation]:
    """A hub that serves; hospitals are added by the test."""
    rng = np.random.default_rng(5)
    data = {"a": rng.normal(size=300), "b": rng.normal(size=300)}
    model = model_of(data)
    patient = Variable(code="subjectcode", label="Patient", type=VariableType.TEXT, sql_type="text")
    model = model.model_copy(update={"variables": (*model.variables, patient)})
    made = Federation(folder, model, ("d",), TIMING, host)
    with made.background:
        try:
            yield made
        finally:
            made.stop()


def add(made: Federation, name: str, port: int | None = None) -> None:
    rng = np.random.default_rng(NAMES.index(name))
    made.add_site(name, {"a": rng.normal(size=100), "b": rng.normal(size=100)}, OPEN_POLICY, port)


def asked(made: Federation, **options: Any) -> Any:
    return made.cohort(["linear_regression"], y=["a"], x=["b"], **options)


def folded(cohort: Any) -> Moments:
    found: Moments = cohort.fold(moments, MomentsState(cohort.design((*cohort.x, *cohort.y))))
    return found


def releases(made: Federation, name: str, run: str) -> int:
    home = made.homes[name]
    rows = Ledger(open_state(home), LedgerHead(home)).rows(1000)
    return sum(row.experiment == run and row.statistic == "Moments" for row in rows)


def test_late_and_repeated_messages_spoil_nothing_and_are_answered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hospitals(tmp_path) as made, ExitStack() as roads:
        for name in NAMES:
            add(made, name, roads.enter_context(distant(made.hub.settings.port, 0.15, 0.4)))
            made.start_site(name)
        made.wait_for_sites()
        patient = folded(asked(made))
        made.coordinator.timing = HURRIED
        sent = 0
        send = made.coordinator._send

        async def counted(*told: Any) -> None:
            nonlocal sent
            sent += 1
            await send(*told)

        monkeypatch.setattr(made.coordinator, "_send", counted)
        cohort = asked(made)
        hurried = folded(cohort)
        assert hurried.cross.tobytes() == patient.cross.tobytes()
        # Opening, keys, roster, sums and their shift: five trips to each, asked again and again.
        assert sent > 2 * 5 * len(NAMES)
        for name in NAMES:
            assert releases(made, name, f"run-{made.runs}") == 1
        assert len(made.coordinator._asked) == 0


def test_parts_that_overtake_each_other_make_the_same_message(tmp_path: Path) -> None:
    with hospitals(tmp_path) as made:
        add(made, NAMES[0])
        made.start_site(NAMES[0])
        made.wait_for_sites()
        (peer,) = made.coordinator.peers()
        node = peer.site.node

        def question(body: bytes) -> list[bytes]:
            header = Header("test", HUB, node, "fold", digest(body), f"run-{token_hex(4)}", 1)
            return list(chunks_of(sealed(made.hub.identity, header, body)))

        first, second = (question(os.urandom(2 * PART)) for _ in range(2))
        assert len(first) == len(second) == 3
        mixed = [second[2], first[1], second[0], first[2], first[0], second[1]]
        door = Doorkeeper("test", node, HUB, lambda: peer.site.keys)
        told: list[Outcome] = []

        async def speak() -> None:
            client = await connect_hub(made.hub, "reorder")
            inbox = f"{answer_inbox(node, 'reorder')}.x"

            async def keep(message: Any) -> None:
                opened = door.opened(message.data[20:], once=False)
                told.append(decoded(opened.body, Outcome))

            await client.subscribe(inbox, cb=keep)
            for part in mixed:
                await client.publish(to_site(node, "fold"), part, reply=inbox)
            for _ in range(100):
                await asyncio.sleep(0.1)
                if len(told) == 2:
                    break
            await client.close()

        asyncio.run(speak())
        # Both were whole and signed; that their content is no question is the site's own word.
        assert len(told) == 2
        assert all(answer.problem and "no Asking" in answer.problem.what for answer in told)


SPACE = f"mip{os.getpid()}"
HERE, THERE = f"m{os.getpid()}h", f"m{os.getpid()}s"
ADDRESS = "10.213.7.1"


def ip(*words: str, check: bool = True) -> bool:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
    return done.returncode == 0


@pytest.fixture
def space() -> Iterator[str]:
    """A network namespace whose one road leads to this machine."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need `ip` and root")
    try:
        ip("netns", "add", SPACE)
        ip("link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", SPACE)
        ip("addr", "add", f"{ADDRESS}/30", "dev", HERE)
        ip("link", "set", HERE, "up")
        ip("-n", SPACE, "addr", "add", "10.213.7.2/30", "dev", THERE)
        ip("-n", SPACE, "link", "set", THERE, "up")
        ip("-n", SPACE, "link", "set", "lo", "up")
        yield SPACE
    finally:
        ip("link", "set", HERE, "down", check=False)
        ip("link", "del", HERE, check=False)
        ip("netns", "del", SPACE, check=False)


def test_a_partition_is_noticed_named_and_healed(tmp_path: Path, space: str) -> None:
    with hospitals(tmp_path, ADDRESS) as made:
        for name in NAMES:
            add(made, name)
        made.start_site(NAMES[0])
        made.start_site(NAMES[1])
        made.start_site(NAMES[2], through=("ip", "netns", "exec", space))
        made.wait_for_sites()
        waited: list[str | None] = []
        cohort = asked(made, waiting=waited.append)
        before = folded(cohort)
        cut = time.monotonic()
        # No packet comes through any more, and nobody is told: not even that a connection ended.
        ip("link", "set", HERE, "down")
        made.coordinator.timing = replace(TIMING, grace=2.0)
        with pytest.raises(SiteLost, match=NAMES[2]) as lost:
            folded(cohort)
        assert lost.value.site == NAMES[2]
        assert time.monotonic() - cut < TIMING.silence + 2.0 + 4.0
        assert waited == [NAMES[2], None]
        made.coordinator.timing = TIMING
        ip("link", "set", HERE, "up")
        assert folded(cohort).cross.tobytes() == before.cross.tobytes()
        row = Ledger(open_state(made.homes[NAMES[2]]), LedgerHead(made.homes[NAMES[2]])).rows(1)[0]
        assert (row.experiment, row.verdict) == (f"run-{made.runs}", "released")
