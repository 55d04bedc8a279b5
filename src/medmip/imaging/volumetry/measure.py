"""Volumes in cm³, counted in the scan's own space: each voxel is asked at eight points."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medmip.imaging.volumetry.align import Places
from medmip.imaging.volumetry.image import Image, points_of, sampled, widened
from medmip.imaging.volumetry.region import Part, Region

_ASIDE = [np.array(one) for one in product((-0.25, 0.25), repeat=3)]
_REACH = 3.0
"""Millimetres within which tissue belongs to the nearest region of its kind."""
_TISSUES = {Part.FLUID: 0, Part.GREY: 1, Part.WHITE: 2}
"""Which of the fractions counts for a part."""


@dataclass(frozen=True)
class LabelMap:
    """Labels in a template's space, which of them count how, and where the scan lies there."""

    labels: Image
    regions: tuple[Region, ...]
    places: Places

    def of(self, *parts: Part) -> Image:
        """The labels that count so, 0 elsewhere."""
        wanted = [region.label for region in self.regions if region.part in parts]
        kept = np.where(np.isin(self.labels.voxels, wanted), self.labels.voxels, 0)
        return Image(kept.astype(np.float32), self.labels.affine)


@dataclass(frozen=True)
class Found:
    """Volumes by code, in cm³, and the label at the middle of each voxel."""

    cm3: dict[str, float]
    marked: NDArray[np.float32]


@dataclass(frozen=True)
class Tissue:
    """fractions is (i, j, k, 3): fluid, grey and white matter; means (3,) how bright they are."""

    fractions: Image
    means: NDArray[np.float64]

    @property
    def fluid_in_grey(self) -> float:
        """How much fluid, beside white matter, looks like grey matter."""
        fluid, grey, white = self.means
        return float((white - grey) / (white - fluid))


def measured(tissue: Tissue, inside: NDArray[np.bool_], labels: LabelMap | None) -> Found:
    """The totals, and the regions of the atlas where there is one.

    Where a region ends and another tissue begins is told by the fractions; where it ends and
    another of its own tissue begins, by the labels.
    """
    image = tissue.fractions
    # A voxel whose middle is outside may be in the brain by a part.
    near = widened(inside, image.edges, max(image.edges))
    where = np.argwhere(near)
    fractions = np.where(inside[..., None], image.voxels, 0)[near].astype(np.float64)
    unit = float(np.prod(image.edges)) / 1000
    marked = np.zeros(inside.shape, np.float32)
    regions: dict[str, float] = {}
    sums = fractions.sum(axis=0)
    if labels is not None:
        points = labels.places.of(points_of(image.affine, where))
        marked[near] = sampled(labels.labels, points, order=0)
        marked[~inside] = 0
        regions, sums = _regions(tissue, where, fractions, labels)
    totals = {
        "tiv": float(inside.sum()) * unit,
        "csfglobal": float(sums[0]) * unit,
        "greymattertotal": float(sums[1]) * unit,
        "whitemattertotal": float(sums[2]) * unit,
    }
    return Found(totals | regions, marked)


def _regions(
    tissue: Tissue,
    where: NDArray[np.int64],
    fractions: NDArray[np.float64],
    labels: LabelMap,
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """The volumes of the regions, and the sums (3,) of the fractions as the labels mend them."""
    image = tissue.fractions
    hard = labels.of(Part.WHOLE, Part.NUCLEUS, Part.GREY)
    near = {part: _nearest(labels.of(part)) for part in _TISSUES}
    kinds = {part: [one.label for one in labels.regions if one.part is part] for part in Part}
    most = max(region.label for region in labels.regions) + 1
    sums, total = np.zeros(most), np.zeros(3)
    # Totals are those of the voxels inside, so that together they are the whole.
    counts = fractions.any(axis=1)
    for aside in _ASIDE:
        points = labels.places.of(points_of(image.affine, where + aside))
        found = _labels_at(hard, points)
        nucleus, grey = (np.isin(found, kinds[part]) for part in (Part.NUCLEUS, Part.GREY))
        here = fractions.copy()
        # Fluid with white matter is as bright as grey matter, of which there is none beside a
        # ventricle but nuclei and what is labelled so.
        wet = (_labels_at(near[Part.FLUID], points) > 0) & ~nucleus & ~grey
        here[wet, 0] += here[wet, 1] * tissue.fluid_in_grey
        here[wet, 2] += here[wet, 1] * (1 - tissue.fluid_in_grey)
        here[wet, 1] = 0
        # Nuclei are as bright as grey with white matter, and no cortex.
        here[nucleus] = 0
        sums += _counted(np.where(grey, 0, found), None, most)
        for part, column in _TISSUES.items():
            sums += _counted(_labels_at(near[part], points), here[:, column], most)
        total += here.sum(axis=0) + np.array([0, (nucleus & counts).sum(), 0])
    unit = float(np.prod(image.edges)) / 1000 / len(_ASIDE)
    volumes = {one.code: float(sums[one.label]) * unit for one in labels.regions}
    return volumes, total / len(_ASIDE)


def _labels_at(labels: Image, points: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(sampled(labels, points, order=0)).astype(np.int64)


def _counted(
    labels: NDArray[np.int64], weight: NDArray[np.float64] | None, most: int
) -> NDArray[np.float64]:
    found = np.bincount(labels, weight, most).astype(np.float64)
    found[0] = 0
    return found


def _nearest(labels: Image) -> Image:
    """Each voxel within reach of a label has the nearest one."""
    if not labels.voxels.any():
        return labels
    distance, nearest = ndimage.distance_transform_edt(
        labels.voxels == 0, sampling=labels.edges, return_indices=True
    )
    reach = max(_REACH, *labels.edges) + 1e-3
    grown = np.where(distance <= reach, labels.voxels[tuple(nearest)], 0)
    return Image(grown.astype(np.float32), labels.affine)
