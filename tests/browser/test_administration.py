"""How the server is, what left it and who came: the administrator's and the officer's screen."""

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800), (390, 844)], ids=["1280", "390"], indirect=True),
]
Picture = Callable[[str], None]
COHORT = {"data_model": "dementia:1.0", "datasets": ["edsd-synthetic"]}


def test_release_is_found_in_the_ledger_checked_and_kept(
    page: Page, address: str, picture: Picture, tmp_path: Path
) -> None:
    question = COHORT | {"variable": "righthippocampus"}
    assert page.request.post(f"{address}/api/v1/explore/histogram", data=question).ok
    page.goto(f"{address}/administration?part=ledger")
    table = page.get_by_role("table", name="Ledger")
    expect(table).to_contain_text("histogram")
    page.get_by_role("searchbox", name="Person, algorithm, rule or reason").fill("nobody-at-all")
    expect(page.get_by_role("heading", name="No row matches")).to_be_visible()
    page.get_by_role("searchbox", name="Person, algorithm, rule or reason").fill("histogram")
    expect(table).to_contain_text("released")
    page.get_by_role("button", name="Check the seals").click()
    expect(page.get_by_text("rows are as they were written")).to_be_visible()
    assert violations(page) == ""
    picture("40-ledger")
    with page.expect_download() as kept:
        page.get_by_role("button", name="Keep as CSV").click()
    kept.value.save_as(tmp_path / "ledger.csv")
    text = (tmp_path / "ledger.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert [int(row["number"]) for row in rows] == list(range(1, len(rows) + 1))
    assert any(row["algorithm"] == "histogram" for row in rows)


def test_system_is_told_by_day_and_night(page: Page, address: str, picture: Picture) -> None:
    page.goto(f"{address}/administration")
    expect(page.get_by_role("row", name="Published datasets")).to_be_visible()
    expect(page.get_by_text("Persons who ran them")).to_be_visible()
    assert violations(page) == ""
    picture("41-system")
    page.get_by_role("button", name="Switch between light and dark").click()
    assert violations(page) == ""
    picture("41-system-dark")
    page.get_by_role("tab", name="System").press("ArrowRight")
    expect(page.get_by_role("tab", name="Ledger")).to_be_focused()
    expect(page.get_by_role("table", name="Ledger")).to_be_visible()
    assert violations(page) == ""
    picture("42-ledger-dark")
