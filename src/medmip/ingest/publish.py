"""Importing: a clean file, or its clean rows, becomes a new version of each of its datasets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET
from medmip.ingest.dialect import Options
from medmip.ingest.errors import IngestError, NotClean
from medmip.ingest.quarantine import set_aside
from medmip.ingest.reading import Progress, Reading, reading
from medmip.ingest.report import Report
from medmip.ingest.rules import typed
from medmip.ingest.session import Session, literal
from medmip.ingest.small_change import refuse_small_change
from medmip.ingest.staging import Column
from medmip.privacy.policy import Policy, site_policy
from medmip.store.parquet import COMPRESSION, PATIENT_COLUMN, ROW_GROUP
from medmip.store.snapshots import Datasets, Snapshot


@dataclass(frozen=True)
class Imported:
    """What an import did; quarantined is the file that holds the rows set aside, if any."""

    snapshots: tuple[Snapshot, ...]
    report: Report
    quarantined: Path | None


def import_file(
    home: Home,
    path: Path,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    quarantine: bool = False,
    progress: Progress | None = None,
) -> list[Snapshot]:
    """Publish a clean file as the new version of its datasets; see bring_in for what is raised."""
    imported = bring_in(
        home, path, model, dataset, options, quarantine=quarantine, progress=progress
    )
    return [*imported.snapshots]


def bring_in(
    home: Home,
    path: Path,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    quarantine: bool = False,
    allow_small_change: bool = False,
    synthetic: bool = False,
    report: Path | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Read, check and publish a file, every dataset in it or none.

    quarantine sets bad rows aside instead of refusing the file. Raises NotClean with the report;
    SmallChange where a dataset differs from an earlier version by fewer patients than the
    policy's minimum, unless allow_small_change; IngestError; StoreError.
    """
    home.prepare()
    minimum = (policy or site_policy(home)).minimum_patients
    told = progress or (lambda _step, _done: None)
    with reading(
        path, model, dataset, options, home=home, also=[home.datasets], progress=progress
    ) as found:
        listed = found.listed(home, report)
        if listed.problems and (listed.blocked or not quarantine):
            raise NotClean(listed)
        if found.session is None:
            raise IngestError("The file holds no table.", where=path.name)
        aside = set_aside(found, home) if listed.problems else None
        datasets = Datasets(home)
        ready: dict[str, pa.Table | Path] = {}
        for code in _kept_datasets(found.session, found.columns, dataset):
            told(f"Writing {code}", None)
            file = _write(found, model, code)
            if not allow_small_change:
                earlier = _versions(datasets, model, code)
                refuse_small_change(found.session, file, earlier, model, code, minimum)
            ready[code] = file
        if not ready:
            raise IngestError(
                "No row is left to publish.",
                where=path.name,
                remedy=f"All rows were set aside in {aside}." if aside else None,
            )
        told("Publishing", None)
        snapshots = datasets.publish_all(ready, model.key, path.name, synthetic, move=True)
    return Imported(snapshots, listed, aside)


def _kept_datasets(session: Session, columns: Sequence[Column], dataset: str | None) -> list[str]:
    cell = next((column.sql for column in columns if column.name == DATASET), None)
    if cell is None:
        count = session.number(f"SELECT count(*) FROM {_KEPT}")  # noqa: S608
        return [str(dataset)] if count else []
    rows = session.rows(f"SELECT DISTINCT {cell} FROM {_KEPT} ORDER BY 1")  # noqa: S608
    return [str(code) for (code,) in rows]


_SORTED_AT_ONCE = 20_480
"""Rows of a row group while sorting: each thread holds a group."""

_KEPT = "(FROM cells ANTI JOIN problem USING (k))"


def _versions(datasets: Datasets, model: DataModel, code: str) -> list[Snapshot]:
    published = {snapshot.dataset for snapshot in datasets.list(model.key)}
    return datasets.versions(model.key, code) if code in published else []


def _write(found: Reading, model: DataModel, code: str) -> Path:
    """The Parquet file of one dataset."""
    assert found.session is not None
    session, columns = found.session, {column.name: column for column in found.columns}
    order = [name for name in model.all_variables if name in columns and name != DATASET]
    decimal = found.report.dialect.decimal
    cells = "".join(f'{typed(columns[name], decimal)} AS "{name}", ' for name in order)
    cells += f'{literal(code)} AS "{DATASET}"'
    rows = _KEPT
    if DATASET in columns:
        rows = f"(FROM {_KEPT} WHERE {columns[DATASET].sql} = {literal(code)})"
    file = session.work / f"{code}.parquet"
    if not model.longitudinal:
        number = "(row_number() OVER () - 1)::INTEGER"
        numbered = f"SELECT {cells}, {number} AS {PATIENT_COLUMN} FROM {rows}"  # noqa: S608
        session.run(_copy(numbered, file))
        return file
    patient = columns[model.patient_column].sql
    session.run(
        f"""
        CREATE OR REPLACE TABLE patient AS
        SELECT code, (row_number() OVER (ORDER BY code) - 1)::INTEGER AS number
        FROM (SELECT DISTINCT {patient} AS code FROM {rows})
        """  # noqa: S608
    )
    # First typed, then sorted: together they need more memory than either.
    typed_rows = f"""
        SELECT {cells}, number AS {PATIENT_COLUMN}, {_visits(columns, model)} AS __visit, k AS __row
        FROM {rows} AS kept JOIN patient ON kept.{patient} = patient.code
        """  # noqa: S608
    unsorted = session.work / "unsorted.parquet"
    session.run(_copy(typed_rows, unsorted, _SORTED_AT_ONCE))
    sorted_rows = f"""
        SELECT * EXCLUDE (__visit, __row) FROM read_parquet({literal(str(unsorted))})
        ORDER BY {PATIENT_COLUMN}, __visit, __row
        """  # noqa: S608
    session.run(_copy(sorted_rows, file))
    unsorted.unlink()
    return file


def _copy(rows: str, file: Path, group: int = ROW_GROUP) -> str:
    return (
        f"COPY ({rows}) TO {literal(str(file))} "
        f"(FORMAT parquet, COMPRESSION {COMPRESSION}, ROW_GROUP_SIZE {group})"
    )


def _visits(columns: dict[str, Column], model: DataModel) -> str:
    """The order of visits: the model's, else by their codes."""
    visit = columns[str(model.visit_column)]
    levels = visit.variable.levels if visit.variable else ()
    if not levels:
        return visit.sql
    members = ", ".join(literal(level) for level in levels)
    return f"list_position([{members}], {visit.sql})"
