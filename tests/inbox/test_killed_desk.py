"""A server killed at any change has lost nothing: the next one goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from medmip.inbox.desk import Desk
from medmip.inbox.item import ItemState
from medmip.inbox.records import Records
from medmip.store.snapshots import Datasets
from tests.inbox.conftest import COUNT, allow, rows, settled
from tests.ingest.files import WARD

ROOT = Path(__file__).parents[2]
FILE = "harmonized_clinical_data.csv"


def run(home, changes):
    """How a server that is killed at this change ends."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "tests.inbox.killed_desk", str(home.path), str(changes)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
        timeout=60,
    ).returncode


def test_a_server_killed_at_any_change_goes_on_and_publishes_once(home):
    allow(home)
    (home.inbox / FILE).write_text(rows())
    kills, ends = 0, []
    while not ends or ends[-1] == -signal.SIGKILL:
        kills += 1
        # Killed later every time, each server takes up what the one before it left.
        ends.append(run(home, kills))
        found = Datasets(home).list(WARD.key)
        assert [snapshot.version for snapshot in found] in ([], [1])
        for item in Records(home).all():
            assert item.state in (
                ItemState.LOOKING,
                ItemState.READY,
                ItemState.PUBLISHING,
                ItemState.PUBLISHED,
            )
    assert ends[-1] == 0
    assert kills > 2
    with Desk(home) as desk:
        item = settled(desk, FILE)
    assert [(p.version, p.patients) for p in item.published] == [(1, COUNT)]
    assert (home.inbox / FILE).read_text() == rows()
    assert len(Datasets(home).versions(WARD.key, "ward")) == 1


def test_an_order_given_before_a_kill_is_carried_out_after_it(home):
    (home.inbox / "ward.csv").write_text(rows())
    with Desk(home) as desk:
        settled(desk, "ward.csv")
    # The order is written down, and the process is gone before its work begins.
    idle = Desk(home)
    idle.order("ward.csv", "manager")
    del idle
    assert Records(home).all()[0].state is ItemState.PUBLISHING
    with Desk(home) as desk:
        item = settled(desk, "ward.csv")
    assert (item.state, item.published[0].user) == (ItemState.PUBLISHED, "manager")
