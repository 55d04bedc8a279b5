"""A site as a process of its own, which prints a line once it serves."""

import asyncio
import json
import sys
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.federation.site_folder import SiteFolder
from medmip.federation.site_service import SiteService
from medmip.logbook import write_log_to


async def serve(home: Home, software: str | None = None) -> None:
    write_log_to(home.logs / "mip.jsonl")
    service = ExperimentService(home)
    house = service.house()
    if software is not None:
        house.software = software
    async with SiteService(SiteFolder.of(home), house, heartbeat=0.5) as site:
        await site.link.link.client(within=20)
        print("serving", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    asyncio.run(serve(Home(Path(told["home"])), told.get("software")))
