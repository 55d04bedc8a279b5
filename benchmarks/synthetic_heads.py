"""Heads whose volumes are known: a real scan deformed by smooth fields, or drawn from tissues."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from medmip.imaging.volumetry.image import Image, points_of, sampled

_OFFSETS = [np.array([i, j, k]) / 4 for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
_REACH = 3.0
"""Millimetres, as the documentation defines the grey matter of a region."""


@dataclass(frozen=True)
class Wilting:
    """A structure that shrinks by so much an axis within an ellipsoid, less and less around it."""

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    by: float

    def places(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points of the shrunken head lie in the whole one."""
        away = points - self.centre
        radius = np.linalg.norm(away @ self.axes.T, axis=1)
        share = np.clip((2.5 - radius) / 1.3, 0, 1)
        share = share * share * (3 - 2 * share)
        return np.asarray(self.centre + away * (1 + self.by * share)[:, None])

    @classmethod
    def of(cls, labels: Image, label: int, by: float) -> "Wilting":
        """About a label's ellipsoid."""
        points = points_of(labels.affine, np.argwhere(labels.voxels == label))
        centre = points.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov((points - centre).T))
        return cls(centre, vectors.T / (2.2 * np.sqrt(values))[:, None], by)


@dataclass(frozen=True)
class Deformation:
    """How a head is laid: a smooth field drawn by seed, turned, scaled, moved, cut into voxels.

    strength is the field's greatest length, in millimetres; turn in radians.
    """

    seed: int
    strength: float = 6.0
    width: float = 14.0
    turn: tuple[float, float, float] = (0.06, -0.08, 0.1)
    move: tuple[float, float, float] = (4.0, -6.0, 8.0)
    scale: float = 1.0
    edges: tuple[float, float, float] = (1.0, 1.0, 1.0)
    wilting: tuple[Wilting, ...] = ()

    def grid(self, head: Image) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """The scan's size and axes."""
        extent = np.array(head.voxels.shape) * np.array(head.edges)
        shape = tuple(int(one) for one in np.ceil(extent / np.array(self.edges)))
        affine = np.eye(4)
        turn = nib.eulerangles.euler2mat(*self.turn)
        affine[:3, :3] = turn @ np.diag(self.edges)
        middle = points_of(head.affine, (np.array(head.voxels.shape) - 1) / 2)
        affine[:3, 3] = middle + self.move - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
        return shape, affine

    def places(self, head: Image, offset: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where in the head the voxels of the scan lie (n, 3), each looked at a bit aside."""
        shape, affine = self.grid(head)
        scanned = np.indices(shape).reshape(3, -1).T + offset
        points: NDArray[np.float64] = points_of(affine, scanned) - np.array(self.move)
        middle = points_of(head.affine, (np.array(head.voxels.shape) - 1) / 2)
        points = middle + (points - middle) / self.scale
        points = points + self._field(head, points)
        for one in self.wilting:
            points = one.places(points)
        return points

    def _field(self, head: Image, points: NDArray[np.float64]) -> NDArray[np.float64]:
        coarse = np.array(head.voxels.shape) // 3
        affine = head.affine @ np.diag([3, 3, 3, 1])
        random = np.random.default_rng(self.seed)
        axes = []
        for _ in range(3):
            noise = gaussian_filter(random.standard_normal(coarse), self.width / 3)
            axes.append(sampled(Image(noise / np.abs(noise).max(), affine), points))
        return np.asarray(self.strength * np.stack(axes, axis=1), np.float64)


@dataclass(frozen=True)
class Scan:
    """A scan, and counts of what is truly in it, a voxel counting 1.

    labels maps a label to its volume in cm³, grey to that of its grey matter; tissue is fluid,
    grey and white matter in cm³; marked (i, j, k) is the label of each voxel.
    """

    volume: Image
    labels: dict[int, float]
    marked: NDArray[np.int32]
    tissue: tuple[float, float, float] | None = None
    grey: dict[int, float] | None = None


def _blurred(volume: Image, edges: tuple[float, float, float]) -> Image:
    widths = [0.42 * max(edge / one - 1, 0) for edge, one in zip(edges, volume.edges, strict=True)]
    return Image(gaussian_filter(volume.voxels.astype(np.float32), widths), volume.affine)


def labels_in(labels: Image, laid: Deformation) -> tuple[dict[int, float], NDArray[np.int32]]:
    """Each label's volume in cm³ as deformed, and the label of each voxel."""
    shape, affine = laid.grid(labels)
    most = int(labels.voxels.max()) + 1
    total = np.zeros(most)
    for offset in _OFFSETS:
        found = sampled(labels, laid.places(labels, offset), order=0)
        total += np.bincount(np.rint(found).astype(int), minlength=most)
    whole = sampled(labels, laid.places(labels, np.zeros(3)), order=0)
    voxel = abs(np.linalg.det(affine[:3, :3])) / 1000 / len(_OFFSETS)
    counted = {index: float(total[index] * voxel) for index in range(1, most) if total[index]}
    return counted, np.rint(whole).astype(np.int32).reshape(shape)


def deformed(head: Image, labels: Image, laid: Deformation) -> Scan:
    """A real head as a scanner would see it deformed."""
    shape, affine = laid.grid(head)
    places = laid.places(head, np.zeros(3))
    voxels = sampled(_blurred(head, laid.edges), places, order=3).reshape(shape)
    counted, marked = labels_in(labels, laid)
    return Scan(Image(np.clip(voxels, 0, None), affine), counted, marked)


def spoilt(scan: Scan, seed: int, noise: float, bias: float) -> Scan:
    """With Rician noise, as a share of the 95th percentile, and a smooth field of ± bias."""
    random = np.random.default_rng(seed)
    shape = scan.volume.voxels.shape
    coarse = gaussian_filter(random.standard_normal([one // 4 + 1 for one in shape]), 10)
    affine = scan.volume.affine @ np.diag([4, 4, 4, 1])
    points = points_of(scan.volume.affine, np.indices(shape).reshape(3, -1).T)
    field = sampled(Image(coarse / np.abs(coarse).max(), affine), points).reshape(shape)
    clean = scan.volume.voxels * (1 + bias * field)
    width = noise * np.percentile(clean, 95)
    real = clean + random.normal(0, width, shape)
    voxels = np.hypot(real, random.normal(0, width, shape)).astype(np.float32)
    return replace(scan, volume=Image(voxels, scan.volume.affine))


MEANS = (30.0, 75.0, 105.0)
"""How bright fluid, grey and white matter are drawn."""


@dataclass(frozen=True)
class Anatomy:
    """What a head is drawn from: tissue 1 fluid, 2 grey, 3 white, 0 where the real head stays.

    nuclei are labels that count whole, each with how far it is on the way from grey to white.
    """

    head: Image
    tissue: Image
    labels: Image
    nuclei: Mapping[int, float]

    @property
    def painted(self) -> Image:
        """Each voxel of the brain in the colour of its tissue; 0 around it."""
        colours = np.array([0, *MEANS], np.float32)
        voxels = colours[np.rint(self.tissue.voxels).astype(int)]
        for label, way in self.nuclei.items():
            voxels[self.labels.voxels == label] = (1 - way) * MEANS[1] + way * MEANS[2]
        return Image(voxels, self.head.affine)


def drawn(anatomy: Anatomy, laid: Deformation) -> Scan:
    """A head drawn from tissues.

    Each voxel is the mean of eight points, so that its fractions are known. What is grey and no
    nucleus belongs to the nearest label of cortex within 3 mm, as it is measured.
    """
    head, labels, nuclei = anatomy.head, anatomy.labels, list(anatomy.nuclei)
    shape, affine = laid.grid(head)
    voxels = np.zeros(int(np.prod(shape)), np.float32)
    total = np.zeros(3)
    most = int(labels.voxels.max()) + 1
    whole, regions = np.zeros(most), np.zeros(most)
    painted = anatomy.painted.voxels
    look = Image(np.where(painted > 0, painted, head.voxels), head.affine)
    cortex = _grown(labels, nuclei)
    for offset in _OFFSETS:
        places = laid.places(head, offset)
        kind = _nearest(anatomy.tissue, places)
        label = _nearest(labels, places)
        value = sampled(look, places, order=0)
        outside = kind == 0
        value[outside] = sampled(head, places[outside])
        voxels += value / len(_OFFSETS)
        total += np.bincount(kind, minlength=4)[1:]
        nucleus = np.isin(label, nuclei)
        grey = (kind == 2) & ~nucleus
        regions += np.bincount(_nearest(cortex, places[grey]), minlength=most)
        regions += np.bincount(label[nucleus], minlength=most)
        whole += np.bincount(label, minlength=most)
    unit = abs(np.linalg.det(affine[:3, :3])) / 1000 / len(_OFFSETS)
    fluid, grey_matter, white = (float(one) for one in total * unit)
    marked = _nearest(labels, laid.places(head, np.zeros(3)))
    return Scan(
        Image(voxels.reshape(shape), affine),
        {index: float(whole[index] * unit) for index in range(1, most) if whole[index]},
        marked.astype(np.int32).reshape(shape),
        (fluid, grey_matter, white),
        {index: float(regions[index] * unit) for index in range(1, most)},
    )


def _nearest(volume: Image, places: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(sampled(volume, places, order=0)).astype(np.int64)


def _grown(labels: Image, nuclei: list[int]) -> Image:
    """Labels of cortex, and what is within 3 mm of them."""
    cortex = np.where(np.isin(labels.voxels, nuclei), 0, labels.voxels)
    away, nearest = distance_transform_edt(cortex == 0, labels.edges, return_indices=True)
    return Image(np.where(away <= _REACH, cortex[tuple(nearest)], 0), labels.affine)
