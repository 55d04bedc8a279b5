"""The routes of the queue of scans: how it stands, and what a data manager changes in it."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.imaging.queue.job import QueueStanding, ScanJob
from medmip.imaging.queue.measuring_desk import MeasuringDesk
from medmip.web.door import Door
from medmip.web.problems import problem_responses

_MOST = 10_000


class QueuePage(BaseModel):
    """How the queue stands, and its first jobs: under way, failed, then by their turn."""

    standing: QueueStanding
    jobs: list[ScanJob]


class QueueChange(StrEnum):
    """`measure` queues what was taken and not measured; `first` goes before all that wait."""

    MEASURE = "measure"
    CANCEL = "cancel"
    RETRY = "retry"
    FIRST = "first"


class QueueOrder(BaseModel):
    """A change, and of which scans; without any, of all: measure takes all in any case."""

    model_config = ConfigDict(extra="forbid")

    change: QueueChange
    scans: Annotated[
        list[Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,64}$")]] | None,
        Field(min_length=1, max_length=_MOST),
    ] = None


class QueueAnswer(BaseModel):
    """How many jobs were changed."""

    changed: int


def router(desk: MeasuringDesk, door: Door) -> APIRouter:
    """Routes under /imaging/queue, for data managers."""
    routes = APIRouter(prefix="/imaging/queue", tags=["imaging"])
    Manager = Annotated[Caller, Depends(door.to(Right.MANAGE_DATA))]  # noqa: N806 - a type
    jobs = desk.jobs

    @routes.get("", operation_id="getScanQueue", responses=problem_responses(422))
    def queue(_: Manager, limit: Annotated[int, Query(ge=0, le=1000)] = 20) -> QueuePage:
        """How many scans wait, are measured, failed; rate and end; the first of the jobs."""
        return QueuePage(standing=jobs.standing(), jobs=jobs.listed(limit))

    @routes.post("", operation_id="changeScanQueue", responses=problem_responses(404, 409, 422))
    def change(_: Manager, order: QueueOrder) -> QueueAnswer:
        """Queues scans, takes them off, lets them be tried again or go first."""
        match order.change:
            case QueueChange.MEASURE:
                count = desk.queue_new()
            case QueueChange.CANCEL:
                count = jobs.cancel(order.scans)
            case QueueChange.RETRY:
                count = jobs.retry(order.scans)
            case QueueChange.FIRST:
                count = jobs.first(order.scans)
        return QueueAnswer(changed=count)

    return routes
