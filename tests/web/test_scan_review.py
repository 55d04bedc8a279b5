"""One scan over HTTP: its sheet, slices, and reviews; for those alone who may read records."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.role import Right, Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.imaging.queue.job import JobState
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import VOLUMES
from medmip.imaging.volumetry.review import REVIEWS
from medmip.store.state import open_state
from medmip.web.application import create_app
from tests.imaging.reviewable import reviewable

SCANS = "/api/v1/imaging/scans"


def opened(home: Home, doorman: Doorman) -> TestClient:
    app = create_app(ExperimentService(home), doorman)
    return TestClient(app, base_url="http://localhost")


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    for name in ("good", "moved", "new"):
        reviewable(home, name)
    with opened(home, doorman_of(home, Login(kind="open"))) as found:
        yield found


def order(client: TestClient, scan: str, decision: str, reason: str = "clear") -> dict[str, object]:
    """A decision about the scan as it is now."""
    sheet = client.get(f"{SCANS}/{scan}").json()
    return {
        "decision": decision,
        "reason": reason,
        "measurement": sheet["measurement"]["hash"],
        "reviews": len(sheet["reviews"]),
    }


def test_a_sheet_tells_how_a_scan_was_measured_and_what_came_out(client: TestClient) -> None:
    answer = client.get(f"{SCANS}/good")
    assert answer.headers["cache-control"] == "no-store"
    sheet = answer.json()
    assert sheet["scan"]["standing"] == "waiting"
    measurement = sheet["measurement"]
    names = {one["code"]: one["name"] for one in measurement["judgement"]["volumes"]}
    assert names["left_nucleus"] == "Left nucleus"
    assert names["tiv"] == "Total intracranial volume"
    assert measurement["steps"][1]["facts"] == {"snr": 20.0, "cnr": 6.0}
    assert set(measurement["quality"]) == {"snr", "cnr", "likeness", "efc", "fber"}
    assert (measurement["judgement"]["scans"], measurement["judgement"]["needed"]) == (0, 10)
    # The list shows the newest first.
    assert sheet["waiting"] == {"scans": 3, "previous": "moved", "next": None}


def test_a_sheet_tells_at_which_step_measuring_failed_and_why(home: Home) -> None:
    reviewable(home, "good")
    jobs = ScanJobs(open_state(home))
    # Not entered, so that the server's desks are at rest.
    client = opened(home, doorman_of(home, Login(kind="open")))
    assert client.get(f"{SCANS}/good").json()["job"] is None
    jobs.put(["good"], None, SettingName.FAST)
    assert jobs.take() is not None
    jobs.step("good", "register")
    jobs.settle("good", JobState.FAILED, trouble="It does not look like a head.")
    job = client.get(f"{SCANS}/good").json()["job"]
    assert (job["state"], job["step"]) == ("failed", "register")
    assert job["trouble"] == "It does not look like a head."
    assert jobs.retry(["good"]) == 1
    job = client.get(f"{SCANS}/good").json()["job"]
    assert (job["state"], job["step"], job["trouble"]) == ("waiting", "", "")


def test_slices_are_pictures_that_nobody_keeps(client: TestClient) -> None:
    told = client.get(f"{SCANS}/good/slices").json()
    assert told["count"] == {"sagittal": 38, "coronal": 44, "axial": 36}
    assert told["outlines"] == ["labels", "tissues"]
    assert [one["label"] for one in told["regions"]] == list(range(1, 8))
    drawn = {}
    for outlines in ("none", "labels", "tissues"):
        for plane, at in told["middle"].items():
            asked = {"at": at, "outlines": outlines}
            answer = client.get(f"{SCANS}/good/slices/{plane}", params=asked)
            assert answer.headers["content-type"] == "image/png"
            assert answer.headers["cache-control"] == "no-store"
            drawn[outlines, plane] = answer.content
    assert len(set(drawn.values())) == 9
    brain = client.get(f"{SCANS}/good/brain")
    assert (brain.status_code, brain.headers["cache-control"]) == (200, "no-store")
    beyond = client.get(f"{SCANS}/good/slices/axial", params={"at": 36})
    assert (beyond.status_code, "0 to 35" in beyond.json()["remedy"]) == (404, True)
    for wrong in ("at=-1", "at=x", "", "at=1&outlines=faces"):
        assert client.get(f"{SCANS}/good/slices/axial?{wrong}").status_code == 422
    assert client.get(f"{SCANS}/good/slices/oblique", params={"at": 1}).status_code == 422


@pytest.mark.parametrize("scan", ["none", "..", "%2e%2e", "..%2f..%2fkeys", "good%00"])
def test_what_is_no_scan_is_not_found(client: TestClient, scan: str) -> None:
    for path in ("", "/slices", "/slices/axial?at=1", "/brain"):
        assert client.get(f"{SCANS}/{scan}{path}").status_code == 404
    body = order(client, "good", "accept")
    assert client.post(f"{SCANS}/{scan}/reviews", json=body).status_code in (404, 405)


def test_a_decision_is_the_ledgers_and_the_scans(client: TestClient, home: Home) -> None:
    accepted = client.post(f"{SCANS}/good/reviews", json=order(client, "good", "accept", "a  b"))
    assert (accepted.status_code, accepted.json()["reason"]) == (200, "a b")
    assert accepted.json()["by"] == "local"
    client.post(f"{SCANS}/moved/reviews", json=order(client, "moved", "reject", "moved"))
    rows = client.get("/api/v1/audit").json()["items"]
    told = [(row["user"], row["verdict"], row["reason"]) for row in rows[:2]]
    assert told == [
        ("local", "reject", "scan moved: moved"),
        ("local", "accept", "scan good: a b"),
    ]
    for standing, expected in (
        ("waiting", ["new"]),
        ("accepted", ["good"]),
        ("rejected", ["moved"]),
    ):
        page = client.get(SCANS, params={"standing": standing}).json()
        assert [one["id"] for one in page["items"]] == expected
        assert page["total"] == 1
    client.post(f"{SCANS}/new/reviews", json=order(client, "new", "redo", "by full"))
    sheet = client.get(f"{SCANS}/new").json()
    assert (sheet["measurement"], sheet["scan"]["standing"]) == (None, "to be measured anew")
    assert not (Shelf(home).scans / "new" / VOLUMES).exists()


def test_what_changed_since_it_was_seen_is_not_decided_about(
    client: TestClient, home: Home
) -> None:
    first = order(client, "good", "accept")
    assert client.post(f"{SCANS}/good/reviews", json=order(client, "good", "reject")).is_success
    late = client.post(f"{SCANS}/good/reviews", json=first)
    assert late.status_code == 409
    assert "somebody else" in late.json()["detail"]
    stale = order(client, "good", "accept")
    (Shelf(home).scans / "good" / REVIEWS).unlink()
    reviewable(home, "good", key="other")
    assert client.post(f"{SCANS}/good/reviews", json=stale).status_code == 409


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, None])
def test_a_decision_needs_a_reason(client: TestClient, reason: str | None) -> None:
    body = order(client, "good", "accept") | {"reason": reason}
    assert client.post(f"{SCANS}/good/reviews", json=body).status_code == 422
    assert client.get(f"{SCANS}/good").json()["scan"]["standing"] == "waiting"


def test_damaged_files_are_told_of_without_ending_the_list(client: TestClient, home: Home) -> None:
    (Shelf(home).scans / "good" / VOLUMES).write_text("{")
    (Shelf(home).scans / "moved" / REVIEWS).write_text("{")
    assert "volumes" in client.get(f"{SCANS}/good").json()["detail"]
    assert "reviews" in client.get(f"{SCANS}/moved").json()["detail"]
    assert client.get(SCANS).json()["total"] == 3
    assert client.get(f"{SCANS}/new").status_code == 200


def test_only_who_reads_records_sees_a_scan(home: Home, tmp_path: Path) -> None:
    reviewable(home, "good")
    doorman = doorman_of(home, Login(kind="local"))
    paths = ("", "/slices", "/slices/axial?at=9", "/brain")
    body = {"decision": "accept", "reason": "clear", "measurement": "0" * 64, "reviews": 0}
    for role in Role:
        account = doorman.people.add(role.value, [role], password="correct horse battery 7")
        for scopes in (list(Right), [Right.MANAGE_DATA]):
            able = role is Role.DATA_MANAGER and Right.READ_RECORDS in scopes
            if scopes == [Right.MANAGE_DATA] and role is not Role.DATA_MANAGER:
                continue
            secret, _ = doorman.tokens.make(account.id, "t", scopes, 1, role.value)
            with opened(home, doorman) as visitor:
                visitor.headers["authorization"] = f"Bearer {secret}"
                for path in paths:
                    status = visitor.get(f"{SCANS}/good{path}").status_code
                    assert status == (200 if able else 403), (role, path)
                answer = visitor.post(f"{SCANS}/good/reviews", json=body)
                assert answer.status_code == (409 if able else 403), role
    assert not (Shelf(home).scans / "good" / REVIEWS).exists()
