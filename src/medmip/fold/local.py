"""The fold over blocks in this process: threads share the work, order changes no sum."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from medmip.fold.block import Block
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)
Kernel = Callable[[Block, State], S]

THREADS = max(1, os.cpu_count() or 1)
_IN_FLIGHT = 2 * THREADS
"""Blocks handed to threads ahead of the sum: enough to be busy, few enough to bound memory."""


class Cancelled(Exception):
    """The run was cancelled by a person; no result."""


@cache
def _workers() -> ThreadPoolExecutor:
    # One BLAS thread a worker: skinny products are slower with BLAS's own threads on top of ours.
    ThreadpoolController().limit(limits=1, user_api="blas")
    return ThreadPoolExecutor(THREADS, thread_name_prefix="fold")


def fold_blocks(
    blocks: Iterable[Block],
    kernel: Callable[[Block, State], S | None],
    state: State,
    *,
    each: Callable[[Block], None] | None = None,
) -> S | None:
    """The sum of kernel(block, state) over all blocks; None where there is no block.

    A block of which the kernel makes None adds nothing.
    Blocks are added in their own order, whatever the threads do, so a rerun gives the same bits.
    each is called once a block in the calling thread; it raises Cancelled to stop.
    """
    total: S | None = None
    for part in _mapped(blocks, kernel, state, each):
        if part is not None:
            total = part if total is None else total + part
    return total


def _mapped(
    blocks: Iterable[Block],
    kernel: Callable[[Block, State], S | None],
    state: State,
    each: Callable[[Block], None] | None,
) -> Iterator[S | None]:
    source = iter(blocks)
    workers = _workers()
    waiting: deque[Future[S | None]] = deque()
    try:
        while True:
            for block in islice(source, _IN_FLIGHT - len(waiting)):
                if each is not None:
                    each(block)
                waiting.append(workers.submit(kernel, block, state))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
