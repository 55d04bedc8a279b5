"""What the people of a federation see of it while it works: hospitals, progress, differences."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.experiments.experiment import Experiment, State
from medmip.experiments.request import InputData, Request
from medmip.experiments.service import ExperimentService
from medmip.federation.common_policy import read_common
from medmip.federation.metrics import HubCollector, SiteCollector
from medmip.federation.registrar import Registrar
from medmip.federation.site_folder import SiteFolder
from medmip.federation.site_service import SiteService
from medmip.federation.sites import Sites
from medmip.logbook import write_log_to
from medmip.privacy.policy import PolicyError
from medmip.web.application import create_app
from medmip.web.metrics import ServiceCollector
from tests.conftest import ROOT
from tests.federation.federation import OPEN_POLICY, Federation, federation

NAMES = ("Hospital 01", "Hospital 02", "Hospital 03")
DATASETS = ("one", "two", "three")


@dataclass
class House:
    """A hub with three hospitals, its service and its API."""

    made: Federation
    service: ExperimentService
    api: TestClient

    def run(self, algorithm: str = "linear_regression", *datasets: str) -> Experiment:
        return self.service.run(request(algorithm, datasets or DATASETS))

    @property
    def sites(self) -> Sites:
        assert self.service.sites is not None
        return self.service.sites

    def entry(self, name: str) -> dict[str, Any]:
        """What the hub tells of a hospital."""
        (found,) = [site for site in self.api.get("/api/v1/sites").json() if site["name"] == name]
        return dict(found)

    def log(self, name: str) -> Path:
        """The log of a hospital's process."""
        return self.made.homes[name].logs / "mip.jsonl"

    def settings(self, name: str, text: str) -> None:
        """What a hospital states from now on."""
        (self.made.homes[name].site / "site.toml").write_text(text)
        # The file is told apart by its time and size; two writes within a tick look alike.
        time.sleep(0.05)


def until(holds: Callable[[], object]) -> None:
    """Waits for what the hub is to hear."""
    last = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.1)


def request(algorithm: str, datasets: tuple[str, ...]) -> Request:
    x = None if algorithm == "describe" else ("b",)
    data = InputData(data_model="test:1", datasets=datasets, y=("a",), x=x)
    return Request(algorithm=algorithm, inputdata=data)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    random = np.random.default_rng(7)
    data = {
        "a": random.normal(size=300),
        "b": random.normal(size=300),
        "dataset": np.repeat(DATASETS, 100),
    }
    parts = [np.arange(100), np.arange(100, 200), np.arange(200, 300)]
    with federation(
        tmp_path_factory.mktemp("operation"),
        data,
        parts,
        levels={"dataset": ()},
        datasets=DATASETS,
        policy=OPEN_POLICY + "steering_in_clear = true\n",
    ) as made:
        sites = Sites(made.coordinator, ModelStore(made.home), lambda: read_common(made.hub.policy))
        sites.settle()
        assert len(sites.holdings()) == 3
        service = ExperimentService(made.home, sites=sites)
        unasked = doorman_of(service.home, Login(kind="open"))
        api = TestClient(create_app(service, unasked, hosts=["testserver"]))
        try:
            yield House(made, service, api)
        finally:
            service.close()


def test_each_hospital_is_followed_and_its_releases_are_told(house: House) -> None:
    done = house.run()
    assert done.state is State.DONE, done.problem
    assert [site.name for site in done.sites] == list(NAMES)
    for site in done.sites:
        assert (site.state, site.reason) == ("answered", "")
        assert site.asked == site.answered > 2
        released = {part.what: part for part in site.released}
        assert not released["cohort"].masked
        assert all(part.masked for name, part in released.items() if name != "cohort")
        assert len(released) > 1
    told = house.api.get(f"/api/v1/experiments/{done.id}").json()
    assert told["sites"] == [site.model_dump(mode="json") for site in done.sites]


def test_in_clear_the_hub_says_what_it_was_shown(house: House) -> None:
    done = house.run("describe", "one")
    assert done.state is State.DONE, done.problem
    (site,) = done.sites
    assert {part.masked for part in site.released} == {False}


def test_a_refusal_is_told_of_the_hospital_that_refused(house: House) -> None:
    house.settings(NAMES[1], "paused = true")
    refused = house.run()
    house.settings(NAMES[1], "")
    assert refused.state is State.REFUSED
    states = {site.name: site.state for site in refused.sites}
    assert states[NAMES[1]] == "refused"
    (reason,) = [site.reason for site in refused.sites if site.name == NAMES[1]]
    assert "has paused" in reason


def test_both_sides_list_what_ran(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    done = house.run("describe", "one", "two")
    house.settings(NAMES[1], "paused = true")
    refused = house.run("describe", "one", "two")
    house.settings(NAMES[1], "")

    def told(*words: str, home: Home) -> list[dict[str, Any]]:
        with pytest.raises(SystemExit):
            main([*words, "--json", "--home", str(home.path)])
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return found

    runs = {run["id"]: run for run in told("hub", "runs", home=house.made.home)}
    assert [site["state"] for site in runs[done.id]["sites"]] == ["answered", "answered"]
    assert [site["state"] for site in runs[refused.id]["sites"]] == ["answered", "refused"]
    home = house.made.homes[NAMES[1]]
    newest, before = told("site", "log", home=home)[:2]
    assert (newest["experiment"], newest["released"], newest["refused"]) == (refused.id, 0, 1)
    assert "paused" in newest["reason"]
    assert (before["experiment"], before["refused"], before["reason"]) == (done.id, 0, "")
    assert before["released"] > 0
    rows = told("site", "log", "--experiment", done.id, home=home)
    assert rows[0]["verdict"] == "admitted"
    assert {row["experiment"] for row in rows} == {done.id}
    with pytest.raises(SystemExit):
        main(["hub", "runs", "--home", str(house.made.home.path)])
    assert "answered" in capsys.readouterr().out


def test_a_monitor_reads_both_sides_and_the_administrator_reads_of_it(house: House) -> None:
    told = CollectorRegistry()
    told.register(HubCollector(house.sites, house.made.membership))
    agent = SiteService(SiteFolder.of(house.made.homes[NAMES[0]]), house.service.house())
    told.register(SiteCollector(agent))
    told.register(ServiceCollector(house.service))
    text = generate_latest(told).decode()
    assert f'mip_hub_site_up{{site="{NAMES[0]}"}} 1.0' in text
    assert 'mip_hub_sites{state="member"} 3.0' in text
    assert "mip_site_connected 0.0" in text
    page = (ROOT / "docs" / "it-administrator.md").read_text()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_same_id_stands_in_the_logs_of_both_sides(house: House, tmp_path: Path) -> None:
    write_log_to(tmp_path / "hub.jsonl")
    done = house.run("describe", "one", "two")
    lines = [json.loads(line) for line in (tmp_path / "hub.jsonl").read_text().splitlines()]
    mine = [line for line in lines if line.get("experiment") == done.id]
    assert [(line["site"], line["verdict"]) for line in mine if "site" in line] == [
        (NAMES[0], "ended"),
        (NAMES[1], "ended"),
    ]

    def events() -> list[str]:
        there = [json.loads(line) for line in house.log(NAMES[0]).read_text().splitlines()]
        return [line["event"] for line in there if line.get("experiment") == done.id]

    # Nobody waits for a hospital to forget a run.
    until(lambda: events() == ["run opened", "run closed"])


def test_a_hospital_that_shows_no_sums_of_its_own_refuses_clear_runs(house: House) -> None:
    house.settings(NAMES[0], "only_masked = true")
    until(lambda: house.entry(NAMES[0])["only_masked"])
    refused = house.run("describe", "one", "two")
    assert refused.state is State.REFUSED
    assert refused.problem is not None
    assert "under masks alone" in refused.problem.detail
    masked = house.run("describe")
    assert masked.state is State.DONE, masked.problem
    house.settings(NAMES[0], "")


def test_the_federations_thresholds_hold_everywhere(house: House) -> None:
    made = house.made
    registrar = Registrar.of(made.home)
    with pytest.raises(PolicyError, match="minimum_patients"):
        registrar.state_policy({"minimum_patients": -1}, "operator")
    registrar.state_policy({"minimum_patients": 150, "extremes": False}, "operator")
    told = house.entry(NAMES[0])
    assert told["breaches"] == ["minimum_patients", "extremes"]
    assert told["own_thresholds"]["minimum_cell"] == 1
    early = house.run("describe")
    assert early.state is State.REFUSED
    assert early.problem is not None
    assert "lets out more than the federation allows" in early.problem.detail
    for name in NAMES:
        # A site hears of it within half a minute, and at once where it connects anew.
        made.kill(name)
        made.start_site(name)
    made.wait_for_sites()
    until(lambda: not any(house.entry(name)["breaches"] for name in NAMES))
    assert house.entry(NAMES[0])["policy"]["minimum_patients"] == 150
    late = house.run("describe")
    assert late.problem is not None
    assert "150" in late.problem.detail
    registrar.state_policy({}, "operator")
    for name in NAMES:
        made.kill(name)
        made.start_site(name)
    made.wait_for_sites()
    until(lambda: house.entry(NAMES[0])["policy"]["minimum_patients"] == 1)
    rows = [row for row in house.service.ledger.rows() if row.statistic == "federation policy"]
    assert [row.reason for row in rows] == ["{}", '{"minimum_patients": 150, "extremes": false}']


def test_variables_are_found_over_hospitals(house: House) -> None:
    def told(**asked: Any) -> dict[str, Any]:
        return dict(house.api.get("/api/v1/variables", params=asked).json())

    every = told()
    assert (every["datasets"], every["union"], every["intersection"]) == (3, 3, 3)
    (found,) = told(search="a", site=[NAMES[0], NAMES[2]], within="all", limit=1)["items"]
    assert [place["site"] for place in found["places"]] == [NAMES[0], NAMES[2]]
    assert told(dataset="two")["datasets"] == 1
    assert told(search="nobody has this")["items"] == []


def test_another_definition_is_shown_and_blocks_what_it_affects_alone(house: House) -> None:
    made = house.made
    home = made.homes[NAMES[2]]
    (path,) = [path for path in home.models.rglob("*.json") if '"b"' in path.read_text()]
    before = path.read_text()
    model = json.loads(before)
    (changed,) = [one for one in model["variables"] if one["code"] == "b"]
    changed["units"] = "furlong"
    made.kill(NAMES[2])
    path.write_text(json.dumps(model))
    made.start_site(NAMES[2])
    made.wait_for_sites()
    until(lambda: house.entry(NAMES[2])["differences"])
    assert house.entry(NAMES[2])["differences"] == [{"model": "test:1", "variables": ["b"]}]
    told = house.api.get("/api/v1/variables", params={"search": "b"}).json()
    (found,) = [one for one in told["items"] if one["code"] == "b"]
    assert (found["everywhere"], found["differs"]) == (False, [NAMES[2]])
    assert told["intersection"] == told["union"] - 1
    refused = house.run()
    assert refused.state in (State.REFUSED, State.FAILED)
    assert refused.problem is not None
    assert "(b) is defined otherwise" in refused.problem.detail
    assert house.run("describe").state is State.DONE
    assert house.run("linear_regression", "one", "two").state is State.DONE
    made.kill(NAMES[2])
    path.write_text(before)
    made.start_site(NAMES[2])
    made.wait_for_sites()
    until(lambda: not house.entry(NAMES[2])["differences"])


def test_a_hospital_that_is_gone_is_waited_for_and_then_lost(house: House) -> None:
    """The last test of this module that needs all hospitals; it brings the third one back."""
    made = house.made
    made.kill(NAMES[2])
    seen = set[str]()
    submitted = house.service.submit(request("linear_regression", DATASETS))
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            found = house.service.get(submitted.id)
            seen.update(site.state for site in found.sites if site.name == NAMES[2])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        until = time.monotonic() + 60
        while not house.service.get(submitted.id).state.ended:
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        ended.set()
        looking.join()
    failed = house.service.get(submitted.id)
    assert failed.state is State.FAILED
    assert {"asked", "waiting"} <= seen
    (lost,) = [site for site in failed.sites if site.name == NAMES[2]]
    assert (lost.state, lost.asked - lost.answered) == ("lost", 1)
    assert "did not come back" in lost.reason or "did not answer" in lost.reason
    made.start_site(NAMES[2])
    made.wait_for_sites()
