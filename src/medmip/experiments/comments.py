"""What people say of an experiment to those who may see it."""

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from medmip.accounts.errors import NotAllowed
from medmip.accounts.tables import people
from medmip.errors import Conflict, NotFound
from medmip.experiments.repository import no_experiment
from medmip.experiments.tables import comments
from medmip.store.state import in_utc

MOST = 500
"""Comments that one experiment may have."""


class Comment(BaseModel):
    """A comment; author is the name of an account, label the name that others see."""

    model_config = ConfigDict(frozen=True)

    id: str
    author: str
    label: str
    at: datetime
    text: str


class Comments:
    """Keeps comments; whether somebody may see the experiment is for its service to say."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, identity: str, author: str, text: str) -> Comment:
        """A comment on an experiment; raises NotFound, and Conflict where it has too many."""
        comment = str(uuid4())
        values = {"id": comment, "experiment": identity, "author": author, "text": text}
        count = select(func.count()).select_from(comments).where(comments.c.experiment == identity)
        try:
            with self._engine.begin() as connection:
                if (connection.scalar(count) or 0) >= MOST:
                    raise Conflict(
                        f"The experiment has {MOST} comments already",
                        remedy="Take one of yours away first.",
                    )
                connection.execute(insert(comments).values(at=datetime.now(UTC), **values))
        except IntegrityError:
            raise no_experiment(identity) from None
        return next(one for one in self.of(identity) if one.id == comment)

    def of(self, identity: str) -> list[Comment]:
        """An experiment's comments, the oldest first."""
        chosen = (
            select(comments, people.c.label)
            .outerjoin(people, people.c.name == comments.c.author)
            .where(comments.c.experiment == identity)
            .order_by(comments.c.at, comments.c.id)
        )
        with self._engine.connect() as connection:
            return [
                Comment(
                    id=row.id,
                    author=row.author,
                    label=row.label or row.author,
                    at=in_utc(row.at),
                    text=row.text,
                )
                for row in connection.execute(chosen)
            ]

    def count(self, identities: Collection[str]) -> dict[str, int]:
        """How many comments each of these experiments has, if any."""
        chosen = (
            select(comments.c.experiment, func.count().label("number"))
            .where(comments.c.experiment.in_(identities))
            .group_by(comments.c.experiment)
        )
        with self._engine.connect() as connection:
            return {row.experiment: row.number for row in connection.execute(chosen)}

    def remove(self, identity: str, comment: str, author: str) -> None:
        """Takes a comment of one's own back; raises NotFound, NotAllowed."""
        one = (comments.c.id == comment, comments.c.experiment == identity)
        with self._engine.begin() as connection:
            found = connection.execute(select(comments.c.author).where(*one)).first()
            if found is None:
                raise NotFound("There is no such comment", remedy="See the experiment's comments.")
            if found.author != author:
                raise NotAllowed("The comment is another person's")
            connection.execute(delete(comments).where(*one))
