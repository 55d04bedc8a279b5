"""What is kept of everything that was given as a scan: never a code, name, date or file's name."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """What became of a scan."""

    TAKEN = "taken"
    LEFT = "left out"
    REFUSED = "refused"


class TextCheck(StrEnum):
    """What is known of text that may be burned into the pixels of a scan that was taken."""

    NONE_FOUND = "none found"
    BELIEVED = "believed to name nobody"


class FaceRemoval(BaseModel):
    """How the face was removed from a volume: points x with normal · x > distance became 0.

    normal and distance, in millimetres, are in the volume's own space; share is that of its voxels
    that lie there. template is the hash of the brain that the head was found by, volume that of
    the file without the face, which everything that is measured starts from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    version: int
    tools: dict[str, str]
    template: str
    normal: tuple[float, float, float]
    distance: float
    share: float
    volume: str


class ScanRecord(BaseModel):
    """One series or volume.

    id is keyed by the site and told by the content, so that the same scan has it again. rules is
    the hash of the rules that it was judged by. patient is the pseudonym, acquired the date moved
    under the site's key; both None where unknown. moved is by how many days at most the date was
    moved, so that it is compared with dates that moved alike alone. files is the number of files,
    or of frames where a file holds several; shape is in voxels, voxel in millimetres. faces is None
    as long as the face is in the volume. text is None where it was taken before text was looked
    for.
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
    text: TextCheck | None = None
    faces: FaceRemoval | None = None
