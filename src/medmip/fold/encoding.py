"""From the engine's record batches to blocks that never cut a patient in two."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from medmip.fold.block import Block, Layout
from medmip.fold.statistic import CodeArray, FloatArray, IntArray
from medmip.store.engine import PATIENT_COLUMN, Engine, Selection


def encoded_blocks(
    engine: Engine, selection: Selection, positions: Sequence[int]
) -> Iterator[Block]:
    """The blocks of a selection, snapshot after snapshot, in the order of the published records.

    positions gives each snapshot's index among the cohort's datasets.
    """
    layout = layout_of(selection)
    held: tuple[int, pa.RecordBatch] | None = None
    for snapshot, batch in engine.scan(selection):
        index = positions[snapshot]
        if not selection.longitudinal:
            if batch.num_rows:
                yield _encode(batch, index, layout, longitudinal=False)
            continue
        joined = batch
        if held is not None and held[0] != index:
            yield _encode(held[1], held[0], layout, longitudinal=True)
        elif held is not None:
            joined = pa.concat_batches([held[1], batch])
        held = None
        if joined.num_rows == 0:
            continue
        patients = joined.column(PATIENT_COLUMN).to_numpy()
        last = int(np.searchsorted(patients, patients[-1]))
        if last:
            yield _encode(joined.slice(0, last), index, layout, longitudinal=True)
        held = (index, joined.slice(last))
    if held is not None:
        yield _encode(held[1], held[0], layout, longitudinal=True)


def layout_of(selection: Selection) -> Layout:
    """The columns of every block of a selection."""
    return Layout(
        selection.numeric,
        selection.nominal,
        tuple(selection.levels[code] for code in selection.nominal),
    )


def _encode(batch: pa.RecordBatch, dataset: int, layout: Layout, *, longitudinal: bool) -> Block:
    records = batch.num_rows
    numeric: FloatArray = np.empty((records, len(layout.numeric)), order="F")
    for index in range(len(layout.numeric)):
        numeric[:, index] = batch.column(index).to_numpy(zero_copy_only=False)
    codes: CodeArray = np.empty((records, len(layout.nominal)), dtype=np.int32, order="F")
    for index in range(len(layout.nominal)):
        column = batch.column(len(layout.numeric) + index)
        codes[:, index] = (column.fill_null(-1) if column.null_count else column).to_numpy()
    patient: IntArray | None = None
    if longitudinal:
        patient = batch.column(PATIENT_COLUMN).to_numpy().astype(np.int64)
    datasets = np.full(records, dataset, dtype=np.int32)
    return Block(layout, numeric, codes, datasets, patient)
