"""From the engine's record batches to blocks that never cut a patient in two."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from medmip.errors import MipError
from medmip.fold.block import Block, Layout
from medmip.fold.statistic import CodeArray, FloatArray, IntArray
from medmip.store.engine import PATIENT_COLUMN, Engine, KeyArray, Selection

GROUP_COLUMN = "__group"
KEY_COLUMN = "__key"
LARGEST = 1e60
"""Values beyond it in size are refused: sums of their fourth powers would not be finite."""


class TooLarge(MipError):
    """A variable has values that no sum can be made of."""

    title = "The analysis has no answer on these data"
    status = 422


def encoded_blocks(
    engine: Engine, selection: Selection, positions: Sequence[int], key: bytes = b""
) -> Iterator[Block]:
    """The blocks of a selection, snapshot after snapshot, in the order of the published records.

    positions gives each snapshot's index among the cohort's datasets; key is the site's secret
    by which patients are divided into groups, and records get their keys. Raises TooLarge.
    """
    held: tuple[int, pa.RecordBatch] | None = None
    batches = engine.scan(selection)
    if selection.partition is not None and selection.partition.folds:
        groups = [part.astype(np.int32) for part in engine.groups(selection, key)]
        batches = _beside(batches, GROUP_COLUMN, groups)
    if selection.identity:
        batches = _beside(batches, KEY_COLUMN, engine.keys(selection, key))
    for snapshot, batch in batches:
        index = positions[snapshot]
        if not selection.repeated:
            if batch.num_rows:
                yield _encode(batch, index, selection)
            continue
        joined = batch
        if held is not None and held[0] != index:
            yield _encode(held[1], held[0], selection)
        elif held is not None:
            joined = pa.concat_batches([held[1], batch])
        held = None
        if joined.num_rows == 0:
            continue
        patients = joined.column(PATIENT_COLUMN).to_numpy()
        last = int(np.searchsorted(patients, patients[-1]))
        if last:
            yield _encode(joined.slice(0, last), index, selection)
        held = (index, joined.slice(last))
    if held is not None:
        yield _encode(held[1], held[0], selection)


def _beside(
    batches: Iterator[tuple[int, pa.RecordBatch]],
    name: str,
    values: Sequence[CodeArray] | Sequence[KeyArray],
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches with a column more; values are of whole snapshots."""
    start = [0] * len(values)
    for snapshot, batch in batches:
        end = start[snapshot] + batch.num_rows
        column = pa.array(values[snapshot][start[snapshot] : end])
        start[snapshot] = end
        yield snapshot, batch.append_column(name, column)


def layout_of(selection: Selection) -> Layout:
    """The columns of every block of a selection."""
    return Layout(
        selection.numeric,
        selection.nominal,
        tuple(selection.levels[code] for code in selection.nominal),
    )


def _encode(batch: pa.RecordBatch, dataset: int, selection: Selection) -> Block:
    layout = layout_of(selection)
    records = batch.num_rows
    numeric: FloatArray = np.empty((records, len(layout.numeric)), order="F")
    for index in range(len(layout.numeric)):
        numeric[:, index] = batch.column(index).to_numpy(zero_copy_only=False)
        column = numeric[:, index]
        if np.fmax.reduce(column) > LARGEST or np.fmin.reduce(column) < -LARGEST:
            raise TooLarge(
                f"{layout.numeric[index]} has values that are infinite or beyond {LARGEST:g}",
                remedy="Filter these values out, or publish the dataset with them corrected.",
            )
    codes: CodeArray = np.empty((records, len(layout.nominal)), dtype=np.int32, order="F")
    for index in range(len(layout.nominal)):
        held = batch.column(len(layout.numeric) + index)
        codes[:, index] = (held.fill_null(-1) if held.null_count else held).to_numpy()
    patient: IntArray | None = None
    if selection.repeated:
        patient = batch.column(PATIENT_COLUMN).to_numpy().astype(np.int64)
    datasets = np.full(records, dataset, dtype=np.int32)
    group: CodeArray | None = None
    if GROUP_COLUMN in batch.schema.names:
        group = batch.column(GROUP_COLUMN).to_numpy()
    elif selection.partition is not None:
        group = datasets
    key: KeyArray | None = None
    if KEY_COLUMN in batch.schema.names:
        key = batch.column(KEY_COLUMN).to_numpy()
    return Block(
        layout, numeric, codes, datasets, patient, group, key, adjustable=selection.adjustable
    )
