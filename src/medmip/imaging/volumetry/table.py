"""Measured volumes as one table, ready for the inbox: a line for each scan."""

import csv
import io
from collections.abc import Iterable

from medmip.errors import Conflict
from medmip.imaging.record import ScanRecord
from medmip.imaging.volumetry.record import Quality, VolumesRecord

_DIGITS = 6


def table_of(measured: Iterable[tuple[ScanRecord, VolumesRecord]]) -> str:
    """CSV with the patient's pseudonym, the moved date, and a column for each code, in cm³.

    Raises Conflict where scans were measured with different atlases, whose columns would differ.
    """
    rows = list(measured)
    if len({record.atlas.sha256 if record.atlas else None for _, record in rows}) > 1:
        raise Conflict(
            "The scans were measured with different atlases.",
            remedy="Choose one with --atlas, or measure all scans anew with the same.",
        )
    codes = [volume.code for volume in rows[0][1].volumes] if rows else []
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["patient", "acquired", "scan", *codes, *Quality.model_fields])
    for scan, record in rows:
        numbers = [
            *(volume.cm3 for volume in record.volumes),
            *record.quality.model_dump().values(),
        ]
        told = ["" if number is None else f"{number:.{_DIGITS}f}" for number in numbers]
        lines.writerow([scan.patient or "", scan.acquired or "", scan.id, *told])
    return text.getvalue()
