"""Parquet files as tables of text."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medmip.ingest.errors import IngestError
from medmip.ingest.text_table import TableWriter, TextTable, as_text

_ROWS_AT_ONCE = 20_000


def read_parquet(path: Path, target: Path) -> TextTable:
    """A Parquet file's rows, the first one numbered 1; raises IngestError where it is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            for field in schema:
                if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
                    raise IngestError(
                        f"The column {field.name} holds lists, structures or bytes.",
                        where=path.name,
                        remedy="Export each value as a column of its own.",
                    )
            line = 1
            with TableWriter(target, len(schema.names)) as writer:
                for batch in file.iter_batches(_ROWS_AT_ONCE):
                    writer.rows(line, [_text(column) for column in batch.columns])
                    line += batch.num_rows
    except (pa.ArrowException, OSError):
        raise IngestError("The Parquet file is damaged.", where=path.name) from None
    return TextTable(tuple(schema.names), target)


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type) or pa.types.is_string(column.type):
        return pc.cast(column, pa.string())
    return pa.array([as_text(value) for value in column.to_pylist()], pa.string())
