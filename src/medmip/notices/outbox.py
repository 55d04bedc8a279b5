"""Where notices are written down, together with what they tell of, until they are sent."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, delete, desc, insert, select
from sqlalchemy.exc import SQLAlchemyError

from medmip.catalogue.home import Home
from medmip.logbook import logger
from medmip.notices.event import Event
from medmip.notices.settings import NoticeSettings, notice_settings
from medmip.notices.tables import notices

Tell = Callable[..., None]
"""Is given events; never raises."""
WAITING, SENT, GIVEN_UP = "waiting", "sent", "given up"
MOST_WAITING = 2000
"""Of each way: where a receiver is away for long, the oldest are dropped."""
log = logger("medmip.notices")


class Outbox:
    """Writes events down for every way that wants them; where there is none, it writes nothing."""

    def __init__(self, state: Engine, settings: NoticeSettings) -> None:
        self.state = state
        self.settings = settings

    @classmethod
    def of(cls, home: Home, state: Engine) -> "Outbox":
        """That of a home, whose state database this is; raises SettingsError."""
        return cls(state, notice_settings(home))

    def note(self, connection: Connection, *events: Event) -> None:
        """Writes events down within the caller's transaction, so that neither is without the other.

        What waits beyond a bound is dropped, oldest first, with a line in the log.
        """
        for name, way in self.settings.channels.items():
            rows = [_row(event, name) for event in events if way.wants(event)]
            if rows:
                connection.execute(insert(notices), rows)
                _bound(connection, name)

    def tell(self, *events: Event) -> None:
        """Writes events down, right after what they tell of.

        Never raises: what is told of has happened, and goes on whether or not it can be told.
        """
        if not self.settings.channels:
            return
        try:
            with self.state.begin() as connection:
                self.note(connection, *events)
        except SQLAlchemyError as error:
            log.error("a notice could not be written down", kind=type(error).__name__)


def _row(event: Event, channel: str) -> dict[str, object]:
    return {
        "event": event.id,
        "kind": event.kind.value,
        "times": event.count,
        "identity": event.identity,
        "at": event.at,
        "channel": channel,
        "state": WAITING,
        "attempts": 0,
        "problem": "",
    }


def _bound(connection: Connection, channel: str) -> None:
    own = (notices.c.channel == channel, notices.c.state == WAITING)
    beyond = (
        select(notices.c.number)
        .where(*own)
        .order_by(desc(notices.c.number))
        .offset(MOST_WAITING)
        .limit(1)
    )
    last = connection.execute(beyond).scalar()
    if last is not None:
        dropped = connection.execute(delete(notices).where(*own, notices.c.number <= last))
        log.warning("notices were dropped: too many wait", channel=channel, number=dropped.rowcount)
