"""What happens is told of from one place each, once, and without a patient's anything."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.deploy import watch
from medmip.errors import Conflict
from medmip.experiments.experiment import State
from medmip.experiments.repository import Experiments
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.federation.clock import now
from medmip.federation.coordinator import Coordinator
from medmip.federation.identity import Identity
from medmip.federation.registrar import Registrar
from medmip.federation.sites import Sites, directory_of
from medmip.inbox.scan_desk import ScanDesk
from medmip.notices.conditions import Observed, see
from medmip.notices.event import Kind
from medmip.notices.outbox import Outbox
from medmip.notices.queue import Queue
from medmip.notices.sender import send_due, ways_of
from medmip.store.state import open_state
from medmip.web.application import create_app
from tests.federation.members import made_hub
from tests.imaging.scanner import scan
from tests.ingest.files import WARD
from tests.notices.conftest import Configure
from tests.notices.receivers import Post, Vouched, Web, vouched

API = "/api/v1"
CODES = [f"ZQPLANTED{number:03}" for number in range(40)]
NAMED = "zq-mrs-smith"
HOOK = {"url": "https://receiver.example/", "secret_file": "/etc/key"}


def told(home: Home) -> list[tuple[str, int, str]]:
    """What waits to be told, oldest first."""
    queue = Queue(open_state(home))
    state = {one.event: one for one in reversed(queue.deliveries(100))}
    identities = {
        event.id: event.identity
        for channel in ("webhook",)
        for message in queue.due(channel, -datetime.resolution, datetime.now(UTC))
        for event in message.events
    }
    return [(one.kind, one.count, identities[one.event]) for one in state.values()]


def asked_for(home: Home, **more: object) -> Home:
    home.configuration.write_text(tomlkit.dumps({"notices": {"webhook": HOOK}, **more}))
    return home


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def ward(number: int = 40, broken: str = "") -> str:
    lines = ["subjectcode,dataset,age,volume,gender"]
    lines += [
        f"{code},{NAMED},{20 + place % 60},{place % 50}.125,{'FM'[place % 2]}"
        for place, code in enumerate(CODES[:number])
    ]
    return "\n".join([*lines, *([broken] if broken else []), ""])


def request(**data: Any) -> dict[str, Any]:
    inputs = {"data_model": WARD.key, "datasets": [NAMED], "y": ["volume"]} | data
    return {"algorithm": "describe", "name": f"{CODES[3]} of {NAMED}", "inputdata": inputs}


def ended(client: TestClient, wish: dict[str, Any]) -> str:
    answer = client.post(f"{API}/experiments", json=wish)
    assert answer.status_code == 202, answer.text
    identity = answer.json()["id"]
    address = f"{API}/experiments/{identity}"
    until(lambda: client.get(address).json()["state"] not in ("queued", "running"))
    return str(client.get(address).json()["state"])


def test_nothing_of_patients_and_nothing_that_was_typed_arrives(
    configure: Configure, web: Web, post: Post
) -> None:
    home = configure(web=web, slack=web, post=post, portal="https://mip.hospital.example")
    ModelStore(home).add(WARD)
    policy = home.dataset_policy(WARD.key, NAMED)
    policy.parent.mkdir(parents=True)
    policy.write_text("[publication]\nautomatic = true\n")
    service = ExperimentService(home)
    app = create_app(service, doorman_of(home, Login(kind="open")), hosts=("localhost",))
    few = {"condition": "AND", "rules": [{"field": "age", "operator": "less", "value": 22}]}
    with TestClient(app, base_url="http://localhost") as client:
        (home.inbox / "harmonized_clinical_data.csv").write_text(ward())
        queue = Queue(service.outbox.state)

        def kinds() -> set[str]:
            return {one.kind for one in queue.deliveries(500)}

        until(lambda: "imports.published" in kinds())
        broken = f"{CODES[0]},{NAMED},wide,{CODES[1]},X"
        (home.inbox / f"{CODES[2]}.csv").write_text(ward(39, broken))
        until(lambda: "imports.refused" in kinds())
        (home.scan_inbox / f"{CODES[4]}").mkdir(parents=True, exist_ok=True)
        assert ended(client, request()) == "done"
        assert ended(client, request(filters=few)) == "refused"
        for path in home.datasets.rglob("*.parquet"):
            path.chmod(0o600)
            path.write_bytes(b"damaged")
        assert ended(client, request(y=["age"])) == "failed"
        settings = service.outbox.settings
        assert send_due(home, queue, ways_of(settings), settings, datetime.now(UTC))
    wanted = {"finished", "refused", "failed"}
    assert kinds() >= {f"experiments.{word}" for word in wanted}
    assert {one.state for one in queue.deliveries(500)} == {"sent"}
    arrived = b"".join(body for _, body in web.posts).decode()
    arrived += "".join(mail.as_string() + mail.get_content() for mail in post.mails)
    assert arrived.count("https://mip.hospital.example/experiments/") >= 9
    for word in (*CODES, "ZQ", NAMED, "smith", "ward", "volume", ".125", "age", "filters"):
        # A message is in sentences of ours: the few that hold such a letter run are named.
        found = arrived.replace("storage", "").replace("Message", "").replace("message", "")
        assert word not in found, word


@pytest.mark.slow
def test_scans_that_are_brought_in_are_counted(home: Home) -> None:
    asked_for(home, imaging={"still_seconds": 1})
    outbox = Outbox.of(home, open_state(home))
    with ScanDesk(home, outbox.tell):
        scan(home.scan_inbox / NAMED / "SE0")
        until(lambda: Queue(outbox.state).counts()["waiting"] > 0, 200)
    assert told(home) == [("scans.finished", 1, "")]


def test_a_row_of_the_outbox_and_the_state_are_one_transaction(home: Home) -> None:
    state = open_state(asked_for(home))
    outbox = Outbox.of(home, state)
    experiments = Experiments(state, outbox)
    wish = Request.model_validate({"algorithm": "describe", "inputdata": request()["inputdata"]})
    ids = [experiments.add(wish, "name", "ada", State.QUEUED) for _ in range(3)]
    for identity in ids:
        assert experiments.start(identity)
    experiments.finish(ids[0], State.CANCELLED, {})
    experiments.finish(ids[1], State.DONE, {})
    experiments.finish(ids[1], State.FAILED, {})
    assert told(home) == [("experiments.finished", 1, ids[1])]
    assert experiments.requeue(1) == []
    assert told(home)[1:] == [("experiments.failed", 1, ids[2])]
    assert experiments.get(ids[2]).state is State.FAILED


def test_hospitals_that_come_and_go_are_told_of_by_their_node_alone(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    asked_for(hub.home)
    registrar = Registrar.of(hub.home)
    site = Identity.made().public
    invited = registrar.invite("Mrs Smith's ward", "ada").one_time.public.node
    hub.membership.enrol(invited, site, "1", now())
    registrar.approve(site.node, site.fingerprint, "ada")
    with pytest.raises(Conflict):
        registrar.reject(site.node, "ada")
    registrar.revoke(site.node, "ada")
    found = [("federation.joined", 1, site.node), ("federation.left", 1, site.node)]
    assert told(hub.home) == found
    assert "Smith" not in json.dumps(found)


def test_a_hospital_that_is_silent_is_told_of_once_and_when_it_is_back(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    asked_for(hub.home)
    site = Identity.made().public
    invited = hub.invitation("North").one_time.public.node
    hub.membership.enrol(invited, site, "1", now())
    hub.membership.approve(site.node, now())
    coordinator = Coordinator("test", lambda: directory_of(hub.membership))
    sites = Sites(coordinator, ModelStore(hub.home))
    outbox = Outbox.of(hub.home, hub.state)
    watched = watch.Watch(hub.home, outbox, sites)
    watched.look()
    assert told(hub.home) == [], "a hub that has just started waits for its hospitals"
    watched._begun -= watch.SILENCE + 1
    (peer,) = coordinator.peers()
    for _ in range(3):
        watched.look()
    # A restart in between knows what was told.
    again = watch.Watch(hub.home, Outbox.of(hub.home, open_state(hub.home)), sites)
    again._begun -= watch.SILENCE + 1
    again.look()
    peer.heard = time.monotonic()
    for _ in range(2):
        again.look()
    assert told(hub.home) == [
        ("federation.lost", 1, site.node),
        ("federation.back", 1, site.node),
    ]


def test_an_old_backup_and_an_ending_certificate_are_told_of_once(
    home: Home, tmp_path: Path, proof: Vouched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "free_shares", lambda _: {"home": 0.5})
    backups = tmp_path / "backups"
    backups.mkdir()
    made = backups / "mip-1.tar.age"
    made.write_bytes(b"")
    soon = vouched(tmp_path / "soon", "soon", days=20, since=70).chain
    # Of an authority that signs for a month: it is renewed meanwhile.
    short = vouched(tmp_path / "short", "short", days=11, since=19).chain
    home.configuration.write_text(
        tomlkit.dumps(
            {
                "backup": {"to": str(backups)},
                "notices": {
                    "webhook": HOOK,
                    "certificates": [str(soon), str(short), str(proof.chain), "/missing.pem"],
                },
            }
        )
    )
    outbox = Outbox.of(home, open_state(home))
    looked = watch.Watch(home, outbox, None)
    looked.look()
    assert told(home) == [("machine.certificate", 1, "")]
    old = time.time() - 27 * 3600
    os.utime(made, (old, old))
    for _ in range(2):
        looked.look()
    assert told(home)[1:] == [("backups.old", 1, "")]
    os.utime(made)
    looked.look()
    os.utime(made, (old, old))
    looked.look()
    assert told(home)[2:] == [("backups.old", 1, "")], "a second time is told of anew"


def test_a_disk_at_the_brink_is_not_told_of_again_and_again(home: Home) -> None:
    outbox = Outbox.of(asked_for(home), open_state(home))
    for share in (0.5, 0.09, 0.11, 0.09, 0.11, 0.13, 0.09):
        low = True if share < watch.LOW else False if share > watch.ENOUGH else None
        see(outbox, [Observed("disk home", Kind.DISK_LOW, low)])
    assert [kind for kind, *_ in told(home)] == ["machine.disk"] * 2
