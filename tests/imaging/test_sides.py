"""Where two sources tell otherwise of left and right, the scan is refused; nothing is guessed."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from medmip.imaging.convert import converted
from medmip.imaging.errors import Unfit
from medmip.imaging.sides import refuse_other_place, stored_pixels
from medmip.imaging.slice_file import slice_of
from medmip.imaging.volume import Volume
from medmip.imaging.volumetry.image import Image
from medmip.imaging.volumetry.orientation import flipped, placed
from tests.imaging.person import BRAIN, person
from tests.imaging.scanner import EDGE, head, scan

PLANES = {
    "axial": ([1, 0, 0, 0, 1, 0], ["L", "P"], lambda n: [-80, -80, -80 + EDGE * n]),
    "sagittal": ([0, 1, 0, 0, 0, -1], ["P", "F"], lambda n: [-80 + EDGE * n, -80, 80]),
    "coronal": ([1, 0, 0, 0, 0, -1], ["L", "F"], lambda n: [-80, -80 + EDGE * n, 80]),
    "upwards": ([-1, 0, 0, 0, 1, 0], ["R", "P"], lambda n: [80, -80, -80 + EDGE * n]),
}


def series(folder, plane, letters=None):
    directions, own, position = PLANES[plane]

    def lay(file, index):
        file.ImageOrientationPatient = directions
        file.ImagePositionPatient = position(index)
        file.PatientOrientation = own if letters is None else letters

    return scan(folder, change=lay)


def converted_with_slices(tmp_path, plane):
    paths = series(tmp_path / "in", plane)
    (tmp_path / "out").mkdir()
    volume = converted(tmp_path / "in", tmp_path / "out")
    seen = [
        (slice_of(path, ()), stored_pixels(dcmread(path), compressed=False)) for path in paths[::20]
    ]
    return volume, seen


@pytest.mark.parametrize("plane", PLANES)
def test_slices_lie_in_the_volume_where_they_say_and_in_no_mirror(tmp_path, plane):
    volume, seen = converted_with_slices(tmp_path, plane)
    refuse_other_place(volume, seen)
    for axis in range(3):
        mirrored = Volume(np.flip(volume.voxels, axis), volume.affine)
        with pytest.raises(Unfit, match="disagree on where they lie"):
            refuse_other_place(mirrored, seen)
        # Told by the place alone, where pixels are packed and the header is the mirror.
        affine = volume.affine.copy()
        affine[:, axis] *= -1
        with pytest.raises(Unfit, match="disagree on where they lie"):
            refuse_other_place(Volume(volume.voxels, affine), [(one, None) for one, _ in seen])


def test_a_volume_moved_by_half_a_voxel_does_not_lie_where_its_slices_do(tmp_path):
    volume, seen = converted_with_slices(tmp_path, "axial")
    affine = volume.affine.copy()
    affine[0, 3] += EDGE / 2
    with pytest.raises(Unfit, match="disagree"):
        refuse_other_place(Volume(volume.voxels, affine), seen)
    turned = [(replace(one, pixel_spacing=(EDGE, EDGE * 1.02)), pixels) for one, pixels in seen]
    with pytest.raises(Unfit, match="disagree"):
        refuse_other_place(volume, turned)


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_letters_that_agree_are_no_hindrance(added, tmp_path, plane):
    series(tmp_path / "in", plane)
    (one,) = added(tmp_path / "in")
    assert one.record.verdict == "taken", one.record


@pytest.mark.parametrize(
    "plane, letters",
    [("axial", ["R", "P"]), ("axial", ["L", "A"]), ("sagittal", ["P", "HR"])],
)
def test_letters_against_the_directions_are_refused(reason, tmp_path, plane, letters):
    series(tmp_path / "in", plane, letters)
    said = reason(tmp_path / "in")
    assert "disagree on its sides" in said
    assert "--again" in said


def nifti(path: Path, qform):
    affine = np.diag([1.9, 1.9, 1.9, 1])
    image = nib.Nifti1Image(head().astype(np.int16), affine)
    image.set_sform(affine, code=1)
    image.set_qform(qform @ affine, code=1)
    image.to_filename(path)
    return path


def test_a_qform_that_is_the_mirror_of_the_sform_is_refused(added, reason, tmp_path):
    path = tmp_path / "sub-A7_T1w.nii.gz"
    for mirror in ([-1, 1, 1, 1], [1, -1, 1, 1], [1, -1, -1, 1]):
        assert "disagree on its sides" in reason(nifti(path, np.diag(np.array(mirror, float))))
    # A scan that was brought into line with a template has another sform, by a few degrees.
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    (one,) = added(nifti(path, turn))
    assert one.record.verdict == "taken", one.record


def test_a_mirrored_head_is_as_like_the_template_and_cannot_be_told():
    """Why headers alone are asked: where this fails, a head's own sides may be asked as well."""
    seen, brain = person().scan, Image(BRAIN.voxels, BRAIN.affine)
    one, other = placed(seen, brain), placed(flipped(seen, (-1, 1, 1)), brain)
    assert other.likeness == pytest.approx(one.likeness, abs=0.05)
