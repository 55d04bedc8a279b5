"""Several algorithms compared over the same patients, with a parameter that is learnt."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_road import choose, fits_the_window

pytestmark = pytest.mark.browser


def test_algorithms_are_compared_and_a_penalty_is_learnt(
    page: Page, address: str, picture: Callable[[str], None]
) -> None:
    page.goto(address)
    choose(page, "lefthippocampus", "Left hippocampus")
    page.get_by_role("button", name="Outcome (y)").click()
    choose(page, "subjectageyears", "Age")
    page.get_by_role("button", name="Covariate (x)").click()
    choose(page, "righthippocampus", "Right hippocampus")
    page.get_by_role("button", name="Covariate (x)").click()
    page.get_by_role("radio", name=re.compile("^Elastic net")).click()
    page.get_by_role("combobox", name="Validation").click()
    page.get_by_role("option", name="Cross-validation").click()
    page.get_by_role("combobox", name="Learn a parameter").click()
    page.get_by_role("option", name="Penalty").click()
    page.get_by_role("combobox", name="Penalty: values to try").fill("0.001, 0.3")
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="Compare with").click()
    expect(page.get_by_role("option", name="Describe")).to_have_count(0)
    page.get_by_role("option", name="Linear regression").click()
    expect(page.get_by_role("button", name="Do not compare with Linear regression")).to_be_visible()
    picture("compare-form")
    page.get_by_role("button", name="Run", exact=True).click()

    comparison = page.get_by_role("table", name="Comparison")
    expect(comparison.get_by_role("cell", name="Linear regression")).to_be_visible()
    expect(page.get_by_role("table", name="Choice of parameters")).to_contain_text("chosen")
    picture("compare-result")
    assert fits_the_window(page)
    page.get_by_role("tab", name="Linear regression").click()
    expect(page.get_by_role("table", name="Coefficients")).to_contain_text("Intercept")
    page.get_by_role("button", name="Edit and run again").click()
    expect(page.get_by_role("button", name="Do not compare with Linear regression")).to_be_visible()
