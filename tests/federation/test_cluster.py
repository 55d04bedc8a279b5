"""Three servers for one hub: hospitals move to another where theirs is gone."""

import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medmip.authoring.analysis import model_of
from medmip.catalogue.variable import Variable, VariableType
from medmip.federation.broker_program import BrokerProgram, UnusableBroker
from medmip.federation.coordinator import Timing
from medmip.fold.moments import Moments, MomentsState, moments
from tests.conftest import missing
from tests.federation.federation import OPEN_POLICY, Federation
from tests.ports import free_port

NAMES = ("Hospital 01", "Hospital 02", "Hospital 03")
MACHINES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""Where each server takes the others' connections; the hub's certificate has to be for all."""
TIMING = Timing(silence=12.0, grace=30.0, deadline=120.0, again=1.0)


@dataclass
class Cluster:
    """A hub with its own server, two further ones, and a hospital at each of the three."""

    made: Federation
    clients: list[int] = field(default_factory=lambda: [free_port() for _ in range(3)])
    routes: list[int] = field(default_factory=lambda: [free_port() for _ in range(3)])
    others: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clients[0] = self.made.hub.settings.port

    def joining(self, server: int) -> str:
        """The operator's file, as the documentation tells it."""
        hub = self.made.hub
        routes = ", ".join(
            f'"nats-route://{MACHINES[place]}:{port}"'
            for place, port in enumerate(self.routes)
            if place != server
        )
        return f"""
server_name: "hub-{server}"
cluster {{
  name: "alps"
  listen: "{MACHINES[server]}:{self.routes[server]}"
  routes: [{routes}]
  tls {{
    cert_file: "{hub.server_certificate}"
    key_file: "{hub.server_key}"
    ca_file: "{hub.authority_certificate}"
    verify: true
  }}
}}
"""

    def start(self, server: int) -> None:
        """A copy of the hub's configuration on what stands for another machine."""
        place = self.made.folder / f"server-{server}"
        place.mkdir(exist_ok=True)
        text = self.made.hub.broker_configuration.read_text()
        text = text.replace(f":{self.clients[0]}", f":{self.clients[server]}")
        text = text.replace(str(self.made.hub.broker_process), str(place / "nats-server.pid"))
        (place / "nats-server.conf").write_text(text)
        (place / "cluster.conf").write_text(self.joining(server))
        with (place / "log").open("wb") as log:
            self.others[server] = subprocess.Popen(
                [BrokerProgram.found().path, "--config", place / "nats-server.conf"], stderr=log
            )

    def kill(self, server: int) -> None:
        self.others[server].send_signal(signal.SIGKILL)
        self.others[server].wait(10)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    try:
        BrokerProgram.found()
    except UnusableBroker as error:
        missing(error.what)
    rng = np.random.default_rng(5)
    parts = [{"a": rng.normal(size=100), "b": rng.normal(size=100)} for _ in NAMES]
    model = model_of(parts[0])
    patient = Variable(code="subjectcode", label="Patient", type=VariableType.TEXT, sql_type="text")
    model = model.model_copy(update={"variables": (*model.variables, patient)})
    made = Federation(tmp_path, model, ("d",), TIMING, servers=MACHINES[1:])
    servers = Cluster(made)
    made.hub.cluster_configuration.write_text(servers.joining(0))
    for name, columns, port in zip(NAMES, parts, servers.clients, strict=True):
        made.add_site(name, columns, OPEN_POLICY, port)
    with made.background:
        try:
            for server in (1, 2):
                servers.start(server)
            for name in NAMES:
                made.start_site(name)
            made.wait_for_sites()
            yield servers
        finally:
            made.stop()
            for process in servers.others.values():
                process.kill()
                process.wait(10)


def test_a_run_goes_on_where_a_server_of_three_is_killed(cluster: Cluster) -> None:
    made = cluster.made
    cohort: Any = made.cohort(["linear_regression"], y=["a"], x=["b"])
    state = MomentsState(cohort.design((*cohort.x, *cohort.y)))

    def folded() -> Moments:
        found: Moments = cohort.fold(moments, state)
        return found

    before = folded()
    assert cohort.transport.aggregation.secure
    for server in (2, 1):
        cluster.kill(server)
        begun = time.monotonic()
        assert folded().cross.tobytes() == before.cross.tobytes()
        assert time.monotonic() - begun < TIMING.silence
