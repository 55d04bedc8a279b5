"""The queue of scans over HTTP: queued, measured by the server itself, cancelled, tried again."""

import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.imaging.queue.job import JobState
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.queue.measuring_desk import MeasuringDesk
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.notices.event import Event, Kind
from medmip.store.state import open_state
from medmip.web.application import create_app
from tests.imaging.tiny_work import noted

QUEUE = "/api/v1/imaging/queue"


def shelved(home: Home, *scans: str, verdict: Verdict = Verdict.TAKEN) -> Home:
    with Shelf(home).work() as work:
        for scan in scans:
            record = ScanRecord(id=scan, verdict=verdict, rules="r", source="NIfTI file", files=1)
            Shelf(home).put(record, work)
    return home


def opened(home: Home, kind: str) -> TestClient:
    login = Login.model_validate({"kind": kind})
    app = create_app(ExperimentService(home), doorman_of(home, login))
    return TestClient(app, base_url="http://localhost")


def settled(jobs: ScanJobs, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while jobs.standing().open and time.monotonic() < deadline:
        time.sleep(0.1)


def test_the_server_measures_what_waits_and_tells_that_it_waits_for_a_review(
    tmp_path: Path,
) -> None:
    home = shelved(Home(tmp_path).prepare(), "a", "b")
    shelved(home, "knee", verdict=Verdict.REFUSED)
    told: list[Event] = []
    state = open_state(home)
    with MeasuringDesk(home, state, lambda *events: told.extend(events), work=noted) as desk:
        assert desk.queue_new() == 2
        assert desk.queue_new() == 0
        settled(desk.jobs)
        assert desk.jobs.in_state(JobState.DONE) == {"a", "b"}
    assert [(one.kind, one.count) for one in told] == [(Kind.SCANS_WAITING, 2)]


def test_scans_queue_themselves_where_the_home_says_so(tmp_path: Path) -> None:
    home = shelved(Home(tmp_path).prepare(), "a")
    home.configuration.write_text("[imaging.measuring]\nautomatic = true\n")
    with MeasuringDesk(home, open_state(home), work=noted) as desk:
        deadline = time.monotonic() + 60
        while not desk.jobs.in_state(JobState.DONE) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert desk.jobs.in_state(JobState.DONE) == {"a"}


def test_why_nobody_measures_is_told(tmp_path: Path) -> None:
    home = shelved(Home(tmp_path).prepare(), "a")
    home.configuration.write_text("[imaging.measuring]\nworkers = 0\n")
    with MeasuringDesk(home, open_state(home), work=noted) as desk:
        deadline = time.monotonic() + 30
        while not desk.jobs.standing().held and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "workers" in desk.jobs.standing().held


def test_the_queue_is_looked_at_and_changed_by_data_managers_alone(tmp_path: Path) -> None:
    home = shelved(Home(tmp_path / "home").prepare(), "a", "b")
    jobs = ScanJobs(open_state(home))
    jobs.put(["a", "b"], None, SettingName.FAST)
    # Not entered, so that the server's desks are at rest.
    client = opened(home, "open")
    seen = client.get(QUEUE).json()
    assert [one["scan"] for one in seen["jobs"]] == ["a", "b"]
    assert seen["standing"]["waiting"] == 2

    def change(change: str, *scans: str) -> int:
        answer = client.post(QUEUE, json={"change": change, "scans": list(scans) or None})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["changed"])

    assert change("first", "b") == 1
    assert [one["scan"] for one in client.get(QUEUE).json()["jobs"]] == ["b", "a"]
    assert change("cancel") == 2
    assert change("retry") == 0
    assert change("retry", "a") == 1
    assert change("measure") == 0
    assert client.get(QUEUE, params={"limit": 1}).json()["standing"]["cancelled"] == 1


@pytest.mark.parametrize("order", [{"change": "more"}, {"change": "cancel", "scans": ["../a"]}, {}])
def test_an_order_is_judged_at_the_door(tmp_path: Path, order: dict[str, object]) -> None:
    assert opened(Home(tmp_path).prepare(), "open").post(QUEUE, json=order).status_code == 422


def test_strangers_see_and_change_nothing(tmp_path: Path) -> None:
    client = opened(Home(tmp_path).prepare(), "local")
    assert client.get(QUEUE).status_code == 401
    assert client.post(QUEUE, json={"change": "cancel"}).status_code == 401
