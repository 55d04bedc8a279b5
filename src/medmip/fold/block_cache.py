"""Blocks kept between rounds, bounded by bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

from medmip.fold.block import Block


class BlockCache:
    """The most recently used selections' blocks, at most `capacity` bytes together.

    A selection that does not fit is streamed anew in every round, so that memory stays bounded
    whatever the number of records. As much again, at most, is held of selections that are just
    being collected.
    """

    def __init__(self, capacity: int | Callable[[int], int] = 2**30) -> None:
        self.capacity = capacity
        """Bytes; or, of how many are held now, how many may be."""
        self._kept: OrderedDict[str, tuple[int, list[Block]]] = OrderedDict()
        self._collected = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are kept, or being collected to be."""
        return sum(kept for kept, _ in self._kept.values()) + self._collected

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
            self._drive_out(self._most())
        return self._loaded(key, expected, load) if kept is None else iter(kept[1])

    def _loaded(
        self, key: str, expected: int, load: Callable[[], Iterator[Block]]
    ) -> Iterator[Block]:
        with self._lock:
            collected: list[Block] | None = [] if expected <= self._most() else None
        size = 0
        try:
            for block in load():
                yield block
                if collected is None:
                    continue
                collected.append(block)
                size += block.full_size
                if not self._collects(block.full_size):
                    # What fits already stays, rather than being driven out for what does not.
                    self._collects(-size)
                    collected, size = None, 0
            if collected is not None:
                self._keep(key, size, collected)
        finally:
            self._collects(-size)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    def _most(self) -> int:
        return self.capacity if isinstance(self.capacity, int) else self.capacity(self.held)

    def _collects(self, size: int) -> bool:
        """Counts what is collected; whether all of it together still fits."""
        with self._lock:
            self._collected += size
            return size <= 0 or self._collected <= self._most()

    def _keep(self, key: str, size: int, blocks: list[Block]) -> None:
        with self._lock:
            most = self._most()
            self._kept[key] = (size, blocks)
            self._kept.move_to_end(key)
            self._drive_out(most)

    def _drive_out(self, most: int) -> None:
        while sum(kept for kept, _ in self._kept.values()) > most:
            self._kept.popitem(last=False)
