"""Volumes of a small invented head come near the truth, the same to the last digit each time."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from medmip.catalogue.home import Home
from medmip.cli.main import main
from medmip.imaging.queue.job import JobState
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.queue.runner import QueueRunner
from medmip.imaging.queue.worker import StepTold
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.settings import MeasuringSettings
from medmip.imaging.shelf import VOLUME, Shelf
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry.apart import measured_apart
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import TISSUES, kept
from medmip.imaging.volumetry.steps import hash_of
from medmip.imaging.volumetry.view import view_of
from medmip.store.state import open_state
from tests.imaging.brain import EDGE, affine, head, write_atlas

MIP = [sys.executable, "-c", "import sys; from medmip.cli.main import main; main(sys.argv[1:])"]
STEPS = ["inspect", "correct", "extract", "register", "segment", "measure"]


def run(*arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main(["imaging", *map(str, arguments)])
    return done.value.code or 0


def shelve(home, name, volume):
    """As if taken before: the gate of intake asks for more voxels than a test has time for."""
    shelf = Shelf(home)
    record = ScanRecord(
        id=name,
        verdict=Verdict.TAKEN,
        rules="",
        source="NIfTI file",
        files=1,
        patient=f"pseudonym-{name}",
        acquired="2020-02-03",
    )
    with shelf.work() as work:
        shelf.put(record, work, lambda folder: write_volume(volume, folder / VOLUME))
    return shelf.scans / name


def volumes(place):
    return {one.code: one.cm3 for one in kept(place).volumes}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with an atlas."""
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    labels, table, brain = write_atlas(tmp_path_factory.mktemp("atlas"))
    named = ["--template", brain, "--name", "Small", "--home", home.path]
    assert not run("atlas", "add", labels, table, *named)
    return home


@pytest.fixture(scope="module")
def scanned():
    return head(noise=1.5, bias=0.15, bend=2.0)


@pytest.fixture(scope="module")
def measured(home, scanned):
    """The folder of a scan that was measured."""
    place = shelve(home, "one", scanned[0])
    assert not run("measure", "one", "--home", home.path)
    return place


def test_tissues_are_kept_for_those_who_look(measured):
    record, found = kept(measured), volumes(measured)
    assert record.tissues == hash_of(measured / TISSUES)
    seen = view_of(measured).tissues
    for tissue, code in ((1, "csfglobal"), (2, "greymattertotal"), (3, "whitemattertotal")):
        cm3 = (seen == tissue).sum() * EDGE**3 / 1000
        assert cm3 == pytest.approx(found[code], rel=0.25), code
    assert set(view_of(measured).places) == set(range(1, 8))


def test_volumes_are_near_the_truth(measured, scanned):
    found, truth = volumes(measured), scanned[1]
    assert set(found) == set(truth)
    wrong = {code: found[code] / truth[code] - 1 for code in truth}
    # Voxels of 5 mm are coarse beside a nucleus or the fluid's rim.
    coarse = {code for code in wrong if "nucleus" in code} | {"csfglobal", "ventricles"}
    assert max(abs(wrong[code]) for code in set(wrong) - coarse) < 0.06, wrong
    assert max(abs(wrong[code]) for code in coarse) < 0.25, wrong


def test_totals_add_up(measured):
    found = volumes(measured)
    tissues = ("csfglobal", "greymattertotal", "whitemattertotal")
    assert sum(found[code] for code in tissues) == pytest.approx(found["tiv"])


def test_a_record_tells_where_its_numbers_come_from(measured, home):
    record = kept(measured)
    assert [step.name for step in record.steps] == STEPS
    assert record.atlas.name == "small"
    assert {"dipy", "simpleitk", "scipy"} <= set(record.tools)
    assert record.quality.likeness > 0.9
    assert record.quality.cnr > 5
    assert 0 < record.quality.efc < 1
    assert record.quality.fber > 50
    assert not (home.imaging / "measuring" / "one").exists()
    # The record tells of nobody.
    assert "pseudonym" not in (measured / "volumes.json").read_text()


def test_what_is_measured_is_not_measured_again(measured, home, capsys):
    before = (measured / "volumes.json").stat()
    assert not run("measure", "--all", "--home", home.path)
    assert (measured / "volumes.json").stat() == before
    assert "done in" not in capsys.readouterr().out


def test_a_killed_measurement_goes_on_and_gives_the_same_numbers(measured, home, scanned):
    place = shelve(home, "killed", scanned[0])
    process = subprocess.Popen(
        [*MIP, "imaging", "measure", "killed", "--home", home.path],
        stdout=subprocess.PIPE,
        # Its own variables for threads are not heeded: they would change sums.
        env=os.environ | {"OMP_NUM_THREADS": "2", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "2"},
        text=True,
    )
    with process:
        for line in process.stdout:
            if line.startswith("  register …"):
                os.kill(process.pid, signal.SIGKILL)
                break
    work = home.imaging / "measuring" / "killed"
    done = [name for name in STEPS if (work / name).exists()]
    assert done == ["inspect", "correct", "extract"]
    told = list(measured_apart(home, "killed", "small", "fast"))
    ended = [(one.step, one.anew) for one in told if one.seconds is not None]
    assert ended == [(name, name not in done) for name in STEPS]
    first, second = volumes(measured), volumes(place)
    assert second == pytest.approx(first, rel=1e-6)


def test_whichever_process_is_killed_the_scan_is_measured_and_no_step_repeated(
    measured, home, scanned
):
    place = shelve(home, "hunted", scanned[0])
    jobs = ScanJobs(open_state(home))
    jobs.put(["hunted"], "small", SettingName.FAST)
    begun, anew = [], []

    def named(word):
        children = psutil.Process().children(recursive=True)
        (found,) = [one for one in children if word in one.cmdline()]
        return found

    def hunt(told):
        if not isinstance(told, StepTold):
            return
        if told.seconds is not None:
            anew.extend([told.step] * told.anew)
        elif told.step in ("extract", "register") and told.step not in begun:
            begun.append(told.step)
            errand = named("medmip.imaging.volumetry.errand")
            # First the scan's own process, then the worker that began it.
            (errand if told.step == "extract" else errand.parent()).kill()

    assert QueueRunner(home, jobs, MeasuringSettings(workers=1), told=hunt).run()
    assert begun == ["extract", "register"]
    assert anew == ["deface", *STEPS] or anew == STEPS
    assert volumes(place) == pytest.approx(volumes(measured), rel=1e-6)
    assert not (home.imaging / "measuring" / "hunted").exists()
    (job,) = [one for one in jobs.listed() if one.scan == "hunted"]
    assert (job.state, job.attempts, job.anew) == (JobState.DONE, 1, True)


@pytest.mark.usefixtures("unproven")
def test_the_table_is_ready_for_the_inbox(measured, home, tmp_path):
    table = ("volumes", "one", "--csv", tmp_path / "volumes.csv", "--home", home.path)
    assert run(*table) == 1
    assert not (tmp_path / "volumes.csv").exists()
    why = ("--accept", "--reason", "outlines follow the brain", "--home", home.path)
    assert not run("review", "one", *why)
    assert not run(*table, "--unproven")
    with (tmp_path / "volumes.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["patient"], row["acquired"], row["scan"]) == ("pseudonym-one", "2020-02-03", "one")
    assert float(row["left_cortex"]) == pytest.approx(volumes(measured)["left_cortex"], abs=1e-5)
    assert "tiv" in row


def test_what_is_no_head_is_refused(home, capsys):
    random = np.random.default_rng(0)
    x, y, z = (axis - n / 2 for axis, n in zip(np.indices((38, 44, 36)), (38, 44, 36), strict=True))
    knee = 100.0 * ((x**2 + y**2 < 12**2) & (abs(z) < 17)) + 20.0 * (abs(x) + abs(y) < 4)
    voxels = (knee + random.normal(0, 2, knee.shape) ** 2).astype(np.float32)
    place = shelve(home, "knee", Volume(voxels, affine()))
    assert run("measure", "knee", "--home", home.path) == 1
    said = capsys.readouterr().err
    assert "does not look like a head" in said or "does not show a head" in said
    assert kept(place) is None


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "truncated or corrupt"),
        (lambda path: path.unlink(), "Add the scan again"),
    ],
)
def test_a_damaged_volume_is_told_of(home, scanned, capsys, spoil, said):
    place = shelve(home, f"damaged{len(said)}", scanned[0])
    spoil(place / VOLUME)
    assert run("measure", place.name, "--home", home.path) == 1
    assert said in capsys.readouterr().err


def test_a_full_disk_is_told_of_and_leaves_nothing_half(home, scanned, capsys):
    place = shelve(home, "full", scanned[0])
    errand = {"home": str(home.path), "scan": "full", "atlas": "small", "setting": "fast"}
    errand |= {"only_deface": False}
    done = subprocess.run(
        [sys.executable, "-m", "medmip.imaging.volumetry.errand"],
        check=False,
        input=json.dumps(errand),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert "Free space" in last["trouble"]
    assert list((home.imaging / "measuring" / "full").iterdir()) == []
    assert kept(place) is None


def test_ctrl_c_stops_the_work(home, scanned):
    shelve(home, "stopped", scanned[0])
    # Tests that a shell runs in the background ignore a Ctrl-C, and so do their children.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    process = subprocess.Popen(
        [*MIP[:2], heard + MIP[2], "imaging", "measure", "stopped", "--home", home.path],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        for line in process.stdout:
            if line.startswith("  correct …"):
                # As a terminal does: all of the group are told.
                os.killpg(process.pid, signal.SIGINT)
                break
        assert process.wait(timeout=20) == 130
    deadline = time.monotonic() + 10
    while lives(process.pid):
        assert time.monotonic() < deadline, "a process of it lives on"
        time.sleep(0.1)


def lives(group):
    """Whether any process of a group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
