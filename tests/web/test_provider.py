"""Log-in through a certified OpenID provider, run for these tests, and the allow-list on top."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.role import Role
from medmip.accounts.settings import Login, Oidc
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.web.application import create_app
from tests.conftest import ROOT, missing
from tests.ports import free_port

API = "/api/v1"
MODULE = ROOT / "portal/node_modules/oidc-provider/lib/index.js"
SCRIPT = ROOT / "tests/accounts/provider.mjs"


@dataclass
class House:
    """The platform and its provider, both listening."""

    address: str
    issuer: str
    doorman: Doorman

    def walk(self, name: str, client: httpx.Client) -> httpx.Response:
        """Logs in at the provider as a browser would, up to the page that the platform answers."""
        answer = client.get(f"{self.address}{API}/session/provider")
        for _ in range(6):
            if answer.url.host == "127.0.0.1" and f":{answer.url.port}" in self.address:
                return answer
            form = re.search(r'action="([^"]+)"', answer.text)
            assert form is not None, answer.text
            fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', answer.text))
            if 'name="login"' in answer.text:
                fields |= {"login": name, "password": "any"}
            answer = client.post(urljoin(str(answer.url), form[1]), data=fields)
        raise AssertionError("the provider does not come to an end")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str]) -> Iterator[House]:
    if not MODULE.is_file():
        missing("npm's oidc-provider is not installed (make lint installs it)")
    folder: Path = tmp_path_factory.mktemp("provider")
    ours, theirs = free_port(), free_port()
    address, issuer = f"http://127.0.0.1:{ours}", f"http://127.0.0.1:{theirs}"
    secret = folder / "secret"
    secret.write_text("a secret of the tests")
    settings = Login(
        kind="oidc",
        oidc=Oidc(
            issuer=issuer,
            client_id="mip",
            client_secret_file=str(secret),
            roles={"research": (Role.RESEARCHER,), "data": (Role.DATA_MANAGER,)},
        ),
    )
    home = Home(folder / "home").prepare()
    doorman = doorman_of(home, settings)
    app = create_app(ExperimentService(home), doorman, hosts=("127.0.0.1",))
    server = uvicorn.Server(uvicorn.Config(app, port=ours, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    back = f"{address}{API}/session/provider/back"
    command = [need("node"), str(SCRIPT), MODULE.as_uri(), str(theirs)]
    log = folder / "provider.txt"
    with log.open("w") as output:
        provider = subprocess.Popen(
            [*command, back, f"{address}{API}/session/provider/log-out"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            for _ in range(300):
                try:
                    httpx.get(f"{issuer}/.well-known/openid-configuration")
                    httpx.get(f"{address}/healthz")
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            else:
                pytest.fail(f"not ready: {log.read_text()}")
            yield House(address, issuer, doorman)
        finally:
            provider.terminate()
            provider.wait(20)
            server.should_exit = True
            thread.join(20)


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(follow_redirects=True, timeout=20) as client:
        yield client


@pytest.fixture(autouse=True)
def nobody_listed(house: House) -> None:
    for entry in house.doorman.allowed.entries():
        house.doorman.allowed.remove(entry.entry, "test")


def visit(house: House, client: httpx.Client) -> dict[str, object]:
    found: dict[str, object] = client.get(f"{house.address}{API}/session").json()
    return found


def test_listed_person_enters_with_roles_of_list_and_claim(
    house: House, browser: httpx.Client
) -> None:
    house.doorman.allowed.add("@hospital.example", [Role.PRIVACY_OFFICER], "admin")
    answer = house.walk("anna", browser)
    assert answer.status_code == 200
    assert 'url=/"' in answer.text
    me = visit(house, browser)
    assert (me["step"], me["label"]) == ("in", "Anna Muster")
    assert me["roles"] == ["researcher", "privacy_officer"]
    assert browser.get(f"{house.address}{API}/audit").status_code == 200
    (person,) = [one for one in house.doorman.people.everybody() if one.label == "Anna Muster"]
    with httpx.Client(follow_redirects=True, timeout=20) as again:
        house.walk("anna", again)
    assert house.doorman.people.get(person.id).seen is not None
    assert len(house.doorman.sessions.of(person.id)) >= 2


@pytest.mark.parametrize("name, why", [("carla", "not listed"), ("bert", "address not verified")])
def test_vouched_for_is_not_enough(
    house: House, browser: httpx.Client, name: str, why: str
) -> None:
    house.doorman.allowed.add("@hospital.example", [Role.RESEARCHER], "admin")
    answer = house.walk(name, browser)
    assert 'url=/admission"' in answer.text
    assert visit(house, browser)["step"] == "log_in", why
    assert browser.get(f"{house.address}{API}/models").status_code == 401


def test_request_to_be_let_in_is_granted_by_an_administrator(
    house: House, browser: httpx.Client
) -> None:
    house.walk("carla", browser)
    asked = browser.post(
        f"{house.address}{API}/session/provider/admission", json={"reason": "our joint study"}
    )
    assert asked.status_code == 204
    (request,) = house.doorman.allowed.requests(waiting=True)
    assert (request.email, request.reason) == ("carla@elsewhere.example", "our joint study")
    house.doorman.allowed.decide(request.id, [Role.RESEARCHER], "admin")
    house.walk("carla", browser)
    assert visit(house, browser)["roles"] == ["researcher", "data_manager"]


def test_unverified_address_cannot_even_ask(house: House, browser: httpx.Client) -> None:
    house.walk("bert", browser)
    path = f"{house.address}{API}/session/provider/admission"
    assert browser.post(path, json={"reason": "please"}).status_code == 403
    with httpx.Client() as stranger:
        assert stranger.post(path, json={"reason": "please"}).status_code == 401


def test_log_in_that_this_browser_did_not_begin_is_refused(
    house: House, browser: httpx.Client
) -> None:
    house.doorman.allowed.add("@hospital.example", [Role.RESEARCHER], "admin")
    with httpx.Client(timeout=20) as attacker:
        begun = attacker.get(f"{house.address}{API}/session/provider")
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["nonce"][0] != asked["state"][0]
    back = f"{house.address}{API}/session/provider/back"
    for query in (
        {"state": asked["state"][0], "code": "stolen"},
        {"state": "", "code": ""},
        {"error": "access_denied"},
    ):
        assert browser.get(back, params=query).status_code == 401
    own = browser.get(f"{house.address}{API}/session/provider", follow_redirects=False)
    state = parse_qs(urlsplit(own.headers["location"]).query)["state"][0]
    assert browser.get(back, params={"state": state, "code": "made up"}).status_code == 401
    assert visit(house, browser)["step"] == "log_in"


def test_provider_ends_sessions_by_the_back_channel(house: House, browser: httpx.Client) -> None:
    house.doorman.allowed.add("@hospital.example", [Role.RESEARCHER], "admin")
    house.walk("anna", browser)
    assert visit(house, browser)["step"] == "in"
    page = browser.get(f"{house.issuer}/session/end")
    form = re.search(r'action="([^"]+)"', page.text)
    assert form is not None
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.text)) | {"logout": "yes"}
    browser.post(form[1], data=fields)
    for _ in range(50):
        if visit(house, browser)["step"] == "log_in":
            break
        time.sleep(0.1)
    assert visit(house, browser)["step"] == "log_in"


def test_forged_log_out_is_refused(house: House) -> None:
    key = RSAKey.generate_key(2048)
    claims = {
        "iss": house.issuer,
        "aud": "mip",
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
        "jti": "1",
        "sub": "anna",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    token = jwt.encode({"alg": "RS256", "kid": "made-up"}, claims, key)
    path = f"{house.address}{API}/session/provider/log-out"
    assert httpx.post(path, data={"logout_token": token}).status_code == 401
    assert httpx.post(path, data={"logout_token": "nonsense"}).status_code == 401
    unsigned = "eyJhbGciOiJub25lIn0." + token.split(".")[1] + "."
    assert httpx.post(path, data={"logout_token": unsigned}).status_code == 401


def test_closed_account_stays_out(house: House, browser: httpx.Client) -> None:
    house.doorman.allowed.add("@hospital.example", [Role.RESEARCHER], "admin")
    house.walk("anna", browser)
    (person,) = [one for one in house.doorman.people.everybody() if one.label == "Anna Muster"]
    house.doorman.people.enable(person.id, "admin", enabled=False)
    assert visit(house, browser)["step"] == "log_in"
    with httpx.Client(follow_redirects=True, timeout=20) as again:
        assert house.walk("anna", again).status_code == 401
        assert visit(house, again)["step"] == "log_in"
    house.doorman.people.enable(person.id, "admin")


def test_password_log_in_is_off(house: House) -> None:
    answer = httpx.post(f"{house.address}{API}/session", json={"name": "anna", "password": "any"})
    assert answer.status_code == 409
