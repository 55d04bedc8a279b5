"""A kill at any change of the files leaves the former version or the new one, whole."""

import os
import signal
import sys

import pyarrow.parquet as pq
import pytest

from medmip.imaging.publication.publishing import publish
from medmip.imaging.publication.wish import Wish
from medmip.store.snapshots import Datasets
from tests.imaging.ward import FLAT, ledger, publish_flat, shelve
from tests.ingest.killing import killer

MOST = 40


@pytest.mark.parametrize("target", [None, "withscans"])
def test_a_kill_leaves_whole_versions_and_the_same_again_goes_on(home, target):
    publish_flat(home, policy="[anonymisation]\nreidentification = true\n")
    shelve(home, FLAT, "one", "p1")
    wish = Wish(model=FLAT.key, dataset="clinic", target=target, unproven=True)
    kills = 0
    for changes in range(1, MOST):
        child = os.fork()
        if not child:
            try:
                sys.addaudithook(killer([home.path], changes))
                publish(home, wish, ledger(home), "somebody")
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        current = _current(home, target or "clinic")
        if code == 0:
            break
        kills += 1
        assert code == -signal.SIGKILL
        if current is not None:
            _is_whole(home, current, with_volumes=target is not None or current.version == 2)
            if target is None and current.version == 2:
                Datasets(home).rollback(FLAT.key, "clinic", 1)
                Datasets(home).forget(FLAT.key, "clinic", [2])
    else:
        pytest.fail("it never came to its end")
    assert kills >= 3
    assert code == 0
    _is_whole(home, current, with_volumes=True)
    assert ledger(home).verify() is None


def _current(home, code):
    found = [one for one in Datasets(home).list(FLAT.key) if one.dataset == code]
    return found[0] if found else None


def _is_whole(home, snapshot, *, with_volumes):
    Datasets(home).verify(snapshot)
    table = pq.read_table(snapshot.path)
    assert table.num_rows == 40
    assert ("tiv" in table.column_names) is with_volumes
