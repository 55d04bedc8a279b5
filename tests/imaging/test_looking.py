"""What a reviewer sees: slices that lie right, outlines where labels are, and what is unusual."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Picture

from medmip.errors import NotFound
from medmip.imaging.errors import NotShown
from medmip.imaging.shelf import VOLUME, Shelf
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry import view as viewing
from medmip.imaging.volumetry.record import LABELS, TISSUES, kept
from medmip.imaging.volumetry.reference import AT_LEAST, FAR, Flag, judged, robust_z
from medmip.imaging.volumetry.review import ReviewDecision, decide
from medmip.imaging.volumetry.sheet import sheet_of
from medmip.imaging.volumetry.slice_picture import LONGEST, Outlines, colour_of, slice_picture
from medmip.imaging.volumetry.view import Plane, View, Views, brain_of, view_of
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from tests.imaging.reviewable import keep, reviewable


def pixels(png):
    return np.asarray(Picture.open(io.BytesIO(png)))


def spot(*, affine=None):
    """A volume of 20 × 24 × 28 voxels of 4 mm that is bright at right, front and top."""
    voxels = np.full((20, 24, 28), 10, np.uint8)
    voxels[15:18, 19:22, 23:26] = 200
    return Volume(voxels, np.diag([4.0, 4.0, 4.0, 1.0]) if affine is None else affine)


def view(volume, tmp_path):
    write_volume(volume, tmp_path / VOLUME)
    return view_of(tmp_path)


@pytest.mark.parametrize(
    "plane, at, left, upper",
    [
        (Plane.AXIAL, 24, True, True),
        (Plane.CORONAL, 20, True, True),
        (Plane.SAGITTAL, 16, False, True),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_patients_right_is_at_the_left_and_front_or_top_upwards(
    tmp_path, plane, at, left, upper, turned
):
    volume = spot()
    if turned:
        # The same head, whose file runs from right to left and from top to bottom.
        place = nib.Nifti1Image(volume.voxels, volume.affine)
        turn = nib.orientations.axcodes2ornt(("L", "A", "I"))
        other = place.as_reoriented(turn)
        volume = Volume(np.asarray(other.dataobj), other.affine)
    drawn = pixels(slice_picture(view(volume, tmp_path), plane, at, Outlines.NONE))
    rows, columns = np.nonzero(drawn[..., 0] > 128)
    assert (columns.mean() < drawn.shape[1] / 2) == left
    assert (rows.mean() < drawn.shape[0] / 2) == upper
    assert max(drawn.shape) == LONGEST


def test_slices_have_the_proportions_of_the_head(tmp_path):
    flat = spot(affine=np.diag([4.0, 4.0, 1.0, 1.0]))
    drawn = pixels(slice_picture(view(flat, tmp_path), Plane.CORONAL, 3, Outlines.NONE))
    assert drawn.shape[:2] == (round(512 * 28 / 80), 512)


def test_outlines_are_where_labels_end_and_nowhere_else(home):
    folder = reviewable(home, "one")
    seen = view_of(folder)
    at = seen.places[5][2]
    plain, drawn, single = (
        pixels(slice_picture(seen, Plane.AXIAL, at, outlines, only)).astype(int)
        for outlines, only in ((Outlines.NONE, None), (Outlines.LABELS, None), (Outlines.LABELS, 5))
    )
    changed = (plain != drawn).any(axis=2)
    assert 0.01 < changed.mean() < 0.4
    assert (plain[..., 0] == plain[..., 2]).all(), "a slice without outlines has no colour"
    found = {tuple(colour) for colour in drawn[changed]}
    assert {colour_of(5), colour_of(6)} <= found
    assert {tuple(colour) for colour in single[(plain != single).any(axis=2)]} == {colour_of(5)}
    # A label on the patient's left is drawn in the right half of the picture.
    assert np.nonzero((single != plain).any(axis=2))[1].mean() > plain.shape[1] / 2


def test_a_picture_is_pixels_alone(home):
    png = slice_picture(view_of(reviewable(home, "one")), Plane.AXIAL, 9, Outlines.TISSUES)
    kinds, place = [], 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4])
        kinds.append(png[place + 4 : place + 8])
        place += 12 + length
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def test_in_three_dimensions_there_is_the_brain_and_no_face(home):
    folder = reviewable(home, "one")
    seen = view_of(folder)
    volume = nib.Nifti1Image.from_bytes(gzip.decompress(brain_of(seen)))
    shown, inside = np.asarray(volume.dataobj), seen.tissues > 0
    assert (shown[~inside] == 0).all()
    assert (shown[inside] == seen.grey[inside]).all()
    assert volume.header.get_zooms() == (5, 5, 5)
    assert not any(volume.header[name].tobytes().strip(b"\0") for name in ("descrip", "aux_file"))
    keep(np.zeros(seen.grey.shape), folder / TISSUES)
    keep(np.zeros(seen.grey.shape), folder / LABELS)
    with pytest.raises(NotShown, match="Neither tissues nor labels"):
        brain_of(view_of(folder))


@pytest.mark.parametrize("at", [-1, 36])
def test_a_slice_outside_is_not_found(home, at):
    with pytest.raises(NotFound, match="no axial slice"):
        slice_picture(view_of(reviewable(home, "one")), Plane.AXIAL, at, Outlines.NONE)


def test_without_an_atlas_tissues_are_outlined(home):
    seen = view_of(reviewable(home, "one", atlas=False))
    assert (seen.labels, seen.places) == (None, {})
    assert seen.tissues is not None
    drawn = pixels(slice_picture(seen, Plane.AXIAL, seen.middle[2], Outlines.TISSUES))
    assert (np.ptp(drawn.astype(int), axis=2) > 0).mean() > 0.01


def test_files_that_cannot_be_shown_say_so(home, monkeypatch):
    folder = reviewable(home, "one")
    keep(np.ones((3, 3, 3)), folder / LABELS)
    with pytest.raises(NotShown, match=r"labels\.nii\.gz of the scan is that of another"):
        view_of(folder)
    (folder / LABELS).write_bytes(b"\x1f\x8b no volume")
    with pytest.raises(NotShown, match=r"labels\.nii\.gz of the scan is damaged"):
        view_of(folder)
    monkeypatch.setattr(viewing, "MOST_VOXELS", 1000)
    with pytest.raises(NotShown, match="more than 1,000 voxels"):
        view_of(folder)
    (folder / VOLUME).write_bytes((folder / VOLUME).read_bytes()[:200])
    monkeypatch.undo()
    with pytest.raises(NotShown, match="corrupt"):
        view_of(folder)
    (folder / VOLUME).unlink()
    with pytest.raises(NotShown, match="no volume"):
        view_of(folder)


def test_what_is_measured_anew_is_seen_anew(home):
    folder, views = reviewable(home, "one"), Views()
    first = views.of(folder)
    assert views.of(folder) is first
    (folder / TISSUES).unlink()
    assert views.of(folder).tissues is None


def reference(home, count=AT_LEAST):
    """Accepted scans whose brains differ in size, and regions by it and a little besides."""
    random = np.random.default_rng(3)
    records = []
    for number in range(count):
        size = 1 + 0.1 * random.standard_normal()
        change = dict.fromkeys(("tiv", "left_cortex", "right_cortex"), size)
        change["left_cortex"] *= 1 + 0.01 * random.standard_normal()
        change |= {
            code: 1 + 0.03 * random.standard_normal() for code in ("left_nucleus", "ventricles")
        }
        folder = reviewable(home, f"r{number}", change=change, seed=number)
        records.append(kept(folder))
    return records


def flags(judgement):
    return {one.code: one.flags for one in judgement.volumes if one.flags}


def test_a_shrunken_region_is_far_from_the_reference_and_uneven(home):
    others = reference(home, 12)
    shrunken = kept(reviewable(home, "new", change={"left_nucleus": 0.6}))
    found = judged(shrunken, others)
    assert found.scans == 12
    assert flags(found)["left_nucleus"] == (Flag.FAR, Flag.UNEVEN)
    # The other side is as it should be, but not its share of both.
    assert flags(found)["right_nucleus"] == (Flag.UNEVEN,)
    by_code = {one.code: one for one in found.volumes}
    assert by_code["left_nucleus"].z < -FAR
    assert by_code["left_nucleus"].asymmetry == pytest.approx(-50, abs=1)
    assert by_code["ventricles"].asymmetry is None
    assert set(found.quality) == {"snr", "cnr", "likeness", "efc", "fber"}


def test_a_large_head_has_a_large_cortex(home):
    others = reference(home, 15)
    large = dict.fromkeys(("tiv", "left_cortex", "right_cortex"), 1.35)
    found = judged(kept(reviewable(home, "new", change=large)), others)
    z = {one.code: one.z for one in found.volumes}
    assert z["tiv"] > 2
    assert abs(z["left_cortex"]) < FAR
    small_brain = judged(kept(reviewable(home, "new", change={"tiv": 1.35})), others)
    assert Flag.FAR in flags(small_brain)["left_cortex"]


def test_with_few_scans_nobody_is_far_but_sides_are_compared(home):
    others = reference(home, AT_LEAST - 1)
    change = {"left_nucleus": 0.6, "left_cortex": 0.5, "ventricles": 0}
    found = judged(kept(reviewable(home, "new", change=change)), others)
    assert {one.z for one in found.volumes} == {None}
    assert flags(found) == {
        "left_nucleus": (Flag.UNEVEN,),
        "right_nucleus": (Flag.UNEVEN,),
        "ventricles": (Flag.EMPTY,),
    }


def test_a_robust_z_is_that_of_a_normal_distribution():
    values = np.random.default_rng(1).normal(5, 2, 20_000)
    assert robust_z(9.0, values) == pytest.approx(2, abs=0.05)
    assert robust_z(9.0, np.array([5.0] * 8 + [6.0] * 3)) is None


def test_the_reference_is_what_was_accepted_of_other_patients_measured_alike(home):
    ledger = Ledger(open_state(home), LedgerHead(home))
    for name, patient in (("a", None), ("b", None), ("c", None), ("d", "pseudonym-new")):
        reviewable(home, name, patient=patient)
        if name != "c":
            decide(home, ledger, name, ReviewDecision.ACCEPT, "clear", "tester")
    reviewable(home, "e", atlas=False)
    decide(home, ledger, "e", ReviewDecision.ACCEPT, "clear", "tester")
    reviewable(home, "new")
    sheet = sheet_of(Shelf(home), "new")
    assert sheet.measurement.judgement.scans == 2
    assert (sheet.waiting.scans, sheet.waiting.previous, sheet.waiting.next) == (2, None, "c")
    assert isinstance(view_of(Shelf(home).scans / "new"), View)
