"""A hub in this process with its broker, and hospitals as processes, for measuring."""

import multiprocessing
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
from medmip.authoring.analysis import model_of
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable, VariableType
from medmip.federation.coordinator import Timing
from tests.federation.distance import distant
from tests.federation.federation import Federation

POLICY = 'overlap = "off"\nsteering_in_clear = true\n'
"""The default policy; what is measured asks for one cohort again and again."""
TIMING = Timing(silence=30.0, grace=60.0, deadline=300.0, again=20.0)
"""Longer than usual: the machine has fewer cores than hospitals."""
LEVELS = {"outcome": ("no", "yes")}


@dataclass
class Hospitals(Federation):
    """The federation of the tests, its hospitals forked from one process that has loaded all."""

    timing: Timing = TIMING
    members: list[BaseProcess] = field(default_factory=list)

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
            made.add_site(f"Hospital {index + 1:03d}", columns, POLICY, port)
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
