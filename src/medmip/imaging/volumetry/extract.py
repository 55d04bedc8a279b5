"""Which voxels of a head are inside the skull: the template's brain, brought to the scan."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medmip.imaging.volumetry.align import Warp, affine_between, warped
from medmip.imaging.volumetry.image import Image, points_of, sampled, smoothed, widened

_WIDER = 8.0
"""Millimetres about the template's brain after the affine step, in which a brain may lie."""


@dataclass(frozen=True)
class Brain:
    """inside is (i, j, k) of the scan; to_scan leads from the template's millimetres to it."""

    inside: NDArray[np.bool_]
    to_scan: NDArray[np.float64]


def extracted(scan: Image, template: Image, warp: Warp) -> Brain:
    """The brain with the fluid around it, as the template has it."""
    to_scan = affine_between(template, scan)
    back = np.linalg.inv(to_scan)
    mask = Image((template.voxels > 0).astype(np.float32), template.affine)
    points = points_of(scan.affine, np.indices(scan.voxels.shape).reshape(3, -1).T)
    prior = sampled(mask, points_of(back, points)).reshape(scan.voxels.shape) > 0.5
    wide = widened(prior, scan.edges, _WIDER)
    if not prior.any():
        return Brain(wide, to_scan)
    places = warped(scan, template, prior, to_scan, warp)
    near = points[wide.ravel()]
    inside = np.zeros(scan.voxels.shape, bool)
    inside[wide] = sampled(mask, places.of(near)) > 0.5
    return Brain(np.asarray(ndimage.binary_fill_holes(inside)), to_scan)


def likeness(
    scan: Image, inside: NDArray[np.bool_], template: Image, places: NDArray[np.float64]
) -> float:
    """The correlation of a scan with the template inside the skull; 1 where they are alike.

    places (n, 3) are the template's millimetres of the voxels inside.
    """
    edge = min(2.0, *scan.edges)
    one = scan.voxels[inside].astype(float)
    other = sampled(smoothed(template, edge), places).astype(float)
    return float(np.corrcoef(np.clip(one, *np.percentile(one, [0.5, 99.5])), other)[0, 1])
