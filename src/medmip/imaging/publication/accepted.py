"""The scans that a person has accepted, with what was measured of them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medmip.errors import Conflict
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import VOLUMES, VolumesRecord
from medmip.imaging.volumetry.review import ScanStanding, reviews_of, standing


@dataclass(frozen=True)
class Accepted:
    """A scan whose volumes may be used; digest is the hash of the measurement that was accepted."""

    record: ScanRecord
    volumes: VolumesRecord
    digest: str

    @property
    def atlas(self) -> str | None:
        """The name of the atlas that it was measured by."""
        return self.volumes.atlas.name if self.volumes.atlas else None


@dataclass(frozen=True)
class Shelved:
    """The accepted scans, in the order of their ids, and how many measured ones stand otherwise."""

    accepted: tuple[Accepted, ...]
    standings: Counter[ScanStanding]


def accepted_scans(shelf: Shelf) -> Shelved:
    """What of a shelf may be used; raises ImagingError where reviews cannot be read."""
    standings: Counter[ScanStanding] = Counter()
    found = []
    for record in shelf.records():
        if record.verdict is not Verdict.TAKEN:
            continue
        folder = shelf.scans / record.id
        with suppress(FileNotFoundError):
            content = (folder / VOLUMES).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            state = ScanStanding.ACCEPTED if _is_accepted(folder, digest) else standing(folder)
            standings[state] += 1
            if state is ScanStanding.ACCEPTED:
                volumes = VolumesRecord.model_validate_json(content)
                found.append(Accepted(record, volumes, digest))
    return Shelved(tuple(found), standings)


def alike(
    scans: Sequence[Accepted], atlas: str | None, setting: SettingName | None
) -> list[Accepted]:
    """Those measured by an atlas and a setting, or by any; raises Conflict unless all in one way.

    Volumes of two ways of measuring are never put into one table.
    """
    chosen = [
        scan
        for scan in scans
        if atlas in (None, scan.atlas) and setting in (None, scan.volumes.setting)
    ]
    atlases = {scan.volumes.atlas.sha256 if scan.volumes.atlas else "" for scan in chosen}
    if len(atlases) > 1 or len({scan.volumes.template for scan in chosen}) > 1:
        raise Conflict(
            "The scans were measured with different atlases or templates, which are not mixed.",
            remedy="Choose an atlas with --atlas, or measure all scans anew with the same.",
        )
    if len({scan.volumes.setting for scan in chosen}) > 1:
        raise Conflict(
            "The scans were measured by different settings, which are not mixed.",
            remedy="Choose one with --setting, or measure all scans anew by the same.",
        )
    return chosen


def refuse_changed(shelf: Shelf, scans: Iterable[Accepted]) -> None:
    """Raises Conflict where a scan is not accepted any more, or was measured anew.

    The caller is alone with the folder of scans, so that nobody decides meanwhile.
    """
    for scan in scans:
        folder = shelf.scans / scan.record.id
        if standing(folder) is not ScanStanding.ACCEPTED or not _is_accepted(folder, scan.digest):
            raise Conflict(
                "A scan was reviewed or measured anew meanwhile; nothing was given out.",
                where=f"scan {scan.record.id}",
                remedy="Do the same again.",
            )


def _is_accepted(folder: Path, digest: str) -> bool:
    """Whether the last decision accepts exactly this measurement."""
    done = reviews_of(folder).all
    return (
        bool(done) and done[-1].measurement == digest and standing(folder) is ScanStanding.ACCEPTED
    )
