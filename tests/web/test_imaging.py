"""Scans over HTTP: pages of verdicts for data managers, and for nobody else."""

from pathlib import Path

from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import Shelf
from medmip.web.application import create_app

SCANS = "/api/v1/imaging/scans"


def opened(home: Home, kind: str) -> TestClient:
    login = Login.model_validate({"kind": kind})
    app = create_app(ExperimentService(home), doorman_of(home, login))
    return TestClient(app, base_url="http://localhost")


def test_scans_are_paged_newest_first_and_chosen_by_verdict(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    shelf = Shelf(home)
    verdicts = [Verdict.TAKEN, Verdict.REFUSED, Verdict.LEFT, Verdict.REFUSED, Verdict.TAKEN]
    with shelf.work() as work:
        for number, verdict in enumerate(verdicts):
            told = ScanRecord(
                id=f"s{9 - number}", verdict=verdict, rules="r", source="DICOM series", files=2
            )
            shelf.put(told, work)
    with opened(home, "open") as client:
        page = client.get(SCANS, params={"limit": 2, "offset": 1}).json()
        assert (page["total"], [one["id"] for one in page["items"]]) == (5, ["s6", "s7"])
        refused = client.get(SCANS, params={"verdict": "refused", "limit": 1}).json()
        assert (refused["total"], [one["id"] for one in refused["items"]]) == (2, ["s6"])
        assert client.get(SCANS, params={"verdict": "lost"}).status_code == 422
        assert client.get("/api/v1/imaging/inbox").json() == []
    with opened(home, "local") as client:
        assert client.get(SCANS).status_code == 401
        assert client.get("/api/v1/imaging/inbox").status_code == 401
