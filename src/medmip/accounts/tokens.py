"""Personal access tokens: what scripts are known by, with fewer rights and an end."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import Engine, delete, insert, select, update

from medmip.accounts.journal import note
from medmip.accounts.role import Right
from medmip.accounts.sessions import hash_of
from medmip.accounts.tables import people, tokens
from medmip.errors import FieldProblem, NotFound, RequestError
from medmip.store.state import in_utc

PREFIX = "mip_"
"""Lets scanners for leaked secrets know one when they see it."""
LONGEST = timedelta(days=366)
_SEEN_EVERY = timedelta(minutes=1)


class Token(BaseModel):
    """A token as its owner sees it; the secret is shown once, when it is made."""

    id: str
    name: str
    scopes: tuple[Right, ...]
    created: datetime
    expires: datetime
    seen: datetime | None


@dataclass(frozen=True)
class KnownToken:
    """Whose token a secret is, and what it is good for."""

    token: str
    person: str
    scopes: frozenset[Right]


class Tokens:
    """Keeps personal access tokens, of whose secrets only a hash is kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(
        self, person: str, name: str, scopes: Sequence[Right], days: int, actor: str
    ) -> tuple[str, Token]:
        """A new token's secret and itself; raises RequestError."""
        wrong = []
        if not 1 <= len(name.strip()) <= 100:
            wrong.append(FieldProblem("name", "1 to 100 characters"))
        if not scopes:
            wrong.append(FieldProblem("scopes", "name at least one right"))
        if not 1 <= days <= LONGEST.days:
            wrong.append(FieldProblem("days", f"1 to {LONGEST.days}"))
        if wrong:
            raise RequestError("The token cannot be made", fields=tuple(wrong))
        secret, now = PREFIX + secrets.token_urlsafe(32), datetime.now(UTC)
        made = Token(
            id=str(uuid4()),
            name=name.strip(),
            scopes=tuple(sorted(set(scopes))),
            created=now,
            expires=now + timedelta(days=days),
            seen=None,
        )
        with self._engine.begin() as connection:
            connection.execute(
                insert(tokens).values(
                    **made.model_dump(exclude={"scopes"}),
                    scopes=[str(scope) for scope in made.scopes],
                    hash=hash_of(secret),
                    person=person,
                )
            )
            note(connection, actor, "token made", made.name, ", ".join(made.scopes))
        return secret, made

    def known(self, secret: str) -> KnownToken | None:
        """Whose token this is; None where there is none, or it has expired."""
        now, key = datetime.now(UTC), hash_of(secret)
        with self._engine.connect() as connection:
            row = connection.execute(
                select(tokens)
                .join(people, people.c.id == tokens.c.person)
                .where(tokens.c.hash == key, tokens.c.expires > now, people.c.enabled)
            ).first()
        if row is None:
            return None
        if row.seen is None or now - in_utc(row.seen) > _SEEN_EVERY:
            with self._engine.begin() as connection:
                connection.execute(update(tokens).where(tokens.c.hash == key).values(seen=now))
        scopes = frozenset(Right(scope) for scope in row.scopes if scope in set(Right))
        return KnownToken(row.id, row.person, scopes)

    def of(self, person: str) -> list[Token]:
        """A person's tokens, the newest first, expired ones among them."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(tokens).where(tokens.c.person == person).order_by(tokens.c.created.desc())
            )
            return [
                Token(
                    id=row.id,
                    name=row.name,
                    scopes=tuple(Right(scope) for scope in row.scopes),
                    created=in_utc(row.created),
                    expires=in_utc(row.expires),
                    seen=None if row.seen is None else in_utc(row.seen),
                )
                for row in rows
            ]

    def revoke(self, person: str, identity: str, actor: str) -> None:
        """Ends one of a person's tokens; raises NotFound."""
        with self._engine.begin() as connection:
            row = connection.execute(
                delete(tokens)
                .where(tokens.c.person == person, tokens.c.id == identity)
                .returning(tokens.c.name)
            ).first()
            if row is None:
                raise NotFound("There is no such token")
            note(connection, actor, "token revoked", row.name)
