"""Log-in with a name and a password kept here, and a second factor where there is one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, select, update

from medmip.accounts import passwords, second_factor
from medmip.accounts.errors import NotLoggedIn, TooMany
from medmip.accounts.journal import note
from medmip.accounts.people import People
from medmip.accounts.person import LOCAL
from medmip.accounts.sessions import Known, Sessions
from medmip.accounts.tables import people, sessions
from medmip.store.state import in_utc

FREE_FAILURES = 5
"""Wrong passwords or codes in a row before an account waits."""
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class Opened:
    """A session's secret; complete is false while a second factor is still to be given."""

    secret: str
    complete: bool


class LocalLogin:
    """Checks names, passwords and codes; key is the site's key that second factors lie under."""

    def __init__(self, engine: Engine, sessions: Sessions, key: bytes) -> None:
        self._engine = engine
        self._people = People(engine)
        self._sessions = sessions
        self._key = key

    def log_in(self, name: str, password: str, address: str = "", agent: str = "") -> Opened:
        """Opens a session; raises NotLoggedIn, in the same words and time for a name unknown.

        Raises TooMany while the account waits after failures: the wait doubles with each.
        """
        with self._engine.connect() as connection:
            row = connection.execute(
                select(people).where(people.c.name == name.strip().lower()[:100])
            ).first()
        usable = row is not None and row.enabled and row.issuer == LOCAL
        kept = row.password if row is not None and usable else None
        if row is not None:
            _check_wait(row)
        if not passwords.matches(kept, password) or row is None or kept is None:
            self._failed(row, "wrong password", address)
            raise NotLoggedIn("Name or password is wrong")
        if passwords.outdated(kept):
            renewed = passwords.hashed(password)
            self._change(row.id, password=renewed)
        complete = row.second_factor is None
        if complete:
            self._people.note_log_in(row.id, address)
        secret = self._sessions.begin(row.id, complete=complete, address=address, agent=agent)
        return Opened(secret, complete)

    def give_code(self, known: Known, code: str, address: str = "", agent: str = "") -> Opened:
        """Completes a session by a code of the second factor, or a recovery code.

        The session gets a new secret. Raises NotLoggedIn, TooMany.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(people).where(people.c.id == known.person)).one()
        _check_wait(row)
        if row.second_factor is None or not self._used(row, code):
            self._failed(row, "wrong code", address)
            raise NotLoggedIn("The code is wrong, or was used already")
        self._people.note_log_in(row.id, address)
        with self._engine.begin() as connection:
            connection.execute(sessions.delete().where(sessions.c.id == known.session))
        secret = self._sessions.begin(row.id, complete=True, address=address, agent=agent)
        return Opened(secret, complete=True)

    def confirmed(self, identity: str, password: str) -> bool:
        """Whether this is a person's password, asked again before a change to the log-in itself."""
        with self._engine.connect() as connection:
            row = connection.execute(select(people).where(people.c.id == identity)).one()
        _check_wait(row)
        if passwords.matches(row.password, password):
            return True
        self._failed(row, "wrong password", "")
        return False

    def _used(self, row: Row[Any], code: str) -> bool:
        """Uses a code up, in one transaction, so that none is good twice."""
        with self._engine.begin() as connection:
            fresh = connection.execute(select(people).where(people.c.id == row.id)).one()
            secret = second_factor.opened(fresh.second_factor, self._key, fresh.id)
            step = second_factor.accepted_step(
                secret, code, datetime.now(UTC), fresh.second_factor_step
            )
            left = second_factor.without([*fresh.recovery], code) if step is None else None
            if step is not None:
                changed: dict[str, Any] = {"second_factor_step": step}
            elif left is not None:
                changed = {"recovery": left}
                note(connection, row.name, "recovery code used", row.name, f"{len(left)} left")
            else:
                return False
            connection.execute(update(people).where(people.c.id == row.id).values(changed))
        return True

    def _failed(self, row: Row[Any] | None, what: str, address: str) -> None:
        with self._engine.begin() as connection:
            if row is None:
                # What was typed may be a password in the wrong field, so it is not written down.
                note(connection, "", what, "an unknown name", "", address)
                return
            fresh = connection.execute(select(people).where(people.c.id == row.id)).one()
            failures = fresh.failures + 1
            until = None
            if failures >= FREE_FAILURES:
                wait = min(_FIRST_WAIT * 2 ** min(failures - FREE_FAILURES, 16), _LONGEST_WAIT)
                until = datetime.now(UTC) + wait
            connection.execute(
                update(people)
                .where(people.c.id == row.id)
                .values(failures=failures, locked_until=until)
            )
            note(connection, row.name, what, row.name, f"{failures} in a row", address)

    def _change(self, identity: str, **values: Any) -> None:  # noqa: ANN401
        with self._engine.begin() as connection:
            connection.execute(update(people).where(people.c.id == identity).values(values))


def _check_wait(row: Row[Any]) -> None:
    if row.locked_until is None:
        return
    left = (in_utc(row.locked_until) - datetime.now(UTC)).total_seconds()
    if left > 0:
        raise TooMany(
            "Too many wrong passwords or codes",
            wait=left,
            remedy="Wait a while, or ask the administrator to set a new password.",
        )
