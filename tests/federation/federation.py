"""A federation of real processes for tests: a hub with its broker, and sites that joined it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from medmip.algorithms.registry import find
from medmip.authoring.analysis import model_of
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.catalogue.variable import Variable, VariableType
from medmip.experiments.preparation import Preparation, prepared_spec
from medmip.federation.authority import TlsKey
from medmip.federation.background import Background
from medmip.federation.broker_program import BrokerProgram, UnusableBroker
from medmip.federation.clock import now
from medmip.federation.coordinator import Coordinator, Timing
from medmip.federation.desk_messages import software_version
from medmip.federation.hub_folder import HubFolder, HubSettings
from medmip.federation.hub_service import HubService
from medmip.federation.identity import Identity
from medmip.federation.membership import Membership
from medmip.federation.remote import RemoteMember, RemoteRun, close_all
from medmip.federation.request import CohortRequest
from medmip.federation.run_keys import OnLoss
from medmip.federation.secure_aggregation import aggregation_of
from medmip.federation.site_folder import SiteFolder, SiteMembership, Standing
from medmip.federation.site_runs import AlgorithmAsked, Opening
from medmip.federation.sites import directory_of
from medmip.federation.specification import CohortSpec
from medmip.federation.transport import Watcher, opened
from medmip.fold.cohort import Cohort
from medmip.store.filters import parse_filter
from medmip.store.state import open_state
from tests.analysis import parts_of, site_of
from tests.conftest import ROOT, missing
from tests.ports import free_port

QUICK = Timing(silence=2.5, grace=3.0, deadline=60.0, again=1.0)
OPEN_POLICY = """minimum_patients = 1
minimum_cell = 1
complementary = false
patients_per_parameter = 0.0
overlap = "off"
dominance = 1.0
extremes = true
"""


@dataclass
class Federation:
    """A hub in this process, with its broker as a child, and the processes of its sites."""

    folder: Path
    model: DataModel
    datasets: tuple[str, ...]
    timing: Timing = QUICK
    host: str = "127.0.0.1"
    homes: dict[str, Home] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    serving: set[str] = field(default_factory=set)
    servers: tuple[str, ...] = ()
    runs: int = 0
    opened: list[Any] = field(default_factory=list)
    counting: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.home = Home(self.folder / "hub-home").prepare()
        self.hub = HubFolder(self.home)
        listen = self.host if self.host == "127.0.0.1" else "0.0.0.0"
        settings = HubSettings(
            federation="test",
            host=self.host,
            port=free_port(),
            listen=listen,
            servers=self.servers,
        )
        self.hub.make(settings, now())
        state = open_state(self.home)
        self.membership: Membership = Membership(state)
        self.coordinator = Coordinator("test", lambda: directory_of(self.membership), self.timing)
        self.service = HubService(self.hub, state, self.coordinator.begin)
        self.background = Background(self.service)

    def add_site(
        self,
        name: str,
        columns: Mapping[str, Any],
        policy: str = OPEN_POLICY,
        port: int | None = None,
    ) -> Home:
        """A member with these records, without the ceremony of joining; it does not run yet.

        port stands in for the hub's where something lies on the road.
        """
        home = self.homes[name] = Home(self.folder / name).prepare()
        home.policy.write_text(policy)
        ModelStore(home).add(self.model)
        if len(next(iter(columns.values()), ())):
            site_of(home.path, self.model, columns)
        shutil.copy(self._empty_state(), home.state_db)
        folder, one_time, moment = SiteFolder(home), Identity.made(), now()
        folder.make_keys()
        site = folder.identity.public
        self.membership.invite(name, one_time.public, moment)
        self.membership.enrol(one_time.public.node, site, software_version(), moment)
        self.membership.approve(name, moment)
        tls = TlsKey.read(folder.tls_key).public
        folder.keep_certificate(self.hub.authority.for_client(site.node, tls, moment))
        folder.authority_certificate.write_bytes(self.hub.authority.pem)
        folder.keep(
            SiteMembership(
                federation="test",
                name=name,
                node=site.node,
                host=self.host,
                port=port or self.hub.settings.port,
                hub_key=self.hub.identity.public.hex,
                standing=Standing.MEMBER,
            )
        )
        return home

    def _empty_state(self) -> Path:
        """A state database without rows: to make one from nothing for each takes longer."""
        path = self.folder / "empty.db"
        if not path.exists():
            home = Home(self.folder / "empty").prepare()
            open_state(home).dispose()
            shutil.copy(home.state_db, path)
        return path

    def start_site(
        self, name: str, *, through: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """Starts a site's process; through is a command that starts it elsewhere."""
        told = json.dumps({"home": str(self.homes[name].path), **options})
        process = subprocess.Popen(
            [*through, sys.executable, "-m", "tests.federation.site_process", told],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes[name] = process
        return process

    def wait_for_sites(self, within: float = 60.0) -> None:
        """Until every site serves and the hub has heard of it."""
        for name, process in self.processes.items():
            if name not in self.serving:
                assert process.stdout is not None
                assert process.stdout.readline() == "serving\n"
                self.serving.add(name)
        until = time.monotonic() + within
        while not all(map(self.coordinator.alive, self.coordinator.peers())):
            assert time.monotonic() < until
            time.sleep(0.02)

    def cohort(
        self,
        algorithms: Sequence[str],
        *,
        y: Sequence[str],
        x: Sequence[str] = (),
        missing: str = "drop",
        watcher: Watcher | None = None,
        user: str = "tester",
        software: str | None = None,
        waiting: Any = lambda _: None,
        on_loss: OnLoss | None = OnLoss.FAIL,
        sites: Collection[str] = (),
        preparation: Preparation | None = None,
        filters: object = None,
        **spec: Any,
    ) -> Cohort:
        """The opened cohort over all sites, or those named; leaves the run open at them.

        Where on_loss is None, sites are asked in clear whatever their number.
        """
        asked = CohortSpec(
            self.model,
            self.datasets,
            tuple(map(self.model.variable, y)),
            tuple(map(self.model.variable, x)),
            parse_filter(filters, self.model),
            "keep" if missing == "keep" else "drop",
            **spec,
        )
        if preparation is not None:
            asked = prepared_spec(asked, preparation)
        with self.counting:
            self.runs += 1
            number = self.runs
        opening = Opening(
            user,
            tuple(AlgorithmAsked(name, find(name).version) for name in algorithms),
            CohortRequest.of(asked),
            software or software_version(),
        )
        shared = RemoteRun(self.coordinator, f"run-{number}", opening, waiting)
        members = [
            RemoteMember(peer, shared)
            for peer in self.coordinator.peers()
            if not sites or peer.site.name in sites
        ]
        self.opened += members
        if on_loss is None:
            return opened(members, asked, watcher)
        return opened(members, asked, watcher, partial(aggregation_of, on_loss=on_loss))

    def kill(self, name: str) -> None:
        """Ends a site's process at once, as a power cut would."""
        process = self.processes.pop(name)
        self.serving.discard(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()

    def stop(self) -> None:
        close_all(self.opened)
        for name in list(self.processes):
            self.kill(name)


@contextmanager
def federation(
    folder: Path,
    data: Mapping[str, Any],
    parts: int | Sequence[Any],
    *,
    levels: Mapping[str, Sequence[str]] | None = None,
    datasets: Sequence[str] = ("d",),
    policy: str = OPEN_POLICY,
    timing: Timing = QUICK,
    key: bytes | None = None,
) -> Iterator[Federation]:
    """The columns cut into parts, each of them at a site of its own, all of them serving.

    key, where given, is the secret by which every site draws for its patients.
    """
    try:
        BrokerProgram.found()
    except UnusableBroker as error:
        missing(error.what)
    model = model_of(data, levels)
    if "subjectid" not in data:
        # The data are told apart by their place; the file format wants a patient's column.
        patient = Variable(
            code="subjectcode", label="Patient", type=VariableType.TEXT, sql_type="text"
        )
        model = model.model_copy(update={"variables": (*model.variables, patient)})
    made = Federation(folder, model, tuple(datasets), timing)
    with made.background:
        try:
            for index, columns in enumerate(parts_of(data, parts)):
                home = made.add_site(f"Hospital {index + 1:02d}", columns, policy)
                if key is not None:
                    (home.keys / "folds.key").write_bytes(key)
            for name in made.homes:
                made.start_site(name)
            made.wait_for_sites()
            yield made
        finally:
            made.stop()
