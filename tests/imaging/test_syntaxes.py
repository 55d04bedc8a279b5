"""However pixels are packed, and however many images a file holds, the volume is the same."""

import subprocess
from io import BytesIO

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from medmip.imaging.shelf import Shelf
from tests.imaging.jpeg import lossless_jpeg
from tests.imaging.scanner import EDGE, PATIENT, SLICES, head, scan

VOXELS = head().transpose(2, 1, 0)[::-1, ::-1]
"""Of the scanner's head as dcm2niix writes it: from left to right and from the back on."""


def jpeg_2000(image):
    packed = BytesIO()
    Image.fromarray(image).save(packed, "JPEG2000", irreversible=False, no_jp2=True)
    return packed.getvalue()


def pack(file, frames, syntax):
    """Puts frames into a file as a syntax has them."""
    file.file_meta.TransferSyntaxUID = syntax
    coder = {JPEG2000Lossless: jpeg_2000, JPEGLosslessSV1: lossless_jpeg}.get(syntax)
    if coder is not None:
        file.PixelData = encapsulate([coder(frame) for frame in frames])
        file["PixelData"].VR = "OB"
        file["PixelData"].is_undefined_length = True


def volume(home, record):
    image = nib.load(Shelf(home).scans / record.id / "t1.nii.gz")
    return np.asarray(image.dataobj)[:: 1 if image.affine[0, 0] < 0 else -1][::-1]


@pytest.mark.parametrize(
    "syntax",
    [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEG2000Lossless, JPEGLosslessSV1],
    ids=lambda syntax: syntax.keyword,
)
def test_a_transfer_syntax_makes_no_difference_to_the_voxels(home, added, tmp_path, syntax):
    slices = head()
    if syntax == ExplicitVRBigEndian:
        for path, pixels in zip(scan(tmp_path / "in"), slices, strict=True):
            file = dcmread(path)
            file.file_meta.TransferSyntaxUID = syntax
            file.PixelData = pixels.astype(">u2").tobytes()
            dcmwrite(path, file, implicit_vr=False, little_endian=False, force_encoding=True)
    else:
        scan(tmp_path / "in", change=lambda file, index: pack(file, [slices[index]], syntax))
    assert dcmread(next((tmp_path / "in").iterdir())).file_meta.TransferSyntaxUID == syntax
    (one,) = added(tmp_path / "in")
    assert one.record.verdict == "taken", one.record
    assert np.array_equal(volume(home, one.record), VOXELS)


@pytest.mark.parametrize(
    "options, syntax, most",
    [([], JPEGLSLossless, 0), (["+en", "+md", "1"], JPEGLSNearLossless, 1)],
)
def test_jpeg_ls_makes_no_more_difference_to_the_voxels_than_it_may(
    home, added, tmp_path, need, options, syntax, most
):
    pack_one = need("dcmcjpls")
    for path in scan(tmp_path / "in"):
        subprocess.run([pack_one, *options, path, path], check=True, capture_output=True)
        file = dcmread(path)
        assert file.file_meta.TransferSyntaxUID == syntax
        # What loses a little is called derived by the program; a scanner would not.
        file.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        file.save_as(path)
    (one,) = added(tmp_path / "in")
    assert one.record.verdict == "taken", one.record
    found = volume(home, one.record).astype(int)
    assert np.abs(found - VOXELS).max() == most


def item(**attributes):
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def enhanced(path, *, syntax=None, positions=range(SLICES), echo="GRADIENT"):
    """One file of all the scanner's slices; positions says where each frame lies."""
    (first, *_) = scan(path.parent / "classic", slices=1)
    file = dcmread(first)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime"):
        delattr(file, name)
    for name in ("SliceThickness", "InversionTime", "RepetitionTime", "FlipAngle", "ImageType"):
        delattr(file, name)
    del file.ScanningSequence, file.SequenceVariant
    first.unlink()
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    file.NumberOfFrames = SLICES
    file.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    file.EchoPulseSequence = echo
    timing = item(RepetitionTime=2300, FlipAngle=9)
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[EDGE, EDGE], SliceThickness=EDGE)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        MRTimingAndRelatedParametersSequence=[timing],
        MREchoSequence=[item(EffectiveEchoTime=2.98)],
        MRModifierSequence=[item(InversionRecovery="YES", InversionTimes=900)],
    )
    file.SharedFunctionalGroupsSequence = [shared]
    file.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[-80, -80, -80 + EDGE * place])])
        for place in positions
    ]
    file.PixelData = head().tobytes()
    if syntax is not None:
        pack(file, head(), syntax)
    file.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [None, JPEG2000Lossless])
def test_an_enhanced_image_of_many_frames_is_the_scan_of_its_slices(
    home, added, tmp_path, syntax, identity
):
    (one,) = added(enhanced(tmp_path / "one.dcm", syntax=syntax))
    assert one.record.verdict == "taken", one.record
    assert (one.record.files, one.record.patient) == (SLICES, identity.patient(PATIENT))
    kept = [path.read_bytes() for path in home.imaging.rglob("*") if path.is_file()]
    assert not [content for content in kept if b"Dupont" in content or PATIENT.encode() in content]
    assert np.array_equal(volume(home, one.record), VOXELS)


def test_an_enhanced_image_is_chosen_and_refused_as_classic_ones_are(added, tmp_path):
    (spin,) = added(enhanced(tmp_path / "spin.dcm", echo="SPIN"))
    assert "no gradient echo" in spin.record.reason
    twice = [place // 2 for place in range(SLICES)]
    (several,) = added(enhanced(tmp_path / "4d.dcm", positions=twice))
    assert "4D" in several.record.reason
    (less,) = added(enhanced(tmp_path / "less.dcm", positions=range(5)))
    assert "does not tell of each" in less.record.reason
    whole = enhanced(tmp_path / "cut.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    (cut,) = added(tmp_path / "cut.dcm")
    assert (cut.record.verdict, "truncated" in cut.record.reason) == ("refused", True)
