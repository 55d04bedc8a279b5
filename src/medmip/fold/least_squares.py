"""Least squares from folded moments, as accurate as an orthogonal factorisation."""

from dataclasses import dataclass
from math import fsum
from typing import Annotated, Self

import numpy as np

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.double_double import Double2, exact, exact_product, exact_sum
from medmip.fold.moments import Moments
from medmip.fold.statistic import FloatArray, Statistic, Sum, Symmetric, tail_of
from medmip.fold.weights import weighed

WELL_CONDITIONED = 1e-4
"""Smallest eigenvalue of the correlation matrix from which the normal equations keep ten digits."""
EXACT_FIT = 1e-6
"""Share of the total sum of squares below which a residual sum needs the residuals themselves."""
COLLINEAR = 1e-12
"""A direction whose spread is below this share of its columns' is collinear."""
_ROUNDS = 6
"""Rounds of whitening, and then of refinement, at the most; both settle in two or three."""


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
        products = exact_product(-self.mean_x, self.slopes)
        return fsum([self.mean_y, *products.high.tolist(), *products.low.tolist()])

    def covariance(self, records: float) -> FloatArray:
        """The inverse of X'X with the intercept first, (p + 1, p + 1)."""
        lean = self.inverse @ self.mean_x
        top = 1.0 / records + self.mean_x @ lean
        return np.block([[np.array([[top]]), -lean[None, :]], [-lean[:, None], self.inverse]])


@dataclass(frozen=True)
class WhitenedState:
    """Columns to whiten: z = (x - shift) transform.

    design holds the p covariates, then y; shift (p + 1,); transform (p, p);
    weights as MomentsState.
    """

    design: Design
    shift: FloatArray
    transform: FloatArray
    weights: str | None = None


@dataclass(frozen=True)
class WhitenedProducts(Statistic):
    """Products of whitened columns, (p, p)."""

    gram: Symmetric

    def supported_parameters(self) -> int:
        return len(self.gram)


@dataclass(frozen=True)
class FitState:
    """A fit y - shift[-1] = offset + (x - shift)'slopes to improve; slopes is (p,)."""

    design: Design
    shift: FloatArray
    offset: float
    slopes: FloatArray
    weights: str | None = None


@dataclass(frozen=True)
class Gradient(Statistic):
    """Sums of residuals e and of (x - shift) e, high + low, (p + 1,); squares () is e'e."""

    high: Sum
    low: Annotated[FloatArray, tail_of("high")]
    squares: Sum

    def __add__(self, other: Self) -> Self:
        total = Double2(self.high, self.low) + Double2(other.high, other.low)
        return type(self)(total.high, total.low, self.squares + other.squares)

    def supported_parameters(self) -> int:
        return len(self.high) - 1


def whitened_products(block: Block, state: WhitenedState) -> WhitenedProducts:
    """Products of one block's whitened columns."""
    block, weights = weighed(block, state.weights)
    columns = block.matrix(state.design)[:, :-1]
    centred = np.subtract(columns, state.shift[:-1], order="F")
    if weights is not None:
        centred *= np.sqrt(weights)[:, None]
    z = np.dot(centred, state.transform)
    return WhitenedProducts(np.dot(z.T, z))


def gradient(block: Block, state: FitState) -> Gradient:
    """Residuals and their products with the covariates of one block, in twice the digits."""
    block, weights = weighed(block, state.weights)
    columns = block.matrix(state.design)
    p = len(state.slopes)
    centred = [exact_sum(columns[:, index], -state.shift[index]) for index in range(p + 1)]
    residual = centred[p] + exact(np.full(block.records, -state.offset))
    for index, slope in enumerate(state.slopes):
        residual = residual + -(centred[index] * exact(np.full(block.records, slope)))
    squares = residual.high
    if weights is not None:
        residual = residual * exact(weights)
    sums = [residual.sum(), *((centred[index] * residual).sum() for index in range(p))]
    return Gradient(
        np.array([part.high for part in sums]),
        np.array([part.low for part in sums]),
        np.asarray(np.dot(squares, residual.high)),
    )


def least_squares(
    cohort: Cohort, design: Design, moments: Moments, weights: str | None = None
) -> LeastSquares:
    """The least-squares fit of the last design column on the others, with intercept.

    moments are those of design's p + 1 columns, under these weights. Where the covariates are
    nearly collinear they are made orthonormal over further rounds, and the fit is refined with
    residuals of twice the digits, so that it is as good as the data: better than Householder's QR.
    Raises Collinear. Source: Fukaya et al., SIAM J. Sci. Comput. 42 (2020) A477-A503 (shifted
    CholeskyQR3, here with the symmetric eigendecomposition in the place of Cholesky); Bjorck,
    Numerical Methods for Least Squares Problems (1996), 2.9 (iterative refinement).
    """
    scatter, mean = moments.scatter, moments.mean
    total_sum = float(scatter[-1, -1])
    spread = np.sqrt(np.diag(scatter)[:-1])
    constant = spread <= 1e-14 * np.sqrt(moments.records) * np.maximum(np.abs(mean[:-1]), 1e-300)
    if constant.any():
        raise Collinear(tuple(design.labels[index] for index in np.flatnonzero(constant)))
    correlation = scatter[:-1, :-1] / np.outer(spread, spread)
    values, vectors = np.linalg.eigh(correlation)
    floor = len(spread) * np.finfo(float).eps * max(values[-1], 1.0)
    transform = (vectors / np.sqrt(np.maximum(values, floor))) / spread[:, None]
    slopes = transform @ (transform.T @ scatter[:-1, -1])
    if values[0] > WELL_CONDITIONED:
        residual_sum = max(0.0, total_sum - float(slopes @ scatter[:-1, -1]))
        if residual_sum > EXACT_FIT * total_sum:
            return LeastSquares(
                slopes, mean[:-1], float(mean[-1]), transform @ transform.T, residual_sum, total_sum
            )
    return _refined(cohort, design, moments, weights, spread, transform, slopes)


def _refined(
    cohort: Cohort,
    design: Design,
    moments: Moments,
    weights: str | None,
    spread: FloatArray,
    transform: FloatArray,
    slopes: FloatArray,
) -> LeastSquares:
    mean = moments.mean
    for _ in range(_ROUNDS):
        products = cohort.fold(whitened_products, WhitenedState(design, mean, transform, weights))
        values, vectors = np.linalg.eigh(products.gram)
        step = vectors / np.sqrt(np.maximum(values, np.finfo(float).eps * len(values) * values[-1]))
        transform = transform @ step
        scaled = transform * spread[:, None]
        lengths = np.linalg.norm(scaled, axis=0)
        if lengths.max() > 1.0 / COLLINEAR:
            parts = np.abs(scaled[:, int(lengths.argmax())])
            dependent = np.flatnonzero(parts > 1e-3 * parts.max())
            raise Collinear(tuple(design.labels[index] for index in dependent))
        if np.allclose(values, 1.0, atol=1e-6):
            break
    offset = 0.0
    for _ in range(_ROUNDS):
        sums = cohort.fold(gradient, FitState(design, mean, offset, slopes, weights))
        towards = sums.high + sums.low
        correction = transform @ (transform.T @ towards[1:])
        slopes = slopes + correction
        offset += float(towards[0] / moments.records)
        if np.all(np.abs(correction) <= 1e-14 * np.abs(slopes)):
            break
    final = cohort.fold(gradient, FitState(design, mean, offset, slopes, weights))
    return LeastSquares(
        slopes,
        mean[:-1],
        float(mean[-1]) + offset,
        transform @ transform.T,
        float(final.squares),
        float(moments.scatter[-1, -1]),
    )
