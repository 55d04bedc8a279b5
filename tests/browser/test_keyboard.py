"""The road from variable to result by keys alone: nothing is clicked, nothing is focused."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
Picture = Callable[[str], None]
FAR = 60
"""Stops within which everything on a screen is reached."""


def has_focus(place: Locator) -> bool:
    return place.count() == 1 and bool(place.evaluate("it => it === document.activeElement"))


def tab_to(page: Page, place: Locator, key: str = "Tab") -> None:
    """Presses Tab, or Shift+Tab, until the focus is there, and sees that it shows."""
    expect(place).to_be_visible()
    for _ in range(FAR):
        if has_focus(place):
            expect(place).to_be_in_viewport()
            return
        page.keyboard.press(key)
    pytest.fail(f"{place} is not reached by {FAR} times {key}")


def walk_to(page: Page, algorithm: Locator) -> None:
    """Goes into the list of algorithms by Tab, and to one of them by arrows."""
    tab_to(page, page.locator("[role=radio][tabindex='0']"))
    for _ in range(FAR):
        if has_focus(algorithm):
            break
        page.keyboard.press("ArrowDown")
    expect(algorithm).to_be_focused()
    expect(algorithm).to_be_in_viewport()


def choose(page: Page, label: str, *keys: str) -> None:
    """Opens a list that has the focus, walks it by keys and takes what it stands on."""
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("listbox", name=label)).to_be_visible()
    for key in (*keys, "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("listbox", name=label)).to_be_hidden()


@pytest.fixture(autouse=True)
def hands_off(page: Page) -> None:
    """Fails the test, by an error in the console, where a pointer is used after all."""
    page.add_init_script(
        "addEventListener('pointerdown', () => console.error('a pointer was used'), true)"
    )


def test_road_by_keys(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    search = page.get_by_role("searchbox", name="Search variables")
    tab_to(page, search)
    page.keyboard.type("lefthippocampus")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Left hippocampus")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Outcome (y)"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove Left hippocampus")).to_be_visible()

    tab_to(page, search, "Shift+Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("gender")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Remove Sex")).to_be_visible()

    algorithm = page.get_by_role("radio", name="t-test, independent groups")
    expect(algorithm).to_have_attribute("aria-disabled", "false")
    walk_to(page, algorithm)
    picture("13-keyboard")
    page.keyboard.press("Space")

    tab_to(page, page.get_by_role("combobox", name="Group A", exact=True))
    choose(page, "Group A")
    tab_to(page, page.get_by_role("combobox", name="Group B", exact=True))
    choose(page, "Group B", "ArrowDown")
    name = page.get_by_role("textbox", name="Name of the experiment")
    tab_to(page, name)
    page.keyboard.type("By keys")
    tab_to(page, page.get_by_role("button", name="Run", exact=True))
    page.keyboard.press("Enter")

    page.wait_for_url("**/experiments/*")
    expect(page.get_by_role("table").first).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Edit and run again"))
    tab_to(page, page.get_by_role("link", name="All experiments"), "Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="By keys"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("By keys")


def test_focus_stays_where_one_works(page: Page, address: str) -> None:
    page.goto(address)
    tab_to(page, page.get_by_role("searchbox", name="Search variables"))
    page.keyboard.type("lefthippocampus")
    for key in ("ArrowDown", "y"):
        page.keyboard.press(key)
    tab_to(page, page.get_by_role("button", name="Edit filter"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="Add rule"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("combobox", name="Variable"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Exact")
    expect(page.get_by_role("option", name="Dataset")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("textbox", name="Value"))
    page.keyboard.type("65")
    tab_to(page, page.get_by_role("button", name="Apply"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Exact age is at least 65")).to_be_visible()
    expect(page.get_by_role("button", name="Edit filter")).to_be_focused()

    describe = page.get_by_role("radio", name="Describe")
    expect(describe).to_have_attribute("aria-disabled", "false")
    walk_to(page, describe)
    page.keyboard.press("Enter")
    chosen = page.get_by_role("group", name="Algorithm")
    expect(chosen).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Other algorithms"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(chosen).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="Describe")).to_be_focused()

    tab_to(page, page.get_by_role("button", name="Remove Left hippocampus"), "Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Edit filter")).to_be_focused()


def test_circles_and_synonyms_by_keys(page: Page, address: str) -> None:
    page.goto(address)
    tab_to(page, page.get_by_role("searchbox", name="Search variables"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="Tree", exact=True)).to_be_focused()
    page.keyboard.press("ArrowRight")
    brain = page.get_by_role("treeitem", name="Brain anatomy")
    tab_to(page, brain)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Where you are")).to_contain_text("Brain anatomy")
    page.keyboard.press("Escape")
    expect(brain).to_be_focused()
    page.reload()
    expect(page.get_by_role("radio", name="Circles")).to_be_checked()

    tab_to(page, page.get_by_role("searchbox", name="Search variables"))
    page.keyboard.type("hippocampe gauche")
    expect(page.get_by_role("treeitem").first).to_contain_text("hippocampus for “hippocampe”")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Left hippocampus")).to_be_visible()
    tab_to(page, page.get_by_role("searchbox", name="Search variables"), "Shift+Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    tab_to(page, page.get_by_role("treeitem", name="Left hippocampus"))
