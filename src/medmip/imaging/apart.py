"""Adding in a process of its own, so that a bad scan takes down nothing but itself."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.home import Home
from medmip.imaging.outcome import ScanOutcome
from medmip.imaging.record import Verdict
from medmip.logbook import logger

_MOST_PROBLEMS = 20
log = logger("medmip.imaging")


class Told(BaseModel):
    """A line of what the process says: a scan, trouble that ended it, a fault of ours, or its end.

    What it is to add it is told by its input, the home and then the paths, with a zero between
    them: names of files may tell of patients, and a process' arguments are seen by all.

    scan is the id, None where nothing was kept, and then reason says why. fault is the kind of an
    exception and the places that it came by, for its message may hold a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scan: str | None = None
    verdict: Verdict | None = None
    new: bool = False
    reason: str | None = None
    trouble: str | None = None
    fault: tuple[str, ...] = ()
    ended: bool = False


class Apart:
    """Adds as `mip imaging add` does, one errand at a time, until it is stopped."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()

    def add(self, paths: Sequence[Path]) -> ScanOutcome | None:
        """What became of all scans below the paths; None where it was stopped before the end."""
        errand = b"\0".join(os.fsencode(path) for path in (self._home.path, *paths))
        with self._lock:
            if self._stopped.is_set():
                return None
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "medmip.imaging.errand"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            try:
                process.stdin.write(errand)
                process.stdin.close()
            except BrokenPipeError:
                # It ended before it began, and its exit code tells how.
                pass
            lines = [Told.model_validate_json(line) for line in process.stdout]
        with self._lock:
            self._process = None
            return None if self._stopped.is_set() else _outcome(lines, process.returncode)

    def stop(self) -> None:
        """Ends what runs, for good; what it kept stays, and its temporary files go."""
        with self._lock:
            self._stopped.set()
            if self._process is not None:
                self._process.terminate()


def _outcome(lines: Sequence[Told], code: int) -> ScanOutcome:
    problems = [line.reason for line in lines if line.reason is not None and line.scan is None]
    more = len(problems) - _MOST_PROBLEMS
    told = (*problems[:_MOST_PROBLEMS], *([f"And {more} others."] if more > 0 else []))
    trouble = next((line.trouble for line in lines if line.trouble is not None), None)
    fault = next((line.fault for line in lines if line.fault), None)
    if fault is not None:
        log.error("scans could not be added", kind=fault[0], frames=fault[1:])
        trouble = f"The work on it failed inside ({fault[0]}); the log says where."
    elif trouble is None and not (lines and lines[-1].ended):
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        log.error("the process that adds scans ended early", code=code)
        trouble = f"The process that worked on it ended by {how}, as where memory runs out."
    return ScanOutcome(
        scans={line.scan: line.verdict for line in lines if line.scan and line.verdict},
        new=sum(line.new for line in lines if line.scan),
        problems=told,
        trouble=trouble,
    )
