"""The generated cohort that every contender works on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.store.snapshots import Datasets, Snapshot

NUMERIC = 48
COVARIATES = 20
_CHUNK = 250_000
GROUPS = ("control", "mild", "disease")


def data_model() -> DataModel:
    """48 numeric variables, a nominal group and a binary outcome."""
    numeric = [
        Variable(
            code=f"v{index:02d}", label=f"Volume {index}", type=VariableType.REAL, sql_type="real"
        )
        for index in range(NUMERIC)
    ]
    return DataModel(
        code="bench",
        version="1",
        label="Generated cohort",
        variables=(
            *numeric,
            _nominal("cohort_group", GROUPS),
            _nominal("outcome", ("no", "yes")),
            Variable(code="dataset", label="Dataset", type=VariableType.NOMINAL, sql_type="text"),
        ),
    )


def _nominal(code: str, levels: tuple[str, ...]) -> Variable:
    return Variable(
        code=code,
        label=code,
        type=VariableType.NOMINAL,
        sql_type="text",
        enumerations=tuple(Enumeration(code=level, label=level) for level in levels),
    )


def published(home: Home, records: int, numeric: int = NUMERIC) -> Snapshot:
    """The snapshot of a cohort of this size, generated with a fixed seed where it is not there yet.

    A common factor correlates the volumes, which differ by group; the outcome follows a logistic
    model of the first covariates.
    """
    datasets = Datasets(home.prepare())
    name = f"generated-{records}-{numeric}"
    known = [snapshot for snapshot in datasets.list("bench:1") if snapshot.dataset == name]
    if known:
        return known[0]
    path = home.path / f"{name}.parquet"
    rng = np.random.default_rng(20)
    writer = None
    for start in range(0, records, _CHUNK):
        table = _chunk(rng, start, min(_CHUNK, records - start), numeric, name)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=131_072)
    if writer is None:
        raise ValueError("a cohort needs records")
    writer.close()
    return datasets.publish(path, "bench:1", name, path.name, synthetic=True, move=True)


def _chunk(rng: np.random.Generator, start: int, size: int, numeric: int, name: str) -> pa.Table:
    group = rng.integers(0, len(GROUPS), size)
    head = rng.normal(size=size)
    centres = np.random.default_rng(7).normal(size=(len(GROUPS), numeric))
    volumes = rng.normal(size=(numeric, size)) + 0.5 * head + 0.7 * centres[group].T
    chance = 1 / (1 + np.exp(-(volumes[:5].sum(axis=0) * 0.3 - 0.4)))
    outcome = (rng.random(size) < chance).astype(int)
    scale = 10.0 ** np.linspace(-1, 4, numeric)
    columns: dict[str, pa.Array] = {
        f"v{index:02d}": pa.array(scale[index] * (10 + volumes[index])) for index in range(numeric)
    }
    columns["cohort_group"] = pa.array(np.array(GROUPS)[group])
    columns["outcome"] = pa.array(np.array(["no", "yes"])[outcome])
    columns["dataset"] = pa.array([name] * size)
    columns["__patient"] = pa.array(np.arange(start, start + size, dtype=np.int32))
    return pa.table(columns)


def home_at(folder: Path) -> Home:
    """The home that keeps the generated cohorts between runs."""
    return Home(folder).prepare()
