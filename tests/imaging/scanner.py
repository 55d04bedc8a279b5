"""A scanner of invented heads: series of DICOM files, written from small arrays."""

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SLICES, ROWS, COLUMNS = 84, 90, 88
EDGE = 1.9
PATIENT = "HOSP4711"


def head(slices=SLICES, rows=ROWS, columns=COLUMNS):
    """A bright ball off centre, (slices, rows, columns)."""
    z, y, x = np.indices((slices, rows, columns))
    ball = (z - 40) ** 2 + (y - 40) ** 2 + (x - 50) ** 2 < 30**2
    return (ball * 800 + (x + 2 * y) % 50).astype("<u2")


def scan(folder: Path, *, change=None, slices=SLICES, seed="one", **attributes):
    """Writes a 3D T1-weighted series; change(dataset, index) alters each file; returns paths.

    attributes are set on every slice; None removes one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    voxels = head(slices)
    series, study, frame = (generate_uid(entropy_srcs=[seed, part]) for part in "abc")
    written = []
    for index in range(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[seed, str(index)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
        file.SOPClassUID = MRImageStorage
        file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        file.StudyInstanceUID, file.SeriesInstanceUID = study, series
        file.FrameOfReferenceUID = frame
        file.PatientID, file.PatientName = PATIENT, "Dupont^Amelie"
        file.PatientBirthDate, file.PatientSex = "19480923", "F"
        file.StudyDate = file.SeriesDate = file.AcquisitionDate = "20190314"
        file.Modality, file.MRAcquisitionType = "MR", "3D"
        file.Manufacturer = "SIEMENS"
        file.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        file.ScanningSequence, file.SequenceVariant = ["GR", "IR"], ["SK", "SP", "MP"]
        file.SeriesDescription = "t1_mprage_sag"
        file.RepetitionTime, file.EchoTime, file.InversionTime = 2300, 2.98, 900
        file.FlipAngle, file.MagneticFieldStrength = 9, 3
        file.SeriesNumber, file.InstanceNumber = 2, index + 1
        file.PatientPosition = "HFS"
        file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        file.ImagePositionPatient = [-80, -80, -80 + EDGE * index]
        file.PixelSpacing, file.SliceThickness = [EDGE, EDGE], EDGE
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.Rows, file.Columns = ROWS, COLUMNS
        file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
        file.PixelRepresentation = 0
        file.PixelData = voxels[index].tobytes()
        for name, value in attributes.items():
            if value is None:
                delattr(file, name)
            else:
                setattr(file, name, value)
        if change is not None:
            change(file, index)
        path = folder / f"IM{index:04d}.dcm"
        file.save_as(path)
        written.append(path)
    return written
