"""What lasts: it is told of when it begins, and not again until it has ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select

from medmip.notices.event import Event, Kind
from medmip.notices.outbox import Outbox
from medmip.notices.tables import conditions


@dataclass(frozen=True, slots=True)
class Observed:
    """One condition, by name, as it is now; holds is None where that is not told for sure.

    ended is what is told when it is over, if anything.
    """

    name: str
    kind: Kind
    holds: bool | None
    identity: str = ""
    ended: Kind | None = None


def see(outbox: Outbox, observed: Iterable[Observed]) -> None:
    """Writes down what has begun or ended since the last look, even if that was before a restart.

    All of it is one transaction, with the notices of it.
    """
    with outbox.state.begin() as connection:
        known = {*connection.execute(select(conditions.c.name)).scalars()}
        for one in observed:
            if one.holds and one.name not in known:
                moment = datetime.now(UTC)
                connection.execute(insert(conditions).values(name=one.name, since=moment))
                outbox.note(connection, Event(one.kind, identity=one.identity))
            elif one.holds is False and one.name in known:
                connection.execute(delete(conditions).where(conditions.c.name == one.name))
                if one.ended is not None:
                    outbox.note(connection, Event(one.ended, identity=one.identity))
