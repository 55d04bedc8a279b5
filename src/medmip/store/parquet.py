"""The file format of snapshots: how they are written, and what is checked of one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medmip.store.errors import StoreError

PATIENT_COLUMN = "__patient"
ROW_GROUP = 131_072
COMPRESSION = "zstd"

_TYPES = (pa.types.is_float64, pa.types.is_int64, pa.types.is_string)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a snapshot's file holds."""

    records: int
    patients: int
    variables: tuple[str, ...]


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as a snapshot's file."""
    pq.write_table(table, path, compression=COMPRESSION, row_group_size=ROW_GROUP)


def write_batches(batches: Iterator[pa.RecordBatch], path: Path) -> None:
    """Write rows as they come, of which there is a batch, as a snapshot's file; raises OSError.

    Numbers with a fraction have no dictionary: few of their values repeat.
    """
    first = next(batches)
    repeating = [field.name for field in first.schema if not pa.types.is_floating(field.type)]
    with (
        pq.ParquetWriter(
            path, first.schema, compression=COMPRESSION, use_dictionary=repeating
        ) as writer,
        # Beside the thread that the rows come by, and one group at a time, which bounds memory.
        ThreadPoolExecutor(1) as encoder,
    ):
        written = encoder.submit(int)
        for group in _groups(chain([first], batches), ROW_GROUP):
            written.result()
            written = encoder.submit(writer.write_table, group)
        written.result()


def _groups(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of so many each, the last of which may be smaller."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        while sum(part.num_rows for part in held) >= rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            held = table.slice(rows).to_batches()
    if any(part.num_rows for part in held):
        yield pa.Table.from_batches(held)


def write_plain(batches: Iterator[pa.RecordBatch], path: Path, rows: int) -> None:
    """Write rows as they come for a reader of the moment, so many a row group.

    Batches may be far smaller, and what a file tells of its row groups is held until its end.
    """
    first = next(batches)
    with pq.ParquetWriter(
        path, first.schema, compression="none", use_dictionary=False, write_statistics=False
    ) as writer:
        for group in _groups(chain([first], batches), rows):
            writer.write_table(group)


def contents(path: Path) -> Contents:
    """Check a snapshot's file and count what it holds; raises StoreError.

    Columns are DOUBLE, BIGINT or VARCHAR, and `__patient`, which numbers the patients
    0 … patients - 1 without a gap.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        raise StoreError("The file is no Parquet file that can be read.") from None
    with file:
        schema = file.schema_arrow
        if PATIENT_COLUMN not in schema.names:
            raise StoreError(f"A snapshot needs the column {PATIENT_COLUMN}.")
        variables = tuple(name for name in schema.names if name != PATIENT_COLUMN)
        if len(set(schema.names)) < len(schema.names):
            raise StoreError("A snapshot has each column once.")
        for name in variables:
            if not any(suits(schema.field(name).type) for suits in _TYPES):
                raise StoreError(f"The column {name} is not DOUBLE, BIGINT or VARCHAR.")
        if not pa.types.is_integer(schema.field(PATIENT_COLUMN).type):
            raise StoreError(f"The column {PATIENT_COLUMN} holds integers.")
        column = file.read(columns=[PATIENT_COLUMN]).column(0)
    if not len(column):
        raise StoreError("A snapshot needs at least one record.")
    if column.null_count:
        raise StoreError(f"The column {PATIENT_COLUMN} has missing values.")
    patients = column.to_numpy().astype(np.int64, copy=False)
    if patients.min() < 0 or patients.max() >= len(patients) or not np.bincount(patients).all():
        raise StoreError(f"The column {PATIENT_COLUMN} numbers patients from 0 without a gap.")
    return Contents(len(patients), int(patients.max()) + 1, variables)
