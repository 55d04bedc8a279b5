"""Records prepared before the analysis: visits joined, gaps filled, numbers standardised."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_road import choose, fits_the_window

pytestmark = pytest.mark.browser
Picture = Callable[[str], None]


def test_gaps_are_filled_and_hospitals_harmonised(
    page: Page, address: str, picture: Picture
) -> None:
    page.goto(address)
    choose(page, "lefthippocampus", "Left hippocampus")
    page.get_by_role("button", name="Outcome (y)").click()
    choose(page, "minimentalstate", "MMSE total")
    page.get_by_role("button", name="Covariate (x)").click()
    page.get_by_role("radio", name=re.compile("^Linear regression")).click()
    page.get_by_role("checkbox", name="Impute missing values").check()
    page.get_by_role("combobox", name="Method").click()
    page.get_by_role("option", name="Multiple imputation").click()
    page.get_by_role("checkbox", name="Harmonise by ComBat").check()
    expect(page.get_by_role("checkbox", name="One record a patient")).to_have_count(0)
    picture("prepare-form")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("table", name="Imputed values")).to_be_visible()
    expect(page.get_by_text("ComBat between levels of")).to_be_visible()
    picture("prepare-result")
    assert fits_the_window(page)
    page.get_by_role("button", name="Edit and run again").click()
    expect(page.get_by_role("checkbox", name="Harmonise by ComBat")).to_be_checked()


def test_visits_become_a_slope(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    page.get_by_role("combobox", name="Data model").click()
    page.get_by_role("option", name="follow-up").click()
    choose(page, "lefthippocampus", "Left hippocampus")
    page.get_by_role("button", name="Outcome (y)").click()
    choose(page, "gender", "Sex")
    page.get_by_role("button", name="Covariate (x)").click()
    page.get_by_role("radio", name=re.compile("^Linear regression")).click()
    page.get_by_role("checkbox", name="One record a patient").check()
    page.get_by_role("combobox", name="Left hippocampus").click()
    page.get_by_role("option", name="Slope over time").click()
    page.get_by_role("combobox", name="Time", exact=True).click()
    page.get_by_role("option", name=re.compile("Months since")).click()
    picture("slope-form")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("Coefficients for Left hippocampus, slope")).to_be_visible()
    picture("slope-result")


def test_a_change_is_taken_between_two_named_visits(
    page: Page, address: str, picture: Picture
) -> None:
    page.goto(address)
    page.get_by_role("combobox", name="Data model").click()
    page.get_by_role("option", name="follow-up").click()
    choose(page, "minimentalstate", "MMSE total")
    page.get_by_role("button", name="Outcome (y)").click()
    choose(page, "gender", "Sex")
    page.get_by_role("button", name="Covariate (x)").click()
    page.get_by_role("radio", name=re.compile("^t-test, independent")).click()
    for group, level in (("Group A", "Male"), ("Group B", "Female")):
        page.get_by_role("combobox", name=re.compile(f"^{group}")).click()
        page.get_by_role("option", name=re.compile(f"^{level}")).click()
    page.get_by_role("checkbox", name="One record a patient").check()
    page.get_by_role("combobox", name="MMSE total", exact=True).click()
    page.get_by_role("option", name="Change from first to last value").click()
    page.get_by_role("combobox", name="MMSE total: change between").click()
    page.get_by_role("option", name="First visit → Follow-up 2", exact=True).click()
    picture("change-form")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/experiments/*")
    expect(page.get_by_role("table").first).to_be_visible()
    request = page.evaluate(
        "id => fetch(`/api/v1/experiments/${id}`).then((answer) => answer.json())",
        page.url.rsplit("/", 1)[1],
    )["request"]
    (taken,) = request["preparation"]["longitudinal"]["taken"]
    assert taken["how"] == "change"
    assert taken["visits"] == ["BL", "FL2"]
    picture("change-result")
