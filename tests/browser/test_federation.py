"""The demonstration as a federation: hospitals agree, join, are put out, and one is killed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import running, served

pytestmark = pytest.mark.browser
Picture = Callable[[str], None]
HOSPITALS = ("Lakeside Hospital", "North Hospital", "Valley Memory Clinic")
ASKED = "Lakeside Hospital"
MIP = str(Path(sys.executable).with_name("mip"))
ANALYSIS: dict[str, Any] = {
    "algorithm": "linear_regression",
    "inputdata": {
        "data_model": "dementia:1.0",
        "datasets": ["edsd-synthetic", "ppmi-synthetic", "adni-synthetic"],
        "y": ["lefthippocampus"],
        "x": ["subjectageyears"],
    },
    "parameters": {},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("federation")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of `mip demo`: a hub's portal, and three hospitals in processes of their own."""
    with served("demo", folder) as found:
        yield found


@pytest.fixture
def hospitals(page: Page, address: str) -> str:
    """The page of data, once hospitals are there."""
    page.goto(f"{address}/datasets")
    table = page.get_by_role("table", name="Hospitals of the federation")
    expect(table.get_by_text("there", exact=True).first).to_be_visible(timeout=60_000)
    return f"{address}/datasets"


def process_of(folder: Path, hospital: str) -> int:
    """The process that the demonstration said is this hospital's."""
    found = re.search(rf"{hospital} is process (\d+)", (folder / "output.txt").read_text())
    assert found is not None
    return int(found[1])


def test_a_hospitals_records_are_read_by_psql(
    folder: Path, address: str, need: Callable[..., str]
) -> None:
    assert address
    told = (folder / "output.txt").read_text()
    (command,) = re.findall(r"by SQL: mip (.*)", told)
    words = command.replace("NAME", "ada").split()
    done = subprocess.run([MIP, *words], capture_output=True, text=True, check=True).stdout
    (where,) = re.findall(r'psql "(.*)"', done)
    (password,) = re.findall(r"its password (\S+)", done)

    def psql(statement: str, code: int = 0) -> str:
        found = subprocess.run(
            [need("psql"), "-X", "-w", "-At", "-d", where, "-c", statement],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PGPASSWORD": password},
        )
        assert found.returncode == code, found.stderr
        return found.stdout.strip()

    assert psql("SELECT dataset FROM datasets") == "edsd-synthetic"
    records = psql("SELECT count(*) FROM mip_local_features")
    (patients,) = re.findall(r"published edsd-synthetic: (\d+) synthetic patients", told)
    assert records == patients
    facts = "SELECT count(DISTINCT rid) FROM mip_federation_features WHERE colname = 'gender'"
    assert psql(facts) == patients
    psql("DELETE FROM mip_local_features", code=1)


def run(page: Page, address: str, request: dict[str, Any] = ANALYSIS) -> None:
    answer = page.request.post(f"{address}/api/v1/experiments", data={**request, "name": "Age"})
    assert answer.status == 202, answer.text()
    page.goto(f"{address}/experiments/{answer.json()['id']}")


def until_heard(page: Page, address: str) -> None:
    """Until the hub has heard of the hospital that asks a person."""
    page.goto(f"{address}/datasets")
    row = page.get_by_role("row", name=re.compile(f"{ASKED}.*Dr Weiss"))
    expect(row).to_contain_text("there", timeout=60_000)


def ledger(page: Page, address: str, statistic: str) -> list[dict[str, Any]]:
    """The rows of one kind, newest first."""
    rows = page.request.get(f"{address}/api/v1/audit?limit=1000").json()["items"]
    return [row for row in rows if row["statistic"] == statistic]


def test_three_hospitals_are_analysed_together(
    page: Page, address: str, hospitals: str, picture: Picture
) -> None:
    expect(page.get_by_text("there", exact=True)).to_have_count(3, timeout=60_000)
    picture("60-hospitals")
    assert violations(page) == ""
    page.get_by_label("Label, code or description").fill("left hippocampus")
    found = page.get_by_role("table", name="Variables over hospitals")
    expect(found.get_by_role("row")).to_have_count(7)
    expect(found.get_by_role("row").nth(1)).to_contain_text("Valley Memory Clinic")
    found.scroll_into_view_if_needed()
    picture("60-variables")
    run(page, address)
    about = page.get_by_role("complementary", name="Request")
    expect(about).to_contain_text(", ".join(HOSPITALS), timeout=60_000)
    expect(about).to_contain_text("North Hospital: edsd-synthetic, version 1")
    expect(page.get_by_role("table").first).to_contain_text("Age")
    picture("61-federated")
    followed = page.get_by_role("table", name="Hospitals of this analysis")
    expect(followed.get_by_role("row")).to_have_count(4)
    expect(followed).to_contain_text("under masks")
    followed.scroll_into_view_if_needed()
    picture("61-followed")
    assert violations(page) == ""


def test_killed_hospital_is_named_where_it_is_missed(
    page: Page, address: str, folder: Path, hospitals: str, picture: Picture
) -> None:
    width = (page.viewport_size or {"width": 0})["width"]
    # One hospital for each size of the page, as the dead stay dead.
    dead = {1280: "Valley Memory Clinic", 1920: "North Hospital"}[width]
    os.kill(process_of(folder, dead), signal.SIGKILL)
    run(page, address)
    expect(page.get_by_role("alert")).to_contain_text(dead, timeout=60_000)
    followed = page.get_by_role("table", name="Hospitals of this analysis")
    expect(followed.get_by_role("row", name=re.compile(dead))).to_contain_text("lost")
    picture("62-hospital-lost")
    page.goto(hospitals)
    table = page.get_by_role("table", name="Hospitals of the federation")
    row = table.get_by_role("row", name=re.compile(dead))
    expect(row).to_contain_text("not heard of", timeout=60_000)
    picture("63-hospital-away")


@pytest.fixture(scope="module")
def clinic(folder: Path, address: str) -> Iterator[str]:
    """The portal of a hospital that agrees to each analysis first, in the place of its process."""
    os.kill(process_of(folder, ASKED), signal.SIGKILL)
    home = folder / "home" / "hospitals" / "lakeside"
    settings = home / "site" / "site.toml"
    settings.write_text('approval = "person"\napprover = "Dr Weiss, data protection"\n')
    (home / "mip.toml").write_text('[login]\nkind = "open"\n')
    with running(f"serve --home {home}", folder / "clinic.txt") as found:
        yield found


def test_a_hospital_agrees_before_it_is_analysed(
    page: Page, address: str, clinic: str, picture: Picture
) -> None:
    width = (page.viewport_size or {"width": 0})["width"]
    age = {1280: 60, 1920: 72}[width]
    rule = {"field": "subjectageyears", "operator": "greater_or_equal", "value": age}
    only = {"datasets": ["ppmi-synthetic"], "filters": {"condition": "AND", "rules": [rule]}}
    request = {**ANALYSIS, "inputdata": {**ANALYSIS["inputdata"], **only}}
    until_heard(page, address)
    run(page, address, request)
    expect(page.get_by_role("alert")).to_contain_text("Dr Weiss", timeout=60_000)
    picture("64-waits-for-consent")
    page.goto(f"{clinic}/federation")
    asked = page.get_by_role("article", name=re.compile("Linear regression"))
    asked = asked.filter(has_text=f"Age is at least {age}").filter(has_text="waiting")
    expect(asked).to_contain_text("ppmi-synthetic")
    expect(asked).to_contain_text("Left hippocampus")
    picture("65-asked-for-consent")
    assert violations(page) == ""
    page.get_by_role("button", name="Switch between light and dark").click()
    picture("65-asked-for-consent-dark")
    assert violations(page) == ""
    asked.get_by_role("button", name="Agree").click()
    agreed = page.get_by_role("article").filter(has_text=f"at least {age}")
    expect(agreed).to_contain_text("agreed")
    picture("66-agreed")
    run(page, address, request)
    expect(page.get_by_role("table").first).to_contain_text("Age", timeout=60_000)
    hub = ledger(page, address, f"run at {ASKED}")[:2]
    assert [(row["verdict"], row["rule"]) for row in hub] == [
        ("ended", ""),
        ("refused", "approval"),
    ]
    assert hub[0]["reason"] == "local agreed there"
    site = ledger(page, clinic, "request")[:2]
    assert [row["verdict"] for row in site] == ["granted", "refused"]


def test_a_hospital_is_let_in_and_put_out_again(
    page: Page, address: str, folder: Path, picture: Picture
) -> None:
    width = (page.viewport_size or {"width": 0})["width"]
    name = f"City Clinic {width}"
    page.goto(f"{address}/federation")
    page.get_by_label("Name of the hospital").fill(name)
    page.get_by_role("button", name="Make a token").click()
    token = page.get_by_text(re.compile("^mip site join mip1-"))
    picture("67-invited")
    words = (token.text_content() or "").split()[1:]
    home = folder / name
    joined = subprocess.run(
        [MIP, *words, "--no-wait", "--home", home], capture_output=True, text=True, check=True
    )
    found = re.search(r"this site +([0-9a-f ]+)", joined.stdout)
    assert found is not None
    asks = page.get_by_role("article", name=name)
    expect(asks).to_contain_text(found[1].strip())
    picture("68-asks-to-join")
    assert violations(page) == ""
    asks.get_by_label("Or type what it reads out").fill("0000 0000")
    asks.get_by_role("button", name="Approve").click()
    expect(asks.get_by_role("alert")).to_contain_text("another fingerprint")
    picture("69-another-fingerprint")
    asks.get_by_label("Or type what it reads out").fill("")
    asks.get_by_label("The hospital read out the same").check()
    asks.get_by_role("button", name="Approve").click()
    row = page.get_by_role("row", name=re.compile(name))
    expect(row).to_contain_text("member")
    picture("70-members")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.get_by_role("button", name=f"Revoke {name}").click()
    picture("71-revoke-dark")
    assert violations(page) == ""
    row.get_by_role("button", name="Revoke now").click()
    expect(row).to_contain_text("revoked")
    verdicts = [row["verdict"] for row in ledger(page, address, f"membership of {name}")]
    assert verdicts == ["revoked", "approved", "invited"]
