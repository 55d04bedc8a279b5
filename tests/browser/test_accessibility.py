"""What axe-core finds on every screen: nothing that keeps a person out."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
Picture = Callable[[str], None]

ANALYSIS: dict[str, Any] = {
    "algorithm": "linear_regression",
    "inputdata": {
        "data_model": "dementia:1.0",
        "datasets": ["edsd-synthetic"],
        "y": ["lefthippocampus"],
        "x": ["subjectageyears", "gender"],
    },
    "parameters": {},
}


def choose(page: Page, search: str, label: str) -> None:
    page.get_by_role("searchbox", name="Search variables").fill(search)
    page.get_by_role("treeitem", name=label, exact=False).first.click()
    expect(page.get_by_role("heading", level=1, name=label)).to_be_visible()


@pytest.fixture
def result(page: Page, address: str) -> str:
    """The address of an experiment's page."""
    answer = page.request.post(f"{address}/api/v1/experiments", data=ANALYSIS)
    assert answer.status == 202, answer.text()
    return f"{address}/experiments/{answer.json()['id']}"


def test_home_keeps_nobody_out(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("tree")).to_be_visible()
    expect(page.get_by_role("region", name="News of the data")).to_contain_text("edsd-synthetic")
    expect(page.get_by_role("region", name="Recent experiments")).to_be_visible()
    assert violations(page) == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_circles_keep_nobody_out(page: Page, address: str, scheme: str, picture: Picture) -> None:
    page.add_init_script(f"localStorage.setItem('mantine-color-scheme-value', '{scheme}')")
    page.goto(address)
    page.get_by_text("Circles", exact=True).click()
    page.get_by_role("treeitem", name="Brain anatomy").click()
    expect(page.get_by_role("treeitem", name="Grey matter")).to_be_visible()
    assert violations(page) == ""
    picture(f"40-circles-{scheme}")
    page.get_by_role("button", name="Larger").click()
    expect(page.get_by_role("dialog").get_by_role("treeitem", name="Grey matter")).to_be_visible()
    assert violations(page) == ""
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.get_by_role("tree")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_variable_and_analysis_keep_nobody_out(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    choose(page, "hippocampus", "Left hippocampus")
    expect(page.locator(".vega-embed svg").first).to_be_visible()
    page.get_by_role("button", name="Outcome (y)").click()
    expect(page.get_by_role("radio", name="k-means")).to_be_visible()
    assert violations(page) == ""
    choose(page, "subjectageyears", "Age")
    page.get_by_role("button", name="Covariate (x)").click()
    page.get_by_role("radio", name=re.compile("^Linear regression")).click()
    expect(page.get_by_text("What leaves the data")).to_be_visible()
    assert violations(page) == ""
    picture("12-analyse")


def test_datasets_side_by_side_and_roles_by_drag(
    page: Page, address: str, picture: Picture
) -> None:
    page.goto(address)
    choose(page, "hippocampus", "Left hippocampus")
    beside = page.get_by_role("region", name="Between datasets and hospitals")
    expect(beside.locator(".vega-embed svg").first).to_be_visible()
    rows = beside.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text("adni-synthetic")
    line = page.get_by_role("treeitem", name="Left hippocampus").first
    line.drag_to(page.get_by_role("group", name="Covariates (x)"))
    expect(page.get_by_text("Left hippocampus is a covariate.")).to_be_attached()
    page.get_by_text("Left hippocampus", exact=True).last.drag_to(
        page.get_by_role("group", name="Outcome (y)")
    )
    outcome = page.get_by_role("group", name="Outcome (y)")
    expect(outcome.get_by_role("button", name="Remove Left hippocampus")).to_be_visible()
    expect(page.get_by_role("button", name="Remove Left hippocampus")).to_have_count(1)
    beside.scroll_into_view_if_needed()
    picture("41-side-by-side")
    assert violations(page) == ""
    choose(page, "Geschlecht", "Sex")
    expect(beside.locator(".vega-embed svg").first).to_be_visible()
    assert violations(page) == ""


def test_filter_keeps_nobody_out(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    page.get_by_role("button", name="Edit filter").click()
    page.get_by_role("button", name="Add rule").click()
    page.get_by_role("combobox", name="Variable").click()
    page.get_by_role("combobox", name="Variable").fill("Age")
    page.get_by_role("option", name="Age", exact=True).click()
    page.get_by_role("textbox", name="Value").fill("65")
    expect(page.get_by_role("dialog").get_by_text("about")).to_be_visible()
    assert violations(page) == ""
    page.get_by_role("button", name="Step by step").press("Enter")
    steps = page.get_by_role("dialog").get_by_role("list", name="How the cohort came about")
    expect(steps.get_by_role("listitem")).to_have_count(2)
    expect(steps).to_contain_text("Left out")
    assert violations(page) == ""
    picture("43-filter-steps")


def test_result_keeps_nobody_out(page: Page, result: str) -> None:
    page.goto(result)
    expect(page.get_by_role("table", name="Coefficients")).to_be_visible()
    expect(page.locator(".vega-embed svg").first).to_be_visible()
    assert violations(page) == ""


def test_refusal_keeps_nobody_out(page: Page, address: str, picture: Picture) -> None:
    nobody = {"field": "subjectageyears", "operator": "greater", "value": 120}
    data = ANALYSIS["inputdata"] | {"filters": {"condition": "AND", "rules": [nobody]}}
    sent = page.request.post(
        f"{address}/api/v1/experiments", data=ANALYSIS | {"inputdata": data, "name": "Nobody"}
    )
    page.goto(f"{address}/experiments/{sent.json()['id']}")
    expect(page.get_by_role("alert")).to_contain_text("Refused")
    assert violations(page) == ""
    page.goto(f"{address}/experiments")
    expect(page.get_by_role("row").filter(has_text="Nobody")).to_contain_text("refused")
    assert violations(page) == ""
    picture("16-refused")


def test_experiments_and_data_keep_nobody_out(page: Page, address: str, result: str) -> None:
    page.goto(result)
    expect(page.get_by_role("table", name="Coefficients")).to_be_visible()
    page.goto(f"{address}/experiments")
    expect(page.get_by_role("table", name="Experiments")).to_be_visible()
    expect(page.get_by_role("link", name="Linear regression").first).to_be_visible()
    assert violations(page) == ""
    page.goto(f"{address}/datasets")
    expect(page.get_by_role("cell", name="edsd-synthetic").first).to_be_visible()
    assert violations(page) == ""
