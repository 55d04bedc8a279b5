"""A measurement that is cancelled, or whose disk fills up in mid-step, loses nothing it had."""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from medmip.imaging.queue.job import JobState
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.queue.runner import QueueRunner
from medmip.imaging.settings import MeasuringSettings
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.store.state import open_state
from tests.conftest import missing
from tests.imaging.person import shelve

ROOT = Path(__file__).parents[2]


def measuring_processes():
    return [
        one
        for one in psutil.Process().children(recursive=True)
        if "medmip.imaging.volumetry.errand" in " ".join(one.cmdline())
    ]


def test_a_scan_that_is_being_measured_is_cancelled_and_may_be_asked_for_again(home):
    shelve(Shelf(home), "one")
    jobs = ScanJobs(open_state(home))
    jobs.put(["one"], None, SettingName.FAST)
    work = threading.Thread(target=QueueRunner(home, jobs, MeasuringSettings(workers=1)).run)
    work.start()
    deadline = time.monotonic() + 120
    while not (jobs.listed()[0].step or "").startswith("correct"):
        assert time.monotonic() < deadline, jobs.listed()
        time.sleep(0.1)
    (process,) = measuring_processes()
    assert (home.imaging / "measuring" / "one").is_dir()
    asked = time.monotonic()
    assert jobs.cancel(["one"]) == 1
    process.wait(30)
    # No step is waited for: the process is stopped where it is.
    assert time.monotonic() - asked < 10
    work.join(60)
    assert not work.is_alive()
    (job,) = jobs.listed()
    assert job.state is JobState.CANCELLED
    assert not (home.imaging / "measuring" / "one").exists()
    assert (Shelf(home).scans / "one").is_dir()
    assert jobs.retry(["one"]) == 1
    assert jobs.standing().waiting == 1


def test_a_disk_that_fills_up_in_mid_step_is_told_of_and_what_was_done_stays(tmp_path):
    """On a file system of its own, which first has room for the scan and a step, then for more."""
    if shutil.which("unshare") is None:
        missing("unshare is not here")
    home = tmp_path / "home"
    home.mkdir()
    run = f"{sys.executable} -m tests.imaging.limited_disk {home} one correct"
    script = (
        f"mount -t tmpfs -o size=3m tmpfs {home} && {run} && find {home}/imaging/measuring"
        f" && mount -o remount,size=64m {home} && {run}"
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        missing("a file system cannot be mounted here")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    steps = [line for line in lines if not line.startswith("/")]
    assert steps == [
        "inspect anew",
        "NoSpace A file cannot be read or written: No space left on device.",
        "inspect kept",
        "correct anew",
    ]
    left = [line for line in lines if line.startswith("/")]
    assert any(line.endswith("/one/inspect") for line in left)
    assert not any(line.endswith("/one/correct") for line in left)
