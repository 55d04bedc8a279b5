"""Experiments in the state database; every change is one transaction."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, Row, delete, desc, func, insert, null, or_, select, update

from medmip.errors import Conflict, NotFound
from medmip.experiments.experiment import Experiment, Outcome, Progress, State, Summary, Trouble
from medmip.experiments.request import Request
from medmip.store.state import experiments, in_utc

_LIGHT = [column for column in experiments.c if column.name != "result"]


class Experiments:
    """Keeps experiments."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, request: Request, name: str, user: str, state: State) -> str:
        """A new experiment's id."""
        identity = str(uuid4())
        values = {
            "id": identity,
            "name": name,
            "state": state,
            "algorithm": request.algorithm,
            "request": request.model_dump(mode="json"),
            "user": user,
            "created": datetime.now(UTC),
            "attempts": 0,
            "rounds": 0,
        }
        with self._engine.begin() as connection:
            connection.execute(insert(experiments).values(values))
        return identity

    def get(self, identity: str) -> Experiment:
        """The experiment of this id; raises NotFound."""
        with self._engine.connect() as connection:
            row = connection.execute(
                select(experiments).where(experiments.c.id == identity)
            ).first()
        if row is None:
            raise no_experiment(identity)
        result = row.result and Outcome.model_validate(row.result)
        return Experiment(**_summary(row), result=result)

    def find(
        self,
        search: str = "",
        state: State | None = None,
        limit: int = 50,
        offset: int = 0,
        user: str | None = None,
        *,
        federated: bool = False,
    ) -> tuple[int, list[Summary]]:
        """How many experiments match, and a page of them, newest first; user names the author.

        federated leaves out those that have ended without asking a hospital.
        """
        where = [] if user is None else [experiments.c.user == user]
        if federated:
            ended = experiments.c.state.not_in((State.QUEUED, State.RUNNING))
            where.append(or_(~ended, experiments.c.sites.is_not(null())))
        if search:
            pattern = (
                "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            )
            where.append(
                or_(
                    experiments.c.name.ilike(pattern, escape="\\"),
                    experiments.c.algorithm.ilike(pattern, escape="\\"),
                )
            )
        if state is not None:
            where.append(experiments.c.state == state)
        count = select(func.count()).select_from(experiments).where(*where)
        page = (
            select(*_LIGHT)
            .where(*where)
            .order_by(desc(experiments.c.created))
            .limit(limit)
            .offset(offset)
        )
        with self._engine.connect() as connection:
            total = int(connection.execute(count).scalar_one())
            return total, [Summary(**_summary(row)) for row in connection.execute(page)]

    def rename(self, identity: str, name: str) -> None:
        """Gives an experiment another name; raises NotFound."""
        self._change(identity, {"name": name})

    def start(self, identity: str) -> bool:
        """Marks a queued experiment as running; False where it is not queued any more."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(experiments)
                .where(experiments.c.id == identity, experiments.c.state == State.QUEUED)
                .values(
                    state=State.RUNNING,
                    started=datetime.now(UTC),
                    attempts=experiments.c.attempts + 1,
                )
            )
        return changed.rowcount == 1

    def finish(self, identity: str, state: State, values: Mapping[str, Any]) -> None:
        """Ends an experiment that has not ended yet."""
        with self._engine.begin() as connection:
            connection.execute(
                update(experiments)
                .where(
                    experiments.c.id == identity,
                    experiments.c.state.in_((State.QUEUED, State.RUNNING)),
                )
                .values(state=state, finished=datetime.now(UTC), **values)
            )

    def remove(self, identity: str) -> None:
        """Forgets an experiment that has ended; raises NotFound, Conflict. The ledger keeps it."""
        if not self.get(identity).state.ended:
            raise Conflict("A running experiment cannot be removed", remedy="Cancel it first.")
        with self._engine.begin() as connection:
            connection.execute(delete(experiments).where(experiments.c.id == identity))

    def requeue(self, attempts: int) -> list[str]:
        """Takes up what a stopped process left, oldest first: the ids to run again.

        What was already tried `attempts` times ends as failed.
        """
        trouble = Trouble(
            title="The run was interrupted",
            detail=f"The service stopped during each of {attempts} attempts",
            remedy="Run it again; if it stops again, tell the administrator.",
        )
        running = experiments.c.state == State.RUNNING
        with self._engine.begin() as connection:
            connection.execute(
                update(experiments)
                .where(running, experiments.c.attempts >= attempts)
                .values(
                    state=State.FAILED,
                    finished=datetime.now(UTC),
                    problem=trouble.model_dump(mode="json"),
                )
            )
            connection.execute(update(experiments).where(running).values(state=State.QUEUED))
            queued = select(experiments.c.id).where(experiments.c.state == State.QUEUED)
            return list(connection.execute(queued.order_by(experiments.c.created)).scalars())

    def _change(self, identity: str, values: Mapping[str, Any]) -> None:
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(experiments).where(experiments.c.id == identity).values(**values)
            )
        if changed.rowcount == 0:
            raise no_experiment(identity)


def no_experiment(identity: str) -> NotFound:
    """What is said of an experiment that is not there."""
    return NotFound(f"There is no experiment {identity}", remedy="See the list of experiments.")


def _summary(row: Row[Any]) -> dict[str, Any]:
    started, finished = _utc(row.started), _utc(row.finished)
    duration = (finished - started).total_seconds() if started and finished else None
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "algorithm": row.algorithm,
        "user": row.user,
        "request": row.request,
        "created": _utc(row.created),
        "started": started,
        "finished": finished,
        "duration": duration,
        "progress": Progress(rounds=row.rounds, fraction=row.fraction),
        "problem": row.problem,
        "provenance": row.provenance,
        "sites": row.sites or (),
    }


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else in_utc(moment)
