"""Results are shared by their author, with whom they name; data are not."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.role import Right, Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in
from medmip.web.application import create_app
from tests.ingest.files import WARD

API = "/api/v1"
KEY = WARD.key
ANALYSIS = {
    "algorithm": "linear_regression",
    "inputdata": {
        "data_model": KEY,
        "datasets": ["closed"],
        "y": ["volume"],
        "x": ["age", "gender"],
        "filters": None,
    },
    "parameters": {},
}
ROLES = {"anna": Role.RESEARCHER, "ben": Role.RESEARCHER, "eve": Role.RESEARCHER}
Visitors = dict[str, TestClient]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose one dataset is Anna's alone."""
    place = Home(tmp_path_factory.mktemp("sharing") / "home").prepare()
    ModelStore(place).add(WARD)
    publish(place, 60)
    path = place.dataset_policy(KEY, "closed")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('[access]\nroles = []\nusers = ["anna"]\n')
    return place


def publish(home: Home, patients: int) -> None:
    lines = ["subjectcode,age,volume,gender"]
    lines += [f"p{i},{20 + i % 60},{i % 50}.5,{'FM'[i % 3 // 2]}" for i in range(patients)]
    file = Path(home.path.parent / "ward.csv")
    file.write_text("\n".join([*lines, ""]))
    bring_in(home, file, WARD, "closed")


@pytest.fixture(scope="module")
def visitors(home: Home) -> Iterator[Visitors]:
    doorman: Doorman = doorman_of(home, Login())
    service = ExperimentService(home)
    application = create_app(service, doorman, hosts=("localhost",))

    def client(name: str, role: Role) -> TestClient:
        person = doorman.people.add(name, [role])
        secret, _ = doorman.tokens.make(person.id, "test", list(Right), 1, name)
        headers = {"authorization": f"Bearer {secret}"}
        return TestClient(application, base_url="http://localhost", headers=headers)

    people = {name: client(name, role) for name, role in ROLES.items()}
    yield people | {"admin": client("admin", Role.ADMINISTRATOR)}
    service.close()


@pytest.fixture(scope="module")
def run(visitors: Visitors) -> Callable[[str], dict[str, Any]]:
    """Has Anna ask something, by its path; the experiment once it has ended."""

    def ended(path: str) -> dict[str, Any]:
        anna = visitors["anna"]
        asked = anna.post(f"{API}{path}", json=ANALYSIS if path == "/experiments" else None)
        assert asked.status_code == 202, asked.text
        for _ in range(600):
            found: dict[str, Any] = anna.get(asked.headers["Location"]).json()
            if found["state"] not in ("queued", "running"):
                assert found["state"] == "done", found["problem"]
                return found
            time.sleep(0.02)
        pytest.fail("the experiment did not end")

    return ended


@pytest.fixture(scope="module")
def shared(visitors: Visitors, run: Callable[[str], dict[str, Any]]) -> str:
    """The path of an experiment that Anna shares with Ben."""
    path = f"{API}/experiments/{run('/experiments')['id']}"
    told = visitors["anna"].put(f"{path}/sharing", json={"persons": ["ben"]})
    assert told.json() == {"everybody": False, "persons": [{"name": "ben", "label": "ben"}]}
    return path


READS = ("", "/write-up", "/report", "/events", "/comments")
WRITES: tuple[tuple[str, str, Any], ...] = (
    ("PATCH", "", {"name": "Mine now"}),
    ("DELETE", "", None),
    ("POST", "/cancel", None),
    ("PUT", "/sharing", {"everybody": True}),
)


def test_who_is_named_reads_and_changes_nothing(visitors: Visitors, shared: str) -> None:
    for path in READS:
        assert visitors["ben"].get(shared + path).status_code == 200, path
        assert visitors["eve"].get(shared + path).status_code == 404, path
    for method, path, body in WRITES:
        assert visitors["ben"].request(method, shared + path, json=body).status_code == 403, path
        assert visitors["eve"].request(method, shared + path, json=body).status_code == 404, path
    assert visitors["eve"].put(f"{shared}/star", json={"starred": True}).status_code == 404
    assert visitors["eve"].post(f"{shared}/rerun").status_code == 404
    seen = {name: visitors[name].get(f"{API}/experiments").json() for name in ("ben", "eve")}
    assert [(part["user"], part["mine"]) for part in seen["ben"]["items"]] == [("anna", False)]
    assert seen["eve"] == {"total": 0, "items": []}
    assert not visitors["ben"].get(shared).json()["shares"]
    assert visitors["anna"].get(shared).json()["shares"]


def test_what_makes_no_sense_is_told_and_shares_nothing(visitors: Visitors, shared: str) -> None:
    anna = visitors["anna"]
    before = anna.get(shared).json()["sharing"]
    for persons in (["nobody"], ["ben\0"], [""], ["admin"], ["ben"] * 201):
        answer = anna.put(f"{shared}/sharing", json={"persons": persons})
        assert answer.status_code == 422, persons
    assert anna.get(shared).json()["sharing"] == before
    for moment in ("0001-01-01T00:00:00+14:00", "yesterday", "2026-01-01T00:00:00"):
        answer = anna.get(f"{API}/experiments", params={"since": moment})
        assert answer.status_code == 422, moment


def test_results_bring_no_right_to_their_data(visitors: Visitors, shared: str) -> None:
    assert visitors["ben"].get(shared).json()["result"]["views"]
    assert visitors["ben"].get(f"{API}/datasets").json() == []
    for answer in (
        visitors["ben"].post(f"{shared}/rerun"),
        visitors["ben"].post(f"{API}/experiments", json=ANALYSIS),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["path"] == "inputdata.datasets[0]"


def test_an_administrator_shares_what_they_do_not_see(visitors: Visitors, shared: str) -> None:
    admin = visitors["admin"]
    assert admin.get(shared).status_code == 403
    body = {"persons": ["ben", "eve"]}
    assert admin.put(f"{shared}/sharing", json=body).status_code == 200
    assert visitors["eve"].get(shared).status_code == 200
    assert visitors["anna"].put(f"{shared}/sharing", json={"persons": ["ben"]}).status_code == 200
    assert visitors["eve"].get(shared).status_code == 404


def test_stars_are_ones_own_and_comments_are_all_readers(visitors: Visitors, shared: str) -> None:
    anna, ben = visitors["anna"], visitors["ben"]
    assert ben.put(f"{shared}/star", json={"starred": True}).status_code == 204
    starred = {"starred": True}
    assert ben.get(f"{API}/experiments", params=starred).json()["total"] == 1
    assert anna.get(f"{API}/experiments", params=starred).json()["total"] == 0
    for text in ("", " \n", "a\0b", "look \u202e here", "x" * 4001):
        assert ben.post(f"{shared}/comments", json={"text": text}).status_code == 422, text
    said = ben.post(f"{shared}/comments", json={"text": " Striking.\n<b>Why?</b> "}).json()
    (comment,) = anna.get(f"{shared}/comments").json()
    assert (comment["author"], comment["text"]) == ("ben", "Striking.\n<b>Why?</b>")
    assert anna.delete(f"{shared}/comments/{said['id']}").status_code == 403
    assert visitors["eve"].delete(f"{shared}/comments/{said['id']}").status_code == 404
    assert ben.delete(f"{shared}/comments/{said['id']}").status_code == 204


def test_rerun_tells_what_new_data_changed(
    visitors: Visitors, home: Home, shared: str, run: Callable[[str], dict[str, Any]]
) -> None:
    anna, ben = visitors["anna"], visitors["ben"]
    former = anna.get(shared).json()
    assert anna.get(f"{shared}/difference").status_code == 409
    same = run(f"/experiments/{former['id']}/rerun")
    told = anna.get(f"{API}/experiments/{same['id']}/difference").json()
    assert not any(table["changed"] for table in told["tables"])
    publish(home, 80)
    again = run(f"/experiments/{former['id']}/rerun")
    assert again["origin"] == former["id"]
    assert again["request"] == former["request"]
    told = anna.get(f"{API}/experiments/{again['id']}/difference").json()
    (dataset,) = told["datasets"]
    assert (dataset["before"]["version"], dataset["after"]["version"]) == (1, 2)
    assert dataset["moved"]
    (table,) = [part for part in told["tables"] if part["title"] == "Coefficients"]
    assert table["changed"] == len(table["rows"]) == 3
    for row in table["rows"]:
        assert row["before"]["term"] == row["after"]["term"]
        assert row["before"]["estimate"] != row["after"]["estimate"]
    # What stands beside a shared result has to be shared as well.
    assert ben.get(f"{API}/experiments/{again['id']}/difference").status_code == 404
    answer = ben.get(f"{shared}/difference", params={"other": again["id"]})
    assert answer.status_code == 404
