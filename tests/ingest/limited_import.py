"""Imports a file with a limit: python -m tests.ingest.limited_import HOME FILE [BYTES].

BYTES is the largest file that may be written, as a disk that is full; 0 is no limit. Prints the
message, and the peak memory in MB.
"""

import resource
import signal
import sys
from pathlib import Path

import pandas  # noqa: F401 - DuckDB would import it within the limits

from benchmarks.memory import peak_memory
from medmip.catalogue.home import Home
from medmip.errors import MipError
from medmip.ingest.publish import bring_in
from tests.ingest.files import WARD


def main() -> None:
    home, file, most = Home(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
    if most:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        done = bring_in(home, file, WARD, "ward", allow_small_change=True)
        sys.stdout.write(f"version {done.snapshots[0].version}\n")
    except MipError as error:
        sys.stdout.write(f"{error.title}: {error}\n")
    except OSError as error:
        sys.stdout.write(f"OSError: {error.strerror}\n")
    sys.stdout.write(f"{peak_memory()}\n")


main()
