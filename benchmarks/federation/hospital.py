"""The process of one or more hospitals: agents, each with its own connection and home."""

import asyncio
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from multiprocessing import parent_process
from pathlib import Path

import numpy as np
import pyarrow as pa
import uvloop

from medmip.algorithms.registry import registry
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.federation.kernels import kernels_of_all
from medmip.federation.site_folder import SiteFolder
from medmip.federation.site_service import SiteService

# Loaded once by the server that hospitals are forked from: kernels, and what Arrow loads late.
kernels_of_all(registry().values())
pa.array(np.zeros(1)).to_numpy()


def serve(homes: Sequence[str]) -> None:
    """Answers the hub for each of these homes until the process that began it has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_go_with_parent, daemon=True).start()
    uvloop.run(_serve([Home(Path(home)) for home in homes]))


async def _serve(homes: Sequence[Home]) -> None:
    async with AsyncExitStack() as stack:
        for home in homes:
            house = ExperimentService(home).house()
            await stack.enter_async_context(SiteService(SiteFolder.of(home), house))
        await asyncio.Event().wait()


def _go_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
