"""The fold over blocks in this process: threads share the work, order changes no sum."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Generic, TypeVar

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


@cache
def _helpers() -> ThreadPoolExecutor:
    # One BLAS thread a worker: skinny products are slower with BLAS's own threads on top of ours.
    ThreadpoolController().limit(limits=1, user_api="blas")
    # The thread that asks works too.
    return ThreadPoolExecutor(max(1, THREADS - 1), thread_name_prefix="fold")


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

    Helpers begin with it as soon as they are free. Of several folds begun one after another they
    go on with the next while the last blocks of the one before are still being folded.
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
        self._taken, self._added = 0, 0
        self._waiting: dict[int, S | None] = {}
        self._someone_adds = self._failed = False
        self._helping = [_helpers().submit(self._work) for _ in range(THREADS - 1)]

    def total(self) -> S | None:
        """The sum, once all is folded; the calling thread works too. Raises what a kernel does."""
        try:
            self._work()
        finally:
            begun = [helper for helper in self._helping if not helper.cancel()]
            failures = [helper.exception() for helper in begun]
        for failure in failures:
            if failure is not None:
                raise failure
        return self._sum

    def _work(self) -> None:
        """Takes blocks until there are no more, or another thread has failed."""
        try:
            while (taken := self._take()) is not None:
                index, block = taken
                self._add(index, self._kernel(block))
        except BaseException:
            with self._adding:
                self._failed = True
                self._adding.notify_all()
            raise

    def _take(self) -> tuple[int, Block] | None:
        with self._taking:
            block = None if self._failed else next(self._source, None)
            if block is None:
                return None
            if self._each is not None:
                self._each(block)
            self._taken += 1
            return self._taken - 1, block

    def _add(self, index: int, part: S | None) -> None:
        """Adds every part whose turn has come, unless another thread is at it."""
        with self._adding:
            while index >= self._added + _AHEAD and not self._failed:
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
                self._sum = part if self._sum is None else self._sum + part
            with self._adding:
                self._added += 1
