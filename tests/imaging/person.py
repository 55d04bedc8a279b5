"""A head with a face: the MNI152 brain that nilearn brings, with skull, scalp, eyes and a nose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import VOLUME, Shelf
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry.image import Image, points_of, read, sampled, smoothed
from medmip.imaging.volumetry.requirements import shipped_template

EDGE = 3.0
NOSE = [(x, y, z) for x in (-6, 0, 6) for y in (84, 90, 96) for z in (-60, -54, -48)]
EYES = [(x, y, z) for x in (-34, -30, 30, 34) for y in (68, 72, 78) for z in (-42, -36)]
_SHAPE = (66, 80, 78)


def _grid() -> Image:
    affine = np.diag([EDGE, EDGE, EDGE, 1])
    affine[:3, 3] = [-99, -126, -120]
    template = read(shipped_template())
    points = points_of(affine, np.indices(_SHAPE).reshape(3, -1).T)
    voxels = sampled(smoothed(template, EDGE), points).reshape(_SHAPE)
    mask = Image((template.voxels > 0).astype(np.float32), template.affine)
    inside = sampled(mask, points).reshape(_SHAPE) > 0.5
    return Image(np.where(inside, voxels, 0).astype(np.float32), affine)


BRAIN = _grid()
"""The template, on cubes of 3 mm."""


@dataclass(frozen=True)
class Person:
    """scan is the head, brain (i, j, k) the voxels of its brain."""

    scan: Image
    brain: NDArray[np.bool_]


def person(noise: float = 0.03) -> Person:
    """The head, turned and moved a little, with noise as a share of white matter's brightness."""
    brain = BRAIN.voxels > 0
    white = float(np.percentile(BRAIN.voxels[brain], 90))
    away = ndimage.distance_transform_edt(~brain, sampling=EDGE)
    x, y, z = points_of(BRAIN.affine, np.indices(_SHAPE).reshape(3, -1).T).T.reshape(3, *_SHAPE)
    neck = ((x / 55) ** 2 + ((y + 10) / 62) ** 2 < 1) & (z < -40)
    jaw = ((x / 50) ** 2 + ((y - 20) / 62) ** 2 < 1) & (z < -20)
    voxels = np.zeros(_SHAPE, np.float32)
    voxels[(neck | jaw) & ~brain] = 0.5 * white
    voxels[(away > 0) & (away <= 12)] = 1.1 * white
    voxels[(away > 0) & (away <= 6)] = 0.1 * white
    nose = (abs(x) < 10) & (y > 70) & (y < 100) & (z > -65) & (z < -40)
    voxels[nose] = 0.9 * white
    for side in (-32, 32):
        voxels[(x - side) ** 2 + (y - 66) ** 2 + (z + 39) ** 2 < 14**2] = 0.3 * white
    voxels[brain] = BRAIN.voxels[brain]
    random = np.random.default_rng(4)
    level = noise * white
    voxels = np.hypot(
        voxels + random.normal(0, level, _SHAPE), random.normal(0, level, _SHAPE)
    ).astype(np.float32)
    return Person(Image(voxels, BRAIN.affine), brain)


def shelve(shelf: Shelf, scan: str) -> ScanRecord:
    """The head as a scan that was taken, with its face."""
    record = ScanRecord(id=scan, verdict=Verdict.TAKEN, rules="", source="NIfTI file", files=1)
    seen = person().scan
    with shelf.work() as work:
        shelf.put(
            record,
            work,
            lambda folder: write_volume(Volume(seen.voxels, seen.affine), folder / VOLUME),
        )
    return record
