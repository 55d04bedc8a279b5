"""Each kind of bad input has a clear verdict, and what comes after it is still brought in."""

import gzip
import os
import zipfile

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import (
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from medmip.imaging import intake
from medmip.imaging.errors import ImagingError
from tests.imaging.scanner import EDGE, head, scan

AFFINE = np.diag([1.9, 1.9, 1.9, 1])


def nifti(tmp_path, voxels, affine=AFFINE):
    path = tmp_path / "sub-A7_T1w.nii.gz"
    nib.Nifti1Image(voxels, affine).to_filename(path)
    return path


def later(name, value, at=2):
    def changing(dataset, index):
        if index == at:
            setattr(dataset, name, value)

    return changing


@pytest.mark.parametrize(
    "change, why",
    [
        (later("PatientID", "OTHER"), "mixes several patients"),
        (later("PatientName", "Other^Name"), "The series mixes several patients"),
        (later("ImageOrientationPatient", [0, 1, 0, 0, 0, 1]), "differ in orientation"),
        (later("PixelSpacing", [1, 1]), "size of their pixels"),
        (later("ImagePositionPatient", [-80, -80, -80 + EDGE * 1.5]), "distances between"),
        (later("ImagePositionPatient", [-80, -80, -80]), "4D"),
        (later("BurnedInAnnotation", "YES"), "burned into its pixels"),
        (later("ConversionType", "WSD"), "of a screen or of paper"),
        (later("SOPClassUID", SecondaryCaptureImageStorage), "secondary capture"),
        (later("SOPClassUID", MultiFrameGrayscaleWordSecondaryCaptureImageStorage), "capture"),
        (later("Rows", 0), "zero size"),
        (later("NumberOfFrames", 5), "several frames"),
        (later("PixelData", b"\0" * 100), "pixels are missing"),
    ],
)
def test_a_series_that_is_not_one_whole_volume_is_refused(reason, tmp_path, change, why):
    scan(tmp_path / "in", slices=6, change=change)
    assert why in reason(tmp_path / "in")


@pytest.mark.parametrize("lost", [[3], [2, 3], [1, 4]])
def test_missing_slices_are_counted(reason, tmp_path, lost):
    paths = scan(tmp_path / "in", slices=8)
    for index in lost:
        paths[index].unlink()
    said = reason(tmp_path / "in")
    assert said.startswith(f"{len(lost)} slice")
    assert "missing inside" in said


def test_slices_missing_at_the_end_are_noticed_where_the_header_tells(reason, tmp_path):
    paths = scan(tmp_path / "in", slices=8, ImagesInAcquisition=8)
    paths[-1].unlink()
    assert "1 slice is missing at the volume's ends" in reason(tmp_path / "in")


def test_a_series_without_a_code_is_refused(reason, tmp_path):
    scan(tmp_path / "in", slices=4, PatientID="")
    assert "no patient's code" in reason(tmp_path / "in")


def test_too_few_slices_do_not_pass_the_quality_gate(reason, tmp_path):
    scan(tmp_path / "in", slices=20)
    said = reason(tmp_path / "in")
    assert "It has 20 slices, fewer than 80." in said
    assert "It covers 38 mm" in said


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", b"\0" * 128 + b"DICM\x08\x00"])
def test_a_file_that_cannot_be_read_is_told_and_the_next_scan_is_taken(added, tmp_path, content):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_bytes(content)
    scan(tmp_path / "in" / "good")
    assert [one.record.verdict for one in added(tmp_path / "in")] == ["refused", "taken"]


def test_files_of_ten_gigabytes_are_refused_and_the_next_scan_is_taken(added, tmp_path):
    volume, slices = tmp_path / "in/sub-p1_T1w.nii", tmp_path / "in/large"
    header = nib.Nifti1Image(head().astype(np.int16), AFFINE).header
    large = scan(slices)[3]
    volume.write_bytes(header.binaryblock)
    for path in (volume, large):
        os.truncate(path, 10 * 2**30)
    scan(tmp_path / "in/other", seed="other")
    reasons = sorted(str(one.record.reason) for one in added(tmp_path / "in"))
    assert reasons == [
        "1 slice is missing inside the volume.",
        "A file is larger than 2 GiB.",
        "None",
        "The file is larger than 8 GiB.",
    ]


@pytest.mark.parametrize("size", range(0, 1400, 70))
def test_a_slice_cut_anywhere_is_refused_or_missing(added, tmp_path, size):
    paths = scan(tmp_path / "in", slices=4)
    paths[1].write_bytes(paths[1].read_bytes()[:size])
    records = [one.record for one in added(tmp_path / "in")]
    assert {record.verdict for record in records} == {"refused"}


@pytest.mark.parametrize(
    "voxels, why",
    [
        (np.full((90, 90, 90), np.nan, np.float32), "not numbers"),
        (np.zeros((90, 90, 90), np.int16), "empty"),
        (np.ones((9, 9, 9, 4), np.int16), "4D"),
        (np.ones((9, 9), np.int16), "flat"),
    ],
)
def test_a_bad_nifti_is_refused(reason, tmp_path, voxels, why):
    assert why in reason(nifti(tmp_path, voxels))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_voxel_that_is_no_number_is_enough(reason, tmp_path, value):
    voxels = head().astype(np.float32)
    voxels[40, 40, 40] = value
    assert "not numbers" in reason(nifti(tmp_path, voxels))


def test_a_nifti_in_micrometres_is_refused(reason, tmp_path):
    path = nifti(tmp_path, head().astype(np.int16), np.diag([1900.0, 1900.0, 1900.0, 1]))
    assert "unit may be wrong" in reason(path)


def test_a_nifti_in_metres_is_refused(reason, tmp_path):
    path = nifti(tmp_path, head().astype(np.int16), np.diag([0.0019, 0.0019, 0.0019, 1]))
    assert "unit may be wrong" in reason(path)


def test_a_nifti_that_does_not_tell_left_from_right_is_refused(reason, tmp_path):
    assert "left from right" in reason(nifti(tmp_path, head().astype(np.int16), None))


def test_a_truncated_or_empty_nifti_is_refused(reason, tmp_path):
    path = nifti(tmp_path, head().astype(np.int16))
    path.write_bytes(path.read_bytes()[:5000])
    assert "truncated or corrupt" in reason(path)
    path.write_bytes(b"")
    assert "empty" in reason(path)


def test_a_nifti_without_a_code_says_how_to_name_it(reason, tmp_path):
    path = nifti(tmp_path, head().astype(np.int16)).rename(tmp_path / "scan.nii.gz")
    assert "sub-CODE_T1w.nii.gz" in reason(path)


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../../out.dcm", "/etc/out.dcm", "..\\out.dcm", "C:\\out.dcm"])
def test_a_zip_that_leads_out_of_itself_is_refused(home, reason, tmp_path, name):
    before = {path for path in tmp_path.rglob("*") if home.path not in path.parents}
    path = zipped(tmp_path / "a.zip", {name: b"x"})
    assert "lead out of it" in reason(path)
    after = {path for path in tmp_path.rglob("*") if home.path not in path.parents}
    assert after - before == {path}


def test_a_zip_bomb_is_refused(reason, tmp_path):
    assert "as bombs do" in reason(zipped(tmp_path / "a.zip", {"a.dcm": b"\0" * 30_000_000}))


def test_a_zip_of_too_many_files_a_nested_and_a_damaged_one_are_refused(
    reason, tmp_path, monkeypatch
):
    assert "another zip" in reason(zipped(tmp_path / "a.zip", {"b.zip": b"PK"}))
    (tmp_path / "b.zip").write_bytes(b"PK\3\4 no zip")
    assert "damaged" in reason(tmp_path / "b.zip")
    monkeypatch.setattr(intake, "MAXIMUM_FILES", 3)
    many = {f"{number}.dcm": b"x" for number in range(4)}
    assert "more than 3 files" in reason(zipped(tmp_path / "c.zip", many))


def test_nothing_to_bring_in_is_told_by_its_place_alone(added, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    told = added(tmp_path / "Dupont", tmp_path / "notes.txt")
    assert [one.record.source for one in told] == ["path 1", "path 2"]
    assert "Dupont" not in repr(told)


def test_links_out_of_a_folder_are_not_followed(added, tmp_path):
    (tmp_path / "in").mkdir()
    secret = nifti(tmp_path, head().astype(np.int16))
    (tmp_path / "in" / "sub-A7_T1w.nii.gz").symlink_to(secret)
    (one,) = added(tmp_path / "in")
    assert "no DICOM and no NIfTI" in one.record.reason


def test_rules_that_are_not_readable_stop_before_anything_is_read(home, added, tmp_path):
    home.imaging.mkdir()
    (home.imaging / "rules.yaml").write_text("series: [}")
    with pytest.raises(ImagingError, match="cannot be read as YAML"):
        added(tmp_path)


def test_the_same_gzip_of_a_nifti_holds_no_name(home, added, tmp_path):
    added(nifti(tmp_path, head().astype(np.int16)))
    (kept,) = home.imaging.rglob("*.nii.gz")
    assert kept.read_bytes()[3] == 0
    assert gzip.decompress(kept.read_bytes())[148:228] == b"\0" * 80
