"""What is kept of everything that was given as a scan: never a code, name, date or file's name."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """What became of a scan."""

    TAKEN = "taken"
    LEFT = "left out"
    REFUSED = "refused"


class ScanRecord(BaseModel):
    """One series or volume.

    id is keyed by the site and told by the content, so that the same scan has it again. rules is
    the hash of the rules that it was judged by. patient is the pseudonym, acquired the date moved
    under the site's key; both None where unknown. moved is by how many days at most the date was
    moved, so that it is compared with dates that moved alike alone. files is the number of files,
    or of frames where a file holds several; shape is in voxels, voxel in millimetres.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    verdict: Verdict
    rules: str
    reason: str | None = None
    source: str
    files: int
    patient: str | None = None
    acquired: str | None = None
    moved: int | None = None
    shape: tuple[int, ...] | None = None
    voxel: tuple[float, ...] | None = None
    converter: str | None = None
