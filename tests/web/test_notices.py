"""Who is told of what, over HTTP: for administrators, without a secret."""

from pathlib import Path

import pytest
import tomlkit
from starlette.testclient import TestClient

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.role import Right, Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.web.application import create_app
from tests.accounts.conftest import PASSWORD

API = "/api/v1"
SETTINGS = {
    "summary_minutes": 30,
    "email": {
        "host": "smtp.hospital.example",
        "sender": "mip@hospital.example",
        "to": ["it@hospital.example"],
        "user": "the-user",
        "secret_file": "/etc/the-password",
        "events": ["backups"],
    },
    "slack": {"secret_file": "/etc/the-url"},
    "webhook": {"url": "https://hooks.example/in/token-1?key=2", "secret_file": "/etc/the-key"},
}


def people(home: Home) -> Doorman:
    doorman = doorman_of(home, Login())
    for role in Role:
        doorman.people.add(role.value, [role], password=PASSWORD)
    return doorman


def as_(role: Role, home: Home, doorman: Doorman) -> TestClient:
    app = create_app(ExperimentService(home), doorman, hosts=("localhost",))
    person = doorman.people.named(role.value)
    secret, _ = doorman.tokens.make(person.id, "test", list(Right), 1, role.value)
    headers = {"authorization": f"Bearer {secret}"}
    return TestClient(app, base_url="http://localhost", headers=headers)


def test_an_administrator_sees_who_is_told_without_any_secret(home: Home) -> None:
    home.configuration.write_text(tomlkit.dumps({"notices": SETTINGS}))
    client = as_(Role.ADMINISTRATOR, home, people(home))
    event = client.post(f"{API}/notices/test")
    assert event.status_code == 202
    seen = client.get(f"{API}/notices")
    told = seen.json()
    assert told["ways"] == [
        {
            "name": "email",
            "reaches": "it@hospital.example (smtp.hospital.example)",
            "events": ["backups"],
        },
        {"name": "slack", "reaches": "", "events": []},
        {"name": "webhook", "reaches": "hooks.example", "events": []},
    ]
    assert (told["waiting"], told["sent"], told["given_up"]) == (3, 0, 0)
    assert {one["event"] for one in told["deliveries"]} == {event.json()["event"]}
    for word in ("the-", "token-1", "key=2"):
        assert word not in seen.text
    assert client.get(f"{API}/notices?limit=0").status_code == 422


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR}))
def test_nobody_else_sends_a_test(home: Home, role: Role) -> None:
    home.configuration.write_text(tomlkit.dumps({"notices": SETTINGS}))
    client = as_(role, home, people(home))
    assert client.post(f"{API}/notices/test").status_code == 403


def test_where_nobody_is_to_be_told_it_says_so(home: Home, tmp_path: Path) -> None:
    client = as_(Role.ADMINISTRATOR, home, people(home))
    assert client.get(f"{API}/notices").json()["ways"] == []
    refused = client.post(f"{API}/notices/test")
    assert refused.status_code == 409
    assert "mip.toml" in refused.json()["remedy"]
