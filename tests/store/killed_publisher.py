"""For each line of seconds on stdin: publishes new versions until a SIGKILL after that time.

python -m tests.store.killed_publisher HOME. Imports once and forks, so that a kill costs little.
"""

import os
import signal
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.store.snapshots import Datasets
from tests.store.models import table


def publish_forever(home: Home, start: int) -> None:
    for number in count(start):
        Datasets(home).publish(table(2_000, shift=number), "toy:1.0", "north", f"{number}.csv")


def main() -> None:
    home = Home(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as warm:
        Datasets(Home(Path(warm))).publish(table(), "toy:1.0", "north", "warm.csv")
    for line in sys.stdin:
        start, seconds = line.split()
        child = os.fork()
        if not child:
            publish_forever(home, int(start))
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


main()
