"""Works the queue off, on a cluster of this machine's processes or on one that is there."""

import queue
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from medmip.catalogue.atomic_file import if_alone
from medmip.catalogue.home import Home
from medmip.federation.dask_connection import ClusterTrouble, Connection
from medmip.federation.desk_messages import software_version
from medmip.imaging.errors import NoSpace
from medmip.imaging.queue.job import JobState, ScanJob
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.queue.leftovers import clear_all_leftovers, clear_leftovers
from medmip.imaging.queue.worker import (
    Ending,
    Errand,
    Outcome,
    StepTold,
    Work,
    measured,
    stop,
    trouble_with,
)
from medmip.imaging.settings import MeasuringSettings
from medmip.imaging.space import MEGABYTE, refuse_short
from medmip.logbook import logger
from medmip.notices.event import Event, Kind
from medmip.notices.outbox import Tell

if TYPE_CHECKING:
    from distributed import Client, Future

MOST_ATTEMPTS = 3
"""Processes that may end over one scan before it is given up."""
_GLANCE = 1.0
"""Seconds between looks at what people want, at the disk, and at the workers."""
log = logger("medmip.imaging")


@dataclass(frozen=True)
class JobTold:
    """A job that came to an end, or was given back to wait again."""

    scan: str
    state: JobState
    trouble: str = ""


Told = Callable[[StepTold | JobTold], None]


class QueueRunner:
    """Measures what waits until nothing does. One at a time works for a home, whoever began it.

    told hears of each step and each job, tell is given notices of how many scans wait for a review
    and how many failed. Whatever is killed - a scan's process, a worker, a worker's machine, this
    process - the queue goes on, at the latest when it is run again, and no step that was done is
    repeated.
    """

    def __init__(
        self,
        home: Home,
        jobs: ScanJobs,
        settings: MeasuringSettings,
        *,
        told: Told = lambda _: None,
        tell: Tell = lambda *_: None,
        work: Work = measured,
        room: Callable[[Path, int], None] = refuse_short,
    ) -> None:
        self._home, self._jobs, self._settings = home, jobs, settings
        self._told, self._tell, self._work, self._room = told, tell, work, room
        self._stop = Flag()
        self._topic = f"mip-scans-{token_hex(8)}"
        self._heard: queue.SimpleQueue[StepTold | tuple[ScanJob, Future]] = queue.SimpleQueue()
        self._running: dict[str, Future] = {}
        self._places = 0
        self._held = ""
        self._waiting_for_review = self._failed = 0

    def stop(self) -> None:
        """Ends the work soon, from another thread; what is under way waits again."""
        self._stop.set()

    def run(self) -> bool:
        """Work the queue off; False, at once, where somebody else is at it.

        Raises ClusterTrouble where there are no workers, or none that sees the home.
        """
        place = self._home.imaging / "queue"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with if_alone(place) as alone:
            if not alone:
                return False
            self._jobs.take_up()
            clear_all_leftovers(self._home, self._jobs.in_state(JobState.WAITING, JobState.FAILED))
            connection = Connection(self._settings)
            held = ""
            try:
                client = connection.client()
                self._refuse_unable(client)
                client.subscribe_topic(
                    self._topic, lambda event: self._heard.put(StepTold(*event[1]))
                )
                try:
                    self._work_off(client)
                finally:
                    self._halt(client)
            except ClusterTrouble as error:
                held = str(error)
                raise
            finally:
                connection.close()
                self._jobs.rest(held)
                self._notify()
        return True

    def _work_off(self, client: "Client") -> None:
        looked = 0.0
        while not self._stop.is_set():
            if time.monotonic() - looked >= _GLANCE:
                self._look(client)
                looked = time.monotonic()
            if not self._begin(client):
                return
            with suppress(queue.Empty):
                self._hear(self._heard.get(timeout=_GLANCE))

    def _begin(self, client: "Client") -> bool:
        """Begins jobs on free workers; tells whether any runs or waits."""
        while len(self._running) < self._places:
            job = self._taken()
            if job is None:
                return bool(self._running or self._held)
            self._submit(client, job)
        return True

    def _taken(self) -> ScanJob | None:
        try:
            self._room(self._home.imaging, self._settings.free_megabytes * MEGABYTE)
        except NoSpace as error:
            self._hold(str(error) if self._jobs.in_state(JobState.WAITING) else "")
            return None
        self._hold("")
        return self._jobs.take()

    def _submit(self, client: "Client", job: ScanJob) -> None:
        errand = Errand(
            home=str(self._home.path),
            software=software_version(),
            topic=self._topic,
            scan=job.scan,
            atlas=job.atlas,
            setting=job.setting,
        )
        try:
            future = client.submit(self._work, errand, key=f"mip-scan-{token_hex(8)}", pure=False)
        except Exception:  # noqa: BLE001 - of many libraries
            raise _gone() from None
        self._running[job.scan] = future
        future.add_done_callback(lambda done: self._heard.put((job, done)))

    def _look(self, client: "Client") -> None:
        """Raises ClusterTrouble where the cluster is gone."""
        if client.status != "running":
            raise _gone()
        self._jobs.beat(self._held)
        # Workers of a queue come and go; while none is there, jobs wait.
        with suppress(Exception):
            self._places = sum(client.nthreads().values())
        cancelled = self._jobs.in_state(JobState.CANCELLING) & self._running.keys()
        if cancelled:
            self._stop_on_workers(client, tuple(cancelled))

    def _hear(self, heard: "StepTold | tuple[ScanJob, Future]") -> None:
        if isinstance(heard, StepTold):
            if heard.scan in self._running:
                if heard.seconds is None:
                    self._jobs.step(heard.scan, heard.step)
                self._told(heard)
            return
        job, future = heard
        if self._running.get(job.scan) is future:
            del self._running[job.scan]
            self._settle(job, _outcome(future))

    def _settle(self, job: ScanJob, outcome: Outcome) -> None:
        attempts = job.attempts + (outcome.ending in (Ending.DIED, Ending.SPACE))
        if outcome.ending is Ending.DONE:
            self._jobs.settle(job.scan, JobState.DONE, anew=outcome.anew)
            self._waiting_for_review += outcome.anew
            self._told(JobTold(job.scan, JobState.DONE))
        elif outcome.ending is Ending.STOPPED or (
            outcome.ending in (Ending.DIED, Ending.SPACE) and attempts < MOST_ATTEMPTS
        ):
            self._jobs.give_back(job.scan, attempts)
            self._told(JobTold(job.scan, JobState.WAITING, outcome.told))
        elif outcome.ending is Ending.ELSEWHERE:
            self._jobs.give_back(job.scan, attempts)
            raise _unable(outcome.told)
        else:
            self._failed += 1
            self._jobs.settle(job.scan, JobState.FAILED, trouble=outcome.told, anew=outcome.anew)
            self._told(JobTold(job.scan, JobState.FAILED, outcome.told))
        if outcome.ending is Ending.UNFIT or job.scan in self._jobs.in_state(JobState.CANCELLED):
            clear_leftovers(self._home, job.scan)

    def _refuse_unable(self, client: "Client") -> None:
        """Raises ClusterTrouble where no worker has joined, or one cannot measure for this home."""
        try:
            found = client.run(
                trouble_with, str(self._home.path), software_version(), on_error="return"
            )
        except Exception:  # noqa: BLE001 - of many libraries
            raise _gone() from None
        if not found:
            raise ClusterTrouble(
                "No worker has joined the scheduler", remedy="Start workers, then measure again."
            )
        for address, told in sorted(found.items()):
            if told:
                why = told if isinstance(told, str) else f"lacks MIP: {type(told).__name__}"
                raise _unable(f"{why} ({address})")

    def _halt(self, client: "Client") -> None:
        if self._running:
            self._stop_on_workers(client, tuple(self._running))
            with suppress(Exception):
                client.cancel(list(self._running.values()))
        self._running.clear()

    def _stop_on_workers(self, client: "Client", scans: tuple[str, ...]) -> None:
        # A worker that is just lost has nothing to stop.
        with suppress(Exception):
            client.run(stop, scans, on_error="ignore")

    def _hold(self, why: str) -> None:
        if why != self._held:
            self._held = why
            self._jobs.beat(why)
            if why:
                log.warning("no scan is begun: the disk is nearly full")

    def _notify(self) -> None:
        happened = (
            (Kind.SCANS_WAITING, self._waiting_for_review),
            (Kind.SCANS_FAILED, self._failed),
        )
        self._tell(*(Event(kind, count) for kind, count in happened if count))
        self._waiting_for_review = self._failed = 0


def _outcome(future: "Future") -> Outcome:
    try:
        found: Any = future.result(timeout=60)
    except CancelledError:
        return Outcome(Ending.STOPPED)
    except Exception as error:  # noqa: BLE001 - of many libraries
        kind = type(error).__name__
        if kind == "KilledWorker":
            return Outcome(
                Ending.FAILED,
                "Several workers in turn died over it, as where memory runs out.",
                anew=True,
            )
        log.error("a scan was not measured", kind=kind)
        return Outcome(Ending.DIED, f"The cluster lost it ({kind}).")
    assert isinstance(found, Outcome)
    return found


def _unable(why: str) -> ClusterTrouble:
    return ClusterTrouble(f"A worker cannot measure: it {why}")


def _gone() -> ClusterTrouble:
    return ClusterTrouble(
        "The scheduler is gone",
        remedy="Start it, then measure again: what was done stays, and nothing is repeated.",
    )
