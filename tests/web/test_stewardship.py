"""A data manager's datasets over HTTP: versions, changes, rollback, card, policy, removal."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in
from medmip.web.application import create_app
from tests.ingest.files import WARD

API = "/api/v1"
PLACE = f"{API}/published/ward:1.0/ward"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home").prepare()
    model = ModelStore(place).add(WARD)
    for number in (40, 60):
        lines = ["subjectcode,age,volume,gender"]
        lines += [f"p{i},{20 + i % 60},{i % 50}.5,{'FM'[i % 2]}" for i in range(number)]
        file = tmp_path / "ward.csv"
        file.write_text("\n".join([*lines, ""]))
        bring_in(place, file, model, "ward")
    return place


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    app = create_app(ExperimentService(home), doorman_of(home, Login(kind="open")))
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


def test_versions_are_listed_compared_and_rolled_back(client: TestClient) -> None:
    first, second = client.get(f"{PLACE}/versions").json()
    assert (first["current"], second["current"]) == (False, True)
    assert (first["patients"], second["patients"]) == (40, 60)
    diff = client.get(f"{PLACE}/diff", params={"before": 1, "after": 2}).json()
    assert (diff["added"]["told"], diff["gone"]["told"]) == (20, 0)
    assert client.get(f"{PLACE}/diff", params={"before": 1, "after": 9}).status_code == 404
    assert client.post(f"{PLACE}/rollback", json={"version": 1}).json()["current"]
    (entry,) = client.get(f"{API}/published").json()
    assert entry["version"] == 1
    assert entry["lives"] == {"kind": "server", "where": ""}
    assert client.post(f"{PLACE}/rollback", json={"version": 7}).status_code == 404


def test_where_a_cluster_reads_a_dataset_is_told(client: TestClient, home: Home) -> None:
    home.configuration.write_text('[engine]\nkind = "dask"\n')
    for version in client.get(f"{PLACE}/versions").json():
        assert version["lives"] == {"kind": "cluster", "where": str(home.partitions)}


def test_a_card_and_the_quality_are_told(client: TestClient) -> None:
    told = client.get(f"{PLACE}/card").json()
    assert told["card"]["patients"] == 60
    assert any("pseudonym" in sentence for sentence in told["sentences"])
    report = client.get(f"{PLACE}/quality").json()
    assert (report["version"], report["compared"]) == (2, 1)
    assert "Quality report" in client.get(f"{PLACE}/quality.html").text


def test_a_policy_is_read_changed_and_kept_where_it_is_wrong(client: TestClient) -> None:
    place = f"{API}/policies/ward:1.0/ward"
    assert client.get(place).json()["origin"] == "built in"
    text = '[description]\ntitle = "The ward"\n'
    made = client.put(place, json={"text": text}).json()
    assert (made["origin"], made["policy"]["description"]["title"]) == ("own", "The ward")
    wrong = client.put(place, json={"text": "[description]\ntitel = 1\n"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["path"] == "description.titel"
    late = client.put(place, json={"text": "# theirs\n", "former": "# read before\n"})
    assert late.status_code == 409
    assert client.get(place).json()["text"] == text
    assert client.get(f"{PLACE}/card").json()["card"]["description"]["title"] == "The ward"


@pytest.mark.parametrize("code", ["..%2f..%2fescape", "a%20b", "%00"])
def test_a_policy_of_no_dataset_is_not_written(client: TestClient, home: Home, code: str) -> None:
    answer = client.put(f"{API}/policies/ward:1.0/{code}", json={"text": ""})
    assert answer.status_code in (404, 405, 422)
    assert not [*home.path.rglob("*.toml")]


def test_a_removed_dataset_is_gone(client: TestClient) -> None:
    assert client.delete(PLACE).status_code == 204
    assert client.get(f"{API}/published").json() == []
    assert client.get(f"{PLACE}/versions").status_code == 404
