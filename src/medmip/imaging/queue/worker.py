"""What a worker of the cluster does: it measures one scan, in a process that it can stop."""

import subprocess
from collections.abc import Callable
from dataclasses import astuple, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from threading import Lock

from medmip.catalogue.home import Home
from medmip.federation.desk_messages import software_version
from medmip.imaging.errors import ImagingError, NoSpace, Unfit
from medmip.imaging.volumetry.apart import EndedEarly, measured_apart
from medmip.imaging.volumetry.choice import SettingName


class Ending(StrEnum):
    """How the work on a scan ended.

    `died` is a process that was killed, `stopped` one that was told to stop, `space` a disk that is
    nearly full, `elsewhere` a worker that has another version of MIP or does not see the home.
    """

    DONE = "done"
    UNFIT = "unfit"
    FAILED = "failed"
    DIED = "died"
    SPACE = "space"
    STOPPED = "stopped"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Outcome:
    """How it ended, what there is to say of it, and whether any step was done anew."""

    ending: Ending
    told: str = ""
    anew: bool = False


@dataclass(frozen=True)
class Errand:
    """A scan to be measured; home is a path that is the same on every worker."""

    home: str
    software: str
    topic: str
    scan: str
    atlas: str | None
    setting: SettingName


@dataclass(frozen=True)
class StepTold:
    """A step of a scan that begins, where seconds is None, or is done."""

    scan: str
    step: str
    seconds: float | None = None
    anew: bool = True


Work = Callable[[Errand], Outcome]
"""Runs on a worker, by whose interpreter it is found under the same name."""


def measured(errand: Errand) -> Outcome:
    """Measure a scan, or go on where a killed worker was; it raises nothing."""
    if trouble := trouble_with(errand.home, errand.software):
        return Outcome(Ending.ELSEWHERE, trouble)
    work = measured_apart(
        Home(Path(errand.home)),
        errand.scan,
        errand.atlas,
        errand.setting,
        begun=partial(_running.begin, errand.scan),
    )
    anew = False
    try:
        for line in work:
            ended = line.seconds is not None
            anew |= ended and line.anew
            _tell(errand, StepTold(errand.scan, line.step or "", line.seconds, line.anew))
    except Unfit as error:
        return Outcome(Ending.UNFIT, str(error), anew=True)
    except NoSpace as error:
        return Outcome(Ending.SPACE, str(error), anew)
    except EndedEarly as error:
        stopped = _running.was_stopped(errand.scan)
        return Outcome(Ending.STOPPED if stopped else Ending.DIED, str(error), anew)
    except ImagingError as error:
        return Outcome(Ending.FAILED, str(error), anew=True)
    except OSError:
        return Outcome(Ending.DIED, "The process that measures could not be begun.", anew)
    finally:
        _running.end(errand.scan)
    return Outcome(Ending.DONE, anew=anew)


def stop(scans: tuple[str, ...]) -> None:
    """Stop what this worker does for these scans; what steps were done stay."""
    _running.stop(scans)


def trouble_with(home: str, software: str) -> str:
    """Why this machine cannot measure for a home, empty where it can."""
    if software_version() != software:
        return f"has MIP {software_version()}, not {software}: install the same on all"
    if not Path(home, "imaging", "scans").is_dir():
        return "does not see the home folder: it must be at the same path on every worker"
    try:
        import SimpleITK  # noqa: F401, PLC0415 - an optional part
    except ImportError:
        return "lacks what measuring needs: pip install 'medmip[imaging]'"
    return ""


def _tell(errand: Errand, told: StepTold) -> None:
    from distributed import get_worker  # noqa: PLC0415 - an optional part

    get_worker().log_event(errand.topic, astuple(told))


class _Running:
    """The processes that this worker runs, by their scans, and which of them were stopped."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped: set[str] = set()

    def begin(self, scan: str, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes[scan] = process

    def end(self, scan: str) -> None:
        with self._lock:
            self._processes.pop(scan, None)
            self._stopped.discard(scan)

    def was_stopped(self, scan: str) -> bool:
        with self._lock:
            return scan in self._stopped

    def stop(self, scans: tuple[str, ...]) -> None:
        with self._lock:
            for scan in scans:
                if scan in self._processes:
                    self._stopped.add(scan)
                    self._processes[scan].kill()


_running = _Running()
