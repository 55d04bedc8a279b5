"""Every algorithm answers on the data of the demonstration, asked over HTTP."""

import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.algorithms.registry import registry
from medmip.catalogue.home import Home
from medmip.cli.demo import prepare_demo
from medmip.experiments.service import ExperimentService
from medmip.web.application import create_app
from tests.demo_requests import request_of


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = Home(tmp_path_factory.mktemp("demo") / "home").prepare()
    prepare_demo(home)
    app = create_app(
        ExperimentService(home), doorman_of(home, Login(kind="open")), hosts=("localhost",)
    )
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_algorithm_has_a_result_on_the_demo(demo: TestClient, name: str) -> None:
    answer = demo.post("/api/v1/experiments", json=request_of(registry()[name]))
    assert answer.status_code == 202, answer.text
    found = answer.json()
    deadline = time.monotonic() + 120
    while found["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
        found = demo.get(answer.headers["Location"]).json()
    assert found["state"] == "done", found["problem"]
    views = found["result"]["views"]
    assert any(view["kind"] == "table" for view in views)
    for view in views:
        assert view["title"]
        if view["kind"] == "table":
            assert view["rows"]
        else:
            assert view["alt"]
            assert "datasets" in view["spec"] or "data" in str(view["spec"])
    assert all(part["synthetic"] for part in found["provenance"]["snapshots"])
