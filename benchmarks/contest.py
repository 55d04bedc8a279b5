"""The contenders of a task, ready to run: ours and the rivals, on the same data in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cohort import data_model, divided, published
from benchmarks.columns import Data, Run
from benchmarks.task import Task
from medmip.algorithms.registry import find
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.experiments.preparation import Preparation, analysed, prepared_spec
from medmip.federation.in_process import open_cohort
from medmip.federation.site import Site
from medmip.federation.specification import CohortSpec
from medmip.privacy.guard import Access, Guard
from medmip.privacy.policy import Policy
from medmip.store.duckdb_engine import DuckDBEngine
from tests.analysis import Witnessed

OPEN = Policy(overlap="off", extremes=True)


def opened(home: Home, records: int, task: Task, sites: int) -> Run:
    """Our contender over this many sites: the cohort admitted, its blocks in memory.

    A task over many sites has a dataset for each; its rival holds them all at one site, so that
    both are asked for the same result.
    """
    model, records = data_model(visits=task.visits), task.size(records)
    if task.sites > 1:
        snapshots = divided(home, records, task.sites, visits=task.visits)
    else:
        snapshots = (published(home, records, visits=task.visits),)
    places = []
    for held in [snapshots] if sites == 1 else [(snapshot,) for snapshot in snapshots]:
        witness = Witnessed()
        guard = Guard(OPEN, witness, witness)
        places.append(Site(DuckDBEngine(home.datasets), guard, held))
    algorithm = find(task.algorithm)
    spec = CohortSpec(
        model,
        tuple(snapshot.dataset for snapshot in snapshots),
        tuple(model.variable(code) for code in task.y),
        tuple(model.variable(code) for code in task.x),
        None,
        algorithm.missing,
    )
    parameters = algorithm.parameters(**task.parameters)
    access = Access("bench", "bench", task.algorithm)
    if not task.preparation:
        cohort = open_cohort(places, spec, access)
        return lambda: algorithm.run(cohort, parameters)
    asked = Preparation.model_validate(task.preparation)
    raw = open_cohort(places, prepared_spec(spec, asked), access)
    known = {variable.code: variable for variable in model.variables}
    return lambda: analysed(raw, algorithm, parameters, asked, known)


def loaded(home: Home, records: int, task: Task) -> Data:
    """The same columns as arrays, for the rivals."""
    import pyarrow.parquet as pq

    model = data_model(visits=task.visits)
    snapshot = published(home, task.size(records), visits=task.visits)
    codes = list(dict.fromkeys([*task.x, *task.y, *task.besides]))
    table = pq.read_table(snapshot.path, columns=[*codes, "__patient"])
    columns = {code: _values(table[code], model, code) for code in codes}
    numeric = [code for code in task.x if model.variable(code).is_numeric]
    names = numeric or [code for code in task.y if model.variable(code).is_numeric]
    data: Data = {
        "names": names,
        "columns": columns,
        "patient": table["__patient"].to_numpy(),
    }
    if names:
        data["x"] = np.column_stack([columns[code] for code in names])
    if task.x:
        data["y"] = columns[task.y[0]]
    return data


def _values(column: Any, model: DataModel, code: str) -> Any:
    variable = model.variable(code)
    values = column.to_numpy()
    if variable.is_numeric:
        return values
    place: Callable[[Any], Any] = {level: i for i, level in enumerate(variable.levels)}.get
    return np.array([place(value) for value in values.tolist()], dtype=np.int64)
