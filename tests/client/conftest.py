"""A server where people log in, with one synthetic dataset, and a client of it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

import medmip
from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.role import Right, Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.client.mip import Mip
from medmip.demo.cohorts import write_demo_csvs
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in
from medmip.web.application import create_app
from tests.accounts.conftest import PASSWORD
from tests.ports import free_port

MODEL, DATASET = "dementia:1.0", "edsd-synthetic"


@dataclass(frozen=True)
class House:
    """Where the server is, and an access token for it."""

    address: str
    token: str
    home: Home


def token_of(doorman: Doorman, name: str) -> str:
    person = doorman.people.add(name, [Role.RESEARCHER], password=PASSWORD)
    doorman.people.accept_terms(person.id, 1)
    rights = [Right.EXPLORE, Right.ANALYSE]
    secret, _ = doorman.tokens.make(person.id, "notebook", rights, 1, name)
    return secret


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("client")
    home = Home(folder / "home").prepare()
    (path,) = [path for path in write_demo_csvs(folder) if DATASET in path.name]
    bring_in(home, path, ModelStore(home).get(MODEL), synthetic=True)
    doorman = doorman_of(home, Login())
    port = free_port()
    app = create_app(ExperimentService(home), doorman, hosts=("127.0.0.1",))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/healthz", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield House(address, token_of(doorman, "anna"), home)
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def mip(house: House) -> Iterator[Mip]:
    with medmip.connect(house.address, token=house.token) as connected:
        yield connected
