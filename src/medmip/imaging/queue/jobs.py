"""The queue as the state database keeps it: every change is one transaction."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql import true

from medmip.imaging.queue.job import (
    LATELY,
    LONGEST_SILENCE,
    JobState,
    QueueStanding,
    ScanJob,
    rate,
)
from medmip.imaging.queue.tables import scan_jobs as jobs
from medmip.imaging.queue.tables import scan_queue as work
from medmip.imaging.volumetry.choice import SettingName
from medmip.store.state import in_utc

_ONE = 1
"""The only row of who is at it."""
_OPEN = [state.value for state in JobState if state.is_open]
_UNDER_WAY = [JobState.RUNNING.value, JobState.CANCELLING.value]
_AT_ONCE = 500
"""Ids in one question, below what any database takes."""


class ScanJobs:
    """Scans that are to be measured, a row each; what is done goes once others follow."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    def put(
        self, scans: Sequence[str], atlas: str | None, setting: SettingName, priority: int = 0
    ) -> int:
        """Queue scans, and tell how many were not waiting yet.

        One that waits gets these wishes and keeps its place; one that is being measured is left.
        """
        now = datetime.now(UTC)
        wishes = {"atlas": atlas, "setting": setting.value, "priority": priority}
        with self._state.begin() as connection:
            if not connection.scalar(select(func.count()).where(jobs.c.state.in_(_OPEN))):
                connection.execute(delete(jobs).where(jobs.c.state == JobState.DONE))
            known = dict(connection.execute(select(jobs.c.scan, jobs.c.state)).tuples().all())
            last = connection.scalar(select(func.max(jobs.c.number))) or 0
            fresh = [one for one in dict.fromkeys(scans) if known.get(one) not in _OPEN]
            waiting = [one for one in scans if known.get(one) == JobState.WAITING]
            for some in _parts(waiting):
                connection.execute(update(jobs).where(jobs.c.scan.in_(some)).values(wishes))
            for some in _parts(fresh):
                connection.execute(delete(jobs).where(jobs.c.scan.in_(some)))
            rows = [
                {**_NEW, **wishes, "scan": one, "number": number, "queued": now}
                for number, one in enumerate(fresh, last + 1)
            ]
            if rows:
                connection.execute(insert(jobs), rows)
        return len(fresh)

    def take(self) -> ScanJob | None:
        """The job whose turn it is, which runs from now on; None where none waits."""
        with self._state.begin() as connection:
            row = connection.execute(
                select(jobs)
                .where(jobs.c.state == JobState.WAITING)
                .order_by(jobs.c.priority.desc(), jobs.c.number)
                .limit(1)
            ).first()
            if row is None:
                return None
            now = datetime.now(UTC)
            begun = {"state": JobState.RUNNING, "started": now, "finished": None, "step": ""}
            connection.execute(update(jobs).where(jobs.c.scan == row.scan).values(begun))
        return _job(row).model_copy(update=begun)

    def step(self, scan: str, step: str) -> None:
        """Note what is being done with a scan."""
        with self._state.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.scan == scan).values(step=step))

    def settle(self, scan: str, state: JobState, *, trouble: str = "", anew: bool = False) -> None:
        """Keep how a job ended; of one that failed the step at which it did stays."""
        ended = {
            "state": state.value,
            "finished": datetime.now(UTC),
            "trouble": trouble,
            "anew": anew,
        }
        if state is not JobState.FAILED:
            ended["step"] = ""
        with self._state.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.scan == scan).values(ended))

    def give_back(self, scan: str, attempts: int) -> None:
        """Let a job that did not come to its end wait again, unless it is being cancelled."""
        with self._state.begin() as connection:
            own = jobs.c.scan == scan
            _give_back(connection, own)
            connection.execute(update(jobs).where(own).values(attempts=attempts))

    def take_up(self) -> None:
        """Whoever begins to work the queue off takes up what a killed one was at."""
        now = datetime.now(UTC)
        with self._state.begin() as connection:
            _give_back(connection, true())
            connection.execute(delete(work))
            connection.execute(insert(work).values(id=_ONE, since=now, seen=now, held=""))

    def beat(self, held: str) -> None:
        """Note that somebody is at it, and why nothing more is begun, if so."""
        with self._state.begin() as connection:
            connection.execute(update(work).values(seen=datetime.now(UTC), held=held))

    def rest(self, held: str = "") -> None:
        """Note that nobody is at it any more; what was under way waits again."""
        with self._state.begin() as connection:
            _give_back(connection, true())
            connection.execute(
                update(work).values(seen=datetime.now(UTC) - 2 * LONGEST_SILENCE, held=held)
            )

    def complain(self, why: str) -> None:
        """Note why nobody is at it, unless somebody is."""
        now = datetime.now(UTC)
        long_ago = now - 2 * LONGEST_SILENCE
        with self._state.begin() as connection:
            who = connection.execute(select(work)).first()
            if who is None:
                told = {"id": _ONE, "since": now, "seen": long_ago, "held": why}
                connection.execute(insert(work).values(told))
            elif now - in_utc(who.seen) >= LONGEST_SILENCE:
                connection.execute(update(work).values(held=why))

    def cancel(self, scans: Sequence[str] | None) -> int:
        """Take scans off the queue, those that failed as well; None takes all. Tells how many."""
        count = 0
        with self._state.begin() as connection:
            for among in _among(scans):
                count += connection.execute(
                    update(jobs)
                    .where(among, jobs.c.state.in_([JobState.WAITING, JobState.FAILED]))
                    .values(state=JobState.CANCELLED, finished=datetime.now(UTC))
                ).rowcount
                count += connection.execute(
                    update(jobs)
                    .where(among, jobs.c.state == JobState.RUNNING)
                    .values(state=JobState.CANCELLING)
                ).rowcount
        return count

    def retry(self, scans: Sequence[str] | None) -> int:
        """Let scans that failed or were cancelled wait again; None all that failed."""
        states = [JobState.FAILED] if scans is None else [JobState.FAILED, JobState.CANCELLED]
        again = {**_AGAIN, "attempts": 0}
        with self._state.begin() as connection:
            return sum(
                connection.execute(
                    update(jobs).where(among, jobs.c.state.in_(states)).values(again)
                ).rowcount
                for among in _among(scans)
            )

    def prioritise(self, scans: Sequence[str] | None, priority: int) -> int:
        """Give scans that wait a priority; None all. Tells how many."""
        with self._state.begin() as connection:
            return sum(
                connection.execute(
                    update(jobs)
                    .where(among, jobs.c.state == JobState.WAITING)
                    .values(priority=priority)
                ).rowcount
                for among in _among(scans)
            )

    def first(self, scans: Sequence[str] | None) -> int:
        """Let scans go before all others that wait. Tells how many."""
        with self._state.connect() as connection:
            highest = connection.scalar(
                select(func.max(jobs.c.priority)).where(jobs.c.state == JobState.WAITING)
            )
        return self.prioritise(scans, (highest or 0) + 1)

    def in_state(self, *states: JobState) -> set[str]:
        """The scans whose jobs are in one of these states."""
        with self._state.connect() as connection:
            return set(connection.scalars(select(jobs.c.scan).where(jobs.c.state.in_(states))))

    def of(self, scan: str) -> ScanJob | None:
        """The job of a scan by its id; None where it was never queued, or long ago."""
        with self._state.connect() as connection:
            row = connection.execute(select(jobs).where(jobs.c.scan == scan)).first()
        return _job(row) if row is not None else None

    def listed(self, limit: int = 1_000_000) -> list[ScanJob]:
        """The jobs as people look at them: under way, failed, waiting by their turn, ended."""
        rank = case({state.value: place for place, state in enumerate(_RANKS)}, value=jobs.c.state)
        order = (rank, jobs.c.priority.desc(), jobs.c.number)
        with self._state.connect() as connection:
            return [
                _job(row) for row in connection.execute(select(jobs).order_by(*order).limit(limit))
            ]

    def standing(self) -> QueueStanding:
        """How the queue stands now."""
        now = datetime.now(UTC)
        with self._state.connect() as connection:
            counts: dict[str, int] = dict(
                connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
                .tuples()
                .all()
            )
            who = connection.execute(select(work)).first()
            lately = connection.execute(
                select(jobs.c.started, jobs.c.finished)
                .where(jobs.c.state.in_([JobState.DONE, JobState.FAILED]), jobs.c.anew)
                .where(jobs.c.started >= who.since if who else true())
                .order_by(jobs.c.finished.desc())
                .limit(LATELY)
            ).all()
        running = sum(counts.get(state, 0) for state in _UNDER_WAY)
        waiting = counts.get(JobState.WAITING, 0)
        working = who is not None and now - in_utc(who.seen) < LONGEST_SILENCE
        times = [(in_utc(row.started), in_utc(row.finished)) for row in lately]
        hourly, ends = rate(times, waiting + running, now) if working else (None, None)
        return QueueStanding(
            waiting=waiting,
            running=running,
            done=counts.get(JobState.DONE, 0),
            failed=counts.get(JobState.FAILED, 0),
            cancelled=counts.get(JobState.CANCELLED, 0),
            working=working,
            held=who.held if who else "",
            hourly=hourly,
            ends=ends,
        )


_AGAIN = {"state": JobState.WAITING.value, "step": "", "trouble": "", "finished": None}
_NEW = {
    "state": JobState.WAITING.value,
    "step": "",
    "attempts": 0,
    "anew": False,
    "trouble": "",
}
_RANKS = (
    JobState.RUNNING,
    JobState.CANCELLING,
    JobState.FAILED,
    JobState.WAITING,
    JobState.DONE,
    JobState.CANCELLED,
)


def _give_back(connection: Connection, among: ColumnElement[bool]) -> None:
    stopped = {"state": JobState.CANCELLED, "step": "", "finished": datetime.now(UTC)}
    waiting = {"state": JobState.WAITING, "step": ""}
    for state, told in ((JobState.CANCELLING, stopped), (JobState.RUNNING, waiting)):
        connection.execute(update(jobs).where(among, jobs.c.state == state).values(told))


def _among(scans: Sequence[str] | None) -> Iterable[ColumnElement[bool]]:
    if scans is None:
        return [true()]
    return [jobs.c.scan.in_(some) for some in _parts(scans)]


def _parts(scans: Sequence[str]) -> list[Sequence[str]]:
    return [scans[first : first + _AT_ONCE] for first in range(0, len(scans), _AT_ONCE)]


def _job(row: Row[Any]) -> ScanJob:
    told = dict(row._mapping)
    for name in ("queued", "started", "finished"):
        if told[name] is not None:
            told[name] = in_utc(told[name])
    return ScanJob.model_validate(told)
