"""A volume without its face: made before it is kept, or in the place of one that has it."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from medmip.catalogue.atomic_file import replacing, sync_folder
from medmip.imaging.record import FaceRemoval
from medmip.imaging.shelf import SLICES, VOLUME, Shelf
from medmip.imaging.volume import Volume, read_volume, write_volume
from medmip.imaging.volumetry.face import MARGIN, METHOD, VERSION, emptied, plane_before
from medmip.imaging.volumetry.image import Image, coarsened, read, upright
from medmip.imaging.volumetry.orientation import placed
from medmip.imaging.volumetry.steps import (
    DEFACE,
    RECORD,
    Facts,
    Given,
    Step,
    StepRecord,
    Told,
    carried_out,
    hash_of,
)

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
    if not _is_replaced(place / VOLUME, work / DEFACE):
        sources = {_SCAN: place / VOLUME, _TEMPLATE: template}
        carried_out((_step(),), work, sources, tools, told)
        with (work / DEFACE / VOLUME).open("rb") as made, replacing(place / VOLUME) as file:
            shutil.copyfileobj(made, file)
    if (place / SLICES).exists():
        shutil.rmtree(place / SLICES)
        sync_folder(place)
    step = StepRecord.model_validate_json((work / DEFACE / RECORD).read_bytes())
    faces = removal(step.facts, place / VOLUME, template, tools)
    shelf.amend(record.model_copy(update={"faces": faces}))


def without_face(volume: Volume, template: Path) -> tuple[Volume, Facts]:
    """The volume with 0 where the face was, and the plane before which that is.

    Raises Unfit where no head is found, or it is turned over.
    """
    scan = coarsened(upright(Image(volume.voxels.astype(np.float32), volume.affine)))
    brain = read(template)
    head = placed(scan, brain)
    plane = plane_before(head, brain)
    without, share = emptied(volume, plane)
    return without, {
        "right": float(plane.normal[0]),
        "front": float(plane.normal[1]),
        "up": float(plane.normal[2]),
        "distance": plane.distance,
        "share": share,
        "likeness": head.likeness,
    }


def removal(facts: Facts, file: Path, template: Path, tools: Mapping[str, str]) -> FaceRemoval:
    """What a scan's record tells of it; facts are those of `without_face`, file the volume."""
    return FaceRemoval(
        method=METHOD,
        version=VERSION,
        tools=dict(tools),
        template=hash_of(template),
        normal=(facts["right"], facts["front"], facts["up"]),
        distance=facts["distance"],
        share=facts["share"],
        volume=hash_of(file),
    )


def _step() -> Step:
    def deface(given: Given) -> Facts:
        volume = read_volume(given.sources[_SCAN])
        without, facts = without_face(volume, given.sources[_TEMPLATE])
        write_volume(without, given.folder / VOLUME)
        return facts

    return Step(DEFACE, VERSION, deface, (_SCAN, _TEMPLATE), (), {"margin": MARGIN})


def _is_replaced(volume: Path, done: Path) -> bool:
    """Whether the volume is what an earlier run, killed before its end, had made."""
    with suppress(FileNotFoundError, ValidationError):
        record = StepRecord.model_validate_json((done / RECORD).read_bytes())
        whole = record.version == VERSION and record.outputs == hash_of(done)
        return whole and hash_of(done / VOLUME) == hash_of(volume)
    return False
