"""Enhanced MR images, whose file holds many frames, as the classic images that they stand for.

An enhanced image tells of its frames in functional groups, shared or of each frame (PS3.3,
C.7.6.16 and C.8.13.5). What geometry, choice and identity need of them is written as one classic
MR image a frame; all else is left behind.
"""

import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage, generate_uid

from medmip.imaging.errors import Unfit
from medmip.imaging.slice_file import UNREADABLE, read

MAXIMUM_FRAMES = 4096
_SAME = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "Modality",
    "Manufacturer",
    "SeriesDescription",
    "SeriesNumber",
    "BurnedInAnnotation",
    "MagneticFieldStrength",
    "MRAcquisitionType",
    "PatientPosition",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "LossyImageCompression",
)
_GROUPED = (
    ("PlanePositionSequence", "ImagePositionPatient", "ImagePositionPatient"),
    ("PlaneOrientationSequence", "ImageOrientationPatient", "ImageOrientationPatient"),
    ("PixelMeasuresSequence", "PixelSpacing", "PixelSpacing"),
    ("PixelMeasuresSequence", "SliceThickness", "SliceThickness"),
    ("PixelValueTransformationSequence", "RescaleSlope", "RescaleSlope"),
    ("PixelValueTransformationSequence", "RescaleIntercept", "RescaleIntercept"),
    ("MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"),
    ("MRTimingAndRelatedParametersSequence", "FlipAngle", "FlipAngle"),
    ("MRTimingAndRelatedParametersSequence", "EchoTrainLength", "EchoTrainLength"),
    ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
    ("MRModifierSequence", "InversionTimes", "InversionTime"),
    ("MRImageFrameTypeSequence", "FrameType", "ImageType"),
)
"""Group, attribute there, and what a classic image calls it."""
_ECHOES = {"GRADIENT": ["GR"], "SPIN": ["SE"], "BOTH": ["SE", "GR"]}


def single_frames(path: Path, folder: Callable[[], Path]) -> list[Path]:
    """The classic images of an enhanced one, in a new folder; else the file itself.

    Raises Unfit where an enhanced image cannot be read as frames.
    """
    if not _is_enhanced(path):
        return [path]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = [_encoded(image) for image in _frames(read(path))]
    except UNREADABLE:
        raise Unfit("A file of several frames is truncated or corrupt.") from None
    # A disk that refuses is no fault of the file.
    target = folder()
    written = [target / f"{number:04d}.dcm" for number in range(1, len(images) + 1)]
    for place, content in zip(written, images, strict=True):
        place.write_bytes(content)
    return written


def _encoded(image: FileDataset) -> bytes:
    content = BytesIO()
    image.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _is_enhanced(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except UNREADABLE:
        # Whoever reads the whole file says what is wrong with it.
        return False
    return bool(told.get("SOPClassUID") == EnhancedMRImageStorage)


def _frames(source: FileDataset) -> Iterator[FileDataset]:
    count = int(source.get("NumberOfFrames", 1) or 1)
    if count > MAXIMUM_FRAMES:
        raise Unfit(f"A file holds more than {MAXIMUM_FRAMES:,} frames.")
    each = source.get("PerFrameFunctionalGroupsSequence") or []
    shared = source.get("SharedFunctionalGroupsSequence") or []
    if len(each) != count or len(shared) > 1:
        raise Unfit("A file of several frames does not tell of each of them.")
    if "PixelData" not in source:
        raise Unfit("A file has no pixels: it is truncated, or no image.")
    for number, (own, pixels) in enumerate(zip(each, _pixels(source, count), strict=True), 1):
        groups = [own, *shared]
        yield _frame(source, groups, number, pixels)


def _pixels(source: FileDataset, count: int) -> list[bytes]:
    if source.file_meta.TransferSyntaxUID.is_compressed:
        frames = generate_frames(source.PixelData, number_of_frames=count)
        return [encapsulate([frame]) for frame in frames]
    size = int(source.Rows) * int(source.Columns) * int(source.BitsAllocated) // 8
    stream = BytesIO(source.PixelData)
    return [stream.read(size) for _ in range(count)]


def _frame(source: FileDataset, groups: list[Dataset], number: int, pixels: bytes) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(
        entropy_srcs=[str(source.SOPInstanceUID), str(number)]
    )
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    image = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.InstanceNumber = number
    for name in _SAME:
        if name in source:
            setattr(image, name, source.get(name))
    if "AcquisitionDate" not in image and "AcquisitionDateTime" in source:
        image.AcquisitionDate = str(source.AcquisitionDateTime)[:8]
    for group, name, called in _GROUPED:
        value = _told(groups, group, name)
        if value is not None:
            setattr(image, called, value)
    image.ScanningSequence = _sequence(source, groups)
    component = _told(groups, "MRImageFrameTypeSequence", "ComplexImageComponent")
    if str(component or "MAGNITUDE") == "PHASE":
        image.ImageType = [*(image.get("ImageType") or []), "PHASE"]
    if source.get("ContrastBolusAgentSequence"):
        image.ContrastBolusAgent = "given"
    image.PixelData = pixels
    image["PixelData"].VR = "OB" if int(source.BitsAllocated) <= 8 else "OW"
    if source.file_meta.TransferSyntaxUID.is_compressed:
        image["PixelData"].VR = "OB"
        image["PixelData"].is_undefined_length = True
    return image


def _told(groups: list[Dataset], group: str, name: str) -> object:
    """An attribute of a functional group: of the frame, else of all frames."""
    for one in groups:
        if items := one.get(group):
            return items[0].get(name)
    return None


def _sequence(source: FileDataset, groups: list[Dataset]) -> list[str]:
    words = list(_ECHOES.get(str(source.get("EchoPulseSequence", "")), []))
    if str(_told(groups, "MRModifierSequence", "InversionRecovery") or "") == "YES":
        words.append("IR")
    if str(source.get("EchoPlanarPulseSequence", "")) == "YES":
        words.append("EP")
    return words
