"""Experiments in the state database; every change is one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, delete, desc, func, insert, select, update

from medmip.accounts.person import Caller
from medmip.errors import Conflict, NotFound
from medmip.experiments.experiment import Experiment, Outcome, Progress, State, Summary, Trouble
from medmip.experiments.listing import Wanted, visible_to
from medmip.experiments.request import Request
from medmip.experiments.tables import parts
from medmip.notices.event import Event, Kind
from medmip.notices.outbox import Outbox
from medmip.store.state import experiments, in_utc

_LONGEST = 200
_TOLD = {
    State.DONE: Kind.EXPERIMENT_FINISHED,
    State.FAILED: Kind.EXPERIMENT_FAILED,
    State.REFUSED: Kind.EXPERIMENT_REFUSED,
}
_LIGHT = [column for column in experiments.c if column.name != "result"]


class Experiments:
    """Keeps experiments; outbox gets a notice of each that ends, in the same transaction."""

    def __init__(self, engine: Engine, outbox: Outbox | None = None) -> None:
        self._engine = engine
        self._outbox = outbox

    def add(
        self, request: Request, name: str, user: str, state: State, origin: str | None = None
    ) -> str:
        """A new experiment's id; origin is that of which it asks again."""
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
            "origin": origin,
        }
        with self._engine.begin() as connection:
            connection.execute(insert(experiments).values(values))
            _write_parts(connection, identity, _parts_of(request))
        return identity

    def get(self, identity: str) -> Experiment:
        """The experiment of this id; raises NotFound."""
        with self._engine.connect() as connection:
            row = connection.execute(
                select(experiments).where(experiments.c.id == identity)
            ).first()
            tags = _tags(connection, [identity])[identity]
        if row is None:
            raise no_experiment(identity)
        result = row.result and Outcome.model_validate(row.result)
        return Experiment(**_summary(row, tags), result=result)

    def find(
        self,
        wanted: Wanted | None = None,
        limit: int = 50,
        offset: int = 0,
        caller: Caller | None = None,
    ) -> tuple[int, list[Summary]]:
        """How many experiments match of those that a caller may see, and a page, newest first."""
        where = (wanted or Wanted()).conditions(caller)
        count = select(func.count()).select_from(experiments).where(*where)
        # The page's ids come from an index, and of all rows only the page's are read.
        newest = (desc(experiments.c.created), desc(experiments.c.id))
        chosen = select(experiments.c.id).where(*where).order_by(*newest)
        page = chosen.limit(limit).offset(offset)
        with self._engine.connect() as connection:
            total = int(connection.execute(count).scalar_one())
            ids = list(connection.execute(page).scalars())
            of_page = select(*_LIGHT).where(experiments.c.id.in_(ids)).order_by(*newest)
            rows = connection.execute(of_page).all()
            tags = _tags(connection, ids)
        return total, [Summary(**_summary(row, tags[row.id])) for row in rows]

    def is_visible(self, identity: str, caller: Caller | None) -> bool:
        """Whether there is such an experiment for a caller."""
        found = select(experiments.c.id).where(experiments.c.id == identity, visible_to(caller))
        with self._engine.connect() as connection:
            return connection.execute(found).first() is not None

    def tags(self, caller: Caller | None = None) -> list[str]:
        """The tags of what a caller may see, each once, by name."""
        chosen = (
            select(parts.c.name)
            .distinct()
            .join(experiments, experiments.c.id == parts.c.experiment)
            .where(parts.c.kind == "tag", visible_to(caller))
        )
        with self._engine.connect() as connection:
            return sorted(connection.execute(chosen).scalars(), key=str.casefold)

    def tag(self, identity: str, tags: Sequence[str]) -> None:
        """Gives an experiment these tags instead of those there were; raises NotFound."""
        with self._engine.begin() as connection:
            own = experiments.c.id == identity
            if connection.execute(select(experiments.c.id).where(own)).first() is None:
                raise no_experiment(identity)
            connection.execute(
                delete(parts).where(parts.c.experiment == identity, parts.c.kind == "tag")
            )
            _write_parts(connection, identity, [("tag", tag) for tag in tags])

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
            ended = connection.execute(
                update(experiments)
                .where(
                    experiments.c.id == identity,
                    experiments.c.state.in_((State.QUEUED, State.RUNNING)),
                )
                .values(state=state, finished=datetime.now(UTC), **values)
            )
            if ended.rowcount and state in _TOLD:
                self._tell(connection, _TOLD[state], [identity])

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
        lost = (running, experiments.c.attempts >= attempts)
        with self._engine.begin() as connection:
            ids = connection.execute(select(experiments.c.id).where(*lost)).scalars().all()
            self._tell(connection, Kind.EXPERIMENT_FAILED, ids)
            connection.execute(
                update(experiments)
                .where(*lost)
                .values(
                    state=State.FAILED,
                    finished=datetime.now(UTC),
                    problem=trouble.model_dump(mode="json"),
                )
            )
            connection.execute(update(experiments).where(running).values(state=State.QUEUED))
            queued = select(experiments.c.id).where(experiments.c.state == State.QUEUED)
            return list(connection.execute(queued.order_by(experiments.c.created)).scalars())

    def _tell(self, connection: Connection, kind: Kind, ids: Sequence[str]) -> None:
        if self._outbox is not None and ids:
            self._outbox.note(connection, *(Event(kind, identity=one) for one in ids))

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


def _parts_of(request: Request) -> Iterator[tuple[str, str]]:
    data = request.inputdata
    for analysis in request.analyses:
        yield "algorithm", analysis.algorithm
    for code in data.datasets:
        yield "dataset", code
    for code in (*(data.y or ()), *(data.x or ())):
        yield "variable", code


def _write_parts(connection: Connection, identity: str, found: Iterable[tuple[str, str]]) -> None:
    rows = [
        {"experiment": identity, "kind": kind, "name": name}
        for kind, name in sorted({(kind, name[:_LONGEST]) for kind, name in found})
    ]
    if rows:
        connection.execute(insert(parts), rows)


def _tags(connection: Connection, identities: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {identity: [] for identity in identities}
    chosen = select(parts.c.experiment, parts.c.name).where(
        parts.c.kind == "tag", parts.c.experiment.in_(identities)
    )
    for row in connection.execute(chosen):
        found[row.experiment].append(row.name)
    return {identity: tuple(sorted(tags, key=str.casefold)) for identity, tags in found.items()}


def _summary(row: Row[Any], tags: tuple[str, ...]) -> dict[str, Any]:
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
        "origin": row.origin,
        "tags": tags,
    }


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else in_utc(moment)
