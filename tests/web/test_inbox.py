"""The drop folder over HTTP: from a file that fits nothing to a published version."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.experiments.service import ExperimentService
from medmip.web.application import create_app
from tests.ingest.files import WARD

API = "/api/v1"
FILE = "export untidy.csv"
ROWS = 40


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home").prepare()
    ModelStore(place).add(WARD)
    lines = ["Patient;Sex;Age;Vol"]
    lines += [f"{i};{'mw'[i % 2]};{20 + i};{i},5" for i in range(ROWS)]
    (place.inbox / FILE).write_text("\n".join(lines), encoding="utf-8")
    return place


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    app = create_app(ExperimentService(home), doorman_of(home, Login(kind="open")))
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


def settled(client: TestClient, name: str = FILE) -> dict[str, Any]:
    for _ in range(400):
        answer = client.get(f"{API}/inbox/{name}")
        if answer.status_code == 200:
            item: dict[str, Any] = answer.json()
            if item["state"] not in ("arriving", "looking", "publishing"):
                return item
        time.sleep(0.05)
    pytest.fail("it did not settle")


def test_a_file_is_seen_mapped_checked_and_published(client: TestClient) -> None:
    item = settled(client)
    assert item["state"] == "unmatched"
    assert {fit["model"] for fit in item["fits"]} >= {WARD.key}
    asked = {"model": WARD.key}
    suggestion = client.post(f"{API}/inbox/{FILE}/suggestion", json=asked).json()
    found = {match["column"]: match["variable"] for match in suggestion["matches"]}
    assert (found["Patient"], found["Sex"]) == ("subjectcode", "gender")
    choice = {"model": WARD.key, "dataset": "ward", "mapping": suggestion["yaml"]}
    coverage = client.post(
        f"{API}/inbox/{FILE}/coverage", json={"choice": choice, "sample": 3}
    ).json()
    assert len(coverage["sample"]) == 3
    assert coverage["report"]["records"] == ROWS
    assert client.put(f"{API}/inbox/{FILE}/choice", json=choice).status_code == 202
    item = settled(client)
    assert (item["state"], item["kind"], item["problems"]) == ("ready", "own", [])
    assert client.post(f"{API}/inbox/{FILE}/publication", json={}).status_code == 202
    item = settled(client)
    assert item["state"] == "published"
    (dataset,) = client.get(f"{API}/datasets").json()
    assert (dataset["code"], dataset["patients"]) == ("ward", ROWS)


def test_quality_is_judged_before_publication(client: TestClient) -> None:
    settled(client)
    yaml = client.post(f"{API}/inbox/{FILE}/suggestion", json={"model": WARD.key}).json()["yaml"]
    choice = {"model": WARD.key, "dataset": "ward", "mapping": yaml}
    client.put(f"{API}/inbox/{FILE}/choice", json=choice)
    settled(client)
    (report,) = client.get(f"{API}/inbox/{FILE}/quality").json()
    assert (report["dataset"], report["records"], report["version"]) == ("ward", ROWS, None)
    page = client.get(f"{API}/inbox/{FILE}/quality.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "fit for publication" in page.text
    assert client.get(f"{API}/datasets").json() == []


def test_a_mapping_that_cannot_be_used_says_where(client: TestClient) -> None:
    settled(client)
    mapping = 'mapping: "1"\nname: x\nsources: {e: {file: "*.csv"}}\nrows: {from: e}\ncolumns: {}\n'
    answer = client.post(
        f"{API}/inbox/{FILE}/coverage", json={"choice": {"model": WARD.key, "mapping": mapping}}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "columns"


def test_problems_are_listed_as_a_file(client: TestClient, home: Home) -> None:
    (home.inbox / "ward.csv").write_text("subjectcode,dataset,age\np1,ward,40\np2,ward,forty\n")
    item = settled(client, "ward.csv")
    assert item["state"] == "troubled"
    answer = client.get(f"{API}/inbox/ward.csv/problems")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[1].startswith("3,age,wrong type")
    assert "forty" not in answer.text


def test_files_are_asked_by_sql(client: TestClient) -> None:
    settled(client)
    question = {"sql": "select sex, count(*) as n from export_untidy group by sex order by sex"}
    answer = client.post(f"{API}/inbox-query", json=question)
    assert answer.json()["rows"] == [["m", 20], ["w", 20]]
    assert client.post(f"{API}/inbox-query", json={"sql": "drop table x"}).status_code == 422


@pytest.mark.parametrize("name", ["nothing.csv", "..", ".ssh", "%2e%2e%2fstate.db"])
def test_what_is_not_in_the_inbox_is_not_there(client: TestClient, name: str) -> None:
    settled(client)
    assert client.get(f"{API}/inbox/{name}/quality").status_code == 404
    other = {"choice": {"model": WARD.key, "mapping": "edsd", "others": ["../state.db"]}}
    assert client.post(f"{API}/inbox/{FILE}/coverage", json=other).status_code == 404
