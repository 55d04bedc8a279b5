"""One DICOM file, read strictly: what a series is judged by."""

import hashlib
import struct
import warnings
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileDataset, config, dcmread
from pydicom.encaps import generate_fragments
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import SecondaryCaptureImageStorage

from medmip.imaging.errors import Unfit

MAXIMUM_BYTES = 2**31
UNREADABLE = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    NotImplementedError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What reading a damaged file can raise; the messages hold values and are told to nobody."""

# Warnings of a broken rule hold the value that breaks it; what matters is checked here.
config.settings.reading_validation_mode = config.IGNORE
config.settings.writing_validation_mode = config.IGNORE

Numbers = tuple[float, ...]
_TELLING = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "Modality",
    "ImageType",
    "BurnedInAnnotation",
    "SeriesDescription",
    "ContrastBolusAgent",
    "MRAcquisitionType",
    "ScanningSequence",
    "SequenceVariant",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "InstanceNumber",
    "ImagesInAcquisition",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "SamplesPerPixel",
    "NumberOfFrames",
    "RescaleSlope",
    "RescaleIntercept",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
)
"""What makes an image another one, beside its pixels. An archive that sends an image writes its
file anew, and may add to it: that is the same image still."""


@dataclass(frozen=True)
class SliceFile:
    """A file's place in its series, and the attributes that rules ask for, as text.

    position and the two directions of orientation are in millimetres of the patient (PS3.3
    C.7.6.2); they are empty where the file has none. letters are those that say where rows and
    columns run to, as "L" and "P". problem says why the file is not fit.
    """

    path: Path
    digest: str
    instance: str
    patient: tuple[str, ...]
    shape: tuple[int, int]
    position: Numbers
    orientation: Numbers
    letters: tuple[str, ...]
    pixel_spacing: Numbers
    images: int | None
    attributes: Mapping[str, tuple[str, ...]]
    series: str
    date: str
    problem: str | None


def read(path: Path) -> FileDataset:
    """A whole DICOM file, silently; raises Unfit where it is not one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size = path.stat().st_size
            if not size:
                raise Unfit("A file is empty.")
            if size > MAXIMUM_BYTES:
                raise Unfit(f"A file is larger than {MAXIMUM_BYTES / 2**30:.0f} GiB.")
            return dcmread(path, force=False)
    except UNREADABLE:
        raise Unfit("A file is truncated or corrupt: it cannot be read as DICOM.") from None


def slice_of(path: Path, attributes: Collection[str]) -> SliceFile:
    """What is known of a file; raises Unfit where nothing can be."""
    dataset = read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _slice(path, dataset, attributes)
    except UNREADABLE:
        raise Unfit("A file is truncated or corrupt: its header cannot be read.") from None


def _slice(path: Path, dataset: FileDataset, attributes: Collection[str]) -> SliceFile:
    series = _text(dataset, "SeriesInstanceUID")
    if not series:
        raise Unfit("A file names no series that it belongs to.")
    dates = (_text(dataset, name) for name in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    images = _numbers(dataset, "ImagesInAcquisition")
    return SliceFile(
        path=path,
        digest=_digest(dataset),
        instance=_text(dataset, "SOPInstanceUID"),
        patient=tuple(
            _text(dataset, name) for name in ("PatientID", "PatientName", "PatientBirthDate")
        ),
        shape=(int(dataset.get("Rows", 0) or 0), int(dataset.get("Columns", 0) or 0)),
        position=_numbers(dataset, "ImagePositionPatient"),
        orientation=_numbers(dataset, "ImageOrientationPatient"),
        letters=_values(dataset, "PatientOrientation"),
        pixel_spacing=_numbers(dataset, "PixelSpacing"),
        images=int(images[0]) if images else None,
        attributes={name: _values(dataset, name) for name in attributes if name in dataset},
        series=series,
        date=next((date for date in dates if date), ""),
        problem=_problem(dataset),
    )


def _is_capture(kind: str) -> bool:
    return kind == SecondaryCaptureImageStorage or kind.startswith(
        f"{SecondaryCaptureImageStorage}."
    )


def _problem(dataset: FileDataset) -> str | None:
    if _text(dataset, "BurnedInAnnotation").upper() == "YES":
        return "text is burned into its pixels, which may name the patient"
    # Type 1 in every secondary capture and in no image of a scanner (PS3.3, C.8.6.1).
    if _text(dataset, "ConversionType") or _is_capture(_text(dataset, "SOPClassUID")):
        return (
            "a file is a picture of a screen or of paper (secondary capture), whose "
            "text may name the patient"
        )
    if int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        return "it has several frames in a file and is no enhanced MR image; export single frames"
    rows, columns = int(dataset.get("Rows", 0) or 0), int(dataset.get("Columns", 0) or 0)
    if "PixelData" not in dataset:
        return "a file has no pixels: it is truncated, or no image"
    if not rows or not columns:
        return "its images are of zero size"
    if int(dataset.get("SamplesPerPixel", 1) or 1) != 1:
        return "its images are in colour"
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        whole = any(len(fragment) > 0 for fragment in generate_fragments(dataset.PixelData))
    else:
        whole = len(dataset.PixelData) >= rows * columns * int(dataset.BitsAllocated) // 8
    return None if whole else "a file is truncated: pixels are missing"


def _digest(dataset: Dataset) -> str:
    """The same for an image however its file is written, as long as its pixels are packed alike."""
    told = hashlib.sha256(repr([_values(dataset, name) for name in _TELLING]).encode())
    told.update(hashlib.sha256(_pixels(dataset)).digest())
    return told.hexdigest()


def _pixels(dataset: Dataset) -> bytes:
    if "PixelData" not in dataset:
        return b""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed:
        return b"".join(generate_fragments(dataset.PixelData))
    if not syntax.is_little_endian and dataset.BitsAllocated == 16:
        return np.frombuffer(dataset.PixelData, ">u2").astype("<u2").tobytes()
    return bytes(dataset.PixelData)


def _text(dataset: Dataset, name: str) -> str:
    value = dataset.get(name)
    return "" if value is None else str(value).strip()


def _values(dataset: Dataset, name: str) -> tuple[str, ...]:
    value = dataset.get(name)
    if value is None or str(value) == "":
        return ()
    return tuple(str(one) for one in value) if isinstance(value, MultiValue) else (str(value),)


def _numbers(dataset: Dataset, name: str) -> Numbers:
    numbers = tuple(float(value) for value in _values(dataset, name))
    return numbers if np.isfinite(numbers).all() else ()
