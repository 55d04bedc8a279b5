"""The process that `apart` begins: `python -m medmip.imaging.volumetry.errand`."""

import errno
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

import SimpleITK

from medmip.catalogue.home import Home
from medmip.errors import MipError
from medmip.imaging.bounds import bound, die_with_parent
from medmip.imaging.errors import NoSpace, Unfit
from medmip.imaging.volumetry.apart import Progress, Trouble
from medmip.imaging.volumetry.atlas import AtlasShelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.measuring import deface, measure
from medmip.imaging.volumetry.steps import Told

_MEMORY = {SettingName.FAST: 6 * 2**30, SettingName.FULL: 8 * 2**30}
"""Of address space, of which libraries alone take one GiB and a half."""


def _tell(line: Progress) -> None:
    sys.stdout.write(line.model_dump_json() + "\n")
    sys.stdout.flush()


def _tell_step(told: Told) -> None:
    seconds = told.record.seconds if told.record else None
    _tell(Progress(step=told.name, seconds=seconds, anew=told.anew))


def main() -> None:
    """Measure the scan that the input names, or free it of its face; a line for each step."""
    # A patient's image must reach no other disk than the home's, and no core file.
    bound(resource.RLIMIT_CORE, 0)
    die_with_parent()
    # A Ctrl-C in the terminal is for the parent, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)
    told = json.loads(sys.stdin.buffer.read())
    setting = SettingName(told["setting"])
    bound(resource.RLIMIT_AS, _MEMORY[setting])
    try:
        home = Home(Path(told["home"]))
        atlas = AtlasShelf(home).get(told["atlas"]) if told["atlas"] else None
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        if told["only_deface"]:
            deface(home, told["scan"], atlas, _tell_step)
        else:
            measure(home, told["scan"], atlas, setting, _tell_step)
    except Unfit as error:
        _tell(Progress(trouble=str(error), kind=Trouble.UNFIT))
    except NoSpace as error:
        _tell(Progress(trouble=str(error), kind=Trouble.SPACE))
    except MipError as error:
        _tell(Progress(trouble=str(error)))
    except MemoryError:
        _tell(Progress(trouble="The scan needs more memory than it is given."))
    except OSError as error:
        # Its own words would name a file.
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        _tell(
            Progress(
                kind=Trouble.SPACE if full else Trouble.OTHER,
                trouble=f"A file cannot be read or written: {os.strerror(error.errno or 0)}.\n"
                "Free space in the home folder; then measure again, what was done stays.",
            )
        )
    except Exception as error:  # noqa: BLE001 - its message may hold a value, its place does not
        frames = traceback.extract_tb(error.__traceback__)
        places = (f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
        _tell(Progress(fault=(type(error).__name__, *places)))
    else:
        _tell(Progress(ended=True))


if __name__ == "__main__":
    main()
