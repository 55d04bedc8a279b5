"""Least squares from folded moments, as accurate as an orthogonal factorisation."""

from dataclasses import dataclass

import numpy as np

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.moments import Moments
from medmip.fold.statistic import FloatArray, Statistic, Sum

WELL_CONDITIONED = 1e-6
"""Smallest eigenvalue of the correlation matrix from which the normal equations keep ten digits."""
COLLINEAR = 1e-12
"""A direction whose spread is below this share of its columns' is collinear."""
_ROUNDS = 6


class Collinear(Exception):
    """The columns are linearly dependent; columns are the labels that depend on each other."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        super().__init__(", ".join(columns))


@dataclass(frozen=True)
class LeastSquares:
    """A fit y = intercept + x'slopes.

    slopes (p,); mean_x (p,) and mean_y () of the records; inverse (p, p) is the inverse of the
    centred X'X; residual_sum and total_sum () are sums of squares about fit and mean.
    """

    slopes: FloatArray
    mean_x: FloatArray
    mean_y: float
    inverse: FloatArray
    residual_sum: float
    total_sum: float

    @property
    def intercept(self) -> float:
        return float(self.mean_y - self.mean_x @ self.slopes)

    def covariance(self, records: float) -> FloatArray:
        """The inverse of X'X with the intercept first, (p + 1, p + 1)."""
        lean = self.inverse @ self.mean_x
        top = 1.0 / records + self.mean_x @ lean
        return np.block([[np.array([[top]]), -lean[None, :]], [-lean[:, None], self.inverse]])


@dataclass(frozen=True)
class WhitenedState:
    """Columns to whiten: z = (x - shift) transform, and the fit whose residual is taken.

    design holds the p covariates, then y; shift (p + 1,); transform (p, p); slopes (p,).
    """

    design: Design
    shift: FloatArray
    transform: FloatArray
    slopes: FloatArray


@dataclass(frozen=True)
class WhitenedProducts(Statistic):
    """Products of whitened columns z and residuals e: gram (p, p), towards (p,), residual ()."""

    total: Sum
    gram: Sum
    towards: Sum
    residual: Sum

    def supported_parameters(self) -> int:
        return len(self.towards)


def whitened_products(block: Block, state: WhitenedState) -> WhitenedProducts:
    """z'z, z'e and e'e of one block, e = y - x'slopes about the shift."""
    centred = np.subtract(block.matrix(state.design), state.shift, order="F")
    z = np.dot(centred[:, :-1], state.transform)
    residual = centred[:, -1] - centred[:, :-1] @ state.slopes
    return WhitenedProducts(
        z.sum(axis=0), np.dot(z.T, z), np.dot(z.T, residual), np.dot(residual, residual)
    )


def least_squares(cohort: Cohort, design: Design, moments: Moments) -> LeastSquares:
    """The least-squares fit of the last design column on the others, with intercept.

    moments are those of design's p + 1 columns. Where the covariates are nearly collinear the
    columns are made orthonormal over further rounds, which is as accurate as Householder's QR.
    Raises Collinear. Source: Fukaya et al., SIAM J. Sci. Comput. 42 (2020) A477-A503 (shifted
    CholeskyQR3, here with the symmetric eigendecomposition in the place of Cholesky).
    """
    scatter, mean = moments.scatter, moments.mean
    total_sum = float(scatter[-1, -1])
    spread = np.sqrt(np.diag(scatter)[:-1])
    if not np.all(
        spread > 1e-14 * np.sqrt(moments.records) * np.maximum(np.abs(mean[:-1]), 1e-300)
    ):
        constant = np.flatnonzero(
            spread <= 1e-14 * np.sqrt(moments.records) * np.maximum(np.abs(mean[:-1]), 1e-300)
        )
        raise Collinear(tuple(design.labels[index] for index in constant))
    correlation = scatter[:-1, :-1] / np.outer(spread, spread)
    values, vectors = np.linalg.eigh(correlation)
    floor = len(spread) * np.finfo(float).eps * max(values[-1], 1.0)
    transform = (vectors / np.sqrt(np.maximum(values, floor))) / spread[:, None]
    slopes = transform @ (transform.T @ scatter[:-1, -1])
    if values[0] > WELL_CONDITIONED:
        residual_sum = max(0.0, total_sum - float(slopes @ scatter[:-1, -1]))
        if residual_sum > 1e-6 * total_sum:
            return LeastSquares(
                slopes, mean[:-1], float(mean[-1]), transform @ transform.T, residual_sum, total_sum
            )
    return _refined(cohort, design, moments, spread, transform, slopes)


def _refined(
    cohort: Cohort,
    design: Design,
    moments: Moments,
    spread: FloatArray,
    transform: FloatArray,
    slopes: FloatArray,
) -> LeastSquares:
    mean = moments.mean
    residual_sum = 0.0
    for _ in range(_ROUNDS):
        products = cohort.fold(whitened_products, WhitenedState(design, mean, transform, slopes))
        values, vectors = np.linalg.eigh(products.gram)
        step = vectors / np.sqrt(np.maximum(values, np.finfo(float).eps * len(values) * values[-1]))
        transform = transform @ step
        scaled = transform * spread[:, None]
        lengths = np.linalg.norm(scaled, axis=0)
        if lengths.max() > 1.0 / COLLINEAR:
            weights = np.abs(scaled[:, int(lengths.argmax())])
            dependent = np.flatnonzero(weights > 1e-3 * weights.max())
            raise Collinear(tuple(design.labels[index] for index in dependent))
        correction = transform @ (step.T @ products.towards)
        slopes = slopes + correction
        residual_sum = float(products.residual)
        orthonormal = np.allclose(values, 1.0, atol=1e-8)
        settled = np.linalg.norm(correction * spread) <= 1e-13 * np.linalg.norm(slopes * spread)
        if orthonormal and settled:
            break
    final = cohort.fold(whitened_products, WhitenedState(design, mean, transform, slopes))
    residual_sum = float(final.residual)
    return LeastSquares(
        slopes,
        mean[:-1],
        float(mean[-1]),
        transform @ transform.T,
        residual_sum,
        float(moments.scatter[-1, -1]),
    )
