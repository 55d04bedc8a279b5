"""How alike a scan and a template are near each point, told by the template's brain alone."""

from typing import Any

import numpy as np
from dipy.align import floating
from dipy.align.metrics import CCMetric
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

_LEAST = 0.05
"""The share of a neighbourhood in the brain below which nothing is told of its middle."""
_HELD = 0.2
"""The share of a smoothed step's weight in the brain up to which it is carried on beyond."""
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
        self._spread = self._brain

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
        near = gaussian_filter(inside.astype(np.float32), self.sigma_diff)
        self._spread = np.asarray(1 / np.maximum(near, _HELD), np.float32)
        return factors.astype(floating)

    def compute_forward(self) -> NDArray[np.float32]:
        """The step of the template towards the scan, by DIPY's, carried on beyond the brain."""
        step = super().compute_forward()  # type: ignore[no-untyped-call]
        return np.asarray(step * self._spread[..., None])

    def compute_backward(self) -> NDArray[np.float32]:
        """The step of the scan towards the template likewise."""
        step = super().compute_backward()  # type: ignore[no-untyped-call]
        return np.asarray(step * self._spread[..., None])
