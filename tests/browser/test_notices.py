"""Who is told of what, on the administrator's screen; a test that really arrives."""

import base64
import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from medmip.catalogue.home import Home
from tests.browser.axe import violations
from tests.browser.conftest import running
from tests.notices.receivers import Web, vouched, web_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800), (390, 844)], ids=["1280", "390"], indirect=True),
]
Picture = Callable[[str], None]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_server(vouched(tmp_path_factory.mktemp("tls"), "hospital")) as doings:
        yield doings


@pytest.fixture(scope="module")
def told(receiver: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that tells this receiver, and a mail server that is not there."""
    folder = tmp_path_factory.mktemp("told")
    authority = next(folder.parent.glob("tls*/hospital-ca.pem"))
    key = folder / "key"
    key.write_text(base64.b64encode(b"k" * 32).decode())
    key.chmod(0o600)
    Home(folder / "home").prepare().configuration.write_text(
        f"""[login]
kind = "open"
[notices.webhook]
url = "{receiver.url}"
secret_file = "{key}"
authority_file = "{authority}"
[notices.email]
host = "localhost"
port = 9
security = "none"
sender = "mip@hospital.example"
to = ["it@hospital.example"]
events = ["backups", "machine"]
"""
    )
    with running(f"serve --home {folder / 'home'}", folder / "output.txt") as found:
        yield found


def test_a_test_arrives_and_what_does_not_is_told_with_why(
    page: Page, told: str, receiver: Web, picture: Picture
) -> None:
    before = len(receiver.posts)
    page.goto(f"{told}/administration?part=notices")
    who = page.get_by_role("table", name="Who is told")
    expect(who).to_contain_text("it@hospital.example (localhost)")
    expect(who).to_contain_text("backups, machine")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test is on its way")).to_be_visible()
    receiver.wait(before + 1)
    kinds = {json.loads(body)["data"]["events"][0]["kind"] for _, body in receiver.posts}
    # Of the machine that the tests run on, whose disk may be nearly full.
    assert kinds - {"machine.disk"} == {"notices.test"}
    last = page.get_by_role("table", name="The last notices")
    expect(last).to_contain_text("sent")
    expect(last).to_contain_text("the connection is refused")
    expect(last).to_contain_text("again at")
    assert violations(page) == ""
    picture("43-notices")
    page.get_by_role("button", name="Switch between light and dark").click()
    assert violations(page) == ""
    picture("43-notices-dark")
