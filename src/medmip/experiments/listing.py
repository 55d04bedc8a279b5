"""Which experiments are asked for, and which of them somebody may see."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, and_, null, or_, select, true
from sqlalchemy.sql.elements import SQLCoreOperations

from medmip.accounts.person import Caller
from medmip.experiments.experiment import State
from medmip.experiments.tables import parts, readers, stars
from medmip.store.state import experiments

EVERYBODY = "*"
"""Stands for all who have an account here, where a reader's id stands else; no id is so."""
_MOST_WORDS = 8
Whose = Literal["all", "mine", "shared"]


@dataclass(frozen=True)
class Wanted:
    """What a list is to hold; what is left out narrows nothing.

    Every word of search is in the name or a tag, or means an algorithm or a variable; algorithms
    and variables are the codes that a word means, by word. whose tells own experiments from
    those that others share. What was made at until is not in it. federated leaves out those that
    have ended without asking a hospital.
    """

    search: str = ""
    algorithms: tuple[frozenset[str], ...] = ()
    variables: tuple[frozenset[str], ...] = ()
    state: State | None = None
    algorithm: str | None = None
    dataset: str | None = None
    tag: str | None = None
    whose: Whose = "all"
    starred: bool = False
    since: datetime | None = None
    until: datetime | None = None
    federated: bool = False

    def conditions(self, caller: Caller | None) -> list[ColumnElement[bool]]:
        """What holds for its experiments; caller is who asks, None who runs this machine."""
        return [visible_to(caller), *self._narrowing(caller)]

    def _narrowing(self, caller: Caller | None) -> Iterator[ColumnElement[bool]]:
        column = experiments.c
        for place, word in enumerate(words_of(self.search)):
            yield self._has(word, place)
        for kind, name in (
            ("algorithm", self.algorithm),
            ("dataset", self.dataset),
            ("tag", self.tag),
        ):
            if name is not None:
                yield _with_part(kind, parts.c.name == name.replace("\0", ""))
        if self.state is not None:
            yield column.state == self.state
        # SQLite keeps moments without their zone; all are written in UTC.
        if self.since is not None:
            yield column.created >= self.since.astimezone(UTC)
        if self.until is not None:
            yield column.created < self.until.astimezone(UTC)
        if caller is not None and self.whose != "all":
            own = column.user == caller.name
            yield own if self.whose == "mine" else ~own
        if caller is not None and self.starred:
            yield column.id.in_(select(stars.c.experiment).where(stars.c.person == caller.name))
        if self.federated:
            ended = column.state.not_in((State.QUEUED, State.RUNNING))
            yield or_(~ended, column.sites.is_not(null()))

    def _has(self, word: str, place: int) -> ColumnElement[bool]:
        pattern = _containing(word)
        meant = [
            _with_part(kind, parts.c.name.in_(sorted({word, *codes[place]})))
            for kind, codes in (("algorithm", self.algorithms), ("variable", self.variables))
            if place < len(codes)
        ]
        tagged = _with_part("tag", parts.c.name.ilike(pattern, escape="\\"))
        return or_(experiments.c.name.ilike(pattern, escape="\\"), tagged, *meant)


def words_of(search: str) -> list[str]:
    """The words that are searched for; what comes after the first eight narrows nothing more."""
    return search.replace("\0", "").split()[:_MOST_WORDS]


def visible_to(caller: Caller | None) -> ColumnElement[bool]:
    """What a caller may see: their own, and what its author shares with them or with everybody.

    None is who runs this machine, and sees all.
    """
    if caller is None:
        return true()
    known = [EVERYBODY] + ([caller.person] if caller.person else [])
    shared = select(readers.c.experiment).where(readers.c.reader.in_(known))
    return or_(experiments.c.user == caller.name, experiments.c.id.in_(shared))


def _with_part(kind: str, fits: SQLCoreOperations[bool]) -> ColumnElement[bool]:
    chosen = select(parts.c.experiment).where(and_(parts.c.kind == kind, fits))
    return experiments.c.id.in_(chosen)


def _containing(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
