"""The hub is killed in the middle of a run: the run is taken up again, or ends as failed."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medmip.authoring.analysis import model_of
from medmip.catalogue.variable import Variable, VariableType
from medmip.federation.broker_program import BrokerProgram, UnusableBroker
from medmip.privacy.ledger import Ledger, LedgerRow
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from tests.conftest import missing
from tests.federation.federation import OPEN_POLICY, Federation
from tests.federation.hub_process import HubProcess

NAMES = ("Hospital 01", "Hospital 02", "Hospital 03")
DATASETS = ("one", "two", "three")
REQUEST = {
    "name": "Slope",
    "algorithm": "linear_regression",
    "inputdata": {
        "data_model": "test:1",
        "datasets": list(DATASETS),
        "y": ["a"],
        "x": ["b"],
    },
}


@dataclass
class Running:
    """A hub as a process, and three hospitals."""

    hub: HubProcess
    made: Federation

    def pause(self, name: str) -> None:
        self.made.processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.made.processes[name].send_signal(signal.SIGCONT)

    def state(self, experiment: str) -> Any:
        return self.hub.get(f"/api/v1/experiments/{experiment}")

    def wait(self, experiment: str, states: set[str], within: float = 90.0) -> Any:
        until = time.monotonic() + within
        while (found := self.state(experiment))["state"] not in states:
            assert time.monotonic() < until, found
            time.sleep(0.1)
        return found

    def begun_at(self, name: str, experiment: str, within: float = 60.0) -> None:
        """Waits until a hospital's ledger tells of the run."""
        until = time.monotonic() + within
        while not self.ledger(self.made.homes[name], experiment):
            assert time.monotonic() < until
            time.sleep(0.05)

    @staticmethod
    def ledger(home: Any, experiment: str) -> list[LedgerRow]:
        rows = Ledger(open_state(home), LedgerHead(home)).rows()
        return [row for row in rows if row.experiment == experiment]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    try:
        BrokerProgram.found()
    except UnusableBroker as error:
        missing(error.what)
    rng = np.random.default_rng(5)
    data = {"a": rng.normal(size=300), "b": rng.normal(size=300)}
    columns = data | {"dataset": np.repeat(DATASETS, 100)}
    model = model_of(columns, {"dataset": ()})
    patient = Variable(code="subjectcode", label="Patient", type=VariableType.TEXT, sql_type="text")
    model = model.model_copy(update={"variables": (*model.variables, patient)})
    made = Federation(tmp_path, model, DATASETS)
    hub = HubProcess(made.home)
    for index, name in enumerate(NAMES):
        part = slice(100 * index, 100 * (index + 1))
        made.add_site(name, {code: values[part] for code, values in columns.items()}, OPEN_POLICY)
    try:
        hub.start()
        for name in NAMES:
            made.start_site(name)
        until = time.monotonic() + 90
        while len(hub.get("/api/v1/datasets")) < 3:
            assert time.monotonic() < until
            time.sleep(0.2)
        yield Running(hub, made)
    finally:
        made.stop()
        hub.stop()


def killed_in_mid_run(running: Running, experiment: str) -> None:
    """Kills the hub while a hospital hangs, so that the run cannot have ended."""
    running.begun_at(NAMES[0], experiment)
    assert running.state(experiment)["state"] == "running"
    running.hub.kill()


def test_a_run_is_taken_up_by_the_next_hub_and_tells_the_same_everywhere(running: Running) -> None:
    running.pause(NAMES[1])
    experiment = running.hub.post("/api/v1/experiments", REQUEST)["id"]
    killed_in_mid_run(running, experiment)
    running.resume(NAMES[1])
    broker = int(running.made.hub.broker_process.read_text())
    running.hub.start()
    assert int(running.made.hub.broker_process.read_text()) != broker
    with pytest.raises(ProcessLookupError):
        os.kill(broker, 0)
    done = running.wait(experiment, {"done", "failed"})
    assert done["state"] == "done", done["problem"]
    again = running.hub.post("/api/v1/experiments", REQUEST)["id"]
    running.wait(again, {"done"})
    one, other = (
        running.hub.get(f"/api/v1/experiments/{name}")["result"] for name in (experiment, again)
    )
    assert one == other
    told = {row.statistic for row in running.ledger(running.made.home, experiment)}
    assert told == {f"run at {name}" for name in NAMES}
    for home in running.made.homes.values():
        rows = running.ledger(home, experiment)
        assert {row.verdict for row in rows} <= {"admitted", "released"}
        assert {row.algorithm for row in rows} == {"linear_regression"}


def test_a_run_whose_hub_and_hospital_are_gone_ends_as_failed(running: Running) -> None:
    running.pause(NAMES[1])
    experiment = running.hub.post("/api/v1/experiments", REQUEST)["id"]
    killed_in_mid_run(running, experiment)
    running.hub.start()
    failed = running.wait(experiment, {"done", "failed"})
    assert failed["state"] == "failed"
    told = str(failed["problem"])
    assert "two is not published" in told
    assert f"of a hospital that is not heard of: {NAMES[1]}" in told
    running.resume(NAMES[1])
