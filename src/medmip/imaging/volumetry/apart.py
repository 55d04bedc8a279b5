"""Measuring in a process of its own, with bounds of memory, that ends with its parent."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.home import Home
from medmip.imaging.errors import ImagingError, NoSpace, Unfit
from medmip.imaging.volumetry.choice import SettingName
from medmip.logbook import logger

log = logger("medmip.imaging")


class EndedEarly(ImagingError):
    """The process was killed, by whomever: what it had done stays, and another may go on."""


class Trouble(StrEnum):
    """What kind of trouble ended the work: the scan is to blame, the disk, or something else."""

    UNFIT = "unfit"
    SPACE = "space"
    OTHER = "other"


class Progress(BaseModel):
    """A line of what the process says: a step, trouble that ended it, a fault, or its end.

    seconds is None where a step begins; anew is False for one that an earlier run had done. fault
    is the kind of an exception and the places that it came by, for its message may hold a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str | None = None
    seconds: float | None = None
    anew: bool = True
    trouble: str | None = None
    kind: Trouble = Trouble.OTHER
    fault: tuple[str, ...] = ()
    ended: bool = False


def measured_apart(
    home: Home,
    scan: str,
    atlas: str | None,
    setting: SettingName,
    *,
    only_deface: bool = False,
    begun: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
) -> Generator[Progress, None, None]:
    """Measure a scan, or remove its face alone, telling each step as it begins and ends.

    Where the iterator is closed the process is stopped; what steps it had done stays, and the
    next run goes on from there. begun is given the process, to stop it from elsewhere. Raises
    Unfit, NoSpace, EndedEarly or another ImagingError where the scan cannot be measured.
    """
    errand = {
        "home": str(home.path),
        "scan": scan,
        "atlas": atlas,
        "setting": setting,
        "only_deface": only_deface,
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "medmip.imaging.volumetry.errand"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Sums in several threads come out in several orders.
        env=os.environ | dict.fromkeys(_THREADS, "1"),
    )
    begun(process)
    assert process.stdin is not None
    assert process.stdout is not None
    last = Progress()
    try:
        process.stdin.write(json.dumps(errand).encode())
        process.stdin.close()
        for line in process.stdout:
            last = Progress.model_validate_json(line)
            if last.step is not None:
                yield last
        code = process.wait()
    except BrokenPipeError:
        code = process.wait()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    _judge(last, code)


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


_TROUBLES = {Trouble.UNFIT: Unfit, Trouble.SPACE: NoSpace, Trouble.OTHER: ImagingError}


def _judge(last: Progress, code: int) -> None:
    if last.trouble is not None:
        raise _TROUBLES[last.kind](last.trouble)
    if last.fault:
        log.error("a scan could not be measured", kind=last.fault[0], frames=last.fault[1:])
        raise ImagingError(
            f"The work on it failed inside ({last.fault[0]}).",
            remedy="Look at the scan; `logs/imaging.jsonl` says where it failed.",
        )
    if not last.ended:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        log.error("the process that measures a scan ended early", code=code)
        raise EndedEarly(
            f"The process that worked on it ended by {how}, as where memory runs out.",
            remedy="Measure it again when the machine is less busy: what was done stays.",
        )
