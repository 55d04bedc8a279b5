"""Runs one algorithm on given columns through snapshot, engine, guard and fold."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.registry import find
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.experiments.preparation import Preparation, prepared_spec
from medmip.federation.in_process import open_cohort
from medmip.federation.site import Site
from medmip.federation.specification import CohortSpec
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import IntArray
from medmip.privacy.guard import Access, Guard
from medmip.privacy.policy import Policy
from medmip.privacy.suppression import BoolArray
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.engine import Partition
from medmip.store.filters import parse_filter
from medmip.store.snapshots import Datasets

OPEN = Policy(
    minimum_patients=1,
    minimum_cell=1,
    complementary=False,
    patients_per_parameter=0,
    dominance=1.0,
    overlap="off",
    extremes=True,
)
"""Lets everything out, for proofs of numbers."""

ACCESS = Access(user="tester", experiment="test", algorithm="test")


@dataclass
class Witnessed:
    """Keeps what the guard witnessed, and earlier cohorts, in memory."""

    rows: list[tuple[str, str, str, int]] = field(default_factory=list)
    cohorts: dict[str, dict[str, BoolArray]] = field(default_factory=dict)

    def record(
        self,
        access: Access,  # noqa: ARG002 - the guard's protocol names it
        *,
        statistic: str,
        verdict: str,
        rule: str,
        reason: str,  # noqa: ARG002 - the guard's protocol names it
        suppressed: int,
    ) -> None:
        self.rows.append((statistic, verdict, rule, suppressed))

    def on(self, snapshot: str) -> Sequence[str]:
        return [cohort for cohort, held in self.cohorts.items() if snapshot in held]

    def held_by(self, cohort: str) -> Mapping[str, BoolArray]:
        return self.cohorts.get(cohort, {})

    def remember(self, cohort: str, held: Mapping[str, BoolArray]) -> None:
        self.cohorts.setdefault(cohort, dict(held))


def model_of(
    data: Mapping[str, Any], levels: Mapping[str, Sequence[str]] | None = None
) -> DataModel:
    """A data model that fits the columns: numbers are real, texts nominal with sorted levels."""
    levels = levels or {}
    variables = [
        _variable(code, np.asarray(values), levels.get(code))
        for code, values in data.items()
        if not code.startswith("__")
    ]
    if "dataset" not in data:
        variables.append(_variable("dataset", np.array(["d"]), ()))
    return DataModel(
        code="test",
        version="1",
        label="Test",
        longitudinal="subjectid" in data,
        variables=tuple(variables),
    )


def _variable(code: str, values: Any, levels: Sequence[str] | None) -> Variable:  # noqa: ANN401
    if code in ("subjectid", "subjectcode", "visitid"):
        return Variable(code=code, label=code, type=VariableType.TEXT, sql_type="text")
    if values.dtype.kind in "fiu":
        return Variable(code=code, label=code, type=VariableType.REAL, sql_type="real")
    if levels is None:
        levels = sorted({str(value) for value in values.tolist() if value is not None})
    return Variable(
        code=code,
        label=code,
        type=VariableType.NOMINAL,
        sql_type="text",
        enumerations=tuple(Enumeration(code=level, label=level) for level in levels),
    )


def site_of(
    folder: Path,
    model: DataModel,
    data: Mapping[str, Any],
    policy: Policy = OPEN,
    key: bytes = b"",
    engine: DuckDBEngine | None = None,
) -> Site:
    """A site that has published these columns, a dataset for each value of `dataset` (else `d`).

    key is the secret by which it draws for its patients; engine, if any, may read in the folder.
    """
    home = Home(folder).prepare()
    datasets = Datasets(home)
    columns = {code: np.asarray(values) for code, values in data.items()}
    length = len(next(iter(columns.values())))
    names = columns.get("dataset", np.full(length, "d"))
    snapshots = []
    for name in sorted(set(names.tolist())):
        rows = np.flatnonzero(names == name)
        patient: IntArray = np.arange(len(rows))
        if "subjectid" in columns:
            rows = rows[np.argsort(columns["subjectid"][rows], kind="stable")]
            patient = np.unique(columns["subjectid"][rows], return_inverse=True)[1]
        table = pa.table(
            {
                **{code: _arrow(values[rows]) for code, values in columns.items()},
                "dataset": pa.array([name] * len(rows), pa.string()),
                "__patient": pa.array(patient.astype(np.int32)),
            }
        )
        snapshots.append(datasets.publish(table, model.key, name, "test.csv"))
    witness = Witnessed()
    engine = engine or DuckDBEngine(home.datasets)
    return Site(engine, Guard(policy, witness, witness), tuple(snapshots), key=key)


class _Workshop:
    """A folder of this process and an engine that reads there, for all of its small cohorts.

    To open an engine for each would take longer than what they are made for.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.engine = DuckDBEngine(Path(self._folder.name))

    def place(self) -> tempfile.TemporaryDirectory[str]:
        """A folder in it for one cohort."""
        return tempfile.TemporaryDirectory(dir=self._folder.name)


_workshop = cache(_Workshop)


def _arrow(values: Any) -> pa.Array:  # noqa: ANN401
    if values.dtype.kind in "fiu":
        return pa.array(values.astype(np.float64), pa.float64(), from_pandas=True)
    return pa.array(
        [None if value is None else str(value) for value in values.tolist()], pa.string()
    )


def parts_of(data: Mapping[str, Any], parts: int | Sequence[Any]) -> list[dict[str, Any]]:
    """The columns cut into parts: a number of nearly equal ones, or given row numbers of each."""
    columns = {code: np.asarray(values) for code, values in data.items()}
    length = len(next(iter(columns.values())))
    chosen = np.array_split(np.arange(length), parts) if isinstance(parts, int) else parts
    return [{code: values[rows] for code, values in columns.items()} for rows in chosen]


def _unmoved(site: Site) -> Site:
    return site


def cohort_of(
    data: Mapping[str, Any],
    *,
    y: Sequence[str],
    x: Sequence[str] = (),
    missing: str = "drop",
    model: DataModel | None = None,
    levels: Mapping[str, Sequence[str]] | None = None,
    policy: Policy = OPEN,
    parts: int | Sequence[Any] = 1,
    datasets: Sequence[str] | None = None,
    filters: object = None,
    partition: Partition | None = None,
    preparation: Preparation | None = None,
    key: bytes = b"",
    moved: Callable[[Site], Site] = _unmoved,
) -> Cohort:
    """The admitted cohort of these columns, split over sites where parts says so.

    It has what preparation needs, which is still to be applied; key as `site_of`; moved gives for
    each site one of the same records that another engine scans.
    """
    model = model or model_of(data, levels)
    names = datasets or sorted(set(np.asarray(data.get("dataset", ["d"])).tolist()))
    workshop = _workshop()
    with workshop.place() as folder:
        sites = [
            moved(site_of(Path(folder) / str(index), model, part, policy, key, workshop.engine))
            for index, part in enumerate(parts_of(data, parts))
            if len(next(iter(part.values())))
        ]
        spec = CohortSpec(
            model,
            tuple(names),
            tuple(model.variable(code) for code in y),
            tuple(model.variable(code) for code in x),
            parse_filter(filters, model),
            "keep" if missing == "keep" else "drop",
            partition,
        )
        if preparation is not None:
            spec = prepared_spec(spec, preparation)
        # Once it is open its blocks are in the sites' caches, so the snapshots may go.
        return open_cohort(sites, spec, ACCESS)


def analyse(
    algorithm: str | Algorithm[Any, Any],
    data: Mapping[str, Any],
    *,
    y: Sequence[str],
    x: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """The result of an algorithm, or of the one of this name, on these columns.

    data maps a variable's code to its values, (n,): numbers, or texts for a nominal variable;
    `dataset` and `subjectid` tell records apart as in a published file. options as cohort_of.
    """
    found = find(algorithm) if isinstance(algorithm, str) else algorithm
    cohort = cohort_of(data, y=y, x=x, missing=found.missing, **options)
    return found.run(cohort, found.parameters(**(parameters or {})))
