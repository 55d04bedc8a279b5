"""What goes wrong in a federation of real processes, and what is said of it."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.algorithms.histogram import BinState, bin_counts
from medmip.experiments.service import ExperimentService
from medmip.federation.chunks import PART, chunks_of
from medmip.federation.connection import connect_hub
from medmip.federation.coordinator import Timing
from medmip.federation.identity import Identity
from medmip.federation.member import SiteTrouble
from medmip.federation.messages import HUB, Asking, Header, Outcome, digest, sealed
from medmip.federation.remote import SiteLost, SiteRefused
from medmip.federation.subjects import answer_inbox, to_site
from medmip.federation.wire import decoded, encoded
from medmip.fold.local import Cancelled
from medmip.fold.moments import MomentsState, moments
from medmip.fold.survival import FollowUp, step_counts
from medmip.privacy.ledger import Ledger, LedgerRow
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from medmip.web.application import create_app
from tests.federation.federation import OPEN_POLICY, Federation, federation

NAMES = ("Hospital 01", "Hospital 02", "Hospital 03")
TIMING = Timing(silence=6.0, grace=1.5, deadline=60.0, again=1.0)


def columns(records: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {"a": rng.normal(size=records), "b": rng.normal(size=records)}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    folder: Path = tmp_path_factory.mktemp("federation")
    with federation(folder, columns(), 3, timing=TIMING) as made:
        yield made


@pytest.fixture
def three(shared: Federation) -> Iterator[Federation]:
    """All three serve, before and after whatever a test does to them."""
    yield shared
    shared.coordinator.timing = TIMING
    for name in NAMES:
        if name not in shared.processes:
            shared.start_site(name)
    shared.wait_for_sites(60)


def asked(made: Federation, **options: Any) -> Any:
    return made.cohort(["linear_regression"], y=["a"], x=["b"], **options)


def folded(cohort: Any) -> Any:
    return cohort.fold(moments, MomentsState(cohort.design((*cohort.x, *cohort.y))))


def ledger_of(made: Federation, name: str) -> list[LedgerRow]:
    home = made.homes[name]
    return Ledger(open_state(home), LedgerHead(home)).rows()


def test_a_site_killed_before_a_round_is_named_and_comes_back(three: Federation) -> None:
    cohort = asked(three)
    before = folded(cohort)
    three.kill(NAMES[1])
    begun = time.monotonic()
    with pytest.raises(SiteLost, match=NAMES[1]) as lost:
        folded(cohort)
    assert lost.value.site == NAMES[1]
    assert time.monotonic() - begun < TIMING.silence + TIMING.grace + 3
    three.start_site(NAMES[1])
    three.wait_for_sites(60)
    # The site is told of the run anew, and the sum is the same to the last bit.
    again = folded(cohort)
    assert again.mean.tobytes() == before.mean.tobytes()


def test_a_site_that_is_back_within_the_grace_time_is_not_missed(three: Federation) -> None:
    three.coordinator.timing = replace(TIMING, grace=120.0, deadline=150.0)
    told: list[str | None] = []
    cohort = asked(three, waiting=told.append)
    before = folded(cohort)
    three.kill(NAMES[2])
    with ThreadPoolExecutor(1) as worker:
        waiting = worker.submit(folded, cohort)
        time.sleep(1)
        three.start_site(NAMES[2])
        assert waiting.result(150).mean.tobytes() == before.mean.tobytes()
    assert told[0] == NAMES[2]
    assert told[-1] is None


def test_a_hung_site_is_noticed_by_its_silence(three: Federation) -> None:
    cohort = asked(three)
    hung = three.processes[NAMES[0]]
    hung.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(SiteLost, match="was lost in the middle"):
            folded(cohort)
    finally:
        hung.send_signal(signal.SIGCONT)
    three.wait_for_sites(30)
    assert folded(cohort).records > 0


def test_a_broker_killed_in_mid_run_delays_and_spoils_nothing(three: Federation) -> None:
    cohort = asked(three)
    before = folded(cohort)
    process = int(three.hub.broker_process.read_text())
    os.kill(process, signal.SIGKILL)
    assert folded(cohort).mean.tobytes() == before.mean.tobytes()
    assert int(three.hub.broker_process.read_text()) != process


def test_a_run_is_cancelled_at_the_sites_too(three: Federation) -> None:
    class Impatient:
        stop = False

        def advanced(self, rounds: int, fraction: float | None) -> None:
            pass

        def held_up(self, by: str) -> None:
            pass

        def cancelled(self) -> bool:
            return self.stop

    watcher = Impatient()
    cohort = asked(three, watcher=watcher)
    three.processes[NAMES[0]].send_signal(signal.SIGSTOP)
    threading.Timer(0.3, lambda: setattr(watcher, "stop", True)).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        folded(cohort)
    assert time.monotonic() - begun < 2
    three.processes[NAMES[0]].send_signal(signal.SIGCONT)


def test_a_sites_guard_refuses_and_is_named(tmp_path: Path) -> None:
    parts = [np.arange(0, 8), np.arange(8, 150), np.arange(150, 300)]
    with federation(tmp_path, columns(), parts, policy='overlap = "off"\n', timing=TIMING) as made:
        with pytest.raises(SiteRefused, match="Hospital 01 refused") as refusal:
            asked(made)
        assert refusal.value.rule == "minimum_patients"
        (row,) = [row for row in ledger_of(made, NAMES[0]) if row.experiment == "run-1"]
        assert (row.experiment, row.verdict, row.rule) == ("run-1", "refused", "minimum_patients")
        others = [row for row in ledger_of(made, NAMES[1]) if row.experiment == "run-1"]
        assert {row.verdict for row in others} <= {"admitted", "released"}


def settings(made: Federation, text: str) -> None:
    (made.homes[NAMES[1]].site / "site.toml").write_text(text)


@pytest.mark.parametrize(
    "stated, rule",
    [
        ("paused = true", "paused"),
        ('algorithms = ["describe"]', "algorithms"),
        ('datasets = ["another"]', "datasets"),
        ('[hours]\nbegin = "00:00"\nend = "00:00:01"', "hours"),
        ("[policy]\nminimum_patients = 1000", "minimum_patients"),
        ('approval = "person"\napprover = "Dr Weiss"', "approval"),
    ],
)
def test_what_a_site_does_not_offer_is_refused_with_the_reason(
    stated: str, rule: str, shared: Federation
) -> None:
    settings(shared, stated)
    with pytest.raises(SiteRefused, match=NAMES[1]) as refusal:
        asked(shared)
    assert refusal.value.rule == rule
    row = next(row for row in ledger_of(shared, NAMES[1]) if row.verdict == "refused")
    assert (row.experiment, row.rule) == (f"run-{shared.runs}", rule)
    settings(shared, "")
    assert folded(asked(shared)).records > 0


def test_a_policy_that_is_looser_than_the_sites_offers_nothing(shared: Federation) -> None:
    settings(shared, "[policy]\nminimum_patients = 0")
    with pytest.raises(SiteTrouble, match="policy"):
        asked(shared)
    settings(shared, "")


def test_an_analysis_that_a_person_agreed_to_runs(shared: Federation) -> None:
    from medmip.federation.approvals import Approvals

    settings(shared, 'approval = "person"')
    with pytest.raises(SiteRefused, match="has to agree"):
        asked(shared, user="carla")
    approvals = Approvals.of(shared.homes[NAMES[1]])
    (wish,) = [wish for wish in approvals.list() if wish.user == "carla"]
    assert wish.variables == ("a", "b")
    approvals.answer(wish.id, "granted", "Dr Weiss")
    assert folded(asked(shared, user="carla")).records > 0
    approvals.answer(wish.id, "denied", "Dr Weiss")
    with pytest.raises(SiteRefused, match="Dr Weiss declined"):
        asked(shared, user="carla")
    settings(shared, "")


def test_another_software_version_is_refused(shared: Federation) -> None:
    with pytest.raises(SiteRefused, match="software is") as refusal:
        asked(shared, software="0.0.9")
    assert refusal.value.rule == "software"


def test_a_kernel_of_another_algorithm_is_refused_and_written_down(shared: Federation) -> None:
    cohort = asked(shared)
    state = FollowUp("a", "b", 0, 1.0, 3, None, 1)
    with pytest.raises(SiteTrouble, match="belongs to none of the algorithms"):
        cohort.fold(step_counts, state)
    row = ledger_of(shared, NAMES[0])[0]
    assert (row.verdict, row.rule, row.experiment) == ("refused", "kernel", f"run-{shared.runs}")
    assert folded(cohort).records > 0


def heard(made: Federation, send: Callable[[Any, str, str], Any], answers: int) -> list[Outcome]:
    """What a site answers to what `send` publishes through a client of the hub's own.

    Waited for until there are so many answers, and a little longer for one too many.
    """

    async def speak() -> list[Outcome]:
        client = await connect_hub(made.hub, "attacker")
        inbox = f"{answer_inbox(node, 'attack')}.x"
        told: list[Outcome] = []

        async def keep(message: Any) -> None:
            envelope = message.data[20:]
            from medmip.federation.messages import Doorkeeper

            door = Doorkeeper("test", node, HUB, lambda: peer.site.keys)
            told.append(decoded(door.opened(envelope, once=False).body, Outcome))

        await client.subscribe(inbox, cb=keep)
        await send(client, to_site(node, "fold"), inbox)
        for _ in range(600):
            if len(told) >= answers:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        await client.close()
        return told

    peer = made.coordinator.peers()[0]
    node = peer.site.node
    return asyncio.run(speak())


UNKNOWN = encoded(Asking("medmip.fold.moments:moments", b"", (), None, ()), Asking)


def message(made: Federation, identity: Identity, **changes: Any) -> bytes:
    node = made.coordinator.peers()[0].site.node
    body = changes.pop("body", b"")
    header = replace(Header("test", HUB, node, "fold", digest(body), "run-x", 1), **changes)
    return sealed(identity, header, body)


def refused_messages(made: Federation, content: bytes) -> list[str]:
    async def send(client: Any, subject: str, inbox: str) -> None:
        for part in chunks_of(content):
            await client.publish(subject, part, reply=inbox)

    return [outcome.problem.what for outcome in heard(made, send, 1) if outcome.problem]


def test_messages_that_are_not_the_hubs_are_answered_with_the_reason(shared: Federation) -> None:
    hub = shared.hub.identity
    cases = {
        message(shared, Identity.made()): "signature",
        message(shared, hub, sent=time.time() - 90): "clocks differ",
        message(shared, hub, recipient="somebody"): "somebody else",
        message(shared, hub, federation="another"): "somebody else",
        message(shared, hub, body=b"content").replace(
            b"content", b"changed"
        ): "not what was signed",
        os.urandom(300): "bytes are no",
        message(shared, hub): "bytes are no Asking",
        message(shared, hub, body=UNKNOWN, round=2): "not asked to begin",
    }
    for content, reason in cases.items():
        (told,) = refused_messages(shared, content)
        assert reason in told
    assert folded(asked(shared)).records > 0


def test_a_replayed_message_is_refused(shared: Federation) -> None:
    content = message(shared, shared.hub.identity)
    refused_messages(shared, content)
    (told,) = refused_messages(shared, content)
    assert "came before" in told


def test_oversized_and_torn_messages_do_not_stop_a_site(shared: Federation) -> None:
    async def send(client: Any, subject: str, inbox: str) -> None:
        # Fewer bytes than the broker keeps for a site that reads slowly: it would be cut off.
        for index in range(8):
            place = index.to_bytes(2, "big") + (20).to_bytes(2, "big")
            await client.publish(subject, b"n" * 16 + place + bytes(PART), reply=inbox)
        await client.publish(subject, b"", reply=inbox)
        await client.publish(subject, b"short", reply=inbox)

    told = [outcome.problem.what for outcome in heard(shared, send, 10) if outcome.problem]
    assert len(told) == 10
    assert folded(asked(shared)).records > 0


def test_large_states_and_answers_travel_in_parts(shared: Federation) -> None:
    cohort = shared.cohort(["histogram"], y=["a"], missing="keep")
    bins = 700_000
    state = BinState("a", np.linspace(-8.0, 8.0, bins + 1), bins, None, 1)
    assert len(encoded(state, BinState)) > PART
    found = cohort.fold(bin_counts, state)
    assert found.patients.nbytes > PART
    assert found.patients.sum() == 300


def test_rounds_only_grow_and_the_same_one_gets_the_same_answer(shared: Federation) -> None:
    cohort = asked(shared, on_loss=None)
    members = cohort.transport.members
    run = members[0].shared
    folded(cohort)
    body, number = run._last[1], run._round
    coordinator, peer = shared.coordinator, members[0].peer
    ask = {"run": run.run, "cohort": run.cohort}
    one = coordinator.ask(peer, "fold", body, round_=number, **ask).result(10)
    two = coordinator.ask(peer, "fold", body, round_=number, **ask).result(10)
    assert one == two
    assert one.problem is None
    rows = len([row for row in ledger_of(shared, NAMES[0]) if row.experiment == run.run])
    for changed in ({"round_": number, "body": body + b"x"}, {"round_": 1, "body": body}):
        content = changed.pop("body")
        told = coordinator.ask(peer, "fold", content, **ask, **changed).result(10)
        assert told.problem is not None
        assert "rounds only grow" in told.problem.what
    assert len([row for row in ledger_of(shared, NAMES[0]) if row.experiment == run.run]) == rows


def test_the_service_names_sites_and_goes_on_without_a_lost_one(tmp_path: Path) -> None:
    from medmip.experiments.experiment import State
    from medmip.experiments.request import Request
    from medmip.federation.sites import Sites

    data = columns() | {"dataset": np.repeat(["one", "two", "three"], 100)}
    parts = [np.arange(100), np.arange(100, 200), np.arange(200, 300)]
    levels = {"dataset": ()}
    with federation(
        tmp_path,
        data,
        parts,
        levels=levels,
        datasets=("one", "two", "three"),
        timing=TIMING,
        policy=OPEN_POLICY + "steering_in_clear = true\n",
    ) as made:
        from medmip.catalogue.model_store import ModelStore

        sites = Sites(made.coordinator, ModelStore(made.home))
        sites.settle()
        service = ExperimentService(made.home, sites=sites)
        try:
            held = {part.dataset: part.site for part in sites.holdings("test:1")}
            assert held == {"one": NAMES[0], "two": NAMES[1], "three": NAMES[2]}
            request = Request.model_validate(
                {
                    "algorithm": "linear_regression",
                    "inputdata": {
                        "data_model": "test:1",
                        "datasets": ["one", "two", "three"],
                        "y": ["a"],
                        "x": ["b"],
                    },
                }
            )
            unasked = doorman_of(service.home, Login(kind="open"))
            api = TestClient(create_app(service, unasked, hosts=["testserver"]))
            listed = api.get("/api/v1/datasets").json()
            assert {entry["code"]: entry["site"] for entry in listed} == held
            assert {entry["patients"] for entry in listed} == {100}
            sites_told = api.get("/api/v1/sites").json()
            assert [entry["name"] for entry in sites_told] == list(NAMES)
            assert all(entry["alive"] and not entry["differences"] for entry in sites_told)
            preview = service.preview(request.inputdata)
            assert preview == {"one": 100, "two": 100, "three": 100}
            done = service.run(request)
            assert done.state is State.DONE, done.problem
            assert done.provenance is not None
            assert [site.name for site in done.provenance.sites] == list(NAMES)
            assert {part.site for part in done.provenance.snapshots} == set(NAMES)
            assert done.provenance.secure_aggregation
            assert "3 hospitals' sums" in done.provenance.aggregation
            assert {part.site for part in done.provenance.thresholds} == set(NAMES)
            written = service.write_up(done.id)
            assert all(f"held by {name}" in written.methods.paragraph for name in NAMES)
            assert "secure aggregation [" in written.methods.paragraph
            assert "sites_of(home, connected)" in written.code.python
            rows = [row for row in service.ledger.rows() if row.experiment == done.id]
            assert {row.statistic for row in rows} == {f"run at {name}" for name in NAMES}
            assert any(row.experiment == done.id for row in ledger_of(made, NAMES[1]))

            made.kill(NAMES[1])
            failed = service.run(request)
            assert failed.state is State.FAILED
            assert failed.problem is not None
            assert NAMES[1] in failed.problem.detail
            went_on = service.run(request.model_copy(update={"on_loss": "continue"}))
            assert went_on.state is State.DONE, went_on.problem
            assert went_on.provenance is not None
            assert went_on.provenance.lost == (NAMES[1],)
            assert not went_on.provenance.secure_aggregation
            assert "2 hospitals with patients" in went_on.provenance.aggregation
            assert [part.dataset for part in went_on.provenance.snapshots] == ["one", "three"]
        finally:
            service.close()
