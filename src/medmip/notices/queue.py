"""What waits to be sent: gathered into messages, tried again, given up in the end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, delete, desc, func, select, update

from medmip.logbook import logger
from medmip.notices.event import Event, Kind
from medmip.notices.message import Message
from medmip.notices.outbox import GIVEN_UP, SENT, WAITING
from medmip.notices.tables import notices
from medmip.store.state import in_utc

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
PATIENCE = timedelta(days=3)
"""How long a message is tried."""
_MOST_IN_ONE = 200
_KEPT = 1000
"""Rows of what was sent or given up."""
log = logger("medmip.notices")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an event on one way; problem is the last attempt's."""

    event: str
    kind: str
    count: int
    at: datetime
    channel: str
    state: str
    message: str
    attempts: int
    problem: str
    due: datetime | None
    ended: datetime | None


class Queue:
    """Notices of a state database, as their sender sees them; each step is one transaction."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    def due(self, channel: str, pause: timedelta, now: datetime) -> list[Message]:
        """The messages that are to be sent now, oldest first.

        What belongs to no message yet becomes one: at once if urgent, else when the oldest has
        waited for a pause. It keeps its id from then on, whatever happens.
        """
        with self._state.begin() as connection:
            self._gather(connection, channel, pause, now)
            rows = connection.execute(
                select(notices)
                .where(*_waiting(channel), notices.c.message.is_not(None), notices.c.due <= now)
                .order_by(notices.c.number)
            ).all()
        grouped: dict[str, list[Row[Any]]] = {}
        for row in rows:
            grouped.setdefault(row.message, []).append(row)
        return [
            Message(identity, channel, tuple(map(_event, group)), group[0].attempts)
            for identity, group in grouped.items()
        ]

    def sent(self, message: Message, now: datetime) -> None:
        """Writes down that a message arrived."""
        with self._state.begin() as connection:
            connection.execute(
                update(notices)
                .where(notices.c.message == message.id)
                .values(state=SENT, ended=now, attempts=message.attempts + 1, problem="", due=None)
            )
            _forget_old(connection)

    def failed(self, message: Message, problem: str, now: datetime) -> None:
        """Writes down why a message did not arrive: it is tried again later, or given up."""
        given_up = now - message.at >= PATIENCE
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(message.attempts, 10))
        with self._state.begin() as connection:
            connection.execute(
                update(notices)
                .where(notices.c.message == message.id)
                .values(
                    state=GIVEN_UP if given_up else WAITING,
                    ended=now if given_up else None,
                    attempts=message.attempts + 1,
                    problem=problem[:200],
                    due=None if given_up else now + pause,
                )
            )
            _forget_old(connection)
        word = "a notice was given up" if given_up else "a notice was not delivered"
        log.warning(word, message=message.id, channel=message.channel, reason=problem)

    def hasten(self, now: datetime) -> None:
        """Makes all that waits for another attempt due, as after a start or a new setting."""
        with self._state.begin() as connection:
            connection.execute(
                update(notices)
                .where(notices.c.state == WAITING, notices.c.due > now)
                .values(due=now)
            )

    def close(self, channels: Iterable[str], now: datetime) -> None:
        """Gives up what waits for a way that is not set any more."""
        with self._state.begin() as connection:
            connection.execute(
                update(notices)
                .where(notices.c.state == WAITING, notices.c.channel.not_in([*channels]))
                .values(state=GIVEN_UP, ended=now, due=None, problem="mip.toml names it no more")
            )

    def deliveries(self, limit: int = 50, event: str = "") -> list[Delivery]:
        """What became of events, newest first; of one event where it is named."""
        query = select(notices).order_by(desc(notices.c.number)).limit(limit)
        if event:
            query = query.where(notices.c.event == event)
        with self._state.connect() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def counts(self) -> dict[str, int]:
        """How many notices there are, by state."""
        query = select(notices.c.state, func.count()).group_by(notices.c.state)
        with self._state.connect() as connection:
            found: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in (WAITING, SENT, GIVEN_UP)}

    def troubled(self) -> dict[str, str]:
        """The ways whose last attempt failed, with why."""
        query = (
            select(notices.c.channel, notices.c.problem)
            .where(notices.c.attempts > 0)
            .order_by(notices.c.number)
        )
        with self._state.connect() as connection:
            last: dict[str, str] = {row.channel: row.problem for row in connection.execute(query)}
        return {channel: problem for channel, problem in last.items() if problem}

    def _gather(
        self, connection: Connection, channel: str, pause: timedelta, now: datetime
    ) -> None:
        rows = connection.execute(
            select(notices.c.number, notices.c.kind, notices.c.at)
            .where(*_waiting(channel), notices.c.message.is_(None))
            .order_by(notices.c.number)
            .limit(_MOST_IN_ONE)
        ).all()
        quiet = [row for row in rows if not Kind(row.kind).urgent]
        ripe = bool(quiet) and (len(rows) == _MOST_IN_ONE or now - in_utc(quiet[0].at) >= pause)
        chosen = [row.number for row in rows if ripe or Kind(row.kind).urgent]
        if chosen:
            connection.execute(
                update(notices)
                .where(notices.c.number.in_(chosen))
                .values(message=str(uuid4()), due=now)
            )


def _waiting(channel: str) -> tuple[Any, ...]:
    return notices.c.channel == channel, notices.c.state == WAITING


def _forget_old(connection: Connection) -> None:
    ended = notices.c.state != WAITING
    beyond = select(notices.c.number).where(ended).order_by(desc(notices.c.number))
    last = connection.execute(beyond.offset(_KEPT).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(notices).where(ended, notices.c.number <= last))


def _event(row: Row[Any]) -> Event:
    return Event(Kind(row.kind), row.times, row.identity, in_utc(row.at), row.event)


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        event=row.event,
        kind=row.kind,
        count=row.times,
        at=in_utc(row.at),
        channel=row.channel,
        state=row.state,
        message=row.message or "",
        attempts=row.attempts,
        problem=row.problem,
        due=None if row.due is None else in_utc(row.due),
        ended=None if row.ended is None else in_utc(row.ended),
    )
