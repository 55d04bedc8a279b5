"""Faces are gone from what is kept, brains are whole, and a kill in between changes nothing."""

import os
import signal

import numpy as np
import pytest

from medmip.catalogue.home import Home
from medmip.cli.main import main
from medmip.imaging.errors import Unfit
from medmip.imaging.record import FaceRemoval, ScanRecord, Verdict
from medmip.imaging.shelf import SLICES, VOLUME, Shelf
from medmip.imaging.volume import Volume, read_volume, write_volume
from medmip.imaging.volumetry import faceless, measuring
from medmip.imaging.volumetry.face import MARGIN, Plane, beyond_cm3, emptied, plane_before
from medmip.imaging.volumetry.image import Image, points_of, save
from medmip.imaging.volumetry.orientation import flipped, placed
from tests.imaging.person import BRAIN, EDGE, EYES, NOSE, person, shelve

TOOLS = {"simpleitk": "as installed"}


@pytest.fixture(scope="module")
def seen():
    """A head with a face, which voxels are its brain, and where its nose and eyes are."""
    return person()


@pytest.fixture(scope="module")
def found(seen):
    brain = Image(BRAIN.voxels, BRAIN.affine)
    return plane_before(placed(seen.scan, brain), brain)


def at(scan, points):
    """The values of the voxels nearest to points in millimetres."""
    back = np.linalg.inv(scan.affine)
    places = np.rint(points_of(back, np.array(points, float))).astype(int)
    return scan.voxels[tuple(places.T)]


def test_the_face_is_gone_and_every_voxel_of_the_brain_is_as_it_was(seen, found):
    whole = Volume(seen.scan.voxels, seen.scan.affine)
    without, share = emptied(whole, found)
    assert (at(whole, NOSE) > 0).all()
    assert (at(whole, EYES) > 0).all()
    assert (at(without, NOSE) == 0).all()
    assert (at(without, EYES) == 0).all()
    points = points_of(whole.affine, np.indices(whole.voxels.shape).reshape(3, -1).T)
    before = found.beyond(points).reshape(whole.voxels.shape)
    assert not without.voxels[before].any()
    assert np.array_equal(without.voxels[~before], whole.voxels[~before])
    assert not (before & seen.brain).any()
    assert share == pytest.approx(before.mean())
    # Not only just: what an affine step may miss is between.
    brain = points_of(whole.affine, np.argwhere(seen.brain))
    assert found.distance - (brain @ found.normal).max() > MARGIN / 2


def test_a_brain_that_was_cut_is_refused_when_it_is_found_more_finely(seen, found, tmp_path):
    inside = Image(seen.brain.astype(np.float32), seen.scan.affine)
    assert beyond_cm3(inside, found) == 0
    cut = Plane(found.normal, found.distance - 3 * MARGIN)
    points = points_of(inside.affine, np.argwhere(seen.brain))
    expected = (points @ cut.normal > cut.distance).sum() * EDGE**3 / 1000
    assert beyond_cm3(inside, cut) == pytest.approx(expected)
    assert expected > 1
    save(inside, tmp_path / "inside.nii")
    told = {"method": "m", "version": 1, "tools": {}, "template": "t", "share": 0.1, "volume": "v"}
    told |= {"normal": tuple(cut.normal), "distance": cut.distance}
    record = ScanRecord(
        id="one",
        verdict=Verdict.TAKEN,
        rules="",
        source="NIfTI file",
        files=1,
        faces=FaceRemoval(**told),
    )
    with pytest.raises(Unfit, match="where the face was removed"):
        measuring.refuse_cut(record, tmp_path / "inside.nii")
    measuring.refuse_cut(record.model_copy(update={"faces": None}), tmp_path / "inside.nii")


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32])
def test_voxels_of_any_kind_and_axes_in_any_order_are_emptied_alike(kind):
    voxels = np.arange(1, 121).reshape(4, 5, 6).astype(kind)
    affine = np.array([[0, 0, -2.0, 9], [1.5, 0, 0, -3], [0, -1.0, 0.2, 4], [0, 0, 0, 1]])
    plane = Plane(np.array([0.0, 0.6, -0.8]), -1.0)
    without, share = emptied(Volume(voxels, affine), plane)
    points = points_of(affine, np.indices(voxels.shape).reshape(3, -1).T)
    expected = np.where(plane.beyond(points).reshape(voxels.shape), 0, voxels)
    assert without.voxels.dtype == kind
    assert np.array_equal(without.voxels, expected)
    assert 0 < share < 1


@pytest.mark.parametrize(
    "way, said",
    [
        ((1, 1, -1), "upside down"),
        ((1, -1, 1), "back to front"),
    ],
)
def test_a_head_that_is_turned_over_is_refused_before_anything_is_removed(seen, way, said):
    with pytest.raises(Unfit, match=said):
        placed(flipped(seen.scan, way), Image(BRAIN.voxels, BRAIN.affine))


def test_what_is_no_head_is_refused_before_anything_is_removed(seen):
    random = np.random.default_rng(0)
    x, y, _ = (np.indices(seen.scan.voxels.shape).T - np.array(seen.scan.voxels.shape) / 2).T
    knee = 100.0 * (x**2 + y**2 < 18**2) + 20.0 * (abs(x) + abs(y) < 6)
    voxels = (knee + random.normal(0, 2, knee.shape) ** 2).astype(np.float32)
    with pytest.raises(Unfit, match="does not look like a head"):
        placed(Image(voxels, seen.scan.affine), Image(BRAIN.voxels, BRAIN.affine))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").prepare()


@pytest.fixture
def shelved(home, seen, tmp_path):
    """A scan of the shelf with its slices, the brain it is compared with, and a folder to work."""
    shelf = Shelf(home)
    record = ScanRecord(
        id="one", verdict=Verdict.TAKEN, rules="", source="DICOM series", files=1, patient="p"
    )

    def fill(folder):
        write_volume(Volume(seen.scan.voxels, seen.scan.affine), folder / VOLUME)
        (folder / SLICES).mkdir()
        (folder / SLICES / "0001.dcm").write_bytes(b"the face is here as well")

    with shelf.work() as work:
        shelf.put(record, work, fill)
    write_volume(Volume(BRAIN.voxels, BRAIN.affine), tmp_path / "brain.nii.gz")
    (tmp_path / "steps").mkdir()
    return shelf, tmp_path / "brain.nii.gz", tmp_path / "steps"


def removing(shelved, told=lambda _: None):
    shelf, brain, work = shelved
    faceless.remove_face(shelf, "one", brain, work, TOOLS, told)
    return shelf.record("one")


def test_nothing_that_is_kept_holds_the_face_and_the_record_tells_how(shelved):
    shelf, _, work = shelved
    before = (shelf.scans / "one" / "scan.json").stat().st_mtime_ns
    record = removing(shelved)
    assert not (shelf.scans / "one" / SLICES).exists()
    for path in (shelf.scans / "one" / VOLUME, work / "deface" / VOLUME):
        kept = read_volume(path)
        points = points_of(kept.affine, np.indices(kept.voxels.shape).reshape(3, -1).T)
        plane = Plane(np.array(record.faces.normal), record.faces.distance)
        assert not kept.voxels.ravel()[plane.beyond(points)].any()
    assert sorted(path.name for path in work.rglob("*") if path.is_file()) == [
        "step.json",
        VOLUME,
    ]
    assert record.faces.volume == faceless.hash_of(shelf.scans / "one" / VOLUME)
    assert (record.faces.version, record.faces.tools) == (1, TOOLS)
    assert 0.02 < record.faces.share < 0.5
    # Scans are shown by their age.
    assert (shelf.scans / "one" / "scan.json").stat().st_mtime_ns == before
    again = []
    assert removing(shelved, again.append) == record
    assert again == []


@pytest.mark.parametrize(
    "where",
    ["medmip.imaging.volumetry.faceless.replacing", "medmip.imaging.shelf.Shelf.amend"],
)
def test_a_kill_before_or_after_the_volume_changed_ends_in_the_same(
    shelved, tmp_path, monkeypatch, where
):
    child = os.fork()
    if not child:
        try:
            monkeypatch.setattr(where, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            removing(shelved)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    shelf, _, _ = shelved
    assert shelf.record("one").faces is None
    done = []
    record = removing(shelved, done.append)
    # The head was found once; the plane of a second look at what has no face would be another.
    assert not [one for one in done if one.anew]
    assert record.faces.volume == faceless.hash_of(shelf.scans / "one" / VOLUME)
    assert not (shelf.scans / "one" / SLICES).exists()


def test_the_command_removes_faces_and_passes_those_that_have_none(shelved, home, capsys):
    shelf, _, _ = shelved

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main(["imaging", "deface", *arguments, "--home", str(home.path)])
        return done.value.code or 0, capsys.readouterr()

    code, said = run("--all")
    assert code == 0, said
    assert "1 faces removed, 0 not." in said.out
    record = shelf.record("one")
    assert record.faces.volume == faceless.hash_of(shelf.scans / "one" / VOLUME)
    assert not (home.imaging / "measuring" / "one").exists()
    assert "0 faces removed, 0 not." in run("--all")[1].out
    assert run("none")[0] == 1
    assert run()[0] == 2
    home.configuration.write_text("[imaging]\nkeep_faces = true\n")
    shelf.amend(record.model_copy(update={"faces": None}))
    code, said = run("one")
    assert (code, "Faces are kept here" in said.err) == (1, True)


def test_a_hospital_may_keep_faces(tmp_path):
    home = Home(tmp_path / "home").prepare()
    home.configuration.write_text("[imaging]\nkeep_faces = true\n")
    shelf = Shelf(home)
    kept = shelve(shelf, "one")
    before = (shelf.scans / "one" / VOLUME).read_bytes()
    told = []

    class Begun(Exception):
        pass

    def stop(one):
        told.append(one.name)
        raise Begun

    with pytest.raises(Begun):
        measuring.measure(home, "one", None, "fast", stop)
    assert told == ["inspect"]
    assert (shelf.scans / "one" / VOLUME).read_bytes() == before
    assert shelf.record("one") == kept
