"""What processes hold and send while something is measured."""

import threading
from contextlib import suppress
from typing import Any

import psutil

EVERY = 0.1
"""Seconds between looks."""


class Footprint:
    """Peak megabytes of this process, of its largest child, of a Java child, and what was sent.

    Used as a context. What was sent went over loopback: between processes of this machine.
    """

    def __init__(self) -> None:
        self.own = self.largest = self.java = self.sent = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Footprint":
        self._before = _sent()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.sent = (_sent() - self._before) / 1e6

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._stop.wait(EVERY):
            self.own = max(self.own, own.memory_info().rss / 1e6)
            for child in own.children(recursive=True):
                with suppress(psutil.Error):
                    self._look(child)

    def _look(self, child: Any) -> None:
        held = child.memory_info().rss / 1e6
        if child.name() == "java":
            self.java = max(self.java, held)
        else:
            self.largest = max(self.largest, held)


def _sent() -> float:
    counters = psutil.net_io_counters(pernic=True)
    return float(counters["lo"].bytes_sent) if "lo" in counters else 0.0
