"""A run on the server: watched until it ends."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from medmip.client.connection import Connection
from medmip.client.errors import Refused, Unreachable, WithoutResult
from medmip.client.result import Result

_PATIENCE = (1, 2, 4, 8, 15, 30)
"""Seconds before each new try when a server is lost; it may be starting again."""


class _Told(Protocol):
    def __call__(self, message: str, fraction: float | None) -> None: ...


class Run:
    """An experiment that was asked for; it goes on whether or not anybody waits."""

    def __init__(self, connection: Connection, experiment: str) -> None:
        self._connection = connection
        self.experiment = experiment
        self._path = f"/experiments/{quote(experiment, safe='')}"

    @property
    def state(self) -> str:
        """queued, running, done, refused, failed or cancelled."""
        return str(self._document()["state"])

    def wait(self, *, progress: bool = True) -> Result:
        """The result, once it is there; raises Refused, WithoutResult, Unreachable.

        progress shows how far it is. Who stops waiting stops nothing: `cancel` does.
        """
        with _telling(shown=progress) as tell:
            self._watch(tell)
        document = self._document()
        if document["result"] is None:
            kind = Refused if document["state"] == "refused" else WithoutResult
            raise kind(self.experiment, document["state"], document["problem"])
        return Result(document)

    def cancel(self) -> None:
        """Ends it without result, where it has not ended."""
        self._connection.post(f"{self._path}/cancel")

    def __repr__(self) -> str:
        return f"Run of experiment {self.experiment}"

    def _document(self) -> dict[str, Any]:
        found: Any = self._connection.get(self._path)
        return dict(found)

    def _watch(self, tell: _Told) -> None:
        tries = iter(_PATIENCE)
        while True:
            try:
                with closing(self._connection.events(f"{self._path}/events")) as events:
                    for name, data in events:
                        tries = iter(_PATIENCE)
                        if name == "end":
                            return
                        if isinstance(data, dict):
                            _tell(tell, data)
                pause = 1
            except Unreachable:
                pause = next(tries, 0)
                if not pause:
                    raise
                tell("the server does not answer; trying again", None)
            # The server was stopped in between, and takes the run up when it is there again.
            time.sleep(pause)


def _tell(tell: _Told, summary: dict[str, Any]) -> None:
    how_far = summary["progress"]
    waits = summary["state"] == "queued"
    tell(
        "waiting for its turn" if waits else how_far["message"] or "working",
        0 if waits else how_far["fraction"],
    )


@contextmanager
def _telling(*, shown: bool) -> Iterator[_Told]:
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
    )
    with bar:
        task = bar.add_task("sent", total=None)

        def tell(message: str, fraction: float | None) -> None:
            total = None if fraction is None else 1.0
            bar.update(task, description=message, total=total, completed=fraction or 0)

        yield tell
