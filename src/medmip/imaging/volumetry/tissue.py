"""How much of each voxel is fluid, grey and white matter, so that the totals are unbiased."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from scipy.special import logsumexp

_BINS = 400
_STEPS = 11
_NEAR = 1.5
"""Voxels, the width of the neighbourhood that tells how common a class is."""


@dataclass(frozen=True)
class Classes:
    """means and widths of fluid, grey and white matter; shares (5,) of the voxels.

    The classes are fluid, grey, white, fluid with grey, grey with white.
    """

    means: NDArray[np.float64]
    widths: NDArray[np.float64]
    shares: NDArray[np.float64]

    @property
    def are_apart(self) -> bool:
        """Whether the tissues are in their order, grey and white further apart than noise."""
        fluid, grey, white = self.means
        return bool(fluid < grey < white and white - grey > self.widths[2])

    def densities(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(5, n): how likely each class is to show each value.

        A mixed voxel holds any fraction alike, so that its density is the mean of the Gaussians
        between.
        Source: Santago & Gage, IEEE Trans. Image Processing 4 (1995) 1531.
        """
        found = np.empty((5, len(values)))
        for index in range(3):
            found[index] = _gaussian(values, self.means[index], self.widths[index])
        for row, (low, high) in enumerate(((0, 1), (1, 2)), 3):
            found[row] = np.mean(
                [_gaussian(values, mean, width) for mean, width, _ in self._between(low, high)],
                axis=0,
            )
        return found

    def fractions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(5, 3, n): of each class and tissue, what fraction of a voxel of a value it is."""
        found = np.zeros((5, 3, len(values)))
        for index in range(3):
            found[index, index] = 1
        for row, (low, high) in enumerate(((0, 1), (1, 2)), 3):
            weights, shares = [], []
            for mean, width, share in self._between(low, high):
                weights.append(_gaussian(values, mean, width) + 1e-300)
                shares.append(share)
            upper = np.average(
                np.array(shares)[:, None] * np.ones(len(values)), axis=0, weights=np.array(weights)
            )
            found[row, high], found[row, low] = upper, 1 - upper
        return found

    def _between(self, low: int, high: int) -> list[tuple[float, float, float]]:
        steps = (np.arange(_STEPS) + 0.5) / _STEPS
        return [
            (
                float((1 - step) * self.means[low] + step * self.means[high]),
                float((1 - step) * self.widths[low] + step * self.widths[high]),
                float(step),
            )
            for step in steps
        ]


def _gaussian(values: NDArray[np.float64], mean: float, width: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * ((values - mean) / width) ** 2) / (width * np.sqrt(2 * np.pi)))


def classes_of(values: NDArray[np.float32]) -> Classes:
    """The classes that make the observed histogram most likely.

    values (n,) are those inside the skull, without a bias field.
    """
    low, high = np.percentile(values, [0.1, 99.9])
    counts, ends = np.histogram(values, _BINS, (low, high))
    middles = (ends[1:] + ends[:-1]) / 2
    span = high - low
    begun = _begun(middles, counts, span)

    def classes(vector: NDArray[np.float64]) -> Classes:
        shares = np.exp(vector[6:] - logsumexp(vector[6:]))
        return Classes(low + span * vector[:3], span * np.exp(vector[3:6]), shares)

    def loss(vector: NDArray[np.float64]) -> float:
        one = classes(vector)
        likely = one.shares @ one.densities(middles) + 1e-12 / span
        return float(-(counts @ np.log(likely)) / counts.sum())

    done = minimize(loss, begun, method="L-BFGS-B", options={"maxiter": 500})
    return classes(done.x)


def _begun(
    middles: NDArray[np.float64], counts: NDArray[np.int64], span: float
) -> NDArray[np.float64]:
    """Means by k-means on the histogram, which starts from quantiles."""
    cumulated = np.cumsum(counts) / counts.sum()
    means = np.interp([0.05, 0.45, 0.85], cumulated, middles)
    for _ in range(50):
        nearest = np.abs(middles[:, None] - means).argmin(axis=1)
        means = np.array(
            [
                np.average(middles[nearest == k], weights=counts[nearest == k] + 1e-9)
                for k in range(3)
            ]
        )
    widths = np.log(np.full(3, 0.05))
    shares = np.log([0.1, 0.35, 0.3, 0.12, 0.13])
    return np.concatenate([(means - (middles[0] - span / _BINS / 2)) / span, widths, shares])


def segmented(
    voxels: NDArray[np.float32], inside: NDArray[np.bool_], classes: Classes, *, rounds: int = 4
) -> NDArray[np.float32]:
    """(3, i, j, k): the expected fraction of fluid, grey and white matter in each voxel.

    The expectation is that of the classes' own chances, so that its mean over the brain is what
    the histogram says; how common a class is near a voxel is learnt from the voxels around it.
    """
    values = voxels[inside].astype(np.float64)
    low, high = values.min(), values.max()
    table = np.linspace(low, high, 2000)
    likely = np.array([np.interp(values, table, row) for row in classes.densities(table)])
    likely += 1e-12 / (high - low)
    shares = np.repeat(classes.shares[:, None], len(values), axis=1)
    weight = gaussian_filter(inside.astype(np.float32), _NEAR)[inside] + 1e-6
    for _ in range(rounds):
        chance = shares * likely
        chance /= chance.sum(axis=0)
        for index in range(5):
            full = np.zeros(voxels.shape, np.float32)
            full[inside] = chance[index]
            shares[index] = gaussian_filter(full, _NEAR)[inside] / weight + 1e-4
        shares /= shares.sum(axis=0)
    chance = shares * likely
    chance /= chance.sum(axis=0)
    told = classes.fractions(table)
    found = np.zeros((3, *voxels.shape), np.float32)
    for tissue in range(3):
        total = sum(
            chance[index] * np.interp(values, table, told[index, tissue]) for index in range(5)
        )
        found[tissue][inside] = total
    return found
