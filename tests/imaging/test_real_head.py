"""A real head, from a scanner's files by every way to its volumes in the portal."""

import os
import re
import signal
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest

from medmip.catalogue.home import Home
from medmip.imaging.shelf import SLICES, Shelf
from medmip.imaging.volume import read_volume
from tests.imaging.scanner import scan
from tests.imaging.test_receiver import SECTION, associated, until
from tests.ports import free_port

MIP = [sys.executable, "-c", "from medmip.cli.main import main; main()"]


@pytest.fixture
def home(tmp_path):
    """A home with a receiver, which keeps no face."""
    home = Home(tmp_path / "home").prepare()
    home.scan_inbox.mkdir()
    section = SECTION.replace("keep_faces = true", "still_seconds = 1")
    home.configuration.write_text(f'[login]\nkind = "open"\n{section}')
    return home


@pytest.fixture
def begun(home):
    """Begins a command for the home; all are ended at the end."""
    processes = []

    def begin(*words, **more):
        mine = os.environ | {"MIP_HOME": str(home.path)}
        process = subprocess.Popen([*MIP, *words], env=mine, **more)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


def exported(volume, folder, code):
    """The head as a scanner writes it, slice by slice from the feet, under a patient's code."""
    bright = volume.voxels * (800 / volume.voxels.max())
    count = np.array(volume.voxels.shape)
    low = -(volume.affine[:3, :3] @ (count - 1) + volume.affine[:3, 3])[:2]

    def change(file, index):
        pixels = np.ascontiguousarray(bright[::-1, ::-1, index].T).astype("<u2")
        file.Rows, file.Columns = pixels.shape
        file.PixelData = pixels.tobytes()
        file.PixelSpacing, file.SliceThickness = [1, 1], 1
        file.ImagePositionPatient = [*low.tolist(), float(volume.affine[2, 3]) + index]

    return scan(folder, change=change, slices=count[2], seed=code, PatientID=code)


@pytest.mark.slow
def test_a_real_head_comes_by_every_way_and_its_volumes_are_in_the_portal(
    home, begun, colin, tmp_path
):
    volume = read_volume(colin)
    port = free_port()
    begun("serve", "--port", str(port))
    listening = begun("imaging", "listen", stdout=subprocess.PIPE, text=True)
    receiver = int(re.search(r"port (\d+)", listening.stdout.readline())[1])
    exported(volume, home.scan_inbox / "disc", "DROPPED")
    with associated(receiver) as association:
        for path in exported(volume, tmp_path / "pacs", "SENT"):
            assert association.send_c_store(path).Status == 0
    exported(volume, tmp_path / "export", "NAMED")
    subprocess.run(
        [*MIP, "imaging", "add", str(tmp_path / "export")],
        env=os.environ | {"MIP_HOME": str(home.path)},
        check=True,
    )
    until(lambda: len(Shelf(home).records()) == 3, seconds=300)
    records = Shelf(home).records()
    assert {record.verdict for record in records} == {"taken"}, records
    assert len({record.patient for record in records}) == 3
    for record in records:
        assert record.faces is not None
        assert not (Shelf(home).scans / record.id / SLICES).exists()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/imaging", timeout=60) as portal:
        name = records[0].id
        order = {"change": "measure"}
        assert portal.post("/queue", json=order).json() == {"changed": 3}
        others = {"change": "cancel", "scans": [record.id for record in records[1:]]}
        portal.post("/queue", json=others).raise_for_status()
        end = time.monotonic() + 900
        while portal.get("/queue").json()["standing"]["done"] < 1:
            assert time.monotonic() < end
            time.sleep(1)
        page = portal.get(f"/scans/{name}").json()
    volumes = page["measurement"]["judgement"]["volumes"]
    found = {one["code"]: one["cm3"] for one in volumes}
    # Colin27's intracranial volume, by the brain that comes with it, is about 1.6 litres.
    assert 1400 < found["tiv"] < 1900
