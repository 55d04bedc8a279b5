"""A run of many rounds: it is watched while it works, and ended by the one who started it."""

import re
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from medmip.catalogue.home import Home
from medmip.store.snapshots import Datasets
from tests.browser.axe import violations
from tests.browser.conftest import served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
Picture = Callable[[str], None]

RECORDS = 400_000
VOLUMES = ("lefthippocampus", "righthippocampus", "leftamygdala", "rightamygdala")
LONG = {
    "algorithm": "kmeans",
    "inputdata": {
        "data_model": "dementia:1.0",
        "datasets": ["large-synthetic"],
        "y": VOLUMES,
    },
    "parameters": {"k": 60, "tolerance": 0, "max_iterations": 1000},
}
"""Records without clusters in them: the centres wander for hundreds of rounds."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with one large dataset."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(1)
    columns = {code: pa.array(rng.uniform(1.0, 5.0, RECORDS)) for code in VOLUMES}
    table = pa.table({"__patient": pa.array(np.arange(RECORDS)), **columns})
    datasets = Datasets(Home(folder / "home").prepare())
    datasets.publish(table, "dementia:1.0", "large-synthetic", "made for a test", synthetic=True)
    with served("serve", folder) as found:
        yield found


def test_long_run_is_watched_cancelled_and_followed_by_another(
    page: Page, address: str, picture: Picture
) -> None:
    answer = page.request.post(f"{address}/api/v1/experiments", data=LONG)
    assert answer.status == 202, answer.text()
    identity = answer.json()["id"]

    page.goto(f"{address}/experiments/{identity}")
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    told = page.get_by_text(re.compile(r"^round \d+|^\d+ rounds done"))
    expect(told).to_be_visible()
    first = told.inner_text()
    expect(told).not_to_have_text(first)
    assert violations(page) == ""
    picture("14-running")

    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_role("heading", name="cancelled")).to_be_visible()
    expect(page.get_by_text("This run was cancelled; it has no result.")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_hidden()
    after = page.request.get(f"{address}/api/v1/experiments/{identity}").json()
    assert (after["state"], after["result"], after["problem"]) == ("cancelled", None, None)
    assert after["progress"]["rounds"] > 0

    page.get_by_role("button", name="Edit and run again").click()
    page.get_by_role("button", name="Other algorithms").click()
    page.get_by_role("radio", name=re.compile("^Describe")).click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("table", name="Numeric variables")).to_be_visible()
    expect(page.get_by_role("cell", name="Left hippocampus").first).to_be_visible()
    page.goto(f"{address}/experiments")
    expect(page.get_by_role("row").filter(has_text="k-means")).to_contain_text("cancelled")
    assert violations(page) == ""
