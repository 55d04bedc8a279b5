"""`mip hub` and `mip site`: each step explains itself, and a wrong order says what is next."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from medmip.catalogue.home import Home
from medmip.cli.main import main
from medmip.federation.background import Background
from medmip.federation.clock import now
from medmip.federation.hub_service import HubService
from medmip.federation.site_folder import SiteFolder
from tests.federation.members import Hub, made_hub, waiting
from tests.ports import free_port

Mip = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mip(capsys: pytest.CaptureFixture[str]) -> Mip:
    def run(*words: str, home: Home | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        place = home.path if isinstance(home, Home) else home
        with pytest.raises(SystemExit) as ended:
            main([*words, "--home", str(place)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = made_hub(tmp_path_factory.mktemp("hub"))
    with Background(HubService(made.folder, made.state)):
        yield made


def test_steps_before_their_time_say_what_comes_first(mip: Mip, tmp_path: Path) -> None:
    for words, first in (
        (("hub", "invite", "North"), "mip hub init"),
        (("hub", "sites"), "mip hub init"),
        (("hub", "approve", "North"), "mip hub init"),
        (("hub", "rotate"), "mip hub init"),
        (("site", "status"), "mip site join"),
        (("site", "leave"), "mip site join"),
        (("site", "rotate"), "mip site join"),
        (("site", "peers"), "mip site join"),
        (("site", "log"), "mip site join"),
        (("hub", "runs"), "mip hub init"),
    ):
        code, _, said = mip(*words, home=tmp_path)
        assert code == 1
        assert first in said


def test_a_hub_is_made_and_shown(mip: Mip, tmp_path: Path) -> None:
    servers = ("--server", "hub-2.example.org", "--server", "10.0.0.12")
    made = ("hub", "init", "--name", "Alps", "--address", "hub.example.org", *servers)
    port = str(free_port())
    code, said, _ = mip(*made, "--port", port, "--listen", "127.0.0.1", home=tmp_path)
    assert code == 0
    assert f"hub.example.org:{port}" in said
    assert "mip serve" in said
    certificate = x509.load_pem_x509_certificate((tmp_path / "hub" / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [
        "hub.example.org",
        "127.0.0.1",
        "hub-2.example.org",
        "10.0.0.12",
    ]
    assert mip(*made, home=tmp_path)[0] == 1
    code, said, _ = mip("hub", "status", "--json", home=tmp_path)
    shown = json.loads(said)
    assert (shown["federation"], shown["broker"], shown["sites"]) == ("Alps", "not running", "none")
    assert shown["fingerprint"] in mip("hub", "status", home=tmp_path)[1]
    code, said, _ = mip("hub", "invite", "North", home=tmp_path)
    assert said.startswith("mip1-")
    assert len(said.splitlines()) == 1
    (row,) = json.loads(mip("hub", "sites", "--json", home=tmp_path)[1])
    assert (row["name"], row["state"]) == ("North", "invited")
    code, _, said = mip("site", "join", said[:100], home=tmp_path / "site")
    assert code == 1
    assert "not whole" in said
    code, said, _ = mip("doctor", home=tmp_path)
    assert code == 1
    assert "FAIL  hub" in said


def test_a_hospital_joins_by_command(mip: Mip, hub: Hub, tmp_path: Path) -> None:
    token = mip("hub", "invite", "North", home=hub.home)[1].strip()
    site = Home(tmp_path / "north")
    approved: list[str] = []

    def approve() -> None:
        for _ in range(600):
            time.sleep(0.1)
            if any(one.name == "North" for one in hub.membership.sites()):
                approved.append(hub.membership.approve("North", now()).key.fingerprint)
                return

    operator = threading.Thread(target=approve)
    operator.start()
    code, said, problem = mip("site", "join", token, home=site)
    operator.join()
    assert code == 0, problem
    assert approved[0] in said
    assert hub.folder.identity.public.fingerprint in said
    assert "is a member" in said
    code, said, _ = mip("site", "status", "--json", home=site)
    shown = json.loads(said)
    assert (code, shown["standing"], shown["trouble"]) == (0, "member", None)
    code, said, _ = mip("doctor", home=site)
    assert "ok    TLS: TLSv1.3" in said
    assert "FAIL  permissions" not in said
    before = shown["this site"]
    code, said, _ = mip("site", "rotate", home=site)
    assert code == 0
    assert before not in said
    code, _, problem = mip("site", "join", token, home=site)
    assert (code, "already" in problem) == (1, True)
    assert "None yet" in mip("site", "peers", home=site)[1]
    code, said, _ = mip("site", "leave", home=site)
    assert code == 0
    assert hub.membership.site("North").state == "left"
    assert not SiteFolder(site).is_whole


def test_approval_compares_the_fingerprint(mip: Mip, hub: Hub, tmp_path: Path) -> None:
    folder = asyncio.run(waiting(hub, tmp_path, "South"))
    code, _, said = mip("hub", "approve", "South", "--fingerprint", "0000 1111", home=hub.home)
    assert code == 1
    assert "reject" in said
    shown = folder.identity.public.fingerprint.upper()
    code, said, _ = mip("hub", "approve", "South", "--fingerprint", shown, home=hub.home)
    assert code == 0
    code, _, said = mip("hub", "approve", "South", "--fingerprint", shown, home=hub.home)
    assert code == 1
    assert "a member already" in said
    assert "South" in mip("hub", "sites", home=hub.home)[1]
    said = mip("site", "status", "--json", home=folder.path.parent)[1]
    assert json.loads(said)["standing"] == "member"
    assert mip("hub", "revoke", "South", home=hub.home)[0] == 0
    code, _, said = mip("hub", "revoke", "South", home=hub.home)
    assert code == 1
    time.sleep(2)
    code, said, problem = mip("site", "status", home=folder.path.parent)
    assert code == 1
    assert "revoked" in problem
    assert re.search(r"^standing +revoked$", said, re.MULTILINE)
    assert folder.membership.standing == "revoked"
    rows = json.loads(mip("audit", "list", "--json", home=folder.path.parent)[1])
    assert [(row["statistic"], row["verdict"]) for row in rows][:1] == [("membership", "revoked")]
    assert mip("site", "status", "--json", home=folder.path.parent)[0] == 1
    rows = json.loads(mip("audit", "list", "--json", home=folder.path.parent)[1])
    assert [row["statistic"] for row in rows].count("membership") == 1
    code, _, problem = mip("site", "leave", home=folder.path.parent)
    assert code == 1
    assert "--forget" in problem
    assert mip("site", "leave", "--forget", home=folder.path.parent)[0] == 0
