"""Images as arrays with their place in millimetres, whose axes run to right, front and top."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medmip.imaging.volume import read_volume


@dataclass(frozen=True)
class Image:
    """voxels is (i, j, k) or (i, j, k, part); affine is (4, 4), to millimetres, RAS+."""

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]

    @property
    def edges(self) -> tuple[float, float, float]:
        """The lengths of a voxel's edges, in millimetres."""
        first, second, third = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(first), float(second), float(third)


MOST_VOXELS = 2**24
"""256 slices of 256 × 256; a larger volume would need more memory than a scan is given."""
_BLOCK = 2**20


def upright(volume: Image) -> Image:
    """The same volume with axes i, j, k nearest to right, front and top."""
    turned = nib.as_closest_canonical(nib.Nifti1Image(volume.voxels, volume.affine))
    return Image(
        np.ascontiguousarray(turned.dataobj, np.float32), np.asarray(turned.affine, np.float64)
    )


def coarsened(volume: Image) -> Image:
    """A volume of no more voxels than are worked on; pairs along the finest axes are averaged."""
    voxels, affine = volume.voxels, volume.affine.copy()
    while voxels.size > MOST_VOXELS:
        axis = int(np.linalg.norm(affine[:3, :3], axis=0).argmin())
        even = voxels.shape[axis] // 2 * 2
        pairs = voxels.take(range(0, even, 2), axis) + voxels.take(range(1, even, 2), axis)
        voxels = (pairs / 2).astype(np.float32)
        affine[:3, 3] += affine[:3, axis] / 2
        affine[:3, axis] *= 2
    return Image(voxels, affine)


def widened(
    inside: NDArray[np.bool_], edges: tuple[float, float, float], radius: float
) -> NDArray[np.bool_]:
    """The voxels that are at most so many millimetres from what is inside."""
    if not inside.any():
        return inside
    distance = ndimage.distance_transform_edt(~inside, sampling=edges)
    return np.asarray(distance <= radius)


def sampled(
    volume: Image, points: NDArray[np.float64], order: Literal[0, 1, 3] = 1
) -> NDArray[np.float32]:
    """The values of a volume at points (n, 3) in millimetres; 0 outside."""
    back = np.linalg.inv(volume.affine)
    found = np.empty(len(points), np.float32)
    for start in range(0, len(points), _BLOCK):
        part = slice(start, start + _BLOCK)
        places = points[part] @ back[:3, :3].T + back[:3, 3]
        ndimage.map_coordinates(
            volume.voxels, places.T, output=found[part], order=order, mode="constant"
        )
    return found


def points_of(
    affine: NDArray[np.floating[Any]], places: NDArray[np.floating[Any] | np.integer[Any]]
) -> NDArray[np.float64]:
    """Places (n, 3) in voxels as points in millimetres."""
    return np.asarray(places @ affine[:3, :3].T + affine[:3, 3], np.float64)


def smoothed(volume: Image, edge: float) -> Image:
    """A volume without what a grid of cubes of an edge, in millimetres, cannot hold."""
    widths = [0.42 * max(edge / one - 1, 0) for one in volume.edges]
    return Image(ndimage.gaussian_filter(volume.voxels.astype(np.float32), widths), volume.affine)


def continued(brain: Image) -> Image:
    """A brain on an empty ground, carried on there by the nearest of its voxels."""
    nearest = ndimage.distance_transform_edt(
        brain.voxels <= 0, sampling=brain.edges, return_distances=False, return_indices=True
    )
    return Image(brain.voxels[tuple(nearest)], brain.affine)


def regrid(volume: Image, inside: NDArray[np.bool_], edge: float, margin: float) -> Image:
    """A volume on cubes of an edge around what is inside, averaged where cubes are larger."""
    places = np.argwhere(inside)
    corners = np.array([places.min(axis=0), places.max(axis=0)])
    edges = np.array(volume.edges)
    low = corners[0] - margin / edges
    shape = np.ceil((corners[1] - corners[0] + 2 * margin / edges) * edges / edge).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = volume.affine[:3, :3] / edges * edge
    affine[:3, 3] = volume.affine[:3, :3] @ low + volume.affine[:3, 3]
    grid = np.indices(tuple(shape)).reshape(3, -1).T
    values = sampled(smoothed(volume, edge), points_of(affine, grid))
    return Image(values.reshape(tuple(shape)), affine)


def read(path: Path) -> Image:
    """A volume that somebody gave; raises Unfit where it is not fit."""
    volume = read_volume(path)
    return Image(volume.voxels.astype(np.float32), volume.affine)


def load(path: Path) -> Image:
    """An image that a step wrote."""
    image = nib.Nifti1Image.from_filename(path)
    return Image(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, np.float64))


def save(image: Image, path: Path, kind: type[np.generic] = np.float32) -> None:
    """Write an image for the next step, unpacked."""
    written = nib.Nifti1Image(image.voxels.astype(kind), image.affine)
    written.header.set_xyzt_units("mm", "sec")
    path.write_bytes(written.to_bytes())
