"""A warp follows what is there, however faint, and is not carried away by noise."""

import numpy as np
import pytest

from medmip.imaging.volumetry.align import Warp, warped
from medmip.imaging.volumetry.image import Image, points_of, smoothed

WARP = Warp(edge=1.5, rounds=(20, 20, 15), smooth=3, radius=2)
GRID = np.indices((64, 64, 64)).astype(float) - 31.5
RADIUS = np.sqrt((GRID**2).sum(axis=0))


def ball(nucleus, *, seed=0, noise=0.0, faint=15.0):
    """A brain of two tissues in fluid, with a nucleus that is hardly darker, and where it is."""
    # Folds, so that there is something to hold on to everywhere.
    rim = 24 + 2 * np.sin(GRID[0] / 3) * np.sin(GRID[1] / 3) * np.sin(GRID[2] / 3)
    voxels = np.where(rim > RADIUS, 70.0, 35.0)
    voxels[rim - 5 > RADIUS] = 100
    voxels[nucleus > RADIUS] -= faint
    brain = rim + 3 > RADIUS
    voxels = smoothed(Image(voxels.astype(np.float32), np.eye(4)), 2).voxels
    random = np.random.default_rng(seed)
    return Image(
        voxels + random.normal(0, noise, voxels.shape).astype(np.float32), np.eye(4)
    ), brain


def template(nucleus):
    image, brain = ball(nucleus)
    return Image(np.where(brain, image.voxels, 0), np.eye(4))


def mapped(scan, brain, nucleus=10):
    """Where in the template the voxels of a scan's brain lie, and these voxels."""
    points = points_of(np.eye(4), np.argwhere(brain))
    return warped(scan, template(nucleus), brain, np.eye(4), WARP).of(points), points


@pytest.mark.parametrize("nucleus", [8, 12])
def test_what_is_faint_is_followed(nucleus):
    """Of what it lost or grew most is seen, though the nucleus is 15 % darker than around it."""
    scan, brain = ball(nucleus, noise=2)
    there, points = mapped(scan, brain)
    found = (np.linalg.norm(there - 31.5, axis=1) < 10).sum()
    true = (np.linalg.norm(points - 31.5, axis=1) < nucleus).sum()
    unmoved = (np.linalg.norm(points - 31.5, axis=1) < 10).sum()
    assert (found - unmoved) / (true - unmoved) == pytest.approx(1, abs=0.2)


def test_noise_alone_moves_little():
    scan, brain = ball(10, noise=3)
    there, points = mapped(scan, brain)
    moved = np.linalg.norm(there - points, axis=1)
    assert np.median(moved) < 0.1
    assert moved.max() < 0.5
