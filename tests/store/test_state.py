"""The state database, opened more than once."""

import subprocess
import sys
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.store.state import open_state

TRIES_THE_LOCK = """
import fcntl, sys
SHARED_FIRST, SHARED_SIZE = 0x40000002, 510  # https://www.sqlite.org/fileformat2.html
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_SIZE, SHARED_FIRST)
    except OSError:
        sys.exit(3)
"""


def test_opening_it_again_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    first = open_state(home)
    with first.connect():
        open_state(home).dispose()
        tried = subprocess.run([sys.executable, "-c", TRIES_THE_LOCK, home.state_db], check=False)
    assert tried.returncode == 3, "another process could take the file for nobody's"


def test_it_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    open_state(home)
    assert home.state_db.stat().st_mode & 0o777 == 0o600
