"""The journal of accounts: every log-in, failure and change, who did it and from where."""

from datetime import UTC, datetime

from pydantic import BaseModel
from sqlalchemy import Connection, Engine, desc, func, insert, or_, select

from medmip.accounts.tables import events
from medmip.store.state import in_utc


class Event(BaseModel):
    """One row of the journal; about names whom or what it concerns."""

    number: int
    at: datetime
    actor: str
    what: str
    about: str
    detail: str
    address: str


def note(
    connection: Connection,
    actor: str,
    what: str,
    about: str = "",
    detail: str = "",
    address: str = "",
) -> None:
    """Writes a row in the transaction of the change that it tells of."""
    connection.execute(
        insert(events).values(
            at=datetime.now(UTC),
            actor=actor[:100],
            what=what,
            about=about[:320],
            detail=detail,
            address=address[:64],
        )
    )


class Journal:
    """Reads the journal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, search: str = "", limit: int = 100, offset: int = 0) -> tuple[int, list[Event]]:
        """How many rows match, and a page of them, newest first."""
        columns = (events.c.actor, events.c.what, events.c.about)
        where = or_(*(column.contains(search, autoescape=True) for column in columns))
        with self._engine.connect() as connection:
            total = connection.scalar(select(func.count()).select_from(events).where(where))
            rows = connection.execute(
                select(events)
                .where(where)
                .order_by(desc(events.c.number))
                .limit(limit)
                .offset(offset)
            )
            return total or 0, [Event(**{**row._mapping, "at": in_utc(row.at)}) for row in rows]
