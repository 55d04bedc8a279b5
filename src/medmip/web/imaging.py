"""Routes of scans: what is kept with its verdicts, and what lies in their inbox."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.imaging.record import Verdict
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.review import ScanStanding
from medmip.imaging.volumetry.sheet import ListedScan, listed
from medmip.inbox.scan_desk import ScanDesk
from medmip.inbox.scan_item import ScanItem
from medmip.web.door import Door
from medmip.web.problems import problem_responses


class ScanPage(BaseModel):
    """Some of the scans, and how many there are."""

    total: int
    items: list[ListedScan]


def router(desk: ScanDesk, door: Door) -> APIRouter:
    """Routes under /imaging, for data managers."""
    routes = APIRouter(prefix="/imaging", tags=["imaging"])
    Manager = Annotated[Caller, Depends(door.to(Right.MANAGE_DATA))]  # noqa: N806 - a type
    shelf = Shelf(desk.home)

    @routes.get("/scans", operation_id="listScans", responses=problem_responses(422))
    def scans(
        _: Manager,
        verdict: Verdict | None = None,
        standing: ScanStanding | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> ScanPage:
        """A page of scans, newest first: with what became of each and how it stands."""
        total, items = listed(shelf, verdict, standing, limit, offset)
        return ScanPage(total=total, items=items)

    @routes.get("/inbox", operation_id="listScanInbox")
    def items(_: Manager) -> list[ScanItem]:
        """What lies in the inbox for scans, and what became of it."""
        return desk.items()

    return routes
