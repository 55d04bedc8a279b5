"""A scan brought into line with a template: affine, then by a smooth field."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from medmip.imaging.volumetry.compare import BrainMetric, BrainRegistration
from medmip.imaging.volumetry.image import (
    Image,
    continued,
    points_of,
    regrid,
    sampled,
    smoothed,
    widened,
)
from medmip.imaging.volumetry.itk import matrix_of, to_itk

MARGIN = 12.0
"""Millimetres around a brain that its grid covers."""
_SEED = 20_160
_BINS = 32
_EDGE = 3.0
_TILTS = (-0.35, 0.0, 0.35)
_SHIFTS = (-20.0, 0.0, 20.0)


def affine_between(template: Image, scan: Image) -> NDArray[np.float64]:
    """The (4, 4) matrix from the template's millimetres to the scan's, by mutual information.

    The template holds a brain and 0 around it; only its brain and what is close to it is
    compared, so that neck and face of the scan do not count.
    Source: Mattes et al., IEEE TMI 22 (2003) 120, as in SimpleITK.
    """
    inside = template.voxels > 0
    fixed = regrid(template, inside, _EDGE, 8)
    moving = regrid(scan, np.ones(scan.voxels.shape, bool), _EDGE, 0)
    near = widened(fixed.voxels > 0, fixed.edges, 6)
    mask = Image(near.astype(np.float32), fixed.affine)
    images = to_itk(fixed), to_itk(moving), to_itk(mask, np.uint8)
    start = _first(*images)
    for degrees in (SimpleITK.Euler3DTransform, partial(SimpleITK.AffineTransform, 3)):
        start = _improved(*images, start, degrees)
    return matrix_of(start)


def _registration(mask: SimpleITK.Image, share: float) -> SimpleITK.ImageRegistrationMethod:
    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(share, _SEED)
    method.SetInterpolator(SimpleITK.sitkLinear)
    return method


def _first(
    fixed: SimpleITK.Image, moving: SimpleITK.Image, mask: SimpleITK.Image
) -> SimpleITK.AffineTransform:
    """The best of some turns and shifts about the tops and middles of brain and head."""
    begun = SimpleITK.CenteredTransformInitializer(
        fixed,
        moving,
        SimpleITK.Euler3DTransform(),
        SimpleITK.CenteredTransformInitializerFilter.GEOMETRY,
    )
    begun = SimpleITK.Euler3DTransform(begun)
    # Heads are told apart from necks at the top: there brain and head end together.
    array = SimpleITK.GetArrayViewFromImage(moving)
    bright = np.argwhere(array > 0.25 * np.percentile(array, 99))
    low, high = np.percentile(bright, [1, 99], axis=0)[:, ::-1]
    size = np.array(fixed.GetSize())
    middle = np.array(moving.TransformContinuousIndexToPhysicalPoint(((low + high) / 2).tolist()))
    top = np.array(moving.TransformContinuousIndexToPhysicalPoint(high.tolist()))
    brain_top = np.array(fixed.TransformIndexToPhysicalPoint((size - 1).tolist()))
    shift = middle - np.array(begun.GetCenter())
    shift[2] = (top - brain_top)[2]
    shrunk = [SimpleITK.Shrink(one, [2, 2, 2]) for one in (fixed, moving, mask)]
    method = _registration(shrunk[2], 0.5)
    best, found = np.inf, begun
    for tilt, front, up in product(_TILTS, _SHIFTS, _SHIFTS):
        tried = SimpleITK.Euler3DTransform(begun)
        tried.SetRotation(tilt, 0, 0)
        tried.SetTranslation((shift + np.array([0, front, up])).tolist())
        method.SetInitialTransform(tried)
        try:
            value = method.MetricEvaluate(shrunk[0], shrunk[1])
        except RuntimeError:
            # The two do not overlap here.
            continue
        if value < best:
            best, found = value, tried
    return _as_affine(found)


def _as_affine(transform: Any) -> SimpleITK.AffineTransform:  # noqa: ANN401 - they share no type
    affine = SimpleITK.AffineTransform(3)
    affine.SetMatrix(transform.GetMatrix())
    affine.SetTranslation(transform.GetTranslation())
    affine.SetCenter(transform.GetCenter())
    return affine


def _improved(
    fixed: SimpleITK.Image,
    moving: SimpleITK.Image,
    mask: SimpleITK.Image,
    start: SimpleITK.AffineTransform,
    degrees: Callable[[], Any],
) -> SimpleITK.AffineTransform:
    method = _registration(mask, 0.3)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([3, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    begun = degrees()
    begun.SetCenter(start.GetCenter())
    begun.SetMatrix(start.GetMatrix())
    begun.SetTranslation(start.GetTranslation())
    method.SetInitialTransform(begun, inPlace=True)
    method.Execute(fixed, moving)
    return _as_affine(begun)


@dataclass(frozen=True)
class Warp:
    """How finely brains are warped.

    edge is that of the grid in millimetres, rounds the steps on each level, coarse first. smooth
    is the width, in voxels of the grid, by which each step is smoothed; radius that of the
    neighbourhood, in voxels, over which brains are compared.
    """

    edge: float
    rounds: tuple[int, ...]
    smooth: float
    radius: int


@dataclass(frozen=True)
class Places:
    """Where in the template the points of a grid lie: places is (i, j, k, 3), in millimetres."""

    places: NDArray[np.float32]
    affine: NDArray[np.float64]

    def of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The template's millimetres of points (n, 3) in the scan's."""
        axes = [sampled(Image(self.places[..., axis], self.affine), points) for axis in range(3)]
        return np.stack(axes, axis=1).astype(np.float64)


def warped(
    scan: Image,
    template: Image,
    inside: NDArray[np.bool_],
    to_scan: NDArray[np.float64],
    warp: Warp,
) -> Places:
    """The smooth map, with a smooth inverse, from a scan to the template.

    inside are the voxels of the scan that are about its brain; to_scan is what `affine_between`
    found. The scan keeps its skull: the template's brain alone is compared.
    Source: Avants et al., SyN, Medical Image Analysis 12 (2008) 26, as in DIPY.
    """
    # A grid finer than the scan would hold nothing more.
    edge = max(warp.edge, float(np.prod(scan.edges)) ** (1 / 3))
    # Fat is brighter than any brain, and the warp compares shares of the whole range.
    limit = np.percentile(scan.voxels[inside], 99.5)
    static = regrid(Image(np.clip(scan.voxels, 0, limit), scan.affine), inside, edge, MARGIN)
    shape, affine = static.voxels.shape, static.affine
    points = points_of(affine, np.indices(shape).reshape(3, -1).T)
    back = np.linalg.inv(to_scan)
    there = points_of(back, points)
    mask = Image((template.voxels > 0).astype(np.float32), template.affine)
    brain = sampled(mask, there).reshape(shape) > 0.5
    moving = sampled(smoothed(continued(template), edge), there).reshape(shape)
    syn = BrainRegistration(BrainMetric(brain, warp.smooth, warp.radius), warp.rounds)
    found = syn.optimize(static.voxels, moving, static_grid2world=affine, moving_grid2world=affine)
    places = points_of(back, found.transform_points(points))
    return Places(places.reshape(*shape, 3).astype(np.float32), affine)
