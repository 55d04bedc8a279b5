"""Scans that are dropped are brought in once, apart from the server, and nothing is altered."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile

import nibabel as nib
import numpy as np
import psutil
import pytest

from medmip.catalogue.home import Home
from medmip.cli.main import main
from medmip.imaging.shelf import Shelf
from medmip.inbox.records import Records, ScanRecords
from medmip.inbox.scan_desk import ScanDesk
from medmip.inbox.scan_item import LOOSE, ScanItemState
from tests.imaging.scanner import head, scan
from tests.inbox import conftest
from tests.ports import free_port

MIP = [sys.executable, "-c", "from medmip.cli.main import main; main()"]


@pytest.fixture
def home(tmp_path):
    place = Home(tmp_path / "home").prepare()
    place.scan_inbox.mkdir()
    place.configuration.write_text(
        '[login]\nkind = "open"\n[imaging]\nstill_seconds = 1\nkeep_faces = true\n'
    )
    return place


def until(condition):
    """A process that reads scans takes seconds to begin, many where the machine is busy."""
    conftest.until(condition, seconds=200)


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, file.name)


def told(folder):
    return {
        path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def known(home):
    return {item.name: item for item in ScanRecords(home).all()}


def is_read(home, *names):
    items = known(home)
    return all(name in items and items[name].state == "read" for name in names)


def test_a_server_brings_in_what_is_dropped_once_and_alters_nothing(home, tmp_path, capsys):
    slices = scan(home.scan_inbox / "disc" / "ST0" / "SE0")
    volume = tmp_path / "sub-A7_T1w.nii.gz"
    nib.Nifti1Image(head().T.astype(np.int16), np.diag([1.9, 1.9, 1.9, 1])).to_filename(volume)
    again = os.fsdecode(b"again \xe9.zip")
    zipped(home.scan_inbox / again, [*slices, volume])
    for number, path in enumerate(slices[:3]):
        (home.scan_inbox / f"IM{number}").write_bytes(path.read_bytes())
    (home.scan_inbox / "notes.txt").write_text("a table?")
    (home.scan_inbox / "out").symlink_to(tmp_path)
    left = home.work / "scans-killed"
    left.mkdir(parents=True)
    before = told(home.inbox)
    port = free_port()
    server = subprocess.Popen([*MIP, "serve", "--port", str(port), "--home", str(home.path)])
    try:
        names = (r"again \xe9.zip", "disc", LOOSE)
        until(lambda: is_read(home, *names))
    finally:
        server.terminate()
        assert server.wait(20) == 0
    items = known(home)
    assert sorted(items) == sorted(names)
    (series,) = items["disc"].outcome.scans
    packed = items[r"again \xe9.zip"].outcome
    assert packed.scans[series] == items["disc"].outcome.scans[series] == "taken"
    assert list(packed.scans.values()) == ["taken", "taken"]
    assert items["disc"].outcome.new + packed.new == 2
    assert list(items[LOOSE].outcome.scans.values()) == ["refused"]
    assert "no DICOM and no NIfTI" in items[LOOSE].outcome.problems[0]
    assert len(Shelf(home).records()) == 3
    assert told(home.inbox) == before
    assert Records(home).all() == []
    assert list(home.work.iterdir()) == []
    with pytest.raises(SystemExit):
        main(["imaging", "inbox", "--home", str(home.path), "--json"])
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == sorted(items)


def errand():
    """The process apart that a desk of this process has begun."""
    for child in psutil.Process().children():
        if "medmip.imaging.errand" in child.cmdline():
            return child
    return None


def test_a_scan_that_ends_its_reader_is_told_and_a_half_copied_zip_is_waited_for(home, tmp_path):
    scan(home.scan_inbox / "a", slices=3)
    zipped(tmp_path / "whole.zip", scan(tmp_path / "b", slices=4, seed="b"))
    content = (tmp_path / "whole.zip").read_bytes()
    with (home.scan_inbox / "b.zip").open("wb") as copy:
        copy.write(content[:5000])
        copy.flush()
        with ScanDesk(home):
            until(errand)
            os.kill(errand().pid, signal.SIGKILL)
            until(lambda: known(home)["a"].state is ScanItemState.FAILED)
        assert "signal 9" in known(home)["a"].outcome.trouble
        with ScanDesk(home) as desk:
            # What failed is tried again by the next start; nobody writes to the zip meanwhile.
            until(lambda: is_read(home, "a"))
            assert {item.name: item.state for item in desk.items()}["b.zip"] == "arriving"
            copy.write(content[5000:])
            copy.close()
            until(lambda: is_read(home, "b.zip"))
            assert list(known(home)["b.zip"].outcome.scans.values()) == ["refused"]
    (record,) = [one for one in Shelf(home).records() if one.files == 3]
    assert "fewer than 80" in record.reason
