"""A table's cells as text in one Parquet file, whatever the format they came from."""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

LINE = "line"
"""The column that tells where a row stands in its file."""
_ROWS_AT_ONCE = 20_000
_EXACT = 2.0**53


@dataclass(frozen=True)
class TextTable:
    """What a file holds: names of columns, and its rows in the Parquet file, `line`, c0 … cn.

    sheet is the workbook's sheet; labels are what a statistics program calls a column, levels
    what it calls a column's codes.
    """

    names: tuple[str, ...]
    file: Path
    sheet: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def as_text(value: object) -> str | None:
    """A cell as a CSV file of the same table would hold it; None where it is missing."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        whole = value.is_integer() and abs(value) <= _EXACT
        return str(int(value)) if whole else repr(value)
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


class TableWriter:
    """Writes rows, a few thousand at once, so that no file need fit in memory."""

    def __init__(self, file: Path, width: int) -> None:
        self._width = width
        fields = [(LINE, pa.int64()), *((f"c{index}", pa.string()) for index in range(width))]
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._lines: list[int] = []
        self._cells: list[list[str | None]] = [[] for _ in range(width)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def row(self, line: int, cells: Sequence[str | None]) -> None:
        """Add one row; cells beyond the last of a short one are missing."""
        self._lines.append(line)
        for index, column in enumerate(self._cells):
            column.append(cells[index] if index < len(cells) else None)
        if len(self._lines) >= _ROWS_AT_ONCE:
            self._flush()

    def rows(self, first_line: int, columns: Iterable[pa.Array]) -> None:
        """Add whole columns of text, their rows numbered on from first_line."""
        self._flush()
        arrays = list(columns)
        lines = pa.array(range(first_line, first_line + len(arrays[0])), pa.int64())
        self._writer.write_batch(pa.record_batch([lines, *arrays], schema=self._schema))

    def _flush(self) -> None:
        if not self._lines:
            return
        arrays = [pa.array(self._lines, pa.int64())]
        arrays += [pa.array(cells, pa.string()) for cells in self._cells]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._lines = []
        self._cells = [[] for _ in range(self._width)]
