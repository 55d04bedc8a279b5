"""The process that `apart` begins: `python -m medmip.imaging.volumetry.errand`."""

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
from medmip.imaging.volumetry.apart import Progress
from medmip.imaging.volumetry.atlas import AtlasShelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.measuring import measure

_MEMORY = {SettingName.FAST: 6 * 2**30, SettingName.FULL: 8 * 2**30}
"""Of address space, of which libraries alone take one GiB and a half."""


def _tell(line: Progress) -> None:
    sys.stdout.write(line.model_dump_json() + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure the scan that the input names, and write a line for each step."""
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
        _measure(Home(Path(told["home"])), told["scan"], told["atlas"], setting)
    except MipError as error:
        _tell(Progress(trouble=str(error)))
    except MemoryError:
        _tell(Progress(trouble="The scan needs more memory than it is given."))
    except OSError as error:
        # Its own words would name a file.
        _tell(
            Progress(
                trouble=f"A file cannot be read or written: {os.strerror(error.errno or 0)}.\n"
                "Free space in the home folder; then measure again, what was done stays."
            )
        )
    except Exception as error:  # noqa: BLE001 - its message may hold a value, its place does not
        frames = traceback.extract_tb(error.__traceback__)
        places = (f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
        _tell(Progress(fault=(type(error).__name__, *places)))
    else:
        _tell(Progress(ended=True))


def _measure(home: Home, scan: str, atlas: str | None, setting: SettingName) -> None:
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    measure(
        home,
        scan,
        AtlasShelf(home).get(atlas) if atlas else None,
        setting,
        lambda told: _tell(
            Progress(
                step=told.name,
                seconds=told.record.seconds if told.record else None,
                anew=told.anew,
            )
        ),
    )


if __name__ == "__main__":
    main()
