"""Who belongs and what runs at a hospital, decided over HTTP: by roles, and written down."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.role import Right, Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import shipped_models
from medmip.experiments.service import ExperimentService
from medmip.federation.approvals import MOST_WAITING, Approvals
from medmip.federation.identity import Identity
from medmip.federation.request import CohortRequest
from medmip.federation.site_folder import SiteFolder, SiteMembership, Standing
from medmip.federation.site_runs import AlgorithmAsked, Opening
from medmip.federation.specification import CohortSpec
from medmip.privacy.guard import Refused
from medmip.store.filters import parse_filter
from medmip.web.application import create_app
from tests.accounts.conftest import PASSWORD
from tests.federation.members import Hub, made_hub

API = "/api/v1/federation"
MODEL = shipped_models()[0]
People = tuple[Hub, ExperimentService, Doorman]
RULES = {
    "condition": "AND",
    "rules": [
        {"field": "subjectageyears", "operator": "greater_or_equal", "value": 65},
        {"field": "gender", "operator": "in", "value": ["F"]},
    ],
}


def portal_of(home: Home) -> tuple[ExperimentService, Doorman]:
    doorman = doorman_of(home, Login(second_factor=(), terms_version=0))
    for role in Role:
        doorman.people.add(role.value, [role], password=PASSWORD)
    return ExperimentService(home), doorman


def as_(role: Role, service: ExperimentService, doorman: Doorman) -> TestClient:
    """A client that calls in the name of somebody of this role."""
    someone = doorman.people.named(role.value)
    secret, _ = doorman.tokens.make(someone.id, "test", list(Right), 1, role.value)
    client = TestClient(create_app(service, doorman), base_url="http://localhost")
    client.headers["authorization"] = f"Bearer {secret}"
    return client


@pytest.fixture(scope="module")
def hub(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[People]:
    made = made_hub(tmp_path_factory.mktemp("hub"))
    service, doorman = portal_of(made.home)
    yield made, service, doorman
    service.close()


def asks(hub: Hub, name: str) -> str:
    """The fingerprint of a hospital that has used its invitation."""
    key = Identity.made().public
    invited = hub.invitation(name)
    hub.membership.enrol(invited.one_time.public.node, key, "1", invited.expires.replace(year=2020))
    return key.fingerprint


def rows(service: ExperimentService, statistic: str) -> list[tuple[str, str]]:
    """Who did what, oldest first."""
    found = [row for row in service.ledger.rows() if row.statistic == statistic]
    return [(row.user, row.verdict) for row in reversed(found)]


@contextmanager
def broken_ledger(hub: Hub) -> Iterator[None]:
    """A database in which no row of the ledger can be written."""
    with hub.state.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ledger RENAME TO lost")
    yield
    with hub.state.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE lost RENAME TO ledger")


def test_a_hospital_is_invited_approved_and_revoked(
    hub: People,
) -> None:
    made, service, doorman = hub
    operator = as_(Role.FEDERATION_OPERATOR, service, doorman)
    answer = operator.post(f"{API}/invitations", json={"name": "North"})
    assert answer.status_code == 201
    assert answer.json()["token"].startswith("mip1-")
    assert answer.json()["hub_fingerprint"] == made.folder.identity.public.fingerprint
    fingerprint = asks(made, "North")
    (entry,) = [one for one in operator.get(f"{API}/members").json() if one["state"] != "invited"]
    assert (entry["name"], entry["state"]) == ("North", "waiting")
    assert entry["fingerprint"] == fingerprint
    where = f"{API}/members/{entry['node']}"
    wrong = operator.post(f"{where}/approve", json={"fingerprint": "0000 1111"})
    assert wrong.status_code == 409
    assert "reject" in wrong.json()["remedy"]
    assert made.membership.members() == ()
    right = operator.post(f"{where}/approve", json={"fingerprint": fingerprint.upper()})
    assert right.json()["state"] == "member"
    assert operator.post(f"{where}/reject").status_code == 409
    assert operator.post(f"{where}/revoke").json()["state"] == "revoked"
    who = Role.FEDERATION_OPERATOR.value
    told = [(who, "invited"), (who, "approved"), (who, "revoked")]
    assert rows(service, "membership of North") == told
    assert service.ledger.verify() is None


def test_a_hospital_that_waits_is_rejected(hub: People) -> None:
    made, service, doorman = hub
    asks(made, "South")
    operator = as_(Role.FEDERATION_OPERATOR, service, doorman)
    node = made.membership.site("South").node
    assert operator.post(f"{API}/members/{node}/reject").json()["state"] == "rejected"
    assert operator.post(f"{API}/members/0000/revoke").status_code == 404
    assert [verdict for _, verdict in rows(service, "membership of South")] == ["rejected"]


def test_a_decision_that_cannot_be_written_down_is_not_taken(
    hub: People,
) -> None:
    made, service, doorman = hub
    fingerprint = asks(made, "East")
    operator = as_(Role.FEDERATION_OPERATOR, service, doorman)
    node = made.membership.site("East").node
    with broken_ledger(made), pytest.raises(sqlite3.OperationalError):
        operator.post(f"{API}/members/{node}/approve", json={"fingerprint": fingerprint})
    assert made.membership.site("East").state == "waiting"


@pytest.mark.parametrize(
    "method, path, role",
    [
        ("GET", "/members", Role.FEDERATION_OPERATOR),
        ("POST", "/invitations", Role.FEDERATION_OPERATOR),
        ("POST", "/members/x/approve", Role.FEDERATION_OPERATOR),
        ("POST", "/members/x/reject", Role.FEDERATION_OPERATOR),
        ("POST", "/members/x/revoke", Role.FEDERATION_OPERATOR),
        ("GET", "/requests", Role.PRIVACY_OFFICER),
        ("POST", "/requests/x", Role.PRIVACY_OFFICER),
    ],
)
def test_nobody_else_decides(hub: People, method: str, path: str, role: Role) -> None:
    _, service, doorman = hub
    body = {"agree": True} if path.startswith("/requests/") else {"name": "West"}
    for other in set(Role) - {role}:
        answer = as_(other, service, doorman).request(method, API + path, json=body)
        assert answer.status_code == 403, other
        assert role.value.replace("_", " ") in answer.json()["remedy"]
    assert as_(role, service, doorman).request(method, API + path, json=body).status_code != 403


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[ExperimentService, Doorman]]:
    home = Home(tmp_path / "site").prepare()
    folder = SiteFolder(home)
    folder.make_keys()
    folder.keep(
        SiteMembership(
            federation="Alps",
            name="North",
            node=folder.identity.public.node,
            host="hub.example.org",
            port=4222,
            hub_key=Identity.made().public.hex,
            standing=Standing.MEMBER,
        )
    )
    service, doorman = portal_of(home)
    yield service, doorman
    service.close()


def wished(user: str) -> Opening:
    """What the hub asks a site to begin."""
    asked = CohortSpec(
        MODEL, ("d",), (MODEL.variable("subjectage"),), (), parse_filter(RULES, MODEL), "drop"
    )
    return Opening(user, (AlgorithmAsked("describe", "1"),), CohortRequest.of(asked), "1")


def test_a_person_reads_who_asks_for_what_and_agrees(
    site: tuple[ExperimentService, Doorman],
) -> None:
    service, doorman = site
    with pytest.raises(Refused, match="has been asked"):
        service.approvals.check(wished("carla"), "")
    officer = as_(Role.PRIVACY_OFFICER, service, doorman)
    (request,) = officer.get(f"{API}/requests").json()
    assert (request["user"], request["federation"]) == ("carla", "Alps")
    assert request["answer"] == "waiting"
    assert request["algorithms"][0]["label"] == "Describe"
    assert request["rules"] == "Age is at least 65 and Sex is one of Female"
    assert [one["code"] for one in request["variables"]] == [
        "gender",
        "subjectage",
        "subjectageyears",
    ]
    where = f"{API}/requests/{request['id']}"
    stated = service.home.site / "site.toml"
    stated.write_text('approver = "Dr Weiss"\napprovers = ["weiss"]\n')
    refused = officer.post(where, json={"agree": True})
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Dr Weiss has to answer this here",
    )
    stated.write_text('approvers = ["weiss", "privacy_officer"]\n')
    assert officer.post(where, json={"agree": True}).json()["answer"] == "granted"
    assert service.approvals.check(wished("carla"), "") == Role.PRIVACY_OFFICER.value
    with pytest.raises(Refused, match="has been asked"):
        service.approvals.check(wished("dario"), "")
    assert officer.post(where, json={"agree": False}).json()["answered"]
    with pytest.raises(Refused, match="privacy_officer declined"):
        service.approvals.check(wished("carla"), "")
    who = Role.PRIVACY_OFFICER.value
    assert rows(service, "request") == [(who, "granted"), (who, "denied")]
    assert officer.post(f"{API}/requests/none", json={"agree": True}).status_code == 404
    assert officer.get(API).json()["site"]["standing"] == "member"
    assert officer.get(API).json()["hub"] is None


def test_a_hub_that_asks_without_end_is_told_to_wait(
    site: tuple[ExperimentService, Doorman],
) -> None:
    service, _ = site
    with pytest.raises(Refused, match="has been asked"):
        service.approvals.check(wished("carla"), "")
    (wish,) = service.approvals.list()
    many = {str(number): wish.model_dump(mode="json") for number in range(MOST_WAITING)}
    (service.home.site / "approvals.json").write_text(json.dumps(many))
    with pytest.raises(Refused, match="wait for Dr Weiss already"):
        service.approvals.check(wished("dario"), "Dr Weiss")
    assert len(Approvals.of(service.home).list()) == MOST_WAITING
