"""A data manager brings the volumes of accepted scans into a dataset, the plan first."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from medmip.catalogue.home import Home
from medmip.store.snapshots import Datasets
from tests.browser.axe import violations
from tests.browser.conftest import running
from tests.imaging.ward import DAYS, VISITS, publish_visits, shelve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
Picture = Callable[[str], None]


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[tuple[str, Home]]:
    """The address of a portal, and its home with a dataset and scans."""
    home = Home(tmp_path / "home").prepare()
    home.configuration.write_text('[login]\nkind = "open"\n')
    publish_visits(home)
    for number in range(12):
        day = DAYS["M12"] + timedelta(days=10 * number)
        shelve(home, VISITS, f"scan{number}", f"p{number}", day, tiv=1400 + number)
    shelve(home, VISITS, "late", "p13", DAYS["M24"] + timedelta(days=300))
    shelve(home, VISITS, "stranger", "nobody", DAYS["BL"])
    shelve(home, VISITS, "new", "p14", DAYS["BL"], decision=None)
    shelve(home, VISITS, "bad", "p15", DAYS["BL"], decision="reject")
    with running(f"serve --home {home.path}", tmp_path / "output.txt") as address:
        yield address, home


def test_volumes_reach_a_dataset_by_the_plan(
    page: Page, ward: tuple[str, Home], picture: Picture
) -> None:
    address, home = ward
    page.goto(f"{address}/scans")
    place = page.get_by_role("region", name="To a dataset")
    place.get_by_role("combobox", name="Dataset").click()
    page.get_by_role("option", name="clinic (visits:1.0)").click()
    publish = place.get_by_role("button", name="Publish", exact=True)
    expect(publish).to_be_disabled()
    expect(place.get_by_role("checkbox", name="For a trial")).to_have_count(0)
    place.get_by_role("button", name="See what would happen").click()
    expect(place.get_by_text("Nothing stands against it.")).to_be_visible()
    counts = place.get_by_role("table", name="What becomes of the scans")
    for row in ("12 joined", "1 of no patient", "1 outside the window", "1 rejected"):
        expect(counts.get_by_role("row", name=row)).to_be_visible()
    expect(place.get_by_text("8 of 20 patients stay without a scan.")).to_be_visible()
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.mantineColorScheme = '{scheme}'")
            height = int(page.evaluate("document.documentElement.scrollHeight"))
            page.set_viewport_size({"width": width, "height": height})
            picture(f"scan-publication-{scheme}")
            assert violations(page) == ""
        assert place.evaluate("it => it.scrollWidth <= it.clientWidth"), width
    publish.click()
    expect(place.get_by_text("clinic is at version 2.")).to_be_visible()
    assert "tiv" in Datasets(home).current(VISITS.key, "clinic").variables
    place.get_by_role("link", name="To the dataset").click()
    expect(page.get_by_text("clinic.csv, with volumes").first).to_be_visible()
