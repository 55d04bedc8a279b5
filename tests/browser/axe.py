"""axe-core, asked about the page that a browser shows."""

from typing import Any

from playwright.sync_api import Page

from tests.conftest import ROOT, missing

AXE = ROOT / "portal/node_modules/axe-core/axe.min.js"
GRAVE = ("serious", "critical")


def violations(page: Page) -> str:
    """Each rule that the page breaks gravely, with the elements that break it."""
    if not AXE.is_file():
        missing("axe-core is not installed (make portal)")
    # The debugger's evaluation is not held back by the page's security policy, a script tag is.
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return "\n".join(
        f"{rule['impact']} {rule['id']}: {rule['help']}\n"
        + "\n".join(f"    {node['html']}\n    {node['failureSummary']}" for node in rule["nodes"])
        for rule in found["violations"]
        if rule["impact"] in GRAVE
    )
