"""One engine in front of all: each dataset is scanned by that of where it lives."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from medmip.store.engine import BoolArray, Engine, IntArray, KeyArray, Selection, Size
from medmip.store.placed import Placed

T = TypeVar("T")


class Engines:
    """Published snapshots are scanned by the first engine, datasets in place by the second."""

    def __init__(self, published: Engine, placed: Engine) -> None:
        self._published = published
        self._placed = placed

    def scan(self, selection: Selection) -> Iterator[tuple[int, pa.RecordBatch]]:
        for index, (engine, part) in enumerate(self._parts(selection)):
            for _, batch in engine.scan(part):
                yield index, batch

    def sizes(self, selection: Selection) -> tuple[Size, ...]:
        return self._each(selection, lambda engine, part: engine.sizes(part))

    def rows(self, selection: Selection) -> tuple[tuple[BoolArray, IntArray | None], ...]:
        return self._each(selection, lambda engine, part: engine.rows(part))

    def groups(self, selection: Selection, key: bytes) -> tuple[IntArray, ...]:
        return self._each(selection, lambda engine, part: engine.groups(part, key))

    def keys(self, selection: Selection, key: bytes) -> tuple[KeyArray, ...]:
        return self._each(selection, lambda engine, part: engine.keys(part, key))

    def _parts(self, selection: Selection) -> Iterator[tuple[Engine, Selection]]:
        for snapshot in selection.snapshots:
            engine = self._placed if isinstance(snapshot, Placed) else self._published
            yield engine, replace(selection, snapshots=(snapshot,))

    def _each(
        self, selection: Selection, asked: Callable[[Engine, Selection], tuple[T, ...]]
    ) -> tuple[T, ...]:
        return tuple(
            answer for engine, part in self._parts(selection) for answer in asked(engine, part)
        )
