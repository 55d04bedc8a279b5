"""How much script comes before a person can begin: in bytes, which no busy machine changes."""

import gzip

import pytest
from playwright.sync_api import Page, Response, expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
BUDGET = 350_000
"""Bytes of script, packed by gzip, that come before any chart."""
CHARTS = ("vega", "BrainView", "embed-", "DocumentView")
"""What comes with a chart, a scan or a page of the documentation alone."""


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_first_load_keeps_to_its_budget(page: Page, address: str, language: str) -> None:
    scripts: dict[str, int] = {}

    def weigh(answer: Response) -> None:
        if answer.request.resource_type == "script":
            scripts[answer.url] = len(gzip.compress(answer.body(), 6))

    page.add_init_script(f"localStorage.setItem('mip-language', '{language}')")
    page.on("response", weigh)
    page.goto(address)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.get_by_role("searchbox").first).to_be_editable()
    page.wait_for_load_state("networkidle")
    assert scripts
    assert [url for url in scripts if any(part in url for part in CHARTS)] == []
    assert sum(scripts.values()) <= BUDGET, scripts
