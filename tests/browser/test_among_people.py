"""Two researchers and one experiment: found, shared, spoken of, run again on new data."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from medmip.accounts.doorman import doorman_of
from medmip.accounts.role import Role
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.demo.cohorts import write_demo_csvs
from medmip.ingest.publish import bring_in
from tests.accounts.conftest import PASSWORD
from tests.browser.axe import violations
from tests.browser.conftest import running

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
Picture = Callable[[str], None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with one dataset, and accounts for Anna and Ben."""
    place = Home(tmp_path_factory.mktemp("people") / "home").prepare()
    publish(place, left_out=0)
    people = doorman_of(place).people
    for name, label in (("anna", "Anna Muster"), ("ben", "Ben Okafor")):
        people.add(name, [Role.RESEARCHER], label=label, password=PASSWORD)
    return place


def publish(home: Home, left_out: int) -> None:
    folder = home.path.parent / f"without-{left_out}"
    folder.mkdir()
    (path,) = [path for path in write_demo_csvs(folder) if "edsd" in path.name]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[: len(lines) - left_out], ""]))
    bring_in(home, path, ModelStore(home).get("dementia:1.0"), synthetic=True)


@pytest.fixture(scope="module")
def portal(home: Home) -> Iterator[str]:
    with running(f"serve --home {home.path}", home.path.parent / "output.txt") as found:
        yield found


def log_in(page: Page, portal: str, name: str) -> None:
    page.goto(portal)
    page.get_by_label("Name").fill(name)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("tree")).to_be_visible()


def use(page: Page, words: str, key: str) -> None:
    search = page.get_by_role("searchbox", name="Search variables")
    search.fill(words)
    expect(page.get_by_role("treeitem").first).to_be_visible()
    search.press("ArrowDown")
    page.keyboard.press(key)


def test_results_are_shared_discussed_and_asked_again(
    page: Page, browser: Browser, portal: str, home: Home, picture: Picture
) -> None:
    log_in(page, portal, "anna")
    use(page, "lefthippocampus", "y")
    use(page, "subjectageyears", "x")
    use(page, "gender", "x")
    page.get_by_role("radio", name=re.compile("^Linear regression")).click()
    page.get_by_label("Name of the experiment").fill("Hippocampus and age")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("table", name="Coefficients")).to_be_visible()
    address = page.url

    tags = page.get_by_role("textbox", name="Tags").or_(page.get_by_role("combobox", name="Tags"))
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        tags.fill("draft")
        tags.press("Enter")
    page.get_by_role("button", name="Star Hippocampus and age").press("Enter")
    taken = page.get_by_role("button", name="Take the star off Hippocampus and age")
    expect(taken).to_have_attribute("aria-pressed", "true")

    # Shared by keyboard alone: two letters, the one who is found, the button.
    page.get_by_role("button", name="Share", exact=True).press("Enter")
    dialog = page.get_by_role("dialog", name="Share the results")
    persons = dialog.get_by_role("combobox", name="Persons")
    persons.or_(dialog.get_by_role("textbox", name="Persons")).first.focus()
    page.keyboard.type("oka")
    expect(page.get_by_role("option", name="Ben Okafor (ben)")).to_be_visible()
    assert violations(page) == ""
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Share", exact=True).press("Enter")
    expect(page.get_by_role("complementary", name="Request")).to_contain_text("Ben Okafor")

    guest = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    other = guest.new_page()
    log_in(other, portal, "ben")
    other.goto(f"{portal}/experiments?search=age&tag=draft")
    expect(other.get_by_role("row").filter(has_text="by anna")).to_be_visible()
    assert violations(other) == ""
    other.get_by_role("button", name="Starred only").press("Enter")
    expect(other.get_by_text("No experiment matches.")).to_be_visible()
    other.get_by_role("button", name="Clear all").click()
    other.get_by_role("link", name="Hippocampus and age").press("Enter")
    expect(other.get_by_role("table", name="Coefficients")).to_be_visible()
    expect(other.get_by_role("button", name="Share", exact=True)).to_be_hidden()
    other.get_by_label("Your comment").fill("Is it the scanner?\n<b>Ben</b>")
    other.get_by_role("button", name="Comment", exact=True).press("Enter")
    expect(other.get_by_text("<b>Ben</b>")).to_be_visible()
    assert violations(other) == ""
    width = other.evaluate("document.documentElement.scrollWidth")
    assert width == 390, "the page is no wider than the telephone"
    guest.close()

    publish(home, left_out=120)
    page.goto(address)
    expect(page.get_by_role("list").filter(has_text="Is it the scanner?")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Take back"))).to_be_hidden()
    expect(page.get_by_text("edsd-synthetic: version 1 → 2")).to_be_visible()
    page.get_by_role("button", name="Run again", exact=True).press("Enter")
    page.wait_for_url(lambda now: now != address)
    page.get_by_role("tab", name="Difference").click()
    moved = page.get_by_role("table", name="Difference: Coefficients")
    expect(moved.get_by_role("row").filter(has_text="Age")).to_contain_text("→")
    expect(page.get_by_role("table", name="Versions of the data")).to_contain_text("version 2")
    assert violations(page) == ""
    picture("19-difference")


def test_tables_are_sorted_and_kept_by_keyboard(page: Page, portal: str, home: Home) -> None:
    log_in(page, portal, "anna")
    page.goto(f"{portal}/experiments?whose=mine")
    page.get_by_role("link", name="Hippocampus and age").last.click()
    table = page.get_by_role("table", name="Coefficients")
    terms = table.get_by_role("row").locator("td:first-child")
    expect(terms).to_have_count(3)
    before = terms.all_inner_texts()
    head = table.get_by_role("columnheader", name="Estimate")
    for way, place in (("ascending", 0), ("descending", -1)):
        head.get_by_role("button").press("Enter")
        expect(head).to_have_attribute("aria-sort", way)
        assert terms.all_inner_texts()[place] == "Sex: Female", "what lowers the volume most"
    head.get_by_role("button").press("Enter")
    expect(terms).to_have_text(before)
    with page.expect_download() as kept:
        page.get_by_role("button", name="Coefficients: download as CSV").press("Enter")
    lines = kept.value.path().read_text().splitlines()
    assert lines[0].startswith("Term,Estimate")
    assert len(lines) == 1 + len(before)

    name = "Coefficients for Left hippocampus"
    with page.expect_download() as drawn:
        page.get_by_role("button", name=f"{name}: Vega-Lite").press("Enter")
    assert '"$schema"' in drawn.value.path().read_text()
    page.get_by_role("button", name=f"{name}: larger").press("Enter")
    dialog = page.get_by_role("dialog", name=name)
    expect(dialog.locator(".vega-embed svg")).to_be_visible()
    assert violations(page) == ""
    labels = dialog.locator("g.role-axis-label text")
    at_first = set(labels.all_text_contents())
    box = dialog.locator(".vega-embed svg").bounding_box()
    assert box is not None
    middle = box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(*middle)
    page.mouse.wheel(0, -400)
    assert reached(page, lambda: set(labels.all_text_contents()) != at_first)
    page.mouse.dblclick(*middle)
    assert reached(page, lambda: set(labels.all_text_contents()) == at_first)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name=f"{name}: larger")).to_be_focused()


def reached(page: Page, holds: Callable[[], bool]) -> bool:
    """Whether it holds within a few seconds."""
    for _ in range(100):
        if holds():
            return True
        page.wait_for_timeout(50)
    return False
