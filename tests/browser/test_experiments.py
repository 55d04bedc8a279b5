"""What a person does with experiments once they have run, and around them."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Picture = Callable[[str], None]

ANALYSIS = {
    "algorithm": "ttest_independent",
    "inputdata": {
        "data_model": "dementia:1.0",
        "datasets": ["edsd-synthetic"],
        "y": ["lefthippocampus"],
        "x": ["gender"],
        "filters": {
            "condition": "OR",
            "not": True,
            "rules": [{"field": "gender", "operator": "is_null", "value": None}],
        },
    },
    "parameters": {"group_a": "M", "group_b": "F"},
}


@pytest.fixture
def experiment(page: Page, address: str) -> str:
    """The address of an experiment's page; its name is new, its result at hand."""
    answer = page.request.post(
        f"{address}/api/v1/experiments", data={**ANALYSIS, "name": "Sexes apart"}
    )
    assert answer.status == 202, answer.text()
    return f"{address}/experiments/{answer.json()['id']}"


def test_request_is_told_in_words(page: Page, experiment: str, picture: Picture) -> None:
    page.goto(experiment)
    expect(page.get_by_role("table").first).to_be_visible()
    request = page.get_by_role("complementary", name="Request")
    expect(request).to_contain_text("t-test, independent groups")
    expect(request).to_contain_text("not (Sex is missing)")
    expect(request).to_contain_text("synthetic")
    used = request.get_by_text("edsd-synthetic, version 1:")
    expect(used.get_by_text("synthetic", exact=True)).to_be_visible()
    picture("10-experiment")


def test_name_is_edited_in_place(page: Page, experiment: str) -> None:
    page.goto(experiment)
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("Another name")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        name.press("Enter")
    page.reload()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Another name")


def test_edited_again_keeps_filter_and_parameters(page: Page, experiment: str) -> None:
    page.goto(experiment)
    page.get_by_role("button", name="Edit and run again").click()
    expect(page.get_by_text("not (Sex is missing)", exact=True)).to_be_visible()
    expect(page.get_by_role("combobox", name="Group A")).to_have_value(re.compile("M"))
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(lambda now: "/experiments/" in now and now != experiment)
    sent = page.request.get(page.url.replace("/experiments/", "/api/v1/experiments/")).json()
    assert sent["request"]["parameters"] == ANALYSIS["parameters"]
    assert sent["request"]["inputdata"]["filters"]["not"] is True


def test_downloaded_json_is_the_experiment(page: Page, experiment: str) -> None:
    page.goto(experiment)
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download JSON").click()
    kept = json.loads(waited.value.path().read_text())
    assert kept["name"] == "Sexes apart"
    assert kept["request"]["algorithm"] == "ttest_independent"


def test_deleting_asks_first(page: Page, experiment: str, address: str) -> None:
    page.goto(experiment)
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("Doomed")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        name.press("Enter")
    page.get_by_role("link", name="All experiments").click()
    page.get_by_role("searchbox", name="Search experiments").fill("Doomed")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Delete Doomed").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("No experiment matches.")).to_be_visible()
    page.goto(experiment)
    expect(page.get_by_role("alert")).to_be_visible()


def test_field_errors_stand_at_their_fields(page: Page, address: str) -> None:
    page.goto(address)
    search = page.get_by_role("searchbox", name="Search variables")
    for words, key in (("left hippocampus", "y"), ("gender", "x")):
        search.fill(words)
        expect(page.get_by_role("treeitem").first).to_be_visible()
        search.press("ArrowDown")
        page.keyboard.press(key)
    page.get_by_role("radio", name="t-test, independent groups").click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("combobox", name="Group A")).to_have_attribute("aria-invalid", "true")


def test_three_covariates_interact_and_values_have_titles(
    page: Page, address: str, picture: Picture
) -> None:
    page.goto(address)
    search = page.get_by_role("searchbox", name="Search variables")
    for words, key in (
        ("lefthippocampus", "y"),
        ("subjectageyears", "x"),
        ("gender", "x"),
        ("righthippocampus", "x"),
    ):
        search.fill(words)
        expect(page.get_by_role("treeitem").first).to_be_visible()
        search.press("ArrowDown")
        page.keyboard.press(key)
    described = page.get_by_role("radio", name=re.compile("^Logistic regression"))
    expect(described).to_contain_text("Left hippocampus is numeric; outcome takes nominal")
    page.get_by_role("radio", name=re.compile("^Linear regression")).click()
    page.get_by_role("combobox", name="Interactions").click()
    page.get_by_role("option", name="Age × Sex × Right hippocampus").click()
    page.keyboard.press("Escape")
    picture("15-interactions")
    page.get_by_role("button", name="Run", exact=True).click()
    request = page.get_by_role("complementary", name="Request")
    expect(request).to_contain_text("Age × Sex × Right hippocampus")
    expect(page.get_by_role("table", name="Coefficients")).to_be_visible()

    page.get_by_role("button", name="Edit and run again").click()
    page.get_by_role("button", name="Remove Age", exact=True).click()
    expect(page.get_by_text("Age × Sex × Right hippocampus")).to_be_hidden()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("table", name="Coefficients")).to_be_visible()

    page.get_by_role("button", name="Edit and run again").click()
    page.get_by_role("button", name="Remove Sex").click()
    page.get_by_role("button", name="Other algorithms").click()
    page.get_by_role("radio", name="t-test, paired").click()
    alternative = page.get_by_role("combobox", name="Alternative")
    expect(alternative).to_have_value("The difference is not 0 (two-sided)")
    alternative.click()
    page.get_by_role("option", name="The difference is below 0").click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(request).to_contain_text("The difference is below 0 (one-sided)")
    expect(page.get_by_role("table").first).to_be_visible()


def test_colours_switch_and_stay(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    picture("11-dark")


def test_no_answer_from_the_server_is_told(page: Page, address: str) -> None:
    page.route("**/api/v1/datasets*", lambda route: route.fulfill(status=503, body="down"))
    page.goto(f"{address}/datasets")
    expect(page.get_by_role("alert")).to_contain_text("Service Unavailable")
    page.unroute("**/api/v1/datasets*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("cell", name="edsd-synthetic").first).to_be_visible()


def test_predictions_are_validated(page: Page, address: str, picture: Picture) -> None:
    page.goto(address)
    search = page.get_by_role("searchbox", name="Search variables")
    for words, key in (("gender", "y"), ("lefthippocampus", "x"), ("subjectageyears", "x")):
        search.fill(words)
        expect(page.get_by_role("treeitem").first).to_be_visible()
        search.press("ArrowDown")
        page.keyboard.press(key)
    page.get_by_role("radio", name=re.compile("^Logistic regression")).click()
    page.get_by_role("combobox", name="Positive class").click()
    page.get_by_role("option", name="Female").click()
    page.get_by_role("combobox", name="Validation").click()
    page.get_by_role("option", name="Cross-validation").click()
    page.get_by_label("Folds").fill("4")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("table", name="Validation", exact=True)).to_contain_text("AUC")
    expect(page.get_by_role("complementary", name="Request")).to_contain_text(
        "4-fold cross-validation"
    )
    expect(page.get_by_text("ROC curve", exact=True)).to_be_visible()
    expect(page.locator("figcaption").get_by_text("Calibration", exact=True)).to_be_visible()
    picture("17-validated")
    page.get_by_role("button", name="Edit and run again").click()
    expect(page.get_by_role("combobox", name="Validation")).to_have_value("Cross-validation")
