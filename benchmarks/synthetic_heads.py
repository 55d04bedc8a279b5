"""Heads whose volumes are known: a real scan deformed by smooth fields, or drawn from tissues."""

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medmip.imaging.volumetry.image import Image, points_of, sampled

_OFFSETS = [np.array([i, j, k]) / 4 for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]


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

    labels maps a label to its volume in cm³; tissue is fluid, grey and white matter in cm³;
    marked (i, j, k) is the label of each voxel.
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


def drawn(
    head: Image,
    tissue: Image,
    labels: Image,
    bright: frozenset[int],
    laid: Deformation,
    means: tuple[float, float, float] = (30.0, 75.0, 105.0),
) -> Scan:
    """A head drawn from tissues: 1 fluid, 2 grey, 3 white; around them the real head.

    Each voxel is the mean of eight points, so that its fractions are known. Labels that are
    bright are grey matter of 40 % of the way to white, as nuclei are.
    """
    shape, affine = laid.grid(head)
    voxels = np.zeros(int(np.prod(shape)), np.float32)
    total = np.zeros(3)
    most = int(labels.voxels.max()) + 1
    grey_of = np.zeros(most)
    outside = Image(head.voxels.astype(np.float32), head.affine)
    for offset in _OFFSETS:
        places = laid.places(head, offset)
        kind = np.rint(sampled(tissue, places, order=0)).astype(int)
        label = np.rint(sampled(labels, places, order=0)).astype(int)
        value = sampled(outside, places)
        for index, mean in enumerate(means, 1):
            value[kind == index] = mean
        nuclei = np.isin(label, list(bright)) & (kind == 2)
        value[nuclei] = 0.6 * means[1] + 0.4 * means[2]
        voxels += value / len(_OFFSETS)
        total += np.bincount(kind, minlength=4)[1:]
        grey_of += np.bincount(label[kind == 2], minlength=most)
    unit = abs(np.linalg.det(affine[:3, :3])) / 1000 / len(_OFFSETS)
    counted, marked = labels_in(labels, laid)
    fluid, grey, white = (float(one) for one in total * unit)
    return Scan(
        Image(voxels.reshape(shape), affine),
        counted,
        marked,
        (fluid, grey, white),
        {index: float(grey_of[index] * unit) for index in range(1, most)},
    )
