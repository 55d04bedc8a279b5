"""One partition of a published version as it lies in its place."""

from dataclasses import dataclass

from medmip.store.errors import StoreError

MANIFEST = "manifest.json"
PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """One partition's file, below the folder of all; sha256 is that of its content."""

    file: str
    sha256: str
    records: int


def changed(part: StoredPartition) -> StoreError:
    """The error of a partition whose content is not what its manifest says."""
    return StoreError(
        f"The partition {part.file} is missing or was changed.",
        remedy=f"Delete the folder {part.file.partition('/')[0]} of the cluster's folder; it is "
        "made anew from the published version.",
    )
