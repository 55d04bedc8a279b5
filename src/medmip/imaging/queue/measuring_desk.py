"""The server's own measuring: while scans wait in the queue, they are measured."""

import threading

from sqlalchemy import Engine

from medmip.catalogue.home import Home
from medmip.errors import MipError
from medmip.imaging.queue.job import JobState
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.queue.runner import QueueRunner
from medmip.imaging.queue.worker import Work, measured
from medmip.imaging.record import Verdict
from medmip.imaging.settings import imaging_settings
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.atlas import AtlasShelf
from medmip.imaging.volumetry.record import VOLUMES
from medmip.logbook import logger
from medmip.notices.outbox import Tell

LOOK_EVERY = 2.0
_AFTER_TROUBLE = 60.0
"""Seconds until workers that could not be had are asked for again."""
_LOOKS_FOR_NEW = 15
"""Looks at the queue for one at the shelf, where scans are queued by themselves."""
log = logger("medmip.imaging")


class MeasuringDesk:
    """Works the queue off while the server runs. Only the home's one server opens it.

    tell is given a notice of how many scans wait for a review and how many failed.
    """

    def __init__(
        self, home: Home, state: Engine, tell: Tell = lambda *_: None, work: Work = measured
    ) -> None:
        self._home, self._tell, self._work = home, tell, work
        self.jobs = ScanJobs(state)
        self._stop = threading.Event()
        self._runner: QueueRunner | None = None
        self._lock = threading.Lock()
        self._entered = 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "MeasuringDesk":
        """Begins to watch the queue."""
        with self._lock:
            self._entered += 1
            if self._entered == 1:
                self._stop.clear()
                self._thread = threading.Thread(
                    target=self._watch, name="scan-measuring", daemon=True
                )
                self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops what is under way, which waits for the next start."""
        with self._lock:
            self._entered -= 1
            if self._entered or self._thread is None:
                return
            self._stop.set()
            if self._runner is not None:
                self._runner.stop()
        self._thread.join(timeout=20)

    def queue_new(self) -> int:
        """Queue what was taken and neither measured nor queued yet; tells how many.

        Raises SettingsError, or ImagingError where it must be said which atlas.
        """
        settings = imaging_settings(self._home).measuring
        shelf = Shelf(self._home)
        known = self.jobs.in_state(*(one for one in JobState if one is not JobState.DONE))
        fresh = [
            folder.name
            for folder in reversed(shelf.newest())
            if folder.name not in known and not (folder / VOLUMES).exists()
        ]
        wanted = [one for one in fresh if shelf.record(one).verdict is Verdict.TAKEN]
        if not wanted:
            return 0
        atlas = AtlasShelf(self._home).chosen(settings.atlas)
        return self.jobs.put(wanted, atlas.name if atlas else None, settings.setting)

    def _watch(self) -> None:
        looks = 0
        while not self._stop.is_set():
            pause = LOOK_EVERY
            try:
                if looks % _LOOKS_FOR_NEW == 0 and imaging_settings(self._home).measuring.automatic:
                    self.queue_new()
                if self.jobs.in_state(JobState.WAITING, JobState.RUNNING, JobState.CANCELLING):
                    self._measure()
            except MipError as error:
                self.jobs.complain(str(error))
                pause = _AFTER_TROUBLE
            except Exception as error:  # noqa: BLE001 - nothing foreign may end the desk's work
                log.error("the queue of scans could not be worked off", kind=type(error).__name__)
                pause = _AFTER_TROUBLE
            looks += 1
            self._stop.wait(pause)

    def _measure(self) -> None:
        settings = imaging_settings(self._home).measuring
        runner = QueueRunner(self._home, self.jobs, settings, tell=self._tell, work=self._work)
        with self._lock:
            if self._stop.is_set():
                return
            self._runner = runner
        try:
            runner.run()
        finally:
            with self._lock:
                self._runner = None
