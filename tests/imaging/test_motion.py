"""The more a head moves during a scan, the worse its measures of motion; what is kept tells so."""

import numpy as np
import pytest

from medmip.imaging.volumetry.correct import head as outline
from medmip.imaging.volumetry.image import Image
from medmip.imaging.volumetry.motion import entropy_focus, head_to_air
from medmip.imaging.volumetry.record import Quality, kept
from medmip.imaging.volumetry.reference import judged
from tests.imaging.brain import head
from tests.imaging.reviewable import reviewable


def moved(voxels, share, far=2):
    """Lines of k-space, this share of them, taken while the head was so many voxels away."""
    still = np.fft.fftshift(np.fft.fftn(voxels))
    away = np.fft.fftshift(np.fft.fftn(np.roll(voxels, far, axis=1)))
    lines = np.random.default_rng(3).permutation(voxels.shape[1])[: int(share * voxels.shape[1])]
    still[:, lines] = away[:, lines]
    return np.abs(np.fft.ifftn(np.fft.ifftshift(still))).astype(np.float32)


@pytest.fixture(scope="module")
def still():
    return head(noise=1.0)[0]


def test_movement_raises_the_entropy_and_fills_the_air(still):
    inside = outline(Image(still.voxels, still.affine))
    found = [
        (entropy_focus(voxels), head_to_air(voxels, inside))
        for voxels in (moved(still.voxels, share) for share in (0, 0.1, 0.25, 0.5))
    ]
    entropies, ratios = zip(*found, strict=True)
    assert list(entropies) == sorted(entropies)
    assert list(ratios) == sorted(ratios, reverse=True)
    assert entropies[-1] > 1.02 * entropies[0]
    assert ratios[-1] < ratios[0] / 2


def test_the_entropy_is_of_its_formula_and_between_its_bounds():
    assert entropy_focus(np.full((10, 10, 10), 3.0)) == pytest.approx(1)
    one = np.zeros((10, 10, 10))
    one[3, 4, 5] = 7
    assert entropy_focus(one) == 0
    values = np.array([3.0, 4.0])
    wanted = -(0.6 * np.log(0.6) + 0.8 * np.log(0.8)) / (np.sqrt(2) * np.log(np.sqrt(2)))
    assert entropy_focus(values) == pytest.approx(wanted)


def test_an_emptied_face_changes_neither(still):
    inside = outline(Image(still.voxels, still.affine))
    without = still.voxels.copy()
    without[:, -6:, :4] = 0
    assert entropy_focus(without) == pytest.approx(entropy_focus(still.voxels), rel=0.02)
    now = head_to_air(without, inside & (without != 0))
    assert now == pytest.approx(head_to_air(still.voxels, inside), rel=0.05)


def test_air_that_the_scanner_emptied_tells_nothing(still):
    inside = outline(Image(still.voxels, still.affine))
    assert head_to_air(np.where(inside, still.voxels, 0), inside) is None


def test_a_scan_that_is_worse_than_others_is_flagged_and_one_that_is_better_is_not(home):
    others = [kept(reviewable(home, f"s{number}", seed=number)) for number in range(12)]
    record = kept(reviewable(home, "new"))

    def flagged(**changed):
        quality = record.quality.model_copy(update=changed)
        return judged(record.model_copy(update={"quality": quality}), others).flagged

    usual = record.quality
    assert flagged() == ()
    assert flagged(efc=usual.efc + 0.2, fber=usual.fber / 4) == ("efc", "fber")
    assert flagged(efc=usual.efc - 0.2, snr=usual.snr + 50) == ()
    assert flagged(snr=1.0) == ("snr",)
    # What was measured before there were measures of motion has none.
    assert Quality(snr=1, cnr=1, likeness=1).efc is None
    assert flagged(efc=None, fber=None) == ()
