"""Ports for the servers that tests start."""

import os
import random
import socket
from collections.abc import Iterator

FIRST, EACH = 20_000, 1_500
"""Below the ports that the system lends to clients, so that none of these takes one meanwhile."""
WORKERS = 8


def _own() -> Iterator[int]:
    """Each port of this worker of the suite, once and then anew."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = FIRST + int(worker) % WORKERS * EACH
    begun = random.randrange(EACH)
    while True:
        for place in range(EACH):
            yield first + (begun + place) % EACH


_PORTS = _own()


def free_port() -> int:
    """A port that nobody listens at, and that no other test of this run is given."""
    for port in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError
