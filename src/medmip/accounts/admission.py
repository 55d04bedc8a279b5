"""The allow-list: whom a provider's word alone does not let in, and who asks to be."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import Engine, delete, func, insert, select, update

from medmip.accounts.journal import note
from medmip.accounts.role import Role
from medmip.accounts.tables import admissions, allow_list
from medmip.errors import Conflict, FieldProblem, NotFound, RequestError
from medmip.store.state import in_utc

_MOST_WAITING = 500
"""Requests that may wait, so that nobody can fill the database with them."""


class Entry(BaseModel):
    """Whom the list lets in: an e-mail address, or every address of a domain (`@example.org`)."""

    entry: str
    roles: tuple[Role, ...]
    by: str
    created: datetime


class Admission(BaseModel):
    """Somebody's request to be let in."""

    id: str
    label: str
    email: str
    reason: str
    state: Literal["waiting", "approved", "declined"]
    created: datetime
    decided_by: str | None


class AllowList:
    """Keeps the list and the requests; an empty list lets nobody in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def entries(self) -> list[Entry]:
        """Whom the list lets in."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(allow_list).order_by(allow_list.c.entry))
            return [
                Entry(
                    entry=row.entry,
                    roles=tuple(Role(role) for role in row.roles),
                    by=row.by,
                    created=in_utc(row.created),
                )
                for row in rows
            ]

    def add(self, entry: str, roles: Sequence[Role], actor: str) -> None:
        """Lets an address or a domain in with these roles; an entry that is there is replaced."""
        with self._engine.begin() as connection:
            connection.execute(delete(allow_list).where(allow_list.c.entry == _checked(entry)))
            connection.execute(
                insert(allow_list).values(
                    entry=_checked(entry),
                    roles=[str(role) for role in roles],
                    by=actor,
                    created=datetime.now(UTC),
                )
            )
            note(connection, actor, "allowed", _checked(entry), ", ".join(roles))

    def remove(self, entry: str, actor: str) -> None:
        """Lets an address or domain in no more; raises NotFound."""
        with self._engine.begin() as connection:
            gone = connection.execute(
                delete(allow_list).where(allow_list.c.entry == entry.strip().lower())
            )
            if not gone.rowcount:
                raise NotFound(f"“{entry}” is not on the list")
            note(connection, actor, "no longer allowed", entry)

    def roles_of(self, email: str, *, verified: bool) -> tuple[Role, ...] | None:
        """The roles that the list gives to an address; None where it lets it not in.

        An address that the provider has not verified counts for nothing.
        """
        if not verified or "@" not in email:
            return None
        address = email.strip().lower()
        found: dict[str, tuple[Role, ...]] = {
            entry.entry: entry.roles
            for entry in self.entries()
            if entry.entry in (address, "@" + address.rpartition("@")[2])
        }
        if not found:
            return None
        given = {role for roles in found.values() for role in roles}
        return tuple(role for role in Role if role in given)

    def ask(self, issuer: str, subject: str, label: str, email: str, reason: str) -> Admission:
        """Somebody's request; one that waits already is brought up to date."""
        same = (admissions.c.issuer == issuer, admissions.c.subject == subject)
        with self._engine.begin() as connection:
            waiting = admissions.c.state == "waiting"
            count = select(func.count()).select_from(admissions).where(waiting)
            row = connection.execute(select(admissions).where(*same, waiting)).first()
            if row is None and (connection.scalar(count) or 0) >= _MOST_WAITING:
                raise Conflict("Too many requests wait already", remedy="Write to the hospital.")
            identity = str(uuid4()) if row is None else str(row.id)
            values = {"label": label[:200], "email": email[:320], "reason": reason[:2000]}
            if row is None:
                fixed = {
                    "id": identity,
                    "issuer": issuer,
                    "subject": subject,
                    "state": "waiting",
                    "created": datetime.now(UTC),
                }
                connection.execute(insert(admissions).values(values | fixed))
                note(connection, label, "asked to be let in", email)
            else:
                connection.execute(
                    update(admissions).where(admissions.c.id == identity).values(values)
                )
        return self.get(identity)

    def get(self, identity: str) -> Admission:
        """The request of this id; raises NotFound."""
        for found in self.requests():
            if found.id == identity:
                return found
        raise NotFound("There is no such request")

    def requests(self, *, waiting: bool = False) -> list[Admission]:
        """Requests, the newest first; all, or those that wait."""
        chosen = select(admissions).order_by(admissions.c.created.desc())
        if waiting:
            chosen = chosen.where(admissions.c.state == "waiting")
        with self._engine.connect() as connection:
            return [
                Admission(
                    id=row.id,
                    label=row.label,
                    email=row.email,
                    reason=row.reason,
                    state=row.state,
                    created=in_utc(row.created),
                    decided_by=row.decided_by,
                )
                for row in connection.execute(chosen)
            ]

    def decide(self, identity: str, roles: Sequence[Role] | None, actor: str) -> Admission:
        """Approves a request with these roles, which lists its address; None declines it."""
        found = self.get(identity)
        if found.state != "waiting":
            raise Conflict(f"The request was {found.state} by {found.decided_by} already")
        if roles is not None:
            self.add(found.email, roles, actor)
        state = "declined" if roles is None else "approved"
        with self._engine.begin() as connection:
            connection.execute(
                update(admissions)
                .where(admissions.c.id == identity)
                .values(state=state, decided_by=actor)
            )
            note(connection, actor, f"request {state}", found.email)
        return self.get(identity)


def _checked(entry: str) -> str:
    lowered = entry.strip().lower()
    local, at, domain = lowered.rpartition("@")
    if not at or "." not in domain or len(lowered) > 320 or any(c.isspace() for c in lowered):
        raise RequestError(
            "The list takes addresses and domains",
            fields=(FieldProblem("entry", "an address, or a domain such as @example.org"),),
        )
    return lowered if local or lowered.startswith("@") else f"@{lowered}"
