"""The demonstration as a federation: three hospitals, and one of them killed."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import served

pytestmark = pytest.mark.browser
Picture = Callable[[str], None]
HOSPITALS = ("Lakeside Hospital", "North Hospital", "Valley Memory Clinic")
ANALYSIS = {
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


def run(page: Page, address: str) -> None:
    answer = page.request.post(f"{address}/api/v1/experiments", data={**ANALYSIS, "name": "Age"})
    assert answer.status == 202, answer.text()
    page.goto(f"{address}/experiments/{answer.json()['id']}")


def test_three_hospitals_are_analysed_together(
    page: Page, address: str, hospitals: str, picture: Picture
) -> None:
    expect(page.get_by_text("there", exact=True)).to_have_count(3, timeout=60_000)
    picture("60-hospitals")
    run(page, address)
    about = page.get_by_role("complementary", name="Request")
    expect(about).to_contain_text(", ".join(HOSPITALS), timeout=60_000)
    expect(about).to_contain_text("North Hospital: edsd-synthetic, version 1")
    expect(page.get_by_role("table").first).to_contain_text("Age")
    picture("61-federated")


def test_killed_hospital_is_named_where_it_is_missed(
    page: Page, address: str, folder: Path, hospitals: str, picture: Picture
) -> None:
    width = (page.viewport_size or {"width": 0})["width"]
    # One hospital for each size of the page, as the dead stay dead.
    dead = {1280: "Valley Memory Clinic", 1920: "North Hospital"}[width]
    os.kill(process_of(folder, dead), signal.SIGKILL)
    run(page, address)
    expect(page.get_by_role("alert")).to_contain_text(dead, timeout=60_000)
    picture("62-hospital-lost")
    page.goto(hospitals)
    row = page.get_by_role("row", name=re.compile(dead)).last
    expect(row).to_contain_text("not heard of", timeout=60_000)
    picture("63-hospital-away")
