"""The application over a home with one synthetic dataset."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.demo.cohorts import write_demo_csvs
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in
from medmip.web.application import create_app

DATASET = "edsd-synthetic"


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder: Path = tmp_path_factory.mktemp("web")
    home = Home(folder / "home").prepare()
    model = ModelStore(home).get("dementia:1.0")
    (path,) = [path for path in write_demo_csvs(folder) if DATASET in path.name]
    bring_in(home, path, model, synthetic=True)
    portal = folder / "portal"
    portal.mkdir()
    (portal / "index.html").write_text("<!doctype html><title>MIP</title>")
    (portal / "api-docs.html").write_text("<!doctype html><title>API</title>")
    return create_app(
        ExperimentService(home),
        doorman_of(home, Login(kind="open")),
        hosts=("localhost", "testserver"),
        portal=portal,
    )


@pytest.fixture(scope="session")
def client(application: FastAPI) -> Iterator[TestClient]:
    with TestClient(application, base_url="http://localhost") as opened:
        yield opened
