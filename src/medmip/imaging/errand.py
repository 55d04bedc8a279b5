"""The process that `apart` begins: `python -m medmip.imaging.errand`."""

import os
import resource
import signal
import sys
import traceback
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.errors import MipError
from medmip.imaging.adding import Added, add
from medmip.imaging.apart import Told
from medmip.imaging.bounds import bound
from medmip.imaging.identity import identity_of

_MEMORY = 16 * 2**30


def _tell(line: Told) -> None:
    sys.stdout.write(line.model_dump_json() + "\n")
    sys.stdout.flush()


def _scan(added: Added) -> Told:
    record = added.record
    if record.files:
        return Told(scan=record.id, verdict=record.verdict, new=added.new)
    return Told(verdict=record.verdict, reason=record.reason)


def main() -> None:
    """Add, and write a line for each scan as soon as it is kept."""
    # A patient's image must reach no other disk than the home's, and no core file.
    bound(resource.RLIMIT_CORE, 0)
    bound(resource.RLIMIT_AS, _MEMORY)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # A Ctrl-C in the terminal is for the server, which then stops this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)
    place, *paths = (Path(os.fsdecode(one)) for one in sys.stdin.buffer.read().split(b"\0"))
    home = Home(place)
    try:
        for added in add(home, paths, identity_of(home)):
            _tell(_scan(added))
    except MipError as error:
        _tell(Told(trouble=str(error)))
    except Exception as error:  # noqa: BLE001 - its message may hold a value, its place does not
        frames = traceback.extract_tb(error.__traceback__)
        places = (f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
        _tell(Told(fault=(type(error).__name__, *places)))
    else:
        _tell(Told(ended=True))


if __name__ == "__main__":
    main()
