"""Where the volumes of a published version come from, kept with it for good."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class MeasuredVolumes(BaseModel):
    """Volumes of scans that were joined to clinical rows.

    dataset is the code of the one whose rows these are; clinical names the rows' source,
    clinical_version and clinical_hash the version that the volumes were joined to. date is the
    column by which scans and visits were brought together, at most window days apart; None where
    the patient alone told. columns are the variables that the volumes became. template and
    atlas_hash are SHA-256; tools the versions of all programs, more than one where scans were
    measured by several. scans is the SHA-256 of the list of joined scans with the hashes of their
    measurements, which the hospital keeps as `imaging/publications`. done is the step of the card
    that tells of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    clinical: str
    clinical_version: int
    clinical_hash: str
    date: str | None
    window: int | None
    columns: tuple[str, ...]
    atlas: str | None
    atlas_hash: str | None
    template: str
    setting: str
    tools: Mapping[str, str]
    scans: str
    done: str
