"""How alike a scan and a template are near each point, told by the template's brain alone."""

from typing import Any

import numpy as np
from dipy.align import floating
from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
from dipy.align.metrics import CCMetric
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

_LEAST = 0.05
"""The share of a neighbourhood in the brain below which nothing is told of its middle."""
_FAINT = 1e-3
"""Of the strongest forces: where they are weaker, there are none."""
_NOISE = 0.05
"""Of an image's range: where it varies less, its variations weigh less."""


class BrainMetric(CCMetric):
    """The local correlation of what is inside the template's brain, wherever that is warped.

    A template without its skull ends where a scan goes on, and ends in the midst of fluid or
    cortex. Were its empty ground compared too, its rim would be drawn to where the scan has an
    edge.
    Source: Avants et al., SyN, Medical Image Analysis 12 (2008) 26, told by a part of the image.
    """

    def __init__(self, brain: NDArray[np.bool_], sigma: float, radius: int) -> None:
        """The moving image's voxels that count are brain (i, j, k); sigma and radius in voxels."""
        super().__init__(3, sigma_diff=sigma, radius=radius)
        self._brain = brain.astype(np.float32)
        self._weight = self._brain
        self._share = self._brain
        self.longest = 0.0

    def use_moving_image_dynamics(
        self,
        original_moving_image: NDArray[np.float32],  # noqa: ARG002 - it is not the brain
        transformation: Any,  # noqa: ANN401 - DIPY has no types
    ) -> None:
        """Bring the brain to where the two images meet."""
        warped = transformation.transform(
            self._brain,
            interpolation="linear",
            image_world2grid=None,
            out_shape=np.asarray(self.moving_image).shape,
            out_grid2world=self.moving_affine,
        )
        self._weight = (np.asarray(warped) > 0.5).astype(np.float32)

    def _connect_functions(self) -> None:
        super()._connect_functions()  # type: ignore[no-untyped-call]
        self.precompute_factors = self._factors

    def _factors(
        self, static: NDArray[np.float32], moving: NDArray[np.float32], radius: int
    ) -> NDArray[np.float32]:
        """Both images less their local means, their covariance and variances, (i, j, k, 5)."""
        weight, width = self._weight, 2 * radius + 1
        share = uniform_filter(weight, width, mode="constant")
        inside = (weight > 0) & (share > _LEAST)
        share = np.where(inside, share, 1)

        def local(values: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.asarray(uniform_filter(weight * values, width, mode="constant") / share)

        one, other = np.asarray(static), np.asarray(moving)
        mean, mean_of_other = local(one), local(other)
        factors = np.stack(
            [
                one - mean,
                other - mean_of_other,
                local(one * other) - mean * mean_of_other,
                np.maximum(local(one * one) - mean**2, 0) + _NOISE**2,
                np.maximum(local(other * other) - mean_of_other**2, 0) + _NOISE**2,
            ],
            axis=-1,
        )
        factors[~inside] = 0
        self._share = self._near(inside.astype(np.float32))
        return factors.astype(floating)

    def compute_forward(self) -> NDArray[np.float32]:
        """The step of the template towards the scan."""
        forces, self.energy = self.compute_forward_step(
            self.gradient_static, self.factors, self.radius
        )
        return self._agreed(np.asarray(forces))

    def compute_backward(self) -> NDArray[np.float32]:
        """The step of the scan towards the template likewise."""
        forces, self.energy = self.compute_backward_step(
            self.gradient_moving, self.factors, self.radius
        )
        return self._agreed(np.asarray(forces))

    def _agreed(self, forces: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean force of the brain near each point, over their root mean square.

        It is 1 long where all forces are alike, and the shorter the more they are noise, however
        much contrast there is; beyond the brain it goes on as at its rim.
        """
        step = np.stack([self._near(forces[..., axis]) for axis in range(3)], axis=-1)
        strength = np.sqrt(self._near((forces**2).sum(axis=-1)) * self._share)
        least = _FAINT * float(strength.max())
        if least > 0:
            step /= (strength + least)[..., None]
        self.longest = float(np.sqrt((step**2).sum(axis=-1)).max())
        return step

    def _near(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(gaussian_filter(values, self.sigma_diff))


class BrainRegistration(SymmetricDiffeomorphicRegistration):
    """SyN whose steps are the shorter the less forces agree, so that it comes to rest.

    DIPY makes the longest vector of each step a quarter of a voxel. Then what has little contrast,
    as nuclei have, hardly moves beside the rim, and what has arrived is moved on by noise.
    """

    def __init__(self, metric: BrainMetric, rounds: tuple[int, ...]) -> None:
        """All rounds are done, the steps on each level, coarse first."""
        super().__init__(metric, level_iters=list(rounds), opt_tol=-np.inf)
        self.verbosity = 0

    def update(
        self,
        current_displacement: NDArray[np.float32],
        new_displacement: NDArray[np.float32],
        disp_world2grid: NDArray[np.float64],
        time_scaling: float,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Carry a step out, whose longest vector DIPY has made 1, at its own length."""
        scaling = time_scaling * self.metric.longest
        found: tuple[NDArray[np.float32], NDArray[np.float32]] = super().update(  # type: ignore[no-untyped-call]
            current_displacement, new_displacement, disp_world2grid, scaling
        )
        return found
