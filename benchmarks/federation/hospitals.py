"""A hub in this process with its broker, and hospitals as processes, for measuring."""

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.federation.hospital import serve
from medmip.authoring.analysis import model_of, site_of
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.catalogue.variable import Variable, VariableType
from medmip.federation.authority import TlsKey
from medmip.federation.clock import now
from medmip.federation.coordinator import Timing
from medmip.federation.desk_messages import software_version
from medmip.federation.identity import Identity
from medmip.federation.site_folder import SiteFolder, SiteMembership, Standing
from medmip.store.state import open_state
from tests.federation.distance import distant
from tests.federation.federation import Federation

POLICY = 'overlap = "off"\nsteering_in_clear = true\n'
"""The default policy; what is measured asks for one cohort again and again."""
TIMING = Timing(silence=30.0, grace=60.0, deadline=300.0, again=20.0)
"""Longer than usual: the machine has fewer cores than hospitals."""
LEVELS = {"outcome": ("no", "yes")}


@dataclass
class Hospitals(Federation):
    """Hospitals that are members without the ceremony of joining, told by the tests of that."""

    timing: Timing = TIMING
    members: list[BaseProcess] = field(default_factory=list)

    def found(self, name: str, columns: Mapping[str, Any], port: int | None = None) -> None:
        """A member with these records; port stands in for the hub's, as one that delays."""
        home = self.homes[name] = Home(self.folder / name).prepare()
        home.policy.write_text(POLICY)
        ModelStore(home).add(self.model)
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
                host="127.0.0.1",
                port=port or self.hub.settings.port,
                hub_key=self.hub.identity.public.hex,
                standing=Standing.MEMBER,
            )
        )

    def _empty_state(self) -> Path:
        """A state database without rows: to make one from nothing for each takes longer."""
        path = self.folder / "empty.db"
        if not path.exists():
            home = Home(self.folder / "empty").prepare()
            open_state(home).dispose()
            shutil.copy(home.state_db, path)
        return path

    def open_all(self, together: int = 1, within: float = 180.0) -> None:
        """Starts a process for each, or for some together, and waits until the hub heard of all."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["benchmarks.federation.hospital"])
        homes = [str(home.path) for home in self.homes.values()]
        for start in range(0, len(homes), together):
            process = context.Process(target=serve, args=(homes[start : start + together],))
            process.start()
            self.members.append(process)
        until = time.monotonic() + within
        while not all(map(self.coordinator.alive, self.coordinator.peers())):
            if time.monotonic() > until:
                raise TimeoutError("not every hospital came up")
            time.sleep(0.2)

    def close_all(self) -> None:
        """Ends every process."""
        for process in self.members:
            process.kill()
        for process in self.members:
            process.join()


@contextmanager
def hospitals(
    parts: Sequence[Mapping[str, Any]], *, together: int = 1, away: float = 0.0
) -> Iterator[Hospitals]:
    """Hospitals with these records, all of them serving; away is seconds of the road to the hub."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        made = Hospitals(Path(folder), data_model(parts[0]), ("d",))
        port = stack.enter_context(distant(made.hub.settings.port, away)) if away else None
        for index, columns in enumerate(parts):
            made.found(f"Hospital {index + 1:03d}", columns, port)
        with made.background:
            try:
                made.open_all(together)
                yield made
            finally:
                made.close_all()


def data_model(columns: Mapping[str, Any]) -> DataModel:
    """The model of these columns, with the patients' code that the file format wants."""
    model = model_of(columns, LEVELS)
    patient = Variable(code="subjectcode", label="Patient", type=VariableType.TEXT, sql_type="text")
    return model.model_copy(update={"variables": (*model.variables, patient)})


def records(sites: int, each: int, covariates: int) -> list[dict[str, Any]]:
    """What each of so many hospitals holds: covariates v00, v01, … and an outcome."""
    rng = np.random.default_rng(20)
    slopes = rng.normal(size=covariates) / np.sqrt(covariates)
    parts = []
    for _ in range(sites):
        x = rng.normal(size=(each, covariates))
        chance = 1 / (1 + np.exp(-(x @ slopes) + 0.4))
        columns: dict[str, Any] = {f"v{index:02d}": x[:, index] for index in range(covariates)}
        columns["outcome"] = np.array(LEVELS["outcome"])[(rng.random(each) < chance).astype(int)]
        parts.append(columns)
    return parts


def covariates_of(count: int) -> list[str]:
    """Their codes."""
    return [f"v{index:02d}" for index in range(count)]
