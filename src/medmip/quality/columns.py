"""A snapshot's file, a column at a time: what fits in memory whatever the number of columns."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medmip.store.parquet import PATIENT_COLUMN

FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """The columns of one snapshot's file."""

    path: Path

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in pq.read_schema(self.path).names if name != PATIENT_COLUMN)

    @cached_property
    def records(self) -> int:
        return int(pq.read_metadata(self.path).num_rows)

    @cached_property
    def patients(self) -> int:
        column = pq.read_table(self.path, columns=[PATIENT_COLUMN]).column(0)
        return int(pc.max(column).as_py()) + 1

    def present(self, name: str) -> float:
        """The share of records that have a value."""
        column = pq.read_table(self.path, columns=[name]).column(0)
        return float(1 - column.null_count / max(1, len(column)))

    def numbers(self, name: str) -> FloatArray:
        """A numeric column, (records,), NaN where missing."""
        column = pq.read_table(self.path, columns=[name]).column(0)
        cast = column.cast("float64").combine_chunks()
        return np.asarray(cast.to_numpy(zero_copy_only=False), dtype=np.float64)

    def levels(self, name: str) -> dict[str, int]:
        """The records of each level of a nominal column."""
        column = pq.read_table(self.path, columns=[name]).column(0)
        counted = pc.value_counts(column.drop_null())
        return {str(part["values"]): int(part["counts"]) for part in counted.to_pylist()}
