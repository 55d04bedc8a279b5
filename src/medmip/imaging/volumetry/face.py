"""A head without its face: all that lies before a plane that is clear of the brain is emptied.

Source: Schimke & Hale, Quickshear defacing for neuroimages, HealthSec 2011. There the plane is
told by the hull of the scan's own brain mask; here its tilt is fixed in the template's space, so
that a dent of a mask does not turn it, and it is moved until it is clear of the brain.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medmip.imaging.volume import Volume
from medmip.imaging.volumetry.image import Image, points_of
from medmip.imaging.volumetry.orientation import Placed

METHOD = "plane before the brain, after Quickshear"
VERSION = 1
_TILT = np.radians(40.0)
"""From the horizontal, rising to the front: brow, eyes, nose, mouth and chin are before it."""
MARGIN = 8.0
"""Millimetres between the brain and the plane: what an affine step may miss, and the fluid."""


@dataclass(frozen=True)
class Plane:
    """Points x of the scan, in millimetres, are before it where normal (3,) · x > distance."""

    normal: NDArray[np.float64]
    distance: float

    def beyond(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the points (n, 3) are before the plane, where the face is."""
        return np.asarray(points @ self.normal > self.distance)


def plane_before(head: Placed, template: Image) -> Plane:
    """The plane that leaves the brain and so many millimetres of its surroundings."""
    tilted = np.array([0.0, np.sin(_TILT), -np.cos(_TILT)])
    normal = np.linalg.inv(head.to_scan)[:3, :3].T @ tilted
    normal /= np.linalg.norm(normal)
    brain = points_of(head.to_scan, points_of(template.affine, np.argwhere(template.voxels > 0)))
    return Plane(normal, float((brain @ normal).max()) + MARGIN)


def beyond_cm3(inside: Image, plane: Plane) -> float:
    """How much of what is inside, where its voxels are above 0, lies before a plane, in cm³."""
    points = points_of(inside.affine, np.argwhere(inside.voxels > 0))
    return float(plane.beyond(points).sum() * np.prod(inside.edges)) / 1000


def emptied(volume: Volume, plane: Plane) -> tuple[Volume, float]:
    """The volume with 0 before the plane, and which share of its voxels that was.

    Axes, voxels elsewhere and their kind stay as they are.
    """
    voxels = volume.voxels.copy()
    along = plane.normal @ volume.affine[:3, :3]
    beyond = plane.distance - plane.normal @ volume.affine[:3, 3]
    second, third = np.ogrid[: voxels.shape[1], : voxels.shape[2]]
    count = 0
    for first in range(voxels.shape[0]):
        gone = along[0] * first + along[1] * second + along[2] * third > beyond
        voxels[first][gone] = 0
        count += int(gone.sum())
    return Volume(voxels, volume.affine), count / voxels.size
