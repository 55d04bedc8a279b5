"""What is kept of a measurement, `volumes.json` beside the scan: volumes, quality, provenance."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from medmip.imaging.volumetry.atlas import AtlasRecord
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.region import Part
from medmip.imaging.volumetry.steps import StepRecord

VOLUMES, LABELS, TISSUES = "volumes.json", "labels.nii.gz", "tissues.nii.gz"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeasuredVolume(_Kept):
    """One volume in cm³ of the scan's own space; label and part are None for a total."""

    code: str
    name: str
    cm3: float
    label: int | None = None
    part: Part | None = None


class Quality(_Kept):
    """How good scan and measurement are.

    snr is white matter's mean over its width, cnr its distance from grey matter over that width;
    likeness the correlation with the template after registration. efc, the entropy focus
    criterion, rises with movement during the scan, and fber, the energy of the head over that of
    the air, falls; both None where it was measured before they were, fber where no air was kept.
    """

    snr: float
    cnr: float
    likeness: float
    efc: float | None = None
    fber: float | None = None


class VolumesRecord(_Kept):
    """One measurement of one scan.

    key names all that it depends on: two with the same key hold the same numbers. tools are the
    versions of what it was computed with, template the hash of the brain it was registered to,
    labels and tissues those of the files of labels and of tissues beside it; what was measured
    before tissues were kept has none.
    """

    scan: str
    key: str
    setting: SettingName
    atlas: AtlasRecord | None
    template: str
    tools: dict[str, str]
    volumes: tuple[MeasuredVolume, ...]
    quality: Quality
    steps: tuple[StepRecord, ...]
    labels: str
    tissues: str | None = None


def kept(scan: Path) -> VolumesRecord | None:
    """The last measurement of a scan, by its folder; None where there is none."""
    try:
        content = (scan / VOLUMES).read_bytes()
    except FileNotFoundError:
        return None
    return VolumesRecord.model_validate_json(content)
