"""Who may see an experiment besides its author: results alone, never a right to data."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, delete, insert, or_, select

from medmip.accounts.journal import note
from medmip.accounts.role import Right, Role, rights_of
from medmip.accounts.tables import people
from medmip.errors import FieldProblem, RequestError
from medmip.experiments.listing import EVERYBODY
from medmip.experiments.repository import no_experiment
from medmip.experiments.tables import readers
from medmip.store.state import experiments

MOST_PERSONS = 200
"""Persons whom one experiment may be shared with by name."""


class Colleague(BaseModel):
    """Somebody by the account's name, and by the name that others see."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str


class Sharing(BaseModel):
    """Whom an experiment is shared with: everybody with an account here, or these persons."""

    model_config = ConfigDict(frozen=True)

    everybody: bool = False
    persons: tuple[Colleague, ...] = ()


class SharedResults:
    """Keeps who may see what; every change is one transaction with its row in the journal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, identity: str) -> Sharing:
        """Whom an experiment is shared with."""
        with self._engine.connect() as connection:
            return self._of(connection, identity)

    def share(
        self, identity: str, actor: str, *, everybody: bool, persons: Sequence[str]
    ) -> Sharing:
        """Shares an experiment with these instead of those there were; raises NotFound.

        Raises RequestError where a name is nobody's who may analyse. Names are taken to the
        letter: those that a provider gives may differ from others' in case alone.
        """
        with self._engine.begin() as connection:
            found = connection.execute(
                select(experiments.c.name, experiments.c.user).where(experiments.c.id == identity)
            ).first()
            if found is None:
                raise no_experiment(identity)
            before = self._of(connection, identity)
            wanted = [name for name in dict.fromkeys(persons) if name != found.user]
            ids = _ids(connection, wanted, {person.name for person in before.persons})
            connection.execute(delete(readers).where(readers.c.experiment == identity))
            rows = [*ids, *([EVERYBODY] if everybody else [])]
            if rows:
                connection.execute(
                    insert(readers), [{"experiment": identity, "reader": reader} for reader in rows]
                )
            after = self._of(connection, identity)
            if after != before:
                note(connection, actor, "experiment shared", identity, _in_words(after))
            return after

    def colleagues(self, search: str, caller: str, limit: int = 20) -> list[Colleague]:
        """Persons who may analyse and whose name or label has this in it, but for the caller."""
        fits = or_(
            *(part.icontains(search, autoescape=True) for part in (people.c.name, people.c.label))
        )
        chosen = select(people).where(people.c.enabled, people.c.name != caller, fits)
        with self._engine.connect() as connection:
            found = [
                Colleague(name=row.name, label=row.label)
                for row in connection.execute(chosen.order_by(people.c.label, people.c.name))
                if _analyses(row.roles)
            ]
        return found[:limit]

    def _of(self, connection: Connection, identity: str) -> Sharing:
        chosen = (
            select(readers.c.reader, people.c.name, people.c.label)
            .outerjoin(people, people.c.id == readers.c.reader)
            .where(readers.c.experiment == identity)
        )
        rows = connection.execute(chosen).all()
        named = [Colleague(name=row.name, label=row.label) for row in rows if row.name is not None]
        return Sharing(
            everybody=any(row.reader == EVERYBODY for row in rows),
            persons=tuple(sorted(named, key=lambda person: person.name)),
        )


def _ids(connection: Connection, names: Sequence[str], former: set[str]) -> list[str]:
    """The persons' ids; whoever had it shared already keeps it, whatever their roles are now."""
    rows = connection.execute(select(people).where(people.c.name.in_(names)))
    known = {
        row.name: str(row.id)
        for row in rows
        if row.name in former or (row.enabled and _analyses(row.roles))
    }
    problems = tuple(
        FieldProblem(f"persons[{place}]", f"nobody who may analyse is called “{name}” here")
        for place, name in enumerate(names)
        if name not in known
    )
    if problems:
        raise RequestError("It cannot be shared with them", fields=problems)
    return [known[name] for name in names]


def _analyses(roles: Sequence[str]) -> bool:
    return Right.ANALYSE in rights_of(Role(role) for role in roles if role in set(Role))


def _in_words(sharing: Sharing) -> str:
    told = (["everybody here"] if sharing.everybody else []) + [
        person.name for person in sharing.persons
    ]
    return f"with {', '.join(told)}" if told else "with nobody any more"
