"""The road from data to result, walked in a real browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser
Picture = Callable[[str], None]


def choose(page: Page, search: str, label: str) -> None:
    page.get_by_role("searchbox", name="Search variables").fill(search)
    page.get_by_role("treeitem", name=label, exact=False).first.click()
    expect(page.get_by_role("heading", level=1, name=label)).to_be_visible()


def fits_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_road_from_variable_to_reopened_result(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    expect(page.get_by_text("synthetic", exact=True).first).to_be_visible()
    picture("1-workspace")

    choose(page, "hippocampus", "Left hippocampus")
    expect(page.locator(".vega-embed svg").first).to_be_visible()
    page.get_by_role("combobox", name="Group by").click()
    page.get_by_role("option", name="Alzheimer broad category").click()
    expect(page.get_by_role("img", name="by Alzheimer broad category")).to_be_visible()
    picture("2-distribution")
    assert fits_the_window(page)
    page.get_by_role("button", name=re.compile("^Correlate with")).click()
    related = page.get_by_role("table", name="Related variables")
    related.get_by_role("button", name="Right hippocampus").click()
    expect(page.get_by_role("heading", name="Right hippocampus", level=1)).to_be_visible()
    choose(page, "hippocampus", "Left hippocampus")

    page.get_by_role("button", name="Outcome (y)").click()
    choose(page, "subjectageyears", "Age")
    page.get_by_role("button", name="Covariate (x)").click()
    choose(page, "gender", "Sex")
    page.get_by_role("button", name="Covariate (x)").click()

    page.get_by_role("button", name="Edit filter").click()
    page.get_by_role("button", name="Add rule").click()
    page.get_by_role("combobox", name="Variable").click()
    page.get_by_role("combobox", name="Variable").fill("Age")
    page.get_by_role("option", name="Age", exact=True).click()
    page.get_by_role("textbox", name="Value").fill("65")
    expect(page.get_by_role("dialog").get_by_text("about")).to_be_visible()
    picture("3-filter")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Age is at least 65")).to_be_visible()

    expect(page.get_by_role("radio", name="k-means")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("radio", name=re.compile("^Linear regression")).click()
    expect(page.get_by_text("What is computed")).to_be_visible()
    expect(page.get_by_text("What leaves the data")).to_be_visible()
    picture("4-analysis")
    page.get_by_role("button", name="Run", exact=True).click()

    coefficients = page.get_by_role("table", name="Coefficients")
    expect(coefficients.get_by_role("cell", name="Age", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="Forest plot")).to_be_visible()
    expect(page.locator(".vega-embed svg").first).to_be_visible()
    picture("5-result")
    assert fits_the_window(page)

    result = page.url
    page.goto(address)
    page.goto(result)
    expect(page.get_by_role("table", name="Coefficients")).to_be_visible()
    page.get_by_role("link", name="Experiments", exact=True).click()
    expect(page.get_by_role("link", name="Linear regression").first).to_be_visible()
    picture("6-experiments")
    assert fits_the_window(page)


def test_rules_wait_for_the_variables(page: Page, address: str) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/v1/models/*", hold)
    page.goto(address)
    page.get_by_role("button", name="Edit filter").click()
    expect(page.get_by_role("button", name="Add rule")).to_be_disabled()
    for route in held:
        route.continue_()
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_role("combobox", name="Variable")).to_be_visible()


def test_selection_survives_a_reload(page: Page, address: str) -> None:
    page.goto(address)
    choose(page, "hippocampus", "Right hippocampus")
    page.get_by_role("button", name="Outcome (y)").click()
    page.reload()
    expect(page.get_by_role("heading", level=1, name="Right hippocampus")).to_be_visible()
    expect(page.get_by_role("button", name="Remove Right hippocampus")).to_be_visible()


def test_road_by_keyboard_alone(page: Page, address: str) -> None:
    page.goto(address)
    search = page.get_by_role("searchbox", name="Search variables")
    search.focus()
    page.keyboard.type("lefthippocampus")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Left hippocampus")).to_be_visible()
    page.get_by_role("button", name="Outcome (y)").focus()
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="Describe").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Numeric variables")).to_be_visible()


def test_refusal_is_explained(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    choose(page, "hippocampus", "Left hippocampus")
    page.get_by_role("button", name="Outcome (y)").click()
    page.get_by_role("button", name="Edit filter").click()
    page.get_by_role("button", name="Add rule").click()
    page.get_by_role("combobox", name="Variable").click()
    page.get_by_role("combobox", name="Variable").fill("Age")
    page.get_by_role("option", name="Age", exact=True).click()
    page.get_by_role("textbox", name="Value").fill("120")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("radio", name="t-test, one sample").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/experiments/*")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Refused to protect patients' privacy")
    expect(alert).to_contain_text("fewer than 10 patients")
    expect(alert).to_contain_text("Widen the filter")
    picture("7-refused")


def test_data_page_and_unknown_address(page: Page, address: str, picture: Picture) -> None:
    page.goto(f"{address}/datasets")
    expect(page.get_by_role("cell", name="edsd-synthetic").first).to_be_visible()
    picture("8-data")
    page.goto(f"{address}/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_api_page_shows_every_route(page: Page, address: str, picture: Picture) -> None:
    page.goto(f"{address}/api/docs")
    expect(page.get_by_text("/api/v1/experiments", exact=True).first).to_be_visible()
    picture("9-api")
