"""Volumes are published over HTTP as by the shell, by data managers alone."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.store.snapshots import Datasets
from medmip.web.application import create_app
from tests.imaging.ward import FLAT, ledger, publish_flat, shelve

PUBLICATION = "/api/v1/imaging/publication"
ASKED = {"model": FLAT.key, "dataset": "clinic"}


def opened(home: Home, kind: str = "open") -> TestClient:
    login = Login.model_validate({"kind": kind})
    app = create_app(ExperimentService(home), doorman_of(home, login))
    return TestClient(app, base_url="http://localhost")


@pytest.mark.usefixtures("unproven")
def test_a_plan_is_told_and_then_carried_out(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    with opened(home) as client:
        answer = client.post(PUBLICATION, json=ASKED)
        assert answer.status_code == 200
        told = answer.json()
        assert (told["plan"]["joined"], told["version"]) == (1, None)
        assert "do not meet every mark" in told["plan"]["refusal"]
        assert told["rule"].startswith("by pseudonym alone")
        refused = client.post(PUBLICATION, json=ASKED | {"go": True})
        assert refused.status_code == 422
        assert Datasets(home).current(FLAT.key, "clinic").version == 1
        done = client.post(PUBLICATION, json=ASKED | {"go": True, "unproven": True})
        assert (done.status_code, done.json()["version"]) == (200, 2)
        again = client.post(PUBLICATION, json=ASKED | {"go": True, "unproven": True})
        assert (again.status_code, "already" in again.json()["detail"]) == (409, True)
    (row,) = [row for row in ledger(home).walk() if row.statistic == "scan publication"]
    assert row.verdict == "published"


def test_what_is_not_there_or_not_meant_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    publish_flat(home)
    with opened(home) as client:
        for change, status in (
            ({"dataset": "none"}, 404),
            ({"dataset": "../clinic"}, 422),
            ({"model": "none:1.0"}, 404),
            ({"window": -1}, 422),
            ({"date": "gender"}, 422),
            ({"atlases": []}, 422),
        ):
            answer = client.post(PUBLICATION, json=ASKED | change)
            assert answer.status_code == status, (change, answer.text)


def test_nobody_else_may(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    with opened(home, "local") as client:
        assert client.post(PUBLICATION, json=ASKED).status_code == 401
