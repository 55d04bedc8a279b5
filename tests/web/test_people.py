"""Log-in over HTTP: who gets in, and what each role may do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.person import Person
from medmip.accounts.role import Right, Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.experiments.experiment import State
from medmip.experiments.service import ExperimentService
from medmip.web.application import create_app
from tests.accounts.conftest import PASSWORD

API = "/api/v1"
OWN_PAGE = {"sec-fetch-site": "same-origin"}
PUBLIC = {
    "getSession",
    "logIn",
    "giveCode",
    "logOut",
    "beginProviderLogIn",
    "finishProviderLogIn",
    "askForAdmission",
    "logOutByProvider",
    "isAlive",
    "isReady",
}
"""What needs no log-in: the log-in itself, and whether the server lives."""
WITHOUT_BODY = {"GET", "DELETE"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("people")).prepare()


@pytest.fixture(scope="module")
def doorman(home: Home) -> Doorman:
    made = doorman_of(home, Login(second_factor=(Role.ADMINISTRATOR,), terms_version=2))
    for role in Role:
        person = made.people.add(role.value, [role], password=PASSWORD)
        if role is not Role.DATA_MANAGER:
            made.people.accept_terms(person.id, 2)
    return made


@pytest.fixture(scope="module")
def application(home: Home, doorman: Doorman) -> FastAPI:
    return create_app(ExperimentService(home), doorman, hosts=("localhost",))


@pytest.fixture
def client(application: FastAPI) -> Iterator[TestClient]:
    with TestClient(application, base_url="http://localhost") as opened:
        yield opened


def log_in(client: TestClient, role: Role) -> TestClient:
    answer = client.post(f"{API}/session", json={"name": role.value, "password": PASSWORD})
    assert answer.status_code == 200
    client.headers.update(OWN_PAGE)
    return client


def person(doorman: Doorman, role: Role) -> Person:
    return doorman.people.named(role.value)


def test_every_route_but_the_log_in_is_closed_to_strangers(
    client: TestClient, application: FastAPI
) -> None:
    closed = 0
    for path, methods in application.openapi()["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] in PUBLIC:
                continue
            empty: dict[str, str] = {}
            body = None if method.upper() in WITHOUT_BODY else empty
            answer = client.request(method, re.sub(r"{\w+}", "x", path), json=body)
            assert answer.status_code == 401, (method, path, answer.text)
            closed += 1
    assert closed > 40


def test_metrics_are_for_this_machine_or_a_token(application: FastAPI, doorman: Doorman) -> None:
    for place, headers, status in (
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 401),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, 401),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7"}, 401),
    ):
        with TestClient(application, base_url="http://localhost", client=(place, 1)) as monitor:
            answer = monitor.get("/metrics", headers=headers)
        assert answer.status_code == status, (place, headers)
    for role, status in ((Role.RESEARCHER, 403), (Role.ADMINISTRATOR, 200)):
        secret, _ = doorman.tokens.make(
            person(doorman, role).id, "monitor", [Right.ADMINISTER], 1, role.value
        )
        with TestClient(application, base_url="http://localhost") as monitor:
            answer = monitor.get("/metrics", headers={"authorization": f"Bearer {secret}"})
        assert answer.status_code == status, answer.text


def test_wrong_password_and_unknown_name_sound_alike(client: TestClient) -> None:
    answers = [
        client.post(f"{API}/session", json={"name": name, "password": "wrong"})
        for name in ("privacy_officer", "nobody")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert "set-cookie" not in answers[0].headers


def test_session_is_a_cookie_out_of_reach_of_scripts(client: TestClient) -> None:
    answer = client.post(f"{API}/session", json={"name": "researcher", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "expires" not in cookie
    assert client.get(f"{API}/models").status_code == 200
    assert client.delete(f"{API}/session", headers=OWN_PAGE).status_code == 204
    assert client.get(f"{API}/models").status_code == 401


def test_over_tls_the_cookie_is_bound_to_host_and_tls(application: FastAPI) -> None:
    with TestClient(application, base_url="https://localhost") as secure:
        answer = secure.post(f"{API}/session", json={"name": "researcher", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-mip-session=")
        assert "Secure" in cookie
        assert secure.get(f"{API}/models").status_code == 200


def test_changes_by_cookie_are_taken_from_own_pages_alone(client: TestClient) -> None:
    log_in(client, Role.RESEARCHER)
    path, body = f"{API}/algorithms/fitting", {"data_model": "x", "datasets": ["y"]}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": ""},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ):
        assert client.post(path, json=body, headers=headers).status_code == 403, headers
    assert client.post(path, json=body).status_code == 422
    old = {"sec-fetch-site": "", "origin": "http://localhost"}
    assert client.post(path, json=body, headers=old).status_code == 422


@pytest.mark.parametrize(
    "method, path, roles",
    [
        ("GET", "/models", set(Role)),
        ("GET", "/policy", set(Role)),
        ("GET", "/audit", {Role.PRIVACY_OFFICER}),
        ("GET", "/audit/export", {Role.PRIVACY_OFFICER}),
        ("GET", "/audit/check", {Role.PRIVACY_OFFICER}),
        ("GET", "/system", {Role.ADMINISTRATOR}),
        ("GET", "/usage", {Role.ADMINISTRATOR}),
        ("GET", "/notices", {Role.ADMINISTRATOR}),
        ("GET", "/journal", {Role.PRIVACY_OFFICER}),
        ("GET", "/users", {Role.ADMINISTRATOR}),
        ("GET", "/allow-list", {Role.ADMINISTRATOR}),
        ("GET", "/experiments", {Role.RESEARCHER}),
        ("GET", "/federation", set(Role)),
        ("GET", "/federation/requests", {Role.PRIVACY_OFFICER}),
        ("GET", "/inbox", {Role.DATA_MANAGER}),
        ("GET", "/mappings", {Role.DATA_MANAGER}),
        ("GET", "/published", {Role.DATA_MANAGER}),
        ("GET", "/policies/dementia:1.0/ward", {Role.DATA_MANAGER}),
    ],
)
def test_each_role_may_what_is_its_own(
    application: FastAPI, doorman: Doorman, method: str, path: str, roles: set[Role]
) -> None:
    for role in Role:
        secret, _ = doorman.tokens.make(
            person(doorman, role).id, "test", list(Right), 1, role.value
        )
        if person(doorman, role).terms < 2:
            doorman.people.accept_terms(person(doorman, role).id, 2)
        with TestClient(application, base_url="http://localhost") as visitor:
            answer = visitor.request(
                method, API + path, headers={"authorization": f"Bearer {secret}"}
            )
        assert (answer.status_code == 200) == (role in roles), (role, answer.text)
        if role not in roles:
            assert answer.status_code == 403
            assert "role" in answer.json()["remedy"]


def test_token_does_only_what_it_is_for(client: TestClient, doorman: Doorman) -> None:
    log_in(client, Role.RESEARCHER)
    made = client.post(
        f"{API}/profile/tokens", json={"name": "catalogue", "scopes": ["explore"], "days": 1}
    ).json()
    beyond = client.post(
        f"{API}/profile/tokens", json={"name": "audit", "scopes": ["audit"], "days": 1}
    )
    assert beyond.status_code == 403
    client.delete(f"{API}/session")
    headers = {"authorization": f"Bearer {made['secret']}"}
    assert client.get(f"{API}/models", headers=headers).status_code == 200
    assert client.get(f"{API}/experiments", headers=headers).status_code == 403
    more = {"name": "more", "scopes": ["explore"], "days": 1}
    assert client.post(f"{API}/profile/tokens", json=more, headers=headers).status_code == 401
    doorman.tokens.revoke(person(doorman, Role.RESEARCHER).id, made["token"]["id"], "researcher")
    assert client.get(f"{API}/models", headers=headers).status_code == 401


def test_rows_are_for_tokens_that_may_read_records(client: TestClient, doorman: Doorman) -> None:
    manager = person(doorman, Role.DATA_MANAGER)
    doorman.people.accept_terms(manager.id, 2)
    question = {"sql": "select 1 as one"}
    sample = {"choice": {"model": "dementia:1.0"}, "sample": 3}
    for scopes, expected in (([Right.MANAGE_DATA], 403), ([*Right], 404)):
        secret, _ = doorman.tokens.make(manager.id, "t", scopes, 1, "data manager")
        headers = {"authorization": f"Bearer {secret}"}
        asked = client.post(f"{API}/inbox-query", json=question, headers=headers)
        assert (asked.status_code == 403) == (expected == 403), asked.text
        shown = client.post(f"{API}/inbox/none.csv/coverage", json=sample, headers=headers)
        assert shown.status_code == expected, shown.text


def test_role_that_needs_a_second_factor_sets_it_up_first(
    client: TestClient, doorman: Doorman
) -> None:
    log_in(client, Role.ADMINISTRATOR)
    assert client.get(f"{API}/session").json()["step"] == "set_second_factor"
    assert client.get(f"{API}/users").status_code == 403
    offered = client.post(f"{API}/profile/second-factor/offer").json()
    code = pyotp.TOTP(offered["secret"]).now()
    given = {"secret": offered["secret"], "code": code, "password": "wrong"}
    assert client.put(f"{API}/profile/second-factor", json=given).status_code == 401
    wrong = {"secret": offered["secret"], "code": "000000", "password": PASSWORD}
    assert client.put(f"{API}/profile/second-factor", json=wrong).status_code == 401
    set_up = client.put(f"{API}/profile/second-factor", json=given | {"password": PASSWORD})
    assert len(set_up.json()["codes"]) == 10
    assert client.get(f"{API}/users").status_code == 200
    client.delete(f"{API}/session")
    half = client.post(
        f"{API}/session", json={"name": "administrator", "password": PASSWORD}
    ).json()
    assert half["step"] == "give_code"
    assert half["name"] == ""
    assert client.get(f"{API}/users").status_code == 401
    assert client.get(f"{API}/profile/sessions").status_code == 401
    done = client.post(f"{API}/session/code", json={"code": set_up.json()["codes"][0]}).json()
    assert done["step"] == "in"
    doorman.people.drop_second_factor(person(doorman, Role.ADMINISTRATOR).id, "test")


def test_new_terms_are_accepted_before_anything_else(client: TestClient) -> None:
    log_in(client, Role.DATA_MANAGER)
    if client.get(f"{API}/session").json()["step"] == "accept_terms":
        assert client.get(f"{API}/models").status_code == 403
        assert client.put(f"{API}/profile/terms", json={"version": 1}).status_code == 409
        assert client.put(f"{API}/profile/terms", json={"version": 2}).json()["step"] == "in"
    assert client.get(f"{API}/models").status_code == 200


def test_own_password_changes_with_the_old_one_and_ends_sessions(client: TestClient) -> None:
    log_in(client, Role.FEDERATION_OPERATOR)
    path, new = f"{API}/profile/password", "another-seventeen-otters-sing"
    assert client.put(path, json={"password": "wrong", "new": new}).status_code == 401
    weak = client.put(path, json={"password": PASSWORD, "new": "federation-1"})
    assert weak.status_code == 422
    assert client.put(path, json={"password": PASSWORD, "new": new}).status_code == 204
    assert client.get(f"{API}/models").status_code == 401


def test_experiments_of_others_are_not_there(
    application: FastAPI, doorman: Doorman, home: Home
) -> None:
    service_user = doorman.people.add("second.researcher", [Role.RESEARCHER], password=PASSWORD)
    doorman.people.accept_terms(service_user.id, 2)
    with TestClient(application, base_url="http://localhost") as mine:
        log_in(mine, Role.RESEARCHER)
        assert mine.get(f"{API}/experiments").json()["total"] == 0
        service = ExperimentService(home)
        from medmip.experiments.request import InputData, Request

        request = Request(
            algorithm="describe",
            inputdata=InputData(data_model="dementia:1.0", datasets=["none"], y=["gender"]),
        )
        theirs = service.experiments.add(request, "theirs", "second.researcher", State.DONE)
        own = service.experiments.add(request, "mine", "researcher", State.DONE)
        service.close()
        assert [item["id"] for item in mine.get(f"{API}/experiments").json()["items"]] == [own]
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/cancel"),
            ("GET", "/events"),
            ("GET", "/model"),
            ("GET", "/write-up"),
            ("GET", "/report"),
        ):
            answer = mine.request(method, f"{API}/experiments/{theirs}{path}")
            assert answer.status_code == 404, (method, path)


def test_log_in_is_limited_by_name_and_address(client: TestClient) -> None:
    codes = [
        client.post(f"{API}/session", json={"name": "flood", "password": "x"}).status_code
        for _ in range(12)
    ]
    assert codes[0] == 401
    assert codes[-1] == 429
    last = client.post(f"{API}/session", json={"name": "flood", "password": "x"})
    assert int(last.headers["retry-after"]) > 0


def test_open_house_says_so(home: Home, tmp_path: Path) -> None:
    place = Home(tmp_path / "open").prepare()
    doorman = doorman_of(place, Login(kind="open"))
    app = create_app(ExperimentService(place), doorman, hosts=("localhost",))
    with TestClient(app, base_url="http://localhost") as visitor:
        visit = visitor.get(f"{API}/session").json()
        assert (visit["kind"], visit["step"], visit["name"]) == ("open", "in", "local")
        assert (
            visitor.post(f"{API}/session", json={"name": "x", "password": "y"}).status_code == 409
        )
