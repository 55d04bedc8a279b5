"""The volume of a scan replaced by one without a face, before anything is measured or shown."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from medmip.catalogue.atomic_file import replacing, sync_folder
from medmip.imaging.record import FaceRemoval, ScanRecord
from medmip.imaging.shelf import SLICES, VOLUME, Shelf
from medmip.imaging.volume import read_volume, write_volume
from medmip.imaging.volumetry.face import MARGIN, METHOD, VERSION, emptied, plane_before
from medmip.imaging.volumetry.image import Image, coarsened, read, upright
from medmip.imaging.volumetry.orientation import placed
from medmip.imaging.volumetry.steps import (
    RECORD,
    Facts,
    Given,
    Step,
    StepRecord,
    Told,
    carried_out,
    hash_of,
)

STEP = "deface"
_SCAN, _TEMPLATE = "scan", "template"


def remove_face(
    shelf: Shelf,
    scan: str,
    template: Path,
    work: Path,
    tools: Mapping[str, str],
    told: Callable[[Told], None],
) -> None:
    """Remove the face of a scan, for good: of its volume, and its slices go; once for each scan.

    The volume changes by one rename, after which nothing on the shelf holds the face but slices
    that go next; the record says so last, and whoever was killed in between goes on from there.
    work is the folder where the scan's steps are kept; it never holds the face.
    Raises Unfit where no head is found, OSError where the disk refuses.
    """
    record = shelf.record(scan)
    if record.faces is not None:
        return
    place = shelf.scans / scan
    if not _is_replaced(place / VOLUME, work / STEP):
        sources = {_SCAN: place / VOLUME, _TEMPLATE: template}
        carried_out((_step(),), work, sources, tools, told)
        with (work / STEP / VOLUME).open("rb") as made, replacing(place / VOLUME) as file:
            shutil.copyfileobj(made, file)
    if (place / SLICES).exists():
        shutil.rmtree(place / SLICES)
        sync_folder(place)
    shelf.amend(_with_removal(record, place / VOLUME, work / STEP, template, tools))


def _step() -> Step:
    def deface(given: Given) -> Facts:
        volume = read_volume(given.sources[_SCAN])
        scan = coarsened(upright(Image(volume.voxels.astype(np.float32), volume.affine)))
        brain = read(given.sources[_TEMPLATE])
        head = placed(scan, brain)
        plane = plane_before(head, brain)
        without, share = emptied(volume, plane)
        write_volume(without, given.folder / VOLUME)
        return {
            "right": plane.normal[0],
            "front": plane.normal[1],
            "up": plane.normal[2],
            "distance": plane.distance,
            "share": share,
            "likeness": head.likeness,
        }

    return Step(STEP, VERSION, deface, (_SCAN, _TEMPLATE), (), {"margin": MARGIN})


def _is_replaced(volume: Path, done: Path) -> bool:
    """Whether the volume is what an earlier run, killed before its end, had made."""
    with suppress(FileNotFoundError, ValidationError):
        record = StepRecord.model_validate_json((done / RECORD).read_bytes())
        whole = record.version == VERSION and record.outputs == hash_of(done)
        return whole and hash_of(done / VOLUME) == hash_of(volume)
    return False


def _with_removal(
    record: ScanRecord, volume: Path, done: Path, template: Path, tools: Mapping[str, str]
) -> ScanRecord:
    step = StepRecord.model_validate_json((done / RECORD).read_bytes())
    removal = FaceRemoval(
        method=METHOD,
        version=VERSION,
        tools=dict(tools),
        template=hash_of(template),
        normal=(step.facts["right"], step.facts["front"], step.facts["up"]),
        distance=step.facts["distance"],
        share=step.facts["share"],
        volume=hash_of(volume),
    )
    return record.model_copy(update={"faces": removal})
