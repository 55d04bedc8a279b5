"""A queue of scans on real workers: whatever is killed, it goes on, and nothing is done twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from medmip.catalogue.home import Home
from medmip.federation.dask_connection import ClusterTrouble
from medmip.imaging.errors import NoSpace
from medmip.imaging.queue.job import JobState, rate
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.queue.runner import QueueRunner
from medmip.imaging.settings import MeasuringSettings
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.notices.event import Kind
from medmip.store.state import open_state
from tests.imaging.tiny_work import deadly, noted, slow, told_to

FAST = SettingName.FAST
THOUSAND = [f"scan{number:04}" for number in range(1000)]


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home").prepare()
    with Shelf(home).work():
        pass
    return home


@pytest.fixture
def jobs(home):
    return ScanJobs(open_state(home))


def runner(home, jobs, work, *, workers=1, **options):
    return QueueRunner(home, jobs, MeasuringSettings(workers=workers), work=work, **options)


def done_by(home):
    """The scans as they were noted, and by which process."""
    file = home.path / "noted"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def test_jobs_go_by_priority_and_then_in_their_order(home, jobs):
    jobs.put(["a", "b", "c"], None, FAST)
    jobs.put(["d"], None, FAST, priority=5)
    jobs.prioritise(["c"], 9)
    assert jobs.put(["a"], "ours", FAST) == 0
    assert jobs.cancel(["b"]) == 1
    assert [one.scan for one in jobs.listed()] == ["c", "d", "a", "b"]
    assert runner(home, jobs, noted).run()
    assert [scan for scan, _ in done_by(home)] == ["c", "d", "a"]
    standing = jobs.standing()
    assert (standing.done, standing.cancelled, standing.working) == (3, 1, False)
    assert jobs.retry(None) == 0
    assert jobs.retry(["b"]) == 1
    jobs.put(["e"], None, FAST)
    assert {one.scan for one in jobs.listed()} == {"a", "b", "c", "d", "e"}


def test_the_rate_is_of_all_workers_together_and_of_the_time_until_now():
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    pairs = [(begun + timedelta(minutes=n), begun + timedelta(minutes=n + 20)) for n in (0, 10, 10)]
    hourly, ends = rate(pairs, 6, begun + timedelta(minutes=30))
    assert hourly == 6
    assert ends == begun + timedelta(minutes=90)
    assert rate(pairs, 0, begun) == rate([], 6, begun) == (None, None)


@pytest.mark.slow
def test_a_thousand_are_worked_off_over_a_kill_of_all_and_none_is_done_twice(home, jobs):
    jobs.put(THOUSAND, None, FAST)
    program = (
        "import sys; from pathlib import Path; from medmip.catalogue.home import Home\n"
        "from tests.imaging import test_queue as t\n"
        "if __name__ == '__main__':\n"
        "    home = Home(Path(sys.argv[1])); jobs = t.ScanJobs(t.open_state(home))\n"
        "    t.runner(home, jobs, t.noted, workers=2).run()\n"
    )
    script = home.path / "program.py"
    script.write_text(program)
    path = os.pathsep.join([*filter(None, sys.path), os.getcwd()])
    killed = subprocess.Popen(
        [sys.executable, script, home.path], env=os.environ | {"PYTHONPATH": path}
    )
    until(lambda: len(done_by(home)) > 200, 120)
    killed.kill()
    killed.wait()
    before = jobs.standing()
    assert before.running > 0
    assert before.total == 1000
    seen = []

    def look(_):
        if len(seen) < 1 and jobs.standing().done > before.done + 60:
            seen.append(jobs.standing())

    told = []
    assert runner(home, jobs, noted, workers=2, told=look, tell=lambda *e: told.extend(e)).run()
    counts = Counter(scan for scan, _ in done_by(home))
    assert set(counts) == set(THOUSAND)
    # What was under way when all was killed is taken up again, and nothing else.
    assert sum(counts.values()) <= 1000 + before.running
    (middle,) = seen
    assert middle.working
    assert middle.hourly > 0
    assert middle.ends > datetime.now(UTC) - timedelta(minutes=5)
    after = jobs.standing()
    assert (after.done, after.open, after.failed) == (1000, 0, 0)
    assert [event.kind for event in told] == [Kind.SCANS_WAITING]
    assert told[0].count >= 1000 - before.done


def test_a_killed_worker_is_replaced_and_its_scan_is_done_by_another(home, jobs):
    jobs.put(["a", "b", "c"], None, FAST)
    work = threading.Thread(target=runner(home, jobs, slow).run)
    work.start()
    until(lambda: done_by(home))
    ((first, process),) = done_by(home)
    os.kill(int(process), signal.SIGKILL)
    work.join(120)
    noted_by = {}
    for scan, by in done_by(home):
        noted_by.setdefault(scan, []).append(by)
    assert len(noted_by[first]) == 2
    assert len(set(noted_by[first])) == 2
    assert [len(noted_by[scan]) for scan in ("a", "b", "c") if scan != first] == [1, 1]
    assert jobs.standing().done == 3


@pytest.mark.slow
def test_a_scan_over_which_workers_die_is_given_up_and_the_queue_goes_on(home, jobs):
    jobs.put(["deadly", "fine"], None, FAST)
    told = []
    assert runner(home, jobs, deadly, tell=lambda *events: told.extend(events)).run()
    states = {one.scan: one for one in jobs.listed()}
    assert states["deadly"].state is JobState.FAILED
    assert "died over it" in states["deadly"].trouble
    assert states["fine"].state is JobState.DONE
    assert {event.kind for event in told} == {Kind.SCANS_FAILED, Kind.SCANS_WAITING}


def test_endings_are_told_apart(home, jobs):
    scans = ["done-1", "unfit-1", "failed-1", "died-1"]
    for scan in [*scans, "gone-1"]:
        (home.imaging / "measuring" / scan / "correct").mkdir(parents=True)
    jobs.put(scans, None, FAST)
    assert runner(home, jobs, told_to).run()
    states = {one.scan: one for one in jobs.listed()}
    failed = [scan for scan in scans if states[scan].state is JobState.FAILED]
    assert failed == ["unfit-1", "failed-1", "died-1"]
    assert states["failed-1"].trouble == "why"
    # Work files stay for what may be tried again; nobody wants those of others.
    left = {folder.name for folder in (home.imaging / "measuring").iterdir()}
    assert left == {"done-1", "failed-1", "died-1"}
    assert jobs.retry(None) == 3
    jobs.cancel(None)
    jobs.put(["elsewhere-1"], None, FAST)
    with pytest.raises(ClusterTrouble, match="why"):
        runner(home, jobs, told_to).run()
    assert jobs.in_state(JobState.WAITING) == {"elsewhere-1"}
    assert "why" in jobs.standing().held


def test_a_full_disk_holds_the_queue_and_room_lets_it_go_on(home, jobs):
    jobs.put(["a"], None, FAST)
    full = threading.Event()
    full.set()

    def room(_, least):
        assert least == 2048 * 2**20
        if full.is_set():
            raise NoSpace("The disk has 0.1 GB free")

    work = threading.Thread(target=runner(home, jobs, noted, room=room).run)
    work.start()
    until(lambda: jobs.standing().held)
    time.sleep(1.5)
    standing = jobs.standing()
    assert (standing.waiting, standing.running, standing.working) == (1, 0, True)
    assert not done_by(home)
    full.clear()
    work.join(60)
    assert jobs.standing().done == 1
    assert jobs.standing().held == ""


def test_one_works_at_a_time_and_stops_when_it_is_told(home, jobs):
    jobs.put(["a", "b"], None, FAST)
    one = runner(home, jobs, slow)
    work = threading.Thread(target=one.run)
    work.start()
    until(lambda: done_by(home))
    assert not runner(home, jobs, noted).run()
    one.stop()
    work.join(60)
    assert jobs.standing().waiting in (1, 2)
    assert jobs.standing().running == 0


@pytest.mark.parametrize(
    "said, why",
    [
        ({"scheduler": "tls://a:1"}, "ca_file is needed"),
        ({"scheduler": "tcp://a:1"}, "not encrypted"),
        ({"scheduler": "tcp://127.0.0.1:1", "workers": 2}, "a cluster has its own"),
        ({"ca_file": "x"}, "not needed"),
        ({"workers": 0}, "greater than"),
    ],
)
def test_where_to_measure_is_judged_at_the_door(said, why):
    with pytest.raises(ValueError, match=why):
        MeasuringSettings.model_validate(said)


def test_a_scheduler_that_is_not_there_is_told_of_and_nothing_is_lost(home, jobs, monkeypatch):
    monkeypatch.setattr("medmip.federation.dask_connection._ANSWER", 1.0)
    jobs.put(["a"], None, FAST)
    settings = MeasuringSettings(scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ClusterTrouble, match="cannot be reached"):
        QueueRunner(home, jobs, settings).run()
    assert jobs.standing().waiting == 1
    assert "cannot be reached" in jobs.standing().held
