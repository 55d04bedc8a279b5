"""The peer's cases: its datasets imported as a hospital would, its requests mapped to ours."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from medmip.algorithms.registry import find
from medmip.catalogue.cdes import read_cdes
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.federation.in_process import open_cohort
from medmip.federation.site import Site
from medmip.federation.specification import CohortSpec
from medmip.ingest import import_file
from medmip.privacy.guard import Guard
from medmip.privacy.policy import Policy
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.filters import parse_filter
from medmip.store.snapshots import Snapshot
from tests.analysis import ACCESS, Witnessed
from tests.as_it_is import as_it_is

PEERS_POLICY = Policy(
    minimum_patients=10,
    minimum_cell=1,
    complementary=False,
    patients_per_parameter=0,
    dominance=1.0,
    overlap="off",
    extremes=True,
)
"""What the peer lets out: cohorts of ten patients and more, and every count in them."""

SUITE = Path(
    os.environ.get("MIP_PEER_SUITE") or Path(__file__).parents[3] / "shared" / "peer-suite"
)


@dataclass
class PeerHospital:
    """Holds the peer's datasets; each is imported when a case first asks for it."""

    folder: Path
    home: Home
    models: dict[str, DataModel] = field(default_factory=dict)
    snapshots: dict[tuple[str, str], Snapshot] = field(default_factory=dict)

    def model(self, key: str, *, sorted_levels: bool = False) -> DataModel:
        """A data model; the peer takes the reference level by the order of the codes."""
        if key not in self.models:
            file = self._folder_of(key) / "CDEsMetadata.json"
            self.models[key] = read_cdes(file.read_bytes())
        return _sorted(self.models[key]) if sorted_levels else self.models[key]

    def snapshot(self, key: str, dataset: str) -> Snapshot:
        if (key, dataset) not in self.snapshots:
            file = self._folder_of(key) / f"{dataset}.csv"
            for snapshot in import_file(self.home, file, self.model(key)):
                self.snapshots[key, snapshot.dataset] = snapshot
        return self.snapshots[key, dataset]

    def run(
        self,
        algorithm: str,
        data: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        *,
        y: Sequence[str] | None = None,
        x: Sequence[str] | None = None,
        datasets: Sequence[str] | None = None,
        filters: object = None,
        sorted_levels: bool = False,
        policy: Policy = PEERS_POLICY,
    ) -> Any:
        """The result of our algorithm on a case's `inputdata`, parts of which may be replaced."""
        declared = find(algorithm)
        key = data["data_model"]
        model = self.model(key, sorted_levels=sorted_levels)
        names = tuple(datasets if datasets is not None else data["datasets"])
        names = tuple(sorted(names)) if sorted_levels else names
        spec = CohortSpec(
            model,
            names,
            tuple(model.variable(code) for code in (data["y"] or () if y is None else y)),
            tuple(model.variable(code) for code in (data.get("x") or () if x is None else x)),
            parse_filter(filters if filters is not None else data.get("filters"), model),
            declared.missing,
        )
        witness = Witnessed()
        site = Site(
            DuckDBEngine(self.home.datasets),
            Guard(policy, witness, witness),
            tuple(self.snapshot(key, name) for name in names),
        )
        cohort = open_cohort([site], spec, ACCESS)
        return declared.run(cohort, declared.parameters(**(parameters or {})))

    def _folder_of(self, key: str) -> Path:
        code, version = key.split(":")
        return self.folder / "datasets" / f"{code}_v_{version.replace('.', '_')}"


def _sorted(part: Any) -> Any:
    """The same model, or group, with every variable's levels in the order of their codes."""
    variables = tuple(
        _changed(variable, enumerations=tuple(sorted(variable.enumerations, key=lambda e: e.code)))
        for variable in part.variables
    )
    return _changed(
        part, variables=variables, groups=tuple(_sorted(group) for group in part.groups)
    )


def _changed(part: Any, **changes: Any) -> Any:
    # Not model_copy, which would copy what the original has worked out from its fields.
    return type(part)(**{name: getattr(part, name) for name in type(part).model_fields} | changes)


@pytest.fixture(scope="session")
def peer(peer_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> PeerHospital:
    home = as_it_is(Home(tmp_path_factory.mktemp("peer")).prepare())
    return PeerHospital(peer_suite, home)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `case` runs for every case of its module's PEER_CASES files."""
    if "case" in metafunc.fixturenames:
        named = metafunc.module.PEER_CASES
        files = (named,) if isinstance(named, str) else named
        metafunc.parametrize("case", [case for file in files for case in cases_of(file)])


def cases_of(name: str) -> list[Any]:
    """The cases of one file, each numbered and named by its place in it."""
    # Where the suite is absent one case remains, which the fixture `peer` skips or fails.
    file = SUITE / "cases" / f"{name}.json"
    if not file.is_file():
        return [pytest.param({}, id=f"{name}-absent")]
    cases = json.loads(file.read_text())["test_cases"]
    return [pytest.param(case | {"number": n}, id=f"{name}-{n}") for n, case in enumerate(cases)]


Explain = Callable[[str], None]


@pytest.fixture
def explained(record_property: Callable[[str, object], None]) -> Explain:
    """Tells the report that a case is not simply equal, and how the peer differs.

    The test that calls it holds the proof.
    """

    def tell(how: str) -> None:
        record_property("explained", how)

    return tell


def close(expected: Any, *, floor: float = 1e-9) -> Any:
    """Equal within the peer suite's tolerance: 1e-6 relative, with a floor for values near zero."""
    return pytest.approx(expected, rel=1e-6, abs=floor)
