"""No volume is ever kept with its face, whatever is brought in and wherever intake is killed."""

import os
import signal
import sys
from importlib.resources import files

import numpy as np
import pytest

from medmip.catalogue.home import Home
from medmip.cli.main import main
from medmip.imaging.adding import add
from medmip.imaging.errors import ImagingError
from medmip.imaging.shelf import RECORD, SLICES, VOLUME, Shelf
from medmip.imaging.volume import Volume, read_volume, write_volume
from medmip.imaging.volumetry.face import Plane
from medmip.imaging.volumetry.image import points_of
from medmip.imaging.volumetry.steps import hash_of
from tests.imaging.person import EYES, NOSE, person
from tests.imaging.scanner import scan
from tests.ingest.killing import killer


@pytest.fixture
def home(tmp_path):
    """A home whose rules take the coarse head, and that says nothing of faces."""
    home = Home(tmp_path / "home").prepare()
    text = files("medmip.imaging.shipped").joinpath("rules.yaml").read_text("utf-8")
    for usual, own in (("slices_at_least: 80", "slices_at_least: 60"), ("most: 2.0", "most: 4.0")):
        assert usual in text
        text = text.replace(usual, own)
    home.imaging.mkdir(exist_ok=True)
    (home.imaging / "rules.yaml").write_text(text)
    return home


@pytest.fixture(scope="module")
def head():
    seen = person().scan
    return Volume(seen.voxels.astype(np.float32), seen.affine)


@pytest.fixture
def brought(tmp_path, head):
    """The head as NIfTI, named as BIDS has it."""
    write_volume(head, tmp_path / "sub-p1_T1w.nii.gz")
    return tmp_path / "sub-p1_T1w.nii.gz"


def at(volume, points):
    places = np.rint(points_of(np.linalg.inv(volume.affine), np.array(points, float))).astype(int)
    return volume.voxels[tuple(places.T)]


def refuse_face(home, record):
    """Nothing on the shelf shows the face of a scan."""
    folder = Shelf(home).scans / record.id
    assert sorted(path.name for path in folder.iterdir()) == [RECORD, VOLUME]
    kept = read_volume(folder / VOLUME)
    assert not at(kept, NOSE).any()
    assert not at(kept, EYES).any()
    points = points_of(kept.affine, np.indices(kept.voxels.shape).reshape(3, -1).T)
    plane = Plane(np.array(record.faces.normal), record.faces.distance)
    assert not kept.voxels.ravel()[plane.beyond(points)].any()
    assert record.faces.volume == hash_of(folder / VOLUME)


def test_a_volume_is_kept_without_its_face(home, identity, brought, head, capsys):
    assert (at(head, NOSE) > 0).all()
    (one,) = add(home, [brought], identity)
    assert one.record.verdict == "taken", one.record.reason
    refuse_face(home, one.record)
    with pytest.raises(SystemExit):
        main(["imaging", "deface", "--all", "--home", str(home.path)])
    assert "0 faces removed" in capsys.readouterr().out
    (again,) = add(home, [brought], identity)
    assert not again.new
    assert list(home.work.iterdir()) == []


def test_slices_with_the_face_are_not_kept(home, identity, head, tmp_path):
    def change(file, index):
        pixels = np.ascontiguousarray(head.voxels[::-1, ::-1, index].T)
        file.Rows, file.Columns = pixels.shape
        file.PixelData = (pixels * 800 / head.voxels.max()).astype("<u2").tobytes()
        edge = float(head.edges[0])
        file.PixelSpacing, file.SliceThickness = [edge, edge], edge
        count = np.array(head.voxels.shape)
        low = -(head.affine[:3, :3] @ (count - 1) + head.affine[:3, 3])[:2]
        place = [low[0], low[1], head.affine[2, 3] + index * edge]
        file.ImagePositionPatient = [round(float(one), 3) for one in place]

    scan(tmp_path / "pacs", change=change, slices=head.voxels.shape[2])
    (one,) = add(home, [tmp_path / "pacs"], identity)
    assert one.record.verdict == "taken", one.record.reason
    refuse_face(home, one.record)


@pytest.mark.parametrize("changes", [1, 2, 4, 7, 10])
def test_a_kill_at_any_moment_keeps_no_face(home, identity, brought, changes):
    child = os.fork()
    if not child:
        try:
            sys.addaudithook(killer([home.imaging, home.path / "work"], changes))
            list(add(home, [brought], identity))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (-signal.SIGKILL, 0)
    for record in Shelf(home).records():
        refuse_face(home, record)
    with pytest.raises(SystemExit):
        main(["imaging", "list", "--home", str(home.path)])
    # What was being worked on may have had it.
    assert not home.work.exists() or list(home.work.iterdir()) == []
    (one,) = add(home, [brought], identity)
    refuse_face(home, one.record)


def test_what_is_no_head_is_refused_with_the_reason(home, identity, tmp_path):
    scan(tmp_path / "phantom")
    (one,) = add(home, [tmp_path / "phantom"], identity)
    assert one.record.verdict == "refused"
    assert "does not look like a head" in one.record.reason
    assert not (Shelf(home).scans / one.record.id / VOLUME).exists()


def test_what_lies_upside_down_is_refused_and_the_next_scan_is_taken(
    home, identity, brought, head, tmp_path
):
    turned = Volume(np.ascontiguousarray(head.voxels[:, :, ::-1]), head.affine)
    write_volume(turned, tmp_path / "sub-p0_T1w.nii.gz")
    scan(tmp_path / "phantom")
    paths = [tmp_path / "sub-p0_T1w.nii.gz", tmp_path / "phantom", brought]
    turned_over, phantom, good = (one.record for one in add(home, paths, identity))
    assert "upside down" in turned_over.reason
    assert "does not look like a head" in phantom.reason
    assert (good.verdict, good.reason) == ("taken", None)


def test_a_hospital_may_keep_faces(home, identity, brought, head):
    home.configuration.write_text("[imaging]\nkeep_faces = true\n")
    (one,) = add(home, [brought], identity)
    assert one.record.faces is None
    kept = read_volume(Shelf(home).scans / one.record.id / VOLUME)
    assert np.array_equal(kept.voxels, head.voxels)
    assert not (Shelf(home).scans / one.record.id / SLICES).exists()


def test_without_the_tools_nothing_is_taken(home, identity, brought, monkeypatch):
    def lacking():
        raise ImagingError("they are not installed.", remedy="Install them.")

    monkeypatch.setattr("medmip.imaging.face_remover.tools", lacking)
    with pytest.raises(ImagingError, match="No scan is kept with its face"):
        list(add(home, [brought], identity))
    assert Shelf(home).records() == []
