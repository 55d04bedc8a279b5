"""Working memory that a thread keeps between blocks, so that no kernel waits for fresh pages."""

import threading

import numpy as np

from medmip.fold.statistic import FloatArray

_kept = threading.local()


def scratch(rows: int, columns: int) -> FloatArray:
    """Uninitialised (rows, columns) float64, row-major, of this thread: valid until its next call.

    A kernel may return nothing that shares this memory.
    """
    size = rows * columns
    buffer: FloatArray | None = getattr(_kept, "buffer", None)
    if buffer is None or buffer.size < size:
        buffer = _kept.buffer = np.empty(size)
    return buffer[:size].reshape(rows, columns)
