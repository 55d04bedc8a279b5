"""Routes by which an administrator sees who is told of what, and whether it arrives."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from medmip.accounts.role import Right
from medmip.errors import Conflict
from medmip.notices.event import Event, Kind
from medmip.notices.outbox import Outbox
from medmip.notices.queue import Delivery, Queue
from medmip.notices.settings import ChannelSettings, EmailSettings, WebhookSettings
from medmip.web.door import Door
from medmip.web.problems import problem_responses


class NoticeWay(BaseModel):
    """A way that is set: whom it reaches, without any secret; no events stands for all."""

    name: str
    reaches: str
    events: tuple[str, ...]


class NoticeEntry(BaseModel):
    """What became of an event on one way; due is when it is tried again."""

    model_config = ConfigDict(from_attributes=True)

    event: str
    kind: str
    count: int
    at: datetime
    channel: str
    state: str
    attempts: int
    problem: str
    due: datetime | None
    ended: datetime | None


class Notices(BaseModel):
    """The settings of notices without their secrets, and the last deliveries, newest first."""

    language: str
    summary_minutes: int
    ways: list[NoticeWay]
    waiting: int
    sent: int
    given_up: int
    deliveries: list[NoticeEntry]


class WrittenTest(BaseModel):
    """A test that was written down; its deliveries name it as their event."""

    event: str


def router(outbox: Outbox, door: Door) -> APIRouter:
    """The routes /notices."""
    routes = APIRouter(
        prefix="/notices", tags=["operation"], dependencies=[Depends(door.to(Right.ADMINISTER))]
    )
    queue, settings = Queue(outbox.state), outbox.settings

    @routes.get("", operation_id="listNotices", responses=problem_responses(422))
    def listed(limit: Annotated[int, Query(ge=1, le=500)] = 30) -> Notices:
        """Who is told of what, and what became of the last notices."""
        counts = queue.counts()
        return Notices(
            language=settings.language,
            summary_minutes=settings.summary_minutes,
            ways=[
                NoticeWay(name=name, reaches=_reached(way), events=way.events)
                for name, way in settings.channels.items()
            ],
            waiting=counts["waiting"],
            sent=counts["sent"],
            given_up=counts["given up"],
            deliveries=[_entry(one) for one in queue.deliveries(limit)],
        )

    @routes.post(
        "/test", operation_id="testNotices", status_code=202, responses=problem_responses(409)
    )
    def tested() -> WrittenTest:
        """Write a test down for every way that is set; it is sent within seconds."""
        if not settings.channels:
            raise Conflict(
                "Nobody is to be told of anything",
                remedy="Name somebody in the section [notices] of mip.toml, and restart MIP.",
            )
        event = Event(Kind.TEST)
        outbox.tell(event)
        return WrittenTest(event=event.id)

    return routes


def _entry(delivery: Delivery) -> NoticeEntry:
    return NoticeEntry.model_validate(delivery)


def _reached(way: ChannelSettings) -> str:
    if isinstance(way, EmailSettings):
        return f"{', '.join(way.to)} ({way.host})"
    # The rest of a URL may hold what proves who may write there.
    return urlsplit(way.url).netloc if isinstance(way, WebhookSettings) else ""
