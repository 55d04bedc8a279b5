"""Experiments run once, end honestly and survive the process."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from medmip.algorithms import registry
from medmip.algorithms.declaration import Parameters, Result, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import NUMERIC, one
from medmip.algorithms.views import View
from medmip.catalogue.home import Home
from medmip.errors import RequestError
from medmip.experiments.experiment import State
from medmip.experiments.listing import Wanted
from medmip.experiments.repository import Experiments
from medmip.experiments.request import InputData, Request
from medmip.experiments.service import ATTEMPTS, ExperimentService
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments
from medmip.logbook import write_log_to
from medmip.store.state import open_state
from tests.ports import free_port

MARKER = 4.123456789


def request(name: str = "describe", **parts: Any) -> Request:
    parameters = parts.pop("parameters", {})
    data = {"data_model": "dementia:1.0", "datasets": ["edsd-synthetic"], "y": ["lefthippocampus"]}
    return Request(algorithm=name, inputdata=InputData(**(data | parts)), parameters=parameters)


class Secret(Parameters):
    number: float = Field(MARKER)


class Nothing(Result):
    def views(self, names: Names = CODES) -> list[View]:  # noqa: ARG002
        return []


@algorithm(
    "careless",
    label="Careless",
    question="Describe",
    description="Fails with a value in its message.",
    discloses="Nothing.",
    y=one(NUMERIC, "Variable"),
    parameters=Secret,
)
def careless(_: Cohort, parameters: Secret) -> Nothing:
    raise ValueError(f"the patient's value is {parameters.number}")


@algorithm(
    "endless",
    label="Endless",
    question="Describe",
    description="Goes on until it is cancelled.",
    discloses="Nothing.",
    y=one(NUMERIC, "Variable"),
    parameters=Secret,
)
def endless(cohort: Cohort, _: Secret) -> Nothing:
    while True:
        cohort.fold(moments, MomentsState(cohort.design(cohort.y)))


def test_run_keeps_result_and_provenance(service: ExperimentService) -> None:
    done = service.run(request())
    assert done.state is State.DONE
    assert done.result is not None
    assert done.provenance is not None
    (used,) = done.provenance.snapshots
    assert used.hash == service.datasets.current("dementia:1.0", "edsd-synthetic").hash
    assert done.provenance.patients == 900
    assert service.get(done.id) == done


def test_small_cohort_is_refused_and_written_down(service: ExperimentService) -> None:
    rule = {"field": "subjectageyears", "operator": "greater", "value": 120}
    refused = service.run(request(filters={"condition": "AND", "rules": [rule]}))
    assert refused.state is State.REFUSED
    assert refused.result is None
    assert service.ledger.rows(1)[0].verdict == "refused"
    assert service.ledger.rows(1)[0].rule == "minimum_patients"


def test_analysis_without_answer_fails_with_reason(service: ExperimentService) -> None:
    failed = service.run(request("pearson_correlation"))
    assert failed.state is State.FAILED
    assert failed.problem is not None
    assert "two variables" in failed.problem.detail


def test_outcome_is_no_covariate(service: ExperimentService) -> None:
    with pytest.raises(RequestError) as refused:
        service.run(request("linear_regression", x=["righthippocampus", "lefthippocampus"]))
    assert [problem.path for problem in refused.value.fields] == ["inputdata.x[1]"]


def test_foreign_error_tells_no_value(service: ExperimentService, tmp_path: Path) -> None:
    service.validator.algorithms = registry.registry() | {"careless": careless}
    write_log_to(tmp_path / "log")
    failed = service.run(request("careless"))
    assert failed.state is State.FAILED
    assert failed.problem is not None
    assert "reference" in failed.problem.detail
    out = (tmp_path / "log").read_text()
    assert failed.problem.detail.rsplit(" ", 1)[1] in out
    assert str(MARKER) not in out + failed.problem.model_dump_json()


def test_queue_that_a_stopped_process_left_is_taken_up(filled: Home) -> None:
    experiments = Experiments(open_state(filled))
    queued = experiments.add(request(), "queued", "tester", State.QUEUED)
    running = experiments.add(request(), "running", "tester", State.QUEUED)
    assert experiments.start(running)
    service = ExperimentService(filled)
    assert service.resume() == 2
    for identity in (queued, running):
        for _ in range(400):
            if service.get(identity).state.ended:
                break
            time.sleep(0.05)
        assert service.get(identity).state is State.DONE
    service.close()


def test_run_that_stops_the_process_again_and_again_fails(filled: Home) -> None:
    experiments = Experiments(open_state(filled))
    identity = experiments.add(request(), "deadly", "tester", State.QUEUED)
    for _ in range(ATTEMPTS):
        assert experiments.start(identity)
        left = experiments.requeue(ATTEMPTS)
    assert left == []
    ended = experiments.get(identity)
    assert ended.state is State.FAILED
    assert ended.problem is not None
    assert "interrupted" in ended.problem.title


def test_cancelled_in_the_queue_never_runs(filled: Home) -> None:
    service = ExperimentService(filled, workers=1)
    identities = [service.submit(request()).id for _ in range(5)]
    cancelled = service.cancel(identities[-1])
    assert cancelled.state is State.CANCELLED
    time.sleep(0.3)
    service.close()
    assert service.get(identities[-1]).state is State.CANCELLED
    assert service.get(identities[-1]).result is None


def test_cancelled_by_another_process_stops_the_work(filled: Home) -> None:
    service = ExperimentService(filled, workers=1)
    service.validator.algorithms = registry.registry() | {"endless": endless}
    identity = service.submit(request("endless")).id
    for _ in range(100):
        if service.get(identity).progress.rounds > 3:
            break
        time.sleep(0.05)
    mip = str(Path(sys.executable).with_name("mip"))
    subprocess.run([mip, "experiment", "cancel", identity, "--home", filled.path], check=True)
    following = service.submit(request()).id
    for _ in range(100):
        if service.get(following).state.ended:
            break
        time.sleep(0.05)
    assert service.get(following).state is State.DONE, "the only worker is free again"
    assert service.get(identity).state is State.CANCELLED
    service.close()


def test_search_takes_its_signs_literally(service: ExperimentService) -> None:
    service.run(request(), name="100 % of_all")
    assert service.find(Wanted("100 % of_"))[0] == 1
    assert service.find(Wanted("%"))[0] == 1
    assert service.find(Wanted("ofXall"))[0] == 0


def test_killed_server_finishes_its_queue_after_a_restart(filled: Home) -> None:
    address, server = _serve(filled)
    document = request().model_dump(mode="json")
    made = [_call(f"{address}/api/v1/experiments", document)["id"] for _ in range(12)]
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    address, server = _serve(filled)
    try:
        states = []
        for identity in made:
            for _ in range(600):
                state = _call(f"{address}/api/v1/experiments/{identity}")["state"]
                if state not in ("queued", "running"):
                    break
                time.sleep(0.05)
            states.append(state)
        assert states == ["done"] * len(made)
    finally:
        server.terminate()
        server.wait(timeout=20)


def _serve(home: Home) -> tuple[str, subprocess.Popen[bytes]]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("mip")), "serve"]
    home.configuration.write_text('[login]\nkind = "open"\n')
    server = subprocess.Popen([*command, "--port", str(port), "--home", str(home.path)])
    address = f"http://127.0.0.1:{port}"
    for _ in range(400):
        try:
            _call(f"{address}/readyz")
        except (urllib.error.URLError, ConnectionError):
            assert server.poll() is None, "mip serve stopped"
            time.sleep(0.1)
        else:
            return address, server
    server.kill()
    pytest.fail("mip serve did not get ready")


def _call(address: str, document: object = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(address, body, headers), timeout=20
    ) as answer:
        return json.load(answer)
