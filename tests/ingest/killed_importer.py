"""For each line of a CSV file and a number on stdin: imports the file, killed at that change.

python -m tests.ingest.killed_importer HOME. A change is a rename or removal in the datasets'
folder; SIGKILL comes just before it. Imports once and forks, so that a kill costs little.
"""

import os
import sys
from pathlib import Path

import pandas  # noqa: F401 - DuckDB would import it anew in every child
import pyarrow.parquet  # noqa: F401 - likewise

from medmip.catalogue.home import Home
from medmip.ingest.publish import bring_in
from tests.ingest.killing import killer
from tests.store.models import MODEL


def main() -> None:
    home = Home(Path(sys.argv[1]))
    for line in sys.stdin:
        file, changes = line.split()
        child = os.fork()
        if not child:
            sys.addaudithook(killer([home.datasets], int(changes)))
            bring_in(home, Path(file), MODEL, allow_small_change=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


main()
