"""A patient's visits made one record, where the visits come from the hospital's database.

The database chooses them; whole patients at a time, few enough to sort, are then joined in memory
by the same query that joins those of a published snapshot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medmip.store.engine import PATIENT_COLUMN, Selection
from medmip.store.filters import Sql, quoted
from medmip.store.selection_sql import CELLS_AT_ONCE, CODE_COLUMN, ROW_COLUMN, visits_of
from medmip.store.snapshots import Snapshot

SHARE = "share"
_SOURCE = Sql(SHARE, ())


def needed(selection: Selection, snapshot: Snapshot) -> tuple[str, ...]:
    """The variables that joining takes, of those that the snapshot has."""
    visits = selection.visits
    assert visits is not None
    wanted = [*selection.numeric, *selection.nominal, visits.column, visits.time]
    wanted += selection.identity[:1]
    if selection.partition is not None:
        wanted.append(selection.partition.patient)
    known = {*snapshot.variables} - {"dataset"}
    return tuple(dict.fromkeys(code for code in wanted if code is not None and code in known))


def shares(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Visits in their patients' order, whole patients at a time, of about so many cells."""
    held: list[pa.Table] = []
    cells = 0
    for batch in batches:
        held.append(pa.Table.from_batches([batch]))
        cells += batch.num_rows * batch.num_columns
        if cells < CELLS_AT_ONCE:
            continue
        table = pa.concat_tables(held)
        patients = table.column(PATIENT_COLUMN).to_numpy()
        whole = int(np.searchsorted(patients, patients[-1]))
        if whole:
            yield table.slice(0, whole)
        held = [table.slice(whole)]
        cells = held[0].num_rows * batch.num_columns
    if held:
        yield pa.concat_tables(held)


def named_by(share: pa.Table, patient: str, register: pa.ChunkedArray) -> pa.Table:
    """A share whose patients are called as the register has them."""
    if patient not in share.column_names:
        return share
    names = register.take(pc.cast(share.column(ROW_COLUMN), pa.int64()))
    return share.set_column(share.column_names.index(patient), patient, names)


def records(selection: Selection, snapshot: Snapshot, share: pa.Table) -> pa.Table:
    """Each patient's record: the selection's variables, as the engine's protocol has them."""
    codes = (*selection.numeric, *selection.nominal)
    named = ", ".join(f"v{index} AS {quoted(code)}" for index, code in enumerate(codes))
    chosen = f"SELECT {named or '1 AS one'} FROM patient ORDER BY {PATIENT_COLUMN}"  # noqa: S608
    return _joined(selection, snapshot, share, chosen)


def rows(selection: Selection, snapshot: Snapshot, share: pa.Table) -> pa.Table:
    """The row numbers of the visits of patients that are kept."""
    chosen = f"SELECT {ROW_COLUMN} FROM visit SEMI JOIN patient USING ({PATIENT_COLUMN})"  # noqa: S608
    return _joined(selection, snapshot, share, chosen)


def people(selection: Selection, snapshot: Snapshot, share: pa.Table, stratum: str) -> pa.Table:
    """Each patient's place, stratum and code; stratum is a variable, or empty."""
    codes = (*selection.numeric, *selection.nominal)
    told = f"v{codes.index(stratum)}" if stratum in codes else "0"
    chosen = (
        f"SELECT {PATIENT_COLUMN} AS place, {told} AS stratum, "  # noqa: S608
        f"CAST({CODE_COLUMN} AS VARCHAR) AS patient, true AS held FROM patient"
    )
    return _joined(selection, snapshot, share, chosen)


def asked(text: str, parameters: Sequence[object], **tables: pa.Table) -> pa.Table:
    """The answer of a query of DuckDB over tables in memory alone; nothing else can be reached."""
    connection = duckdb.connect(config={"temp_directory": ""})
    try:
        connection.execute("SET enable_external_access = false")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(text, params=list(parameters)).to_arrow_table()
    finally:
        connection.close()


def _joined(selection: Selection, snapshot: Snapshot, share: pa.Table, chosen: str) -> pa.Table:
    # Filtered where it comes from.
    joined = visits_of(replace(selection, filter=None), snapshot, source=_SOURCE)
    return asked(f"{joined.text} {chosen}", joined.parameters, **{SHARE: share})
