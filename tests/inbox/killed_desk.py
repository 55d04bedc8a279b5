"""A desk that is killed at its n-th change: python -m tests.inbox.killed_desk HOME N.

A change is a rename in the folders of records and datasets; SIGKILL comes just before it. Where
there are fewer changes, ends once the file that lies in the inbox is published.
"""

import sys
import time
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.inbox.desk import Desk
from medmip.inbox.item import ItemState
from tests.ingest.killing import killer


def main() -> None:
    home = Home(Path(sys.argv[1]))
    sys.addaudithook(killer([home.desk, home.datasets], int(sys.argv[2])))
    with Desk(home) as desk:
        while not any(item.state is ItemState.PUBLISHED for item in desk.items()):
            time.sleep(0.02)


main()
