"""A result is taken into a paper: its methods, its code, its report."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations

pytestmark = pytest.mark.browser
Picture = Callable[[str], None]

ANALYSIS = {
    "algorithm": "linear_regression",
    "inputdata": {
        "data_model": "dementia:1.0",
        "datasets": ["edsd-synthetic"],
        "y": ["lefthippocampus"],
        "x": ["subjectageyears", "gender"],
    },
    "validation": {"kind": "folds", "folds": 4},
}


@pytest.fixture
def experiment(page: Page, address: str) -> str:
    """The address of the page of an experiment with a result."""
    answer = page.request.post(f"{address}/api/v1/experiments", data=ANALYSIS)
    assert answer.status == 202, answer.text()
    found = f"{address}/experiments/{answer.json()['id']}"
    page.goto(found)
    expect(page.get_by_role("table", name="Coefficients")).to_be_visible()
    return found


def test_methods_and_code_are_copied_by_keyboard(
    page: Page, experiment: str, picture: Picture
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("tab", name="Results").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    methods = page.get_by_role("region", name="Methods", exact=True)
    expect(methods).to_contain_text("The outcome was Left hippocampus (cm³).")
    expect(methods).to_contain_text("4-fold cross-validation [2]")
    picture("20-methods")
    for name, begins in (
        ("Methods", "We analysed "),
        ("HTTP", f"curl -s {experiment.partition('/experiments')[0]}/api/v1/experiments "),
        ("Shell", "mip run linear_regression "),
        ("Python", "import medmip"),
        ("Python on the server", "from medmip.catalogue.home import Home"),
    ):
        page.get_by_role("button", name=f"Copy: {name}", exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=f"Copied: {name}", exact=True)).to_be_focused()
        copied: str = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(begins)
    assert page.get_by_role("region", name="Shell", exact=True).get_attribute("tabindex") == "0"


def test_report_is_downloaded_and_opens_by_itself(
    page: Page, experiment: str, picture: Picture
) -> None:
    page.get_by_role("tab", name="Methods and code").click()
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download report").click()
    assert re.fullmatch(r"report-[0-9a-f]{8}\.html", waited.value.suggested_filename)
    html = waited.value
    with page.expect_download() as waited:
        page.get_by_role("button", name="Report as PDF").click()
    assert re.fullmatch(r"report-[0-9a-f]{8}\.pdf", waited.value.suggested_filename)
    assert waited.value.path().read_bytes().startswith(b"%PDF-")
    page.set_content(html.path().read_text())
    expect(page.get_by_role("heading", level=1)).to_have_text("Linear regression")
    expect(page.get_by_role("table", name="Coefficients")).to_contain_text("Sex: Female")
    expect(page.get_by_role("img").first).to_be_visible()
    assert violations(page) == ""
    picture("21-report")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_methods_and_code_are_accessible(
    page: Page, experiment: str, picture: Picture, scheme: str
) -> None:
    if scheme == "dark":
        page.get_by_role("button", name="Switch between light and dark").click()
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.get_by_role("tab", name="Participants").click()
    flow = page.get_by_role("list", name="How the cohort came about")
    expect(flow.get_by_role("listitem").last).to_contain_text("Analysed")
    assert violations(page) == ""
    picture(f"22-participants-{scheme}")
    page.get_by_role("tab", name="Methods and code").click()
    expect(page.get_by_role("region", name="Python", exact=True)).to_be_visible()
    page.evaluate("window.scrollTo(0, 350)")
    assert violations(page) == ""
    picture(f"22-code-{scheme}")
