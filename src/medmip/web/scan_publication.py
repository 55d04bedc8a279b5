"""The route by which volumes of accepted scans reach a dataset."""

from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.imaging.publication.plan import PublicationPlan
from medmip.imaging.publication.publishing import planned, publish
from medmip.imaging.publication.wish import Wish
from medmip.privacy.ledger import Ledger
from medmip.web.door import Door
from medmip.web.problems import problem_responses


class VolumesOrder(Wish):
    """What is asked for; go publishes it, else it is only told what would happen."""

    go: bool = False


class VolumesAnswer(BaseModel):
    """What would happen, or happened; version is the one that was published, null for a plan."""

    plan: PublicationPlan
    rule: str
    version: int | None = None


def router(home: Home, ledger: Ledger, door: Door) -> APIRouter:
    """The route /imaging/publication, for data managers."""
    routes = APIRouter(prefix="/imaging/publication", tags=["imaging"])
    Manager = Annotated[Caller, Depends(door.to(Right.MANAGE_DATA))]  # noqa: N806 - a type
    turn = Lock()

    @routes.post("", operation_id="publishVolumes", responses=problem_responses(404, 409, 422))
    def publication(caller: Manager, order: VolumesOrder) -> VolumesAnswer:
        """Plans or makes a dataset's next version, with the volumes of accepted scans."""
        wish = Wish.model_validate(order.model_dump(exclude={"go"}))
        # Each reads a whole dataset, so that several at once would take the server's memory.
        if not turn.acquire(blocking=False):
            raise Conflict(
                "Volumes are being joined to a dataset just now.",
                remedy="Wait until that is done, then ask again.",
            )
        try:
            if not order.go:
                plan = planned(home, wish)
                return VolumesAnswer(plan=plan, rule=plan.rule)
            plan, snapshot = publish(home, wish, ledger, caller.name)
            return VolumesAnswer(plan=plan, rule=plan.rule, version=snapshot.version)
        finally:
            turn.release()

    return routes
