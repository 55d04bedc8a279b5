"""DICOM without identifiers: PS3.15 Annex E, basic profile, and less still.

Only attributes that the geometry, the pixels and the technique of a volume need are let
through at all; of these, coded text is kept word by word against a list. Then the table of the
standard (E.1-1, edition 2026c, as dicom-anonymizer carries it) is applied to what is left, with
UIDs remapped and dates moved under the site's key (option 113107, modified dates).
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions
from pydicom import Dataset, FileDataset, Sequence
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from medmip.imaging.errors import Unfit
from medmip.imaging.identity import Identity
from medmip.imaging.slice_file import UNREADABLE, read

EDITION = "dicomfields_2026c"
_Action = Callable[[Dataset, tuple[int, int]], None]

_NUMBERS = frozenset(
    [
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
        "SpacingBetweenSlices",
        "SliceLocation",
        "InstanceNumber",
        "SeriesNumber",
        "AcquisitionNumber",
        "RescaleSlope",
        "RescaleIntercept",
        "RepetitionTime",
        "EchoTime",
        "InversionTime",
        "FlipAngle",
        "MagneticFieldStrength",
        "ImagingFrequency",
        "EchoTrainLength",
        "NumberOfAverages",
        "PixelBandwidth",
        "PercentSampling",
        "PercentPhaseFieldOfView",
        "AcquisitionMatrix",
        "EchoNumbers",
        "NumberOfPhaseEncodingSteps",
        "WindowCenter",
        "WindowWidth",
    ]
)
_UIDS = frozenset(
    ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"]
)
_DATES = frozenset(["StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"])
_WORDS = {
    "Modality": "MR",
    "MRAcquisitionType": "2D 3D",
    "ScanningSequence": "SE IR GR EP RM",
    "SequenceVariant": "SK MTC SS TRSS SP MP OSP NONE",
    "ImageType": "ORIGINAL DERIVED PRIMARY SECONDARY OTHER M NORM ND DIS2D DIS3D FFE M_FFE SE "
    "M_SE MFSPLIT",
    "PatientPosition": "HFS HFP HFDR HFDL FFS FFP FFDR FFDL",
    "PhotometricInterpretation": "MONOCHROME1 MONOCHROME2",
    "InPlanePhaseEncodingDirection": "ROW COL COLUMN",
    "LossyImageCompression": "00 01",
}
_MAKERS = ("SIEMENS", "GE MEDICAL SYSTEMS", "PHILIPS", "CANON", "TOSHIBA", "HITACHI", "UIH")
_PATIENT = frozenset({"PatientID", "PatientName"})
_EMPTY = ("PatientBirthDate", "PatientSex", "AccessionNumber", "ReferringPhysicianName", "StudyID")


def deidentified(path: Path, identity: Identity, code: str) -> FileDataset:
    """The file's image without identifiers; code is the patient's, known to the hospital alone.

    Raises Unfit where the file is not a single MR image that can be freed of identifiers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _deidentified(read(path), identity, code)
    except UNREADABLE:
        raise Unfit("An image cannot be freed of identifiers.") from None


def write(dataset: FileDataset, path: Path) -> None:
    """Write an image, its preamble empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path, enforce_file_format=True)


def _deidentified(source: FileDataset, identity: Identity, code: str) -> FileDataset:
    if source.get("SOPClassUID") != MRImageStorage:
        raise Unfit("It is not stored as MR images, which alone are freed of identifiers.")
    dataset = _let_through(source)
    anonymize_dataset(
        dataset,
        extra_anonymization_rules=_actions(identity, code),
        base_rules_gen=lambda: initialize_actions(EDITION),
    )
    dataset.SOPClassUID = MRImageStorage
    for name in _EMPTY:
        setattr(dataset, name, "")
    dataset.PatientID = dataset.PatientName = identity.patient(code)
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethod = "PS3.15 E.1 basic profile, modified dates"
    dataset.DeidentificationMethodCodeSequence = Sequence(
        [
            _coded("113100", "Basic Application Confidentiality Profile"),
            _coded("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
        ]
    )
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(str(dataset.SOPInstanceUID))
    syntax = source.file_meta.TransferSyntaxUID
    # What is not compressed is written plainly, however it came, as dcm2niix reads it best.
    meta.TransferSyntaxUID = syntax if syntax.is_compressed else ExplicitVRLittleEndian
    return FileDataset("", dataset, preamble=b"\0" * 128, file_meta=meta)


def _let_through(source: FileDataset) -> Dataset:
    dataset = Dataset()
    for name in sorted(_NUMBERS | _UIDS | _DATES | _PATIENT):
        if name in source:
            value = source.get(name)
            if name in _NUMBERS and not _is_number(value):
                continue
            setattr(dataset, name, value)
    for name, words in _WORDS.items():
        if kept := _known(source.get(name), words.split()):
            setattr(dataset, name, kept)
    said = str(source.get("Manufacturer", "")).upper()
    dataset.Manufacturer = next((maker for maker in _MAKERS if said.startswith(maker)), "")
    dataset["PixelData"] = source["PixelData"]
    if not source.file_meta.TransferSyntaxUID.is_compressed:
        dataset.PixelData = _pixels(source)
    return dataset


def _pixels(source: FileDataset) -> bytes:
    """The pixels alone: what may lie behind them, or in bits that they do not use, is left."""
    size = int(source.Rows) * int(source.Columns) * int(source.BitsAllocated) // 8
    pixels = bytes(source.PixelData[:size])
    if int(source.BitsAllocated) == 16:
        little = source.file_meta.TransferSyntaxUID.is_little_endian
        values = np.frombuffer(pixels, "<u2" if little else ">u2").astype("<u2")
        stored, unsigned = int(source.BitsStored), not int(source.PixelRepresentation)
        if unsigned and 0 < stored < 16:
            values &= np.uint16((1 << stored) - 1)
        pixels = values.tobytes()
    return pixels + b"\0" * (len(pixels) % 2)


def _is_number(value: object) -> bool:
    values = list(value) if isinstance(value, MultiValue | list) else [value]
    try:
        return bool(values) and all(np.isfinite(float(str(one))) for one in values)
    except ValueError:
        return False


def _known(value: object, words: list[str]) -> list[str] | str | None:
    if isinstance(value, MultiValue):
        return [str(one) for one in value if str(one) in words] or None
    return str(value) if str(value) in words else None


def _actions(identity: Identity, code: str) -> dict[tuple[int, ...], _Action]:
    actions: dict[tuple[int, ...], _Action] = {}

    def remapped(dataset: Dataset, tag: tuple[int, int]) -> None:
        if tag in dataset:
            dataset[tag].value = identity.uid(str(dataset[tag].value))

    def moved(dataset: Dataset, tag: tuple[int, int]) -> None:
        if tag in dataset:
            dataset[tag].value = identity.date(code, str(dataset[tag].value)) or ""

    for names, action in ((_UIDS, remapped), (_DATES, moved)):
        for name in names:
            tag = _tag(name)
            actions[tag] = action
    return actions


def _tag(name: str) -> tuple[int, int]:
    probe = Dataset()
    setattr(probe, name, "")
    (element,) = probe
    return element.tag.group, element.tag.element


def _coded(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning[:64]
    return item
