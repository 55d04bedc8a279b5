"""Sessions: what a browser is known by after a log-in; kept at the server, ended at will."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Engine, and_, delete, insert, or_, select, update

from medmip.accounts.journal import note
from medmip.accounts.tables import people, sessions
from medmip.errors import NotFound
from medmip.store.state import in_utc

_SEEN_EVERY = timedelta(seconds=30)
"""A session's last use is written down this often at most, so that reading needs no writing."""


class Session(BaseModel):
    """A session as its owner sees it."""

    id: str
    address: str
    agent: str
    created: datetime
    seen: datetime
    complete: bool


@dataclass(frozen=True)
class Known:
    """Whose session a cookie is of; complete is false until a second factor was given."""

    session: str
    person: str
    complete: bool


class Sessions:
    """Keeps sessions, of whose secrets only a hash is kept.

    idle ends a session that is not used for so long, longest every session.
    """

    def __init__(self, engine: Engine, idle: timedelta, longest: timedelta) -> None:
        self._engine = engine
        self.idle = idle
        self.longest = longest

    def begin(
        self,
        person: str,
        *,
        complete: bool,
        address: str = "",
        agent: str = "",
        provider_session: str = "",
    ) -> str:
        """A new session's secret, for a cookie."""
        secret, now = secrets.token_urlsafe(32), datetime.now(UTC)
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(self._over(now)))
            connection.execute(
                insert(sessions).values(
                    hash=hash_of(secret),
                    id=str(uuid4()),
                    person=person,
                    complete=complete,
                    provider_session=provider_session[:300],
                    address=address[:64],
                    agent=agent[:200],
                    created=now,
                    seen=now,
                )
            )
        return secret

    def known(self, secret: str) -> Known | None:
        """Whose session this is; None where there is none, or it has ended."""
        now, key = datetime.now(UTC), hash_of(secret)
        with self._engine.connect() as connection:
            row = connection.execute(
                select(sessions)
                .join(people, people.c.id == sessions.c.person)
                .where(sessions.c.hash == key, people.c.enabled, ~self._over(now))
            ).first()
        if row is None:
            return None
        if now - in_utc(row.seen) > _SEEN_EVERY:
            with self._engine.begin() as connection:
                connection.execute(update(sessions).where(sessions.c.hash == key).values(seen=now))
        return Known(row.id, row.person, row.complete)

    def of(self, person: str) -> list[Session]:
        """A person's sessions, the last used first."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(sessions)
                .where(sessions.c.person == person, ~self._over(datetime.now(UTC)))
                .order_by(sessions.c.seen.desc())
            )
            return [
                Session(
                    id=row.id,
                    address=row.address,
                    agent=row.agent,
                    created=in_utc(row.created),
                    seen=in_utc(row.seen),
                    complete=row.complete,
                )
                for row in rows
            ]

    def end(self, person: str, identity: str, actor: str) -> None:
        """Ends one of a person's sessions; raises NotFound."""
        with self._engine.begin() as connection:
            gone = connection.execute(
                delete(sessions).where(sessions.c.person == person, sessions.c.id == identity)
            )
            if not gone.rowcount:
                raise NotFound("There is no such session")
            note(connection, actor, "session ended", actor)

    def end_all(self, person: str, actor: str) -> int:
        """Ends all of a person's sessions; how many there were."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(sessions).where(sessions.c.person == person))
            note(connection, actor, "sessions ended", actor, f"{gone.rowcount}")
            return gone.rowcount

    def end_from_provider(self, issuer: str, subject: str, provider_session: str) -> int:
        """Ends the sessions that a provider says are over: one of its own, or all of a subject."""
        chosen = select(people.c.id).where(people.c.issuer == issuer)
        if subject:
            chosen = chosen.where(people.c.subject == subject)
        where: ColumnElement[bool] = sessions.c.person.in_(chosen)
        if provider_session:
            where = and_(where, sessions.c.provider_session == provider_session)
        with self._engine.begin() as connection:
            gone = connection.execute(delete(sessions).where(where))
            note(connection, issuer, "logged out by provider", subject, f"{gone.rowcount} sessions")
            return gone.rowcount

    def _over(self, now: datetime) -> ColumnElement[bool]:
        return or_(
            sessions.c.seen < now - self.idle,
            sessions.c.created < now - self.longest,
        )


def hash_of(secret: str) -> str:
    """What is kept of a secret with 256 random bits, for which a fast hash is as good as a slow."""
    return hashlib.sha256(secret.encode()).hexdigest()
