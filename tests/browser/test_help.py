"""A first visit: the tour, the help, and the portal in the visitor's language."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800), (390, 844)], ids=["1280", "390"], indirect=True),
]
Picture = Callable[[str], None]


def test_first_visit_is_led_through_the_portal_once(
    page: Page, address: str, picture: Picture
) -> None:
    page.goto(address)
    page.get_by_role("button", name="Take the tour").click()
    tour = page.get_by_role("dialog", name="Tour")
    for _ in range(4):
        expect(tour).to_be_in_viewport()
        tour.get_by_role("button", name="Next").click()
    expect(tour).to_contain_text("Step 5 of 5")
    assert violations(page) == ""
    picture("30-tour")
    page.keyboard.press("Escape")
    expect(tour).to_be_hidden()
    page.reload()
    expect(page.get_by_role("heading", name="What do you want to know?")).to_be_visible()
    expect(page.get_by_role("button", name="Take the tour")).to_be_hidden()


def test_help_is_accessible_by_day_and_night(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    page.get_by_role("link", name="Help", exact=True).click()
    for part in ("Keyboard", "Glossary", "Documentation"):
        page.get_by_role("tab", name=part).click()
        expect(page.get_by_role("tabpanel", name=part)).to_be_visible()
        if part == "Documentation":
            expect(page.get_by_role("heading", name="From Python and notebooks")).to_be_visible()
        assert violations(page) == "", part
    page.get_by_role("button", name="Switch between light and dark").click()
    assert violations(page) == ""
    picture("31-help-dark")


def test_language_is_chosen_and_stays(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    page.get_by_label("Language").select_option("fr")
    expect(page.get_by_role("heading", name="Que voulez-vous savoir ?")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    assert violations(page) == ""
    picture("32-french")
    page.reload()
    page.get_by_label("Langue").select_option("de")
    expect(page.get_by_role("heading", name="Was möchten Sie wissen?")).to_be_visible()
