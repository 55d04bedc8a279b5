"""The fold over blocks in this process: threads share the work, order changes no sum."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from operator import length_hint
from typing import Any, Generic, TypeVar

from threadpoolctl import ThreadpoolController

from medmip.fold.block import Block
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)
Kernel = Callable[[Block, State], S]

THREADS = max(1, os.cpu_count() or 1)
_AHEAD = 4 * THREADS
"""Parts that may wait to be added, which bounds memory where one block takes long."""


class Cancelled(Exception):
    """The run was cancelled by a person; no result."""


def fold_blocks(
    blocks: Iterable[Block],
    kernel: Callable[[Block, State], S | None],
    state: State,
    *,
    each: Callable[[Block], None] | None = None,
) -> S | None:
    """The sum of kernel(block, state) over all blocks; None where there is no block.

    A block of which the kernel makes None adds nothing. The calling thread works beside helpers,
    so that a fold goes on however busy they are with others.
    Blocks are added in their own order, whatever the threads do, so a rerun gives the same bits.
    each is called once a block by the thread that takes it, for one block at a time; it raises
    Cancelled to stop.
    """
    return Folding(blocks, lambda block: kernel(block, state), each).total()


class Folding(Generic[S]):
    """A fold under way: blocks are taken one at a time, and parts added in the blocks' order.

    Helpers begin with it as soon as they are free. A thread that waits for its last blocks goes on
    with the next fold that it has begun, so that of many small ones together none stands idle.
    """

    def __init__(
        self,
        blocks: Iterable[Block],
        kernel: Callable[[Block], S | None],
        each: Callable[[Block], None] | None = None,
    ) -> None:
        self._sum: S | None = None
        self._source, self._kernel, self._each = iter(blocks), kernel, each
        self._taking, self._adding = threading.Lock(), threading.Condition()
        self._taken = self._added = self._busy = 0
        self._waiting: dict[int, S | None] = {}
        self._someone_adds = self._owned = False
        blocks_known = length_hint(self._source, -1)
        self._exhausted = blocks_known == 0
        self._failure: BaseException | None = None
        self.begun_by = threading.get_ident()
        # One block alone is for the thread that waits for the sum.
        if blocks_known not in (0, 1):
            _helpers().offer(self)

    def total(self) -> S | None:
        """The sum, once all is folded; the calling thread works too. Raises what a kernel does."""
        helpers = _helpers()
        while self.step():
            pass
        while not self._ended():
            other = helpers.first(self.begun_by)
            if other is not None:
                other.step()
                continue
            with self._adding:
                self._adding.wait_for(self._ended)
        if self._failure is not None:
            raise self._failure
        return self._sum

    def step(self) -> bool:
        """Folds one block; false where there is none left, or the fold has failed."""
        if self._exhausted:
            return False
        taken = None
        try:
            taken = self._take()
            if taken is not None:
                self._add(taken[0], self._kernel(taken[1]))
        except BaseException as failure:  # noqa: BLE001 - raised by whoever waits for the sum
            with self._adding:
                self._failure = self._failure or failure
        finally:
            with self._adding:
                self._busy -= 1
                self._adding.notify_all()
        return taken is not None

    def _ended(self) -> bool:
        return (self._exhausted or self._failure is not None) and not self._busy

    def _take(self) -> tuple[int, Block] | None:
        with self._adding:
            self._busy += 1
        with self._taking:
            block = None if self._failure is not None else next(self._source, None)
            # Blocks in memory tell that none follows; nobody then has to look for it.
            if block is None or not length_hint(self._source, 1):
                self._exhausted = True
                _helpers().drop(self)
            if block is None:
                return None
            if self._each is not None:
                self._each(block)
            self._taken += 1
            return self._taken - 1, block

    def _add(self, index: int, part: S | None) -> None:
        """Adds every part whose turn has come, unless another thread is at it."""
        with self._adding:
            while index >= self._added + _AHEAD and self._failure is None:
                self._adding.wait()
            self._waiting[index] = part
            if self._someone_adds:
                return
            self._someone_adds = True
        while True:
            with self._adding:
                if self._added not in self._waiting:
                    self._someone_adds = False
                    self._adding.notify_all()
                    return
                part = self._waiting.pop(self._added)
            if part is not None:
                self._sum = self._with(part)
            with self._adding:
                self._added += 1

    def _with(self, part: S) -> S:
        if self._sum is None:
            return part
        # A part's arrays may be remembered by its block; the sum of two is this fold's own.
        owned, self._owned = self._owned, True
        return self._sum.added(part) if owned else self._sum + part


class _Helpers:
    """Threads that fold blocks of the fold that has waited longest."""

    def __init__(self) -> None:
        # One BLAS thread a worker: skinny products are slower with BLAS's own threads on top.
        ThreadpoolController().limit(limits=1, user_api="blas")
        self._open: deque[Folding[Any]] = deque()
        self._changed = threading.Condition()
        # The thread that asks works too.
        for index in range(THREADS - 1):
            threading.Thread(target=self._serve, name=f"fold_{index}", daemon=True).start()

    def offer(self, folding: Folding[Any]) -> None:
        """A fold has begun."""
        if THREADS > 1:
            with self._changed:
                self._open.append(folding)
                self._changed.notify_all()

    def drop(self, folding: Folding[Any]) -> None:
        """A fold has no blocks left."""
        with self._changed, contextlib.suppress(ValueError):
            self._open.remove(folding)

    def first(self, begun_by: int) -> Folding[Any] | None:
        """The oldest fold of a thread's own that may have blocks left."""
        with self._changed:
            return next((part for part in self._open if part.begun_by == begun_by), None)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._open)
                folding = self._open[0]
            folding.step()


_FIRST = threading.Lock()


def _helpers() -> _Helpers:
    # `cache` alone would let threads that come first together make several, each its own queue.
    with _FIRST:
        return _only()


@cache
def _only() -> _Helpers:
    return _Helpers()
