"""Two data managers look at measured scans and decide: what they reject reaches no table."""

import csv
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PictureFile
from playwright.sync_api import Browser, Locator, Page, Response, expect
from sqlalchemy import insert

from medmip.accounts.doorman import doorman_of
from medmip.accounts.role import Role
from medmip.catalogue.home import Home
from medmip.imaging.queue.tables import scan_jobs
from medmip.imaging.volumetry.review import ReviewDecision, decide
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from tests.accounts.conftest import PASSWORD
from tests.browser.axe import violations
from tests.browser.conftest import running
from tests.imaging.reviewable import reviewable

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
Picture = Callable[[str], None]
Shades = NDArray[np.int_]
REFERENCE = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with accounts, accepted scans, and three that wait, one with a shrunken nucleus."""
    place = Home(tmp_path_factory.mktemp("scans") / "home").prepare()
    people = doorman_of(place).people
    for name, role in (
        ("dora", Role.DATA_MANAGER),
        ("emil", Role.DATA_MANAGER),
        ("pia", Role.PRIVACY_OFFICER),
        ("rosa", Role.RESEARCHER),
    ):
        people.add(name, [role], password=PASSWORD)
    ledger = Ledger(open_state(place), LedgerHead(place))
    random = np.random.default_rng(5)
    codes = ("tiv", "left_nucleus", "right_nucleus", "left_cortex", "ventricles")
    for number in range(REFERENCE):
        change = {code: 1 + 0.03 * random.standard_normal() for code in codes}
        reviewable(place, f"before{number:02d}", change=change, seed=number)
        decide(place, ledger, f"before{number:02d}", ReviewDecision.ACCEPT, "clear", "dora")
    reviewable(place, "totals", atlas=False)
    reviewable(place, "moved")
    reviewable(place, "shrunken", change={"left_nucleus": 0.6})
    return place


@pytest.fixture(scope="module")
def portal(home: Home) -> Iterator[str]:
    with running(f"serve --home {home.path}", home.path.parent / "output.txt") as found:
        yield found


def log_in(page: Page, portal: str, name: str) -> None:
    page.goto(portal)
    page.get_by_label("Name").fill(name)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def drawn(page: Page) -> None:
    """Waits until the three slices are pictures."""
    slices = section(page, "Slices").get_by_role("img")
    expect(slices).to_have_count(3)
    for index in range(3):
        expect(slices.nth(index)).to_have_js_property("complete", True)
        assert slices.nth(index).evaluate("one => one.naturalWidth") > 300


def whole(page: Page, name: str, picture: Picture) -> None:
    size = page.viewport_size
    assert size is not None
    height = int(page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    drawn(page)
    picture(name)
    page.set_viewport_size(size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert violations(page) == ""


def table_of(home: Home, path: Path) -> list[str]:
    """The scans that `mip imaging volumes --csv` writes of those with the small atlas."""
    subprocess.run(
        [
            str(Path(sys.executable).with_name("mip")),
            *("imaging", "volumes", "--atlas", "small", "--unproven", "--csv", str(path)),
            *("--home", str(home.path)),
        ],
        env=os.environ,
        check=True,
        capture_output=True,
    )
    with path.open() as file:
        return [row["scan"] for row in csv.DictReader(file)]


def test_scans_are_looked_at_and_decided_about(
    page: Page, browser: Browser, portal: str, home: Home, picture: Picture, tmp_path: Path
) -> None:
    log_in(page, portal, "dora")
    page.goto(f"{portal}/scans")
    expect(page.get_by_role("row")).to_have_count(REFERENCE + 4)
    page.get_by_role("combobox", name="Review").click()
    page.get_by_role("option", name="waiting for review").click()
    expect(page.get_by_role("row")).to_have_count(4)
    assert violations(page) == ""
    picture("scan-1-waiting")
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if "/slices/" in answer.url else None)
    page.get_by_role("link", name="Look at it: shrunken").click()
    drawn(page)
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    expect(page.get_by_text("3 scans wait for a review")).to_be_visible()
    looked_at(page, picture)
    decided(page, "Accept", "atrophy is real;\noutlines follow the brain")
    expect(page.get_by_text("accepted", exact=True)).to_be_visible()
    expect(section(page, "Reviews")).to_contain_text("atrophy is real; outlines follow the brain")

    # Another data manager, on a telephone at night, in German.
    guest = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", locale="de-DE"
    )
    other = guest.new_page()
    other.goto(portal)
    other.get_by_label("Name").fill("emil")
    other.get_by_role("textbox", name="Passwort").fill(PASSWORD)
    other.get_by_role("button", name="Anmelden").click()
    expect(other.get_by_role("button", name="Abmelden")).to_be_visible()
    other.goto(f"{portal}/scans/moved")
    expect(other.get_by_text("wartet auf Prüfung", exact=True)).to_be_visible()
    expect(other.get_by_role("img", name=re.compile("Schnitt"))).to_have_count(3)
    other.wait_for_load_state("networkidle")
    other.screenshot(path=".artefacts/scan-5-german-390.png", full_page=True)
    assert violations(other) == ""
    assert other.evaluate("document.documentElement.scrollWidth") == 390
    other.get_by_role("radio", name="Verwerfen").check()
    other.get_by_role("textbox", name="Grund").fill("ghosts of motion")
    other.get_by_role("button", name="Entscheiden").press("Enter")
    expect(other.get_by_text("Entschieden: Verwerfen.")).to_be_visible()
    guest.close()

    assert sorted(table_of(home, tmp_path / "volumes.csv")) == [
        *(f"before{number:02d}" for number in range(REFERENCE)),
        "shrunken",
    ]
    seen_in_the_ledger(browser, portal)


def looked_at(page: Page, picture: Picture) -> None:
    """The slices by keys alone, the outlines on and off, the flagged region."""
    slices = section(page, "Slices")
    slider = slices.get_by_role("slider", name=re.compile("^Axial"))
    expect(slider).to_have_attribute("max", "35")
    before = slices.get_by_role("img", name=re.compile("^Axial")).get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    after = slices.get_by_role("img", name=re.compile("^Axial"))
    expect(after).not_to_have_attribute("src", before or "")
    page.keyboard.press("End")
    expect(slices.get_by_text("Axial, slice 36 of 36")).to_be_visible()
    for kind in ("none", "tissues", "regions"):
        slices.get_by_role("radiogroup", name="Outlines").get_by_text(kind, exact=True).click()
        wanted = {"regions": "labels"}.get(kind, kind)
        expect(after).to_have_attribute("src", re.compile(f"outlines={wanted}"))
    table = section(page, "Volumes").get_by_role("table")
    row = table.get_by_role("row").filter(has_text="Left nucleus")
    expect(row).to_contain_text("far from the reference")
    expect(row).to_contain_text("left and right differ")
    whole(page, "scan-2-sheet", picture)
    row.get_by_role("button", name="Left nucleus").press("Enter")
    expect(slices.get_by_text("Only Left nucleus is outlined")).to_be_visible()
    expect(slices.get_by_role("img").first).to_have_attribute("src", re.compile("only=5"))
    whole(page, "scan-3-region", picture)
    page.get_by_role("button", name="Switch between light and dark").click()
    seen_in_three_dimensions(page)
    whole(page, "scan-4-dark", picture)
    page.get_by_role("button", name="Switch between light and dark").click()


def seen_in_three_dimensions(page: Page) -> None:
    """The brain, drawn under the page's policy (a breach fails the test), turned by keys."""
    brain = section(page, "The brain in 3D")
    brain.get_by_role("button", name="Show it in 3D").click()
    canvas = brain.get_by_role("img", name="The brain in three dimensions")
    front = rendered(canvas, lambda shown: shown.max() > 60)
    slider = brain.get_by_role("slider", name="Turn")
    slider.focus()
    for _ in range(18):
        page.keyboard.press("ArrowRight")
    rendered(canvas, lambda shown: np.abs(shown - front).max() > 20)


def rendered(canvas: Locator, wanted: Callable[[Shades], bool]) -> Shades:
    """The middle of a canvas, once it is as wanted."""
    for _ in range(60):
        shown = np.asarray(PictureFile.open(io.BytesIO(canvas.screenshot())).convert("L"), int)
        rows, columns = shown.shape
        middle = shown[rows // 4 : -rows // 4, columns // 4 : -columns // 4]
        if wanted(middle):
            return middle
        time.sleep(0.5)
    pytest.fail("the brain is not drawn")


def decided(page: Page, what: str, reason: str) -> None:
    """A decision by keys alone; without a reason none is sent."""
    decision = section(page, "Decision")
    go = decision.get_by_role("button", name="Decide")
    expect(go).to_be_disabled()
    decision.get_by_role("radio", name=what).focus()
    page.keyboard.press("Space")
    go.press("Enter")
    expect(decision.get_by_text("Say why.")).to_be_visible()
    assert violations(page) == ""
    decision.get_by_role("textbox", name="Reason").fill(reason)
    go.press("Enter")
    expect(page.get_by_text(f"Decided: {what}.")).to_be_visible()


def seen_in_the_ledger(browser: Browser, portal: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    log_in(page, portal, "pia")
    page.goto(f"{portal}/administration")
    for who, what in (
        ("dora", "scan shrunken: atrophy is real; outlines follow the brain"),
        ("emil", "scan moved: ghosts of motion"),
    ):
        row = page.get_by_role("row").filter(has_text=what)
        expect(row).to_contain_text(who)
    context.close()


def test_a_colleague_who_was_faster_is_told_of_and_the_next_scan_is_near(
    page: Page, portal: str, home: Home, picture: Picture
) -> None:
    log_in(page, portal, "dora")
    page.goto(f"{portal}/scans/totals")
    # Of a scan without an atlas tissues are outlined.
    drawn(page)
    expect(section(page, "Slices").get_by_text("grey matter", exact=True)).to_be_visible()
    ledger = Ledger(open_state(home), LedgerHead(home))
    decide(home, ledger, "totals", ReviewDecision.REJECT, "cut off at the top", "emil")
    decision = section(page, "Decision")
    decision.get_by_role("radio", name="Accept").check()
    decision.get_by_role("textbox", name="Reason").fill("looks well")
    decision.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("alert")).to_contain_text("decided about by somebody else")
    expect(section(page, "Reviews")).to_contain_text("cut off at the top")
    expect(page.get_by_text("rejected", exact=True)).to_be_visible()
    decision.get_by_role("radio", name="Measure anew").check()
    decision.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("heading", name="This scan is not measured")).to_be_visible()
    expect(page.get_by_text("to be measured anew", exact=True)).to_be_visible()
    assert violations(page) == ""
    picture("scan-6-redo")
    reviewable(home, "totals", atlas=False, key="again")
    page.goto(f"{portal}/scans/shrunken")
    page.get_by_role("link", name="Previous waiting").click()
    expect(page.get_by_role("heading", name="Scan totals")).to_be_visible()
    (home.imaging / "scans" / "totals" / "t1.nii.gz").write_bytes(b"no volume")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The scan's volume is damaged.")
    page.goto(f"{portal}/scans/lost")
    expect(page.get_by_role("alert")).to_contain_text("There is no scan of this id.")


def test_a_researcher_sees_no_scan(page: Page, portal: str) -> None:
    log_in(page, portal, "rosa")
    expect(page.get_by_role("link", name="Scans", exact=True)).to_have_count(0)
    page.goto(f"{portal}/scans/shrunken")
    expect(page.get_by_role("alert")).to_contain_text("may not manage data")
    answer = page.request.get(f"{portal}/api/v1/imaging/scans/shrunken/slices/axial?at=9")
    assert answer.status == 403


def test_the_queue_is_seen_and_asked_for_more(page: Page, portal: str) -> None:
    log_in(page, portal, "dora")
    page.goto(f"{portal}/scans")
    queue = section(page, "Measuring")
    expect(queue.get_by_text("No scan is queued to be measured.")).to_be_visible()
    queue.get_by_role("button", name="Measure what is new").click()
    expect(queue.get_by_text("Nothing was to be changed.")).to_be_visible()
    assert violations(page) == ""


def test_why_a_scan_has_no_volumes_is_on_its_page(
    page: Page, portal: str, home: Home, picture: Picture
) -> None:
    failed = {
        "scan": "moved",
        "number": 1,
        "priority": 0,
        "atlas": None,
        "setting": "fast",
        "state": "failed",
        "step": "register",
        "attempts": 0,
        "anew": True,
        "trouble": "The scan does not look like a head.\nLook at it.",
        **dict.fromkeys(("queued", "started", "finished"), datetime.now(UTC)),
    }
    # As the queue would keep it: whatever waits there the server begins at once.
    with open_state(home).begin() as connection:
        connection.execute(insert(scan_jobs), failed)
    log_in(page, portal, "dora")
    page.goto(f"{portal}/scans")
    row = section(page, "Measuring").get_by_role("row").filter(has_text="does not look like a head")
    expect(row).to_contain_text("register")
    row.get_by_role("link", name="moved").click()
    told = page.get_by_role("alert").filter(has_text="It could not be measured")
    expect(told).to_contain_text("At the step: register")
    expect(told).to_contain_text("The scan does not look like a head.")
    drawn(page)
    assert violations(page) == ""
    picture("scan-7-failed")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(told).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert violations(page) == ""
    picture("scan-8-failed-dark")
