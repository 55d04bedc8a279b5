"""A road that takes its time: TCP to the broker, every piece held back on its way."""

import asyncio
import contextlib
import multiprocessing
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

PIECE = 65_536
Wait = Callable[[], float]


@contextmanager
def distant(port: int, delay: float, jitter: float = 0.0) -> Iterator[int]:
    """A port of this machine that leads to another, a process of its own between them.

    Each piece arrives delay seconds later, and up to jitter more by chance; none overtakes another.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(there, port, delay, jitter), daemon=True)
    process.start()
    try:
        yield int(here.recv())
    finally:
        process.kill()
        process.join()


def _run(tell: Connection, port: int, delay: float, jitter: float) -> None:
    asyncio.run(_serve(tell, port, lambda: delay + random.uniform(0, jitter)))


async def _serve(tell: Connection, port: int, wait: Wait) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_held_back(reader, back, wait), _held_back(there, writer, wait))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    tell.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _held_back(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: Wait
) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        while True:
            due, piece = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                writer.close()
                return
            writer.write(piece)

    sender = asyncio.create_task(send())
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            await waiting.put((loop.time() + wait(), piece))
    await waiting.put((loop.time() + wait(), b""))
    with contextlib.suppress(OSError):
        await sender
