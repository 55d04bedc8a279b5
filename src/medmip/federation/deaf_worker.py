"""Loaded by a worker of this machine: a Ctrl-C in the terminal is for whoever began it."""

import signal


def dask_setup(worker: object) -> None:  # noqa: ARG001 - dask's signature
    """That one then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
