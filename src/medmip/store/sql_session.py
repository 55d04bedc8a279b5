"""What measuring and rewriting snapshots need of a database engine, and how SQL is spelt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa


class SqlSession(Protocol):
    """An engine that reads and writes below its own folders; its errors quote no patient."""

    work: Path

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Do one statement; nothing comes back."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of a query that has few."""

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The whole answer of a query, by columns."""


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def parquet(path: Path) -> str:
    """A Parquet file as an SQL table."""
    return f"read_parquet({literal(str(path))})"
