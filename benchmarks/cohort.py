"""The generated cohort that every contender works on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.store.snapshots import Datasets, Snapshot

NUMERIC = 48
COVARIATES = 20
VISITS = 4
_CHUNK = 250_000
GAPS = ("gap0", "gap1", "gap2", "gap3", "gap4")
"""Variables of which a fifth of the values is missing."""
GROUPS = ("control", "mild", "disease")
YES_NO = ("no", "yes")


def data_model(*, visits: bool = False) -> DataModel:
    """48 numeric variables, a group, a binary outcome, counts, a cost, months of follow-up to an
    event, and variables with gaps.

    visits: with patients who come several times.
    """
    numeric = [
        *(f"v{index:02d}" for index in range(NUMERIC)),
        "count",
        "spells",
        "cost",
        "months",
        *GAPS,
    ]
    keys = ("subjectid", "visitid") if visits else ()
    return DataModel(
        code="visits" if visits else "bench",
        version="1",
        label="Generated cohort",
        longitudinal=visits,
        variables=(
            *(
                Variable(code=code, label=code, type=VariableType.TEXT, sql_type="text")
                for code in keys
            ),
            *(
                Variable(code=code, label=code, type=VariableType.REAL, sql_type="real")
                for code in numeric
            ),
            _nominal("cohort_group", GROUPS),
            _nominal("outcome", YES_NO),
            _nominal("event", YES_NO),
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


def published(
    home: Home, records: int, numeric: int = NUMERIC, *, visits: bool = False, digits: int = 0
) -> Snapshot:
    """The snapshot of a cohort of this size, generated with a fixed seed where it is not there yet.

    A common factor correlates the volumes, which differ by group; outcome, count and event follow
    a logistic, a Poisson and a proportional-hazards model of the first covariates.

    digits: significant digits of numeric values, as of a measurement; 0 for all that there are.
    """
    datasets, model = Datasets(home.prepare()), data_model(visits=visits)
    name = f"generated-{records}-{numeric}-v3" + f"-{digits}-digits" * bool(digits)
    known = [snapshot for snapshot in datasets.list(model.key) if snapshot.dataset == name]
    if known:
        return known[0]
    path = home.path / f"{model.code}-{name}.parquet"
    rng = np.random.default_rng(20)
    writer = None
    for start in range(0, records, _CHUNK):
        size = min(_CHUNK, records - start)
        table = _with_visits(_chunk(rng, start, size, numeric, name), start, visits)
        table = _rounded(table, digits) if digits else table
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=131_072)
    if writer is None:
        raise ValueError("a cohort needs records")
    writer.close()
    return datasets.publish(path, model.key, name, path.name, synthetic=True, move=True)


def divided(home: Home, records: int, sites: int, *, visits: bool = False) -> tuple[Snapshot, ...]:
    """The same cohort cut into a snapshot for each site."""
    whole = published(home, records, visits=visits)
    datasets = Datasets(home)
    names = [f"{whole.dataset}-{index}-of-{sites}" for index in range(sites)]
    known = {snapshot.dataset: snapshot for snapshot in datasets.list(whole.model)}
    if all(name in known for name in names):
        return tuple(known[name] for name in names)
    bounds = np.linspace(0, records // VISITS, sites + 1).astype(int) * VISITS
    table = pq.read_table(whole.path)
    parts: dict[str, pa.Table | Path] = {}
    for name, start, stop in zip(names, bounds, bounds[1:], strict=False):
        part = table.slice(start, stop - start).drop_columns(["dataset", "__patient"])
        part = part.append_column("dataset", pa.array([name] * part.num_rows))
        patient = np.arange(part.num_rows, dtype=np.int32) // (VISITS if visits else 1)
        parts[name] = part.append_column("__patient", pa.array(patient))
    return datasets.publish_all(parts, whole.model, "generated", synthetic=True)


def _chunk(rng: np.random.Generator, start: int, size: int, numeric: int, name: str) -> pa.Table:
    group = rng.integers(0, len(GROUPS), size)
    head = rng.normal(size=size)
    centres = np.random.default_rng(7).normal(size=(len(GROUPS), numeric))
    volumes = rng.normal(size=(numeric, size)) + 0.5 * head + 0.7 * centres[group].T
    lean = volumes[:5].sum(axis=0)
    outcome = (rng.random(size) < 1 / (1 + np.exp(-(lean * 0.3 - 0.4)))).astype(int)
    count = rng.poisson(np.exp(0.15 * np.clip(lean, -20, 20)))
    time = np.ceil(rng.exponential(60 * np.exp(-0.1 * lean)))
    scale = 10.0 ** np.linspace(-1, 4, numeric)
    columns: dict[str, pa.Array] = {
        f"v{index:02d}": pa.array(scale[index] * (10 + volumes[index])) for index in range(numeric)
    }
    mean = np.exp(0.15 * np.clip(lean, -20, 20))
    columns["count"] = pa.array(count.astype(float))
    columns["spells"] = pa.array(rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, size)).astype(float))
    columns["cost"] = pa.array(rng.gamma(2.0, mean / 2.0))
    columns["months"] = pa.array(np.minimum(time, 120.0))
    for index, code in enumerate(GAPS):
        values = volumes[index] + rng.normal(size=size)
        columns[code] = pa.array(values, mask=rng.random(size) < 0.2)
    columns["cohort_group"] = pa.array(np.array(GROUPS)[group])
    columns["outcome"] = pa.array(np.array(YES_NO)[outcome])
    columns["event"] = pa.array(np.array(YES_NO)[(time <= 120).astype(int)])
    columns["dataset"] = pa.array([name] * size)
    columns["__patient"] = pa.array(np.arange(start, start + size, dtype=np.int32))
    return pa.table(columns)


def _rounded(table: pa.Table, digits: int) -> pa.Table:
    """The table with so many significant digits in its floating-point columns."""
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            values = table.column(place).combine_chunks()
            size = np.ceil(np.log10(np.nanmax(np.abs(values.to_numpy(zero_copy_only=False)))))
            table = table.set_column(
                place, field.name, pc.round(values, ndigits=digits - int(size))
            )
    return table


def _with_visits(table: pa.Table, start: int, visits: bool) -> pa.Table:
    """The records as visits of fewer patients, each with a height of their own in v20."""
    if not visits:
        return table
    record = np.arange(start, start + table.num_rows)
    patient = record // VISITS
    own = np.random.default_rng(3).normal(size=patient[-1] + 1)[patient]
    place = table.column_names.index("v20")
    higher = table["v20"].to_numpy() * (1 + 0.1 * own)
    table = table.set_column(place, "v20", pa.array(higher))
    table = table.drop_columns(["__patient"])
    return (
        table.append_column("subjectid", pa.array([f"P{index:07d}" for index in patient]))
        .append_column("visitid", pa.array([f"V{index}" for index in record % VISITS]))
        .append_column("__patient", pa.array(patient.astype(np.int32)))
    )


def home_at(folder: Path) -> Home:
    """The home that keeps the generated cohorts between runs."""
    return Home(folder).prepare()
