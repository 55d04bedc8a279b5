"""Routes by which an administrator sees how the server is and how much it is used."""

import platform
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from medmip.accounts.role import Right
from medmip.experiments.experiment import State
from medmip.experiments.listing import Wanted
from medmip.experiments.service import ExperimentService
from medmip.experiments.usage import Page, Usage, see, usage
from medmip.store.state import open_state
from medmip.web.door import Door
from medmip.web.problems import problem_responses

_STATUS = Path("/proc/self/status")
_LOW = 0.1
"""Of the disk; below it the next import or backup may not find room."""
_BACKUP_OLD = timedelta(hours=26)
"""A night may be long."""
Backups = Callable[[], datetime | None]
"""When the newest backup was made, None where there is none; raises LookupError where no folder
is named for them.
"""


class System(BaseModel):
    """How the server is; sizes in bytes.

    memory is what its process holds, null where the machine does not tell. disk_low says that less
    than a tenth of the home folder's disk is free. backups says whether a folder is named for them,
    backup when the newest was made, and backup_old that it is missing or older than a long night.
    sites are the hospitals of the federation.
    """

    version: str
    python: str
    started: datetime
    database: str
    memory: int | None
    disk_free: int
    disk_total: int
    disk_low: bool
    backups: bool
    backup: datetime | None
    backup_old: bool
    running: int
    queued: int
    datasets: int
    ledger_rows: int
    ledger_head: bool
    sites: int
    silent_sites: list[str]


class View(BaseModel):
    """A page of the portal that somebody sees."""

    model_config = ConfigDict(extra="forbid")

    page: Page


def router(service: ExperimentService, door: Door, backups: Backups | None = None) -> APIRouter:
    """The routes /system and /usage, and /page-views, where everybody's pages are counted."""
    routes = APIRouter(tags=["operation"])
    administers = [Depends(door.to(Right.ADMINISTER))]
    started = datetime.now(UTC)
    engine = open_state(service.home)

    @routes.get("/system", operation_id="getSystem", dependencies=administers)
    def system() -> System:
        """How the server is now."""
        disk = shutil.disk_usage(service.home.path)
        sites = service.sites.statuses() if service.sites is not None else []
        named, backup = _newest(backups)
        return System(
            version=version("medmip"),
            python=platform.python_version(),
            started=started,
            database=engine.dialect.name,
            memory=_resident(),
            disk_free=disk.free,
            disk_total=disk.total,
            disk_low=disk.free < _LOW * disk.total,
            backups=named,
            backup=backup,
            backup_old=named and (backup is None or datetime.now(UTC) - backup > _BACKUP_OLD),
            running=service.find(Wanted(state=State.RUNNING), 1)[0],
            queued=service.find(Wanted(state=State.QUEUED), 1)[0],
            datasets=len(service.datasets.list()),
            ledger_rows=service.ledger.count(),
            ledger_head=service.ledger.has_head(),
            sites=len(sites),
            silent_sites=[site.name for site in sites if not site.alive],
        )

    @routes.get(
        "/usage",
        operation_id="getUsage",
        dependencies=administers,
        responses=problem_responses(422),
    )
    def used(days: Annotated[int, Query(ge=1, le=366)] = 30) -> Usage:
        """How much this installation was used, day by day; counted here, told to nobody else."""
        return usage(engine, days, datetime.now(UTC).date())

    @routes.post(
        "/page-views",
        operation_id="countPageView",
        status_code=204,
        dependencies=[Depends(door.caller)],
        responses=problem_responses(422),
    )
    def viewed(view: View) -> None:
        """Counts a view of a page, by day; who saw it is not kept."""
        see(engine, view.page, datetime.now(UTC).date())

    return routes


def _newest(backups: Backups | None) -> tuple[bool, datetime | None]:
    """Whether backups have a folder, and when the newest was made."""
    try:
        return (False, None) if backups is None else (True, backups())
    except LookupError:
        return False, None


def _resident() -> int | None:
    """Bytes of memory that this process holds; None where the machine has no /proc."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS")), None)
