"""The people of an installation in the state database; every change is one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from medmip.accounts import passwords, second_factor
from medmip.accounts.journal import note
from medmip.accounts.person import LOCAL, Person
from medmip.accounts.role import Role
from medmip.accounts.tables import people, sessions, tokens
from medmip.errors import Conflict, FieldProblem, NotFound, RequestError
from medmip.store.state import in_utc

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-@+")


class People:
    """Keeps people; actor is in every change the name of who makes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        name: str,
        roles: Sequence[Role],
        *,
        label: str = "",
        email: str = "",
        password: str | None = None,
        actor: str = "local",
    ) -> Person:
        """A new local account; one without a password cannot log in until it has one.

        Raises RequestError where name or password will not do, Conflict where the name is taken.
        """
        name = checked_name(name)
        if password is not None:
            passwords.check_strength(password, (name, label, email))
        identity = str(uuid4())
        return self._added(
            identity,
            actor,
            name=name,
            label=label or name,
            email=email,
            roles=_named(roles),
            issuer=LOCAL,
            subject=identity,
            password=None if password is None else passwords.hashed(password),
        )

    def admit(
        self, issuer: str, subject: str, name: str, label: str, email: str, roles: Sequence[Role]
    ) -> Person:
        """The account of somebody whom a provider vouches for, made or brought up to date."""
        with self._engine.begin() as connection:
            row = connection.execute(
                select(people).where(people.c.issuer == issuer, people.c.subject == subject)
            ).first()
            if row is not None:
                changed = {"label": label, "email": email, "roles": _named(roles)}
                connection.execute(update(people).where(people.c.id == row.id).values(changed))
                if [*row.roles] != changed["roles"]:
                    note(connection, issuer, "roles changed", row.name, ", ".join(roles))
                return _person(self._row(connection, row.id))
            taken = select(func.count()).select_from(people).where(people.c.name == name)
            if name == LOCAL or connection.scalar(taken):
                name = f"{name}-{uuid4().hex[:6]}"
        return self._added(
            str(uuid4()),
            issuer,
            name=name,
            label=label or name,
            email=email,
            roles=_named(roles),
            issuer=issuer,
            subject=subject,
            password=None,
        )

    def _added(self, identity: str, actor: str, **values: Any) -> Person:  # noqa: ANN401
        fixed = {
            "id": identity,
            "enabled": True,
            "second_factor_step": 0,
            "recovery": [],
            "failures": 0,
            "terms": 0,
            "created": datetime.now(UTC),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(people).values(fixed | values))
                roles = ", ".join(values["roles"])
                note(connection, actor, "account made", values["name"], roles)
        except IntegrityError:
            raise Conflict(
                f"There is an account “{values['name']}” already", remedy="Choose another name."
            ) from None
        return self.get(identity)

    def get(self, identity: str) -> Person:
        """The person of this id; raises NotFound."""
        with self._engine.connect() as connection:
            return _person(self._row(connection, identity))

    def named(self, name: str) -> Person:
        """The person of this name; raises NotFound."""
        with self._engine.connect() as connection:
            row = connection.execute(select(people).where(people.c.name == name.lower())).first()
        if row is None:
            raise NotFound(f"There is no account “{name}”", remedy="See `mip user list`.")
        return _person(row)

    def everybody(self) -> list[Person]:
        """Everybody, by name."""
        with self._engine.connect() as connection:
            return [_person(row) for row in connection.execute(select(people).order_by("name"))]

    def set_roles(self, identity: str, roles: Sequence[Role], actor: str) -> Person:
        """Gives a person these roles; raises Conflict where nobody would manage people then."""
        with self._changing(identity, actor, "roles changed", ", ".join(roles)) as connection:
            connection.execute(
                update(people).where(people.c.id == identity).values(roles=_named(roles))
            )
        return self.get(identity)

    def enable(self, identity: str, actor: str, *, enabled: bool = True) -> Person:
        """Opens or closes an account; closing ends its sessions and tokens at once."""
        what = "account opened" if enabled else "account closed"
        with self._changing(identity, actor, what) as connection:
            connection.execute(
                update(people)
                .where(people.c.id == identity)
                .values(enabled=enabled, failures=0, locked_until=None)
            )
            if not enabled:
                _end_everything(connection, identity)
        return self.get(identity)

    def set_password(self, identity: str, password: str, actor: str) -> None:
        """Replaces a local account's password and ends its sessions; raises RequestError."""
        person = self.get(identity)
        if person.issuer != LOCAL:
            raise Conflict("The account's provider keeps its password")
        passwords.check_strength(password, (person.name, person.label, person.email))
        with self._changing(identity, actor, "password changed") as connection:
            connection.execute(
                update(people)
                .where(people.c.id == identity)
                .values(password=passwords.hashed(password), failures=0, locked_until=None)
            )
            connection.execute(sessions.delete().where(sessions.c.person == identity))

    def set_second_factor(self, identity: str, secret: str, key: bytes, actor: str) -> list[str]:
        """Asks for codes of this secret from now on; the recovery codes, shown once."""
        codes, kept = second_factor.recovery_codes()
        with self._changing(identity, actor, "second factor set") as connection:
            connection.execute(
                update(people)
                .where(people.c.id == identity)
                .values(
                    second_factor=second_factor.sealed(secret, key, identity),
                    second_factor_step=0,
                    recovery=kept,
                )
            )
        return codes

    def drop_second_factor(self, identity: str, actor: str) -> None:
        """Asks for no codes any more; the person's sessions end."""
        with self._changing(identity, actor, "second factor dropped") as connection:
            connection.execute(
                update(people)
                .where(people.c.id == identity)
                .values(second_factor=None, recovery=[])
            )
            connection.execute(sessions.delete().where(sessions.c.person == identity))

    def accept_terms(self, identity: str, version: int, address: str = "") -> None:
        """Records that a person accepted this version of the data-use terms."""
        with self._engine.begin() as connection:
            row = self._row(connection, identity)
            connection.execute(update(people).where(people.c.id == identity).values(terms=version))
            note(connection, row.name, "terms accepted", row.name, f"version {version}", address)

    def note_log_in(self, identity: str, address: str = "") -> None:
        """Records a log-in, which ends the wait after failures."""
        with self._engine.begin() as connection:
            row = self._row(connection, identity)
            connection.execute(
                update(people)
                .where(people.c.id == identity)
                .values(failures=0, locked_until=None, seen=datetime.now(UTC))
            )
            note(connection, row.name, "logged in", row.name, "", address)

    @contextmanager
    def _changing(
        self, identity: str, actor: str, what: str, detail: str = ""
    ) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            row = self._row(connection, identity)
            yield connection
            if Role.ADMINISTRATOR in row.roles:
                _check_somebody_manages(connection)
            note(connection, actor, what, row.name, detail)

    def _row(self, connection: Connection, identity: str) -> Row[Any]:
        row = connection.execute(select(people).where(people.c.id == identity)).first()
        if row is None:
            raise NotFound("There is no such account")
        return row


def checked_name(name: str) -> str:
    """The name as it is kept, in lower case; raises RequestError where it will not do."""
    lowered = name.strip().lower()
    if not 2 <= len(lowered) <= 100 or not set(lowered) <= _NAME:
        raise RequestError(
            "The account's name will not do",
            fields=(FieldProblem("name", "2 to 100 letters, digits, `.`, `_`, `-`, `@`, `+`"),),
        )
    if lowered == LOCAL:
        raise RequestError(
            "The account's name will not do",
            fields=(FieldProblem("name", f"{LOCAL} is who runs this machine"),),
        )
    return lowered


def _named(roles: Sequence[Role]) -> list[str]:
    return [str(role) for role in Role if role in roles]


def _check_somebody_manages(connection: Connection) -> None:
    rows = connection.execute(select(people.c.roles).where(people.c.enabled))
    if not any(Role.ADMINISTRATOR in row.roles for row in rows):
        raise Conflict(
            "Nobody would be administrator any more",
            remedy="Make somebody else administrator first.",
        )


def _end_everything(connection: Connection, identity: str) -> None:
    connection.execute(sessions.delete().where(sessions.c.person == identity))
    connection.execute(tokens.delete().where(tokens.c.person == identity))


def _person(row: Row[Any]) -> Person:
    return Person(
        id=row.id,
        name=row.name,
        label=row.label,
        email=row.email,
        roles=tuple(Role(role) for role in row.roles if role in set(Role)),
        enabled=row.enabled,
        issuer=row.issuer,
        second_factor=row.second_factor is not None,
        terms=row.terms,
        created=in_utc(row.created),
        seen=None if row.seen is None else in_utc(row.seen),
    )
