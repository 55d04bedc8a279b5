"""Blocks kept between rounds, bounded by bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

from medmip.fold.block import Block


class BlockCache:
    """The most recently used selections' blocks, at most `capacity` bytes together.

    A selection that does not fit is streamed anew in every round, so that memory stays bounded
    whatever the number of records.
    """

    def __init__(self, capacity: int = 2**30) -> None:
        self.capacity = capacity
        self._kept: OrderedDict[str, tuple[int, list[Block]]] = OrderedDict()
        self._lock = threading.Lock()

    def blocks(
        self, key: str, expected: int, load: Callable[[], Iterator[Block]]
    ) -> Iterator[Block]:
        """The blocks under this key: from memory, else from `load`, and kept if they fit.

        expected is an estimate of their bytes: what is expected not to fit is not even collected.
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        return self._loaded(key, expected, load) if kept is None else iter(kept[1])

    def _loaded(
        self, key: str, expected: int, load: Callable[[], Iterator[Block]]
    ) -> Iterator[Block]:
        collected: list[Block] | None = [] if expected <= self.capacity else None
        size = 0
        for block in load():
            yield block
            if collected is not None:
                size += block.full_size
                collected.append(block)
                if size > self.capacity:
                    collected = None
        if collected is not None:
            self._keep(key, size, collected)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    def _keep(self, key: str, size: int, blocks: list[Block]) -> None:
        with self._lock:
            self._kept[key] = (size, blocks)
            self._kept.move_to_end(key)
            while sum(kept for kept, _ in self._kept.values()) > self.capacity:
                self._kept.popitem(last=False)
