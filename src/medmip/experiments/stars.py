"""The experiments that a person has marked for themselves; nobody else sees it."""

from collections.abc import Collection

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from medmip.experiments.repository import no_experiment
from medmip.experiments.tables import stars


class Stars:
    """Keeps stars by the names of who gave them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def give(self, identity: str, person: str, *, starred: bool) -> None:
        """Marks an experiment, or takes the mark back; raises NotFound."""
        mine = (stars.c.experiment == identity, stars.c.person == person)
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(stars).where(*mine))
                if starred:
                    connection.execute(insert(stars).values(experiment=identity, person=person))
        except IntegrityError:
            raise no_experiment(identity) from None

    def among(self, identities: Collection[str], person: str) -> frozenset[str]:
        """Which of these experiments a person has marked."""
        chosen = select(stars.c.experiment).where(
            stars.c.person == person, stars.c.experiment.in_(identities)
        )
        with self._engine.connect() as connection:
            return frozenset(connection.execute(chosen).scalars())
