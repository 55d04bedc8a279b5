"""A dataset is there for those whom its policy names, and for nobody else, by every route."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.person import Person
from medmip.accounts.role import Right, Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.experiments.experiment import Experiment, State
from medmip.experiments.service import ExperimentService
from medmip.federation.offer import Offer
from medmip.federation.wire import decoded
from medmip.ingest.publish import bring_in
from medmip.store.snapshots import Datasets
from medmip.web.application import create_app
from tests.accounts.conftest import PASSWORD
from tests.ingest.files import WARD

API = "/api/v1"
KEY = WARD.key


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("access")
    place = Home(folder / "home").prepare()
    model = ModelStore(place).add(WARD)
    lines = ["subjectcode,age,volume,gender"]
    lines += [f"p{i},{20 + i % 60},{i % 50}.5,{'FM'[i % 2]}" for i in range(60)]
    (folder / "ward.csv").write_text("\n".join([*lines, ""]))
    for dataset in ("free", "closed", "named", "officers", "broken"):
        bring_in(place, folder / "ward.csv", model, dataset)
    state(place, "free", '[description]\ntitle = "Nothing is said of access"\n')
    state(place, "closed", "[access]\nroles = []\n")
    state(place, "named", '[access]\nroles = []\nusers = ["Ada@hospital.example", "bob"]\n')
    state(place, "officers", '[access]\nroles = ["privacy_officer"]\n')
    state(place, "broken", "[access\n")
    return place


def state(home: Home, dataset: str, text: str) -> None:
    path = home.dataset_policy(KEY, dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def doorman(home: Home) -> Doorman:
    made = doorman_of(home, Login())
    for name, email, role in (
        ("ada", "ada@hospital.example", Role.RESEARCHER),
        ("bob", "", Role.RESEARCHER),
        ("eve", "eve@hospital.example", Role.RESEARCHER),
        ("officer", "", Role.PRIVACY_OFFICER),
        ("manager", "", Role.DATA_MANAGER),
    ):
        made.people.add(name, [role], email=email, password=PASSWORD)
    # Whom a provider vouches for has chosen this name, and is somebody else.
    made.people.admit(
        "https://provider.example",
        "1",
        "Ada@hospital.example",
        "",
        "x@y.example",
        [Role.RESEARCHER],
    )
    return made


@pytest.fixture(scope="module")
def application(home: Home, doorman: Doorman) -> Iterator[FastAPI]:
    service = ExperimentService(home)
    yield create_app(service, doorman, hosts=("localhost",))
    service.close()


def person(doorman: Doorman, name: str) -> Person:
    (found,) = [one for one in doorman.people.everybody() if one.name == name]
    return found


@pytest.fixture
def visitor(application: FastAPI, doorman: Doorman, request: pytest.FixtureRequest) -> TestClient:
    name = request.param
    secret, _ = doorman.tokens.make(person(doorman, name).id, "test", list(Right), 1, name)
    return TestClient(
        application,
        base_url="http://localhost",
        headers={"authorization": f"Bearer {secret}"},
    )


SEES = [
    ("ada", {"free", "named"}),
    ("bob", {"free", "named"}),
    ("eve", {"free"}),
    ("Ada@hospital.example", {"free"}),
    ("officer", {"free", "officers"}),
    ("manager", {"free"}),
]
DATASETS = ("free", "closed", "named", "officers", "broken")


@pytest.mark.parametrize("visitor, seen", SEES, indirect=["visitor"])
def test_the_catalogue_lists_what_is_there_for_the_caller(
    visitor: TestClient, seen: set[str]
) -> None:
    assert {entry["code"] for entry in visitor.get(f"{API}/datasets").json()} == seen
    (model,) = [one for one in visitor.get(f"{API}/models").json() if one["code"] == KEY]
    assert {*model["datasets"]} == seen


@pytest.mark.parametrize("visitor, seen", SEES, indirect=["visitor"])
def test_what_is_hidden_can_neither_be_explored_nor_counted(
    visitor: TestClient, seen: set[str]
) -> None:
    for dataset in DATASETS:
        question: dict[str, Any] = {"data_model": KEY, "datasets": [dataset], "variable": "age"}
        counted = {"data_model": KEY, "datasets": [dataset]}
        fitting = visitor.post(f"{API}/algorithms/fitting", json=counted | {"y": ["age"]})
        answers = [
            visitor.post(f"{API}/explore/histogram", json=question),
            visitor.post(
                f"{API}/explore/describe",
                json={"data_model": KEY, "datasets": [dataset], "variables": ["age"]},
            ),
            visitor.post(f"{API}/explore/count", json=counted),
        ]
        codes = {answer.status_code for answer in answers}
        assert codes == ({200} if dataset in seen else {422}), (dataset, answers[0].text)
        if dataset not in seen:
            never = {"data_model": KEY, "datasets": ["never-was"]}
            unknown = visitor.post(f"{API}/explore/count", json=never)
            unfit = visitor.post(f"{API}/algorithms/fitting", json=never | {"y": ["age"]})
            assert fitting.json() == unfit.json()
            told = answers[-1].json()["detail"].replace(dataset, "never-was")
            assert told == unknown.json()["detail"]


@pytest.mark.parametrize(
    "visitor, seen", [case for case in SEES if case[0] in ("ada", "eve")], indirect=["visitor"]
)
def test_what_is_hidden_can_not_be_analysed_alone_or_beside_others(
    visitor: TestClient, seen: set[str]
) -> None:
    for dataset in DATASETS:
        for datasets in ([dataset], ["free", dataset] if dataset != "free" else ["free"]):
            data = {"data_model": KEY, "datasets": datasets, "y": ["volume"], "x": ["age"]}
            answer = visitor.post(
                f"{API}/experiments", json={"algorithm": "linear_regression", "inputdata": data}
            )
            assert answer.status_code == (202 if dataset in seen else 422), answer.text


def test_a_policy_that_changes_holds_at_once(
    home: Home, application: FastAPI, doorman: Doorman
) -> None:
    secret, _ = doorman.tokens.make(person(doorman, "eve").id, "test", list(Right), 1, "eve")
    headers = {"authorization": f"Bearer {secret}"}
    visitor = TestClient(application, base_url="http://localhost", headers=headers)

    def seen() -> set[str]:
        return {entry["code"] for entry in visitor.get(f"{API}/datasets").json()}

    assert "closed" not in seen()
    state(home, "closed", '[access]\nroles = []\nusers = ["eve"]\n')
    assert "closed" in seen()
    state(home, "closed", "[access]\nroles = []\n")
    assert "closed" not in seen()


class Withdrawn:
    """What an administrator or a data manager does between a request and its turn."""

    @staticmethod
    def policy(home: Home, _: Doorman) -> None:
        state(home, "named", "[access]\nroles = []\n")

    @staticmethod
    def role(_: Home, doorman: Doorman) -> None:
        doorman.people.set_roles(person(doorman, "bob").id, [Role.PRIVACY_OFFICER], "test")

    @staticmethod
    def account(_: Home, doorman: Doorman) -> None:
        doorman.people.enable(person(doorman, "bob").id, "test", enabled=False)

    @staticmethod
    def nothing(_: Home, __: Doorman) -> None:
        pass


@pytest.mark.parametrize(
    "withdraw, detail",
    [
        (Withdrawn.nothing, ""),
        (Withdrawn.policy, "bob may not analyse named any more"),
        (Withdrawn.role, "bob has no account with the right to analyse"),
        (Withdrawn.account, "bob has no account with the right to analyse"),
    ],
    ids=["nothing", "policy", "role", "account"],
)
def test_access_is_asked_for_again_when_a_queued_experiment_has_its_turn(
    home: Home, doorman: Doorman, withdraw: Callable[[Home, Doorman], None], detail: str
) -> None:
    bob, turn = person(doorman, "bob"), threading.Event()
    service = ExperimentService(home, workers=1)
    app = create_app(service, doorman, hosts=("localhost",))
    before = service.ledger.count()
    try:
        # The one worker is busy until access was withdrawn.
        service._workers.submit(turn.wait)
        secret, _ = doorman.tokens.make(bob.id, "test", list(Right), 1, "bob")
        bearer = {"authorization": f"Bearer {secret}"}
        visitor = TestClient(app, base_url="http://localhost", headers=bearer)
        data = {"data_model": KEY, "datasets": ["free", "named"], "y": ["age"]}
        asked = {"algorithm": "describe", "inputdata": data}
        made = visitor.post(f"{API}/experiments", json=asked)
        assert made.status_code == 202, made.text
        withdraw(home, doorman)
        turn.set()
        found = ended(service, made.json()["id"])
    finally:
        turn.set()
        service.close()
        state(home, "named", '[access]\nroles = []\nusers = ["Ada@hospital.example", "bob"]\n')
        doorman.people.enable(bob.id, "test", enabled=True)
        doorman.people.set_roles(bob.id, [Role.RESEARCHER], "test")
    if not detail:
        assert found.state is State.DONE
        return
    assert found.state is State.FAILED
    assert found.result is None
    assert found.problem is not None
    assert detail in f"{found.problem.title} {found.problem.detail}"
    assert service.ledger.count() == before


def ended(service: ExperimentService, identity: str) -> Experiment:
    for _ in range(300):
        found = service.get(identity)
        if found.state.ended:
            return found
        time.sleep(0.1)
    raise AssertionError("the experiment did not end")


def test_a_federation_is_offered_what_is_open_to_every_researcher(home: Home) -> None:
    state(home, "researchers", "")
    bring_in(home, home.path.parent / "ward.csv", ModelStore(home).get(KEY), "researchers")
    state(home, "researchers", '[access]\nroles = ["researcher"]\nusers = ["eve"]\n')
    service = ExperimentService(home)
    try:
        offer = decoded(service.house().offer(), Offer)
    finally:
        service.close()
    assert {part.code for part in offer.datasets} == {"free", "researchers"}
    Datasets(home).remove(KEY, "researchers")


def test_a_data_manager_manages_what_is_hidden(application: FastAPI, doorman: Doorman) -> None:
    person_ = person(doorman, "manager")
    secret, _ = doorman.tokens.make(person_.id, "test", list(Right), 1, "manager")
    headers = {"authorization": f"Bearer {secret}"}
    visitor = TestClient(application, base_url="http://localhost", headers=headers)
    found = {entry["dataset"] for entry in visitor.get(f"{API}/published").json()}
    assert found == {*DATASETS}
