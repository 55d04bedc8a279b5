"""Whether a head lies as its header says: compared with a template, as it is and turned over."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medmip.imaging.errors import Unfit
from medmip.imaging.volumetry.align import affine_between
from medmip.imaging.volumetry.extract import likeness
from medmip.imaging.volumetry.image import Image, points_of, sampled, upright

_SURE = 0.5
"""The correlation from which a head surely lies as it is told: those turned over reach 0.25."""
_LIKE_AT_LEAST = 0.35
"""That below which no head was found; Colin27 reaches 0.62 by an affine step alone, a knee 0.2."""
_CLEARLY = 0.1
"""How much more alike a turned head must be."""
_TURNED = {
    (1, 1, -1): "upside down: top and bottom are exchanged",
    (1, -1, 1): "back to front: front and back are exchanged",
    (1, -1, -1): "turned over: top and bottom are exchanged, and front and back",
}
"""Left and right are left out: in a mirror a head is as like the template as it was."""


@dataclass(frozen=True)
class Placed:
    """Where the template's brain lies: to_scan (4, 4) leads from its millimetres to the scan's.

    inside is (i, j, k) of the scan; likeness the correlation with the template there.
    """

    to_scan: NDArray[np.float64]
    inside: NDArray[np.bool_]
    likeness: float


def placed(scan: Image, template: Image) -> Placed:
    """A head found by an affine step; raises Unfit where there is none, or it is turned over.

    A head that is turned over is refused and not turned back: whoever exported it must know that
    left and right may be wrong as well.
    """
    found = _found(scan, template)
    if found.likeness >= _SURE:
        return found
    alike = {way: _found(flipped(scan, way), template).likeness for way in _TURNED}
    best = max(alike, key=lambda way: alike[way])
    if alike[best] >= max(_LIKE_AT_LEAST, found.likeness + _CLEARLY):
        raise Unfit(
            f"The head lies {_TURNED[best]}, or the axes of the file are told wrong.",
            remedy="Look how it was exported and export it anew; left and right may be wrong too.",
        )
    if found.likeness < _LIKE_AT_LEAST:
        raise Unfit(
            f"The scan does not look like a head: it is like the template by {found.likeness:.2f}.",
            remedy="Look at it: it may show another part of the body, or its axes may be told "
            "wrong.",
        )
    return found


def flipped(volume: Image, way: tuple[int, int, int]) -> Image:
    """A volume in a mirror along those of its upright axes for which way is -1."""
    turn = np.eye(4)
    middle = points_of(volume.affine, (np.array([volume.voxels.shape]) - 1) / 2)[0]
    turn[:3, :3] = np.diag(way)
    turn[:3, 3] = middle - np.array(way) * middle
    return upright(Image(volume.voxels, turn @ volume.affine))


def _found(scan: Image, template: Image) -> Placed:
    to_scan = affine_between(template, scan)
    points = points_of(scan.affine, np.indices(scan.voxels.shape).reshape(3, -1).T)
    there = points_of(np.linalg.inv(to_scan), points)
    mask = Image((template.voxels > 0).astype(np.float32), template.affine)
    within = sampled(mask, there) > 0.5
    inside = within.reshape(scan.voxels.shape)
    alike = likeness(scan, inside, template, there[within]) if inside.any() else 0.0
    return Placed(to_scan, inside, alike if np.isfinite(alike) else 0.0)
