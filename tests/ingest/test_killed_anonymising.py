"""An import killed while it anonymises or seals has published nothing, and the next one does."""

import os
import signal

import pytest

from medmip.ingest import publish
from medmip.ingest.publish import bring_in
from medmip.stewardship.applied import applied_to
from medmip.store.snapshots import Datasets
from tests.ingest.files import CLEAN, WARD

POLICY = """
[anonymisation]
reidentification = true
[anonymisation.k_anonymity]
k = 2
suppression = 0.5
quasi_identifiers = { gender = {} }
"""
MORE = CLEAN + "".join(f"p{index},50,1.5,{'FM'[index % 2]}\n" for index in range(4, 40))


def killed_in(step, home, file, after):
    """Runs an import in a process that kills itself before or after one of its steps."""
    child = os.fork()
    if not child:
        real = getattr(publish, step)

        def killing(*arguments, **more):
            if after:
                real(*arguments, **more)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(publish, step, killing)
        try:
            bring_in(home, file, WARD, "ward", allow_small_change=True)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["guarded", "prepare", "judged", "sealed_patients"])
def test_a_kill_in_any_step_leaves_the_former_version(home, write, step, after):
    path = home.dataset_policy(WARD.key, "ward")
    path.parent.mkdir(parents=True)
    path.write_text(POLICY)
    first = bring_in(home, write(MORE), WARD, "ward").snapshots[0]
    more = write(MORE + "p99,70,2.5,F\np98,71,2.5,M\n", "more.csv")
    assert killed_in(step, home, more, after) == -signal.SIGKILL
    current = Datasets(home).current(WARD.key, "ward")
    Datasets(home).verify(current)
    assert current == first
    done = bring_in(home, more, WARD, "ward", allow_small_change=True).snapshots[0]
    assert done.version == 2
    assert list((home.path / "work").iterdir()) == []
    tables = {file.stem for file in home.patients_table(WARD.key, "ward").iterdir()}
    assert {applied_to(one).patients_table for one in (first, done)} <= tables
