"""Every algorithm, from its form in the portal to its result as a person sees it."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from medmip.algorithms.registry import registry
from medmip.catalogue.model_store import shipped_models
from tests.browser.conftest import ARTEFACTS
from tests.browser.test_road import fits_the_window
from tests.demo_requests import request_of

pytestmark = pytest.mark.browser
PICTURES = ARTEFACTS / "algorithms"
# What a chart draws its data with; one without any is empty.
_MARKS = ".mark-rect, .mark-line, .mark-symbol, .mark-area, .mark-rule, .mark-text, .mark-arc"


@pytest.fixture(scope="module")
def one_page(browser: Browser) -> Iterator[Page]:
    """One page for all of them, as somebody uses it who tries one after another."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def declared(address: str, name: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}/api/v1/algorithms") as answer:
        return next(one for one in json.load(answer) if one["name"] == name)


def labels(model: str, codes: list[str]) -> list[str]:
    found = next(one for one in shipped_models() if one.key == model)
    return [found.variable(code).label for code in codes]


def place_each(page: Page, roles: list[dict[str, Any]], chosen: list[str]) -> None:
    """Puts a list's variables into the fields of the roles that take a single one each."""
    for role, variable in zip(roles, chosen, strict=False):
        if role["max"] == 1:
            field = page.get_by_role("combobox", name=re.compile(f"^{role['label']}( \\*)?$"))
            if field.input_value() != variable:
                field.click()
                page.get_by_role("option", name=variable, exact=True).click()
            expect(field).to_have_value(variable)


def fill(page: Page, schema: dict[str, Any], name: str, value: object) -> None:
    """Gives a parameter its value in the form that its schema makes."""
    field = schema["properties"][name]
    reference = next(
        (part["$ref"] for part in [field, *field.get("allOf", [])] if "$ref" in part), ""
    )
    field = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {}) | field
    title = re.compile(f"^{re.escape(field['title'])}( \\*)?$")
    if "level_of" in field or "enum" in field:
        shown = str(field.get("labels", {}).get(value, value))
        page.get_by_role("combobox", name=title).click()
        option = re.compile(f"^{re.escape(shown)}$|\\({re.escape(shown)}\\)$")
        page.get_by_role("option", name=option).click()
    else:
        page.get_by_role("textbox", name=title).fill(str(value))


@pytest.mark.parametrize("name", sorted(registry()))
def test_from_the_form_to_the_result(one_page: Page, address: str, name: str) -> None:
    page = one_page
    request = request_of(registry()[name])
    data, entry = request["inputdata"], declared(address, name)
    chosen = {"model": data["data_model"], "datasets": data["datasets"]}
    # Somebody who chooses in another order than the roles have puts each into its field.
    chosen |= {list_: data[list_][::-1] if len(entry[list_]) > 1 else data[list_] for list_ in "yx"}
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}/experiments")
    page.evaluate("text => sessionStorage.setItem('mip.selection', text)", json.dumps(chosen))
    page.goto(address)
    page.get_by_role("radio", name=re.compile(f"^{re.escape(entry['label'])}")).click()
    for list_ in "yx":
        if len(entry[list_]) > 1:
            place_each(page, entry[list_], labels(data["data_model"], data[list_]))
    for parameter, value in request["parameters"].items():
        fill(page, entry["parameters"], parameter, value)
    page.screenshot(path=PICTURES / f"{name}-form.png")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.get_by_role("table").first).to_be_visible(timeout=60_000)
    charts = page.locator("figure")
    for chart in charts.all():
        expect(chart.locator("svg").first).to_be_visible()
        expect(chart.locator(_MARKS).first).to_be_attached()
    assert fits_the_window(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for chart in charts.all():
            expect(chart.locator("svg").first).to_be_visible()
        page.screenshot(path=PICTURES / f"{name}-{scheme}.png", full_page=True)
