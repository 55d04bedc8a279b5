"""Roots that whiten covariances within classes, and why some covariances have none."""

from collections.abc import Sequence

import numpy as np

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.class_scatter import Classes
from medmip.fold.statistic import FloatArray

_CONSTANT = 1e-14
"""A standard deviation below this share of the mean is rounding."""
_WITHIN = 1e-6
"""A standard deviation within classes below this share of that over all records is rounding."""
_DETERMINED = 1e-12
"""An eigenvalue of the correlations below this is rounding."""


def pooled_root(classes: Classes, labels: Sequence[str]) -> FloatArray:
    """The root (p, p) for which root' covariance root = 1 within all classes together.

    labels (p,) name the columns. Raises CannotCompute where there are too few records, or where
    columns are constant within the classes, determine each other or are not finite.
    """
    if classes.n - len(classes.records) < len(labels):
        raise CannotCompute(
            f"{int(classes.n)} records are too few for {len(labels)} columns in "
            f"{len(classes.records)} classes",
            remedy="Choose fewer covariates.",
        )
    return _root(classes.pooled, classes, labels, "within the classes")


def own_root(classes: Classes, index: int, level: str, labels: Sequence[str]) -> FloatArray:
    """The root (p, p) within one class, whose level is for the message; raises as pooled_root."""
    if classes.records[index] <= len(labels):
        raise CannotCompute(
            f"Class {level} has {int(classes.records[index])} records, too few for a covariance "
            f"of {len(labels)} columns",
            remedy="Choose the linear kind, or fewer covariates.",
        )
    return _root(classes.covariance(index), classes, labels, f"within class {level}")


def _root(
    covariance: FloatArray, classes: Classes, labels: Sequence[str], where: str
) -> FloatArray:
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    rounding = np.maximum(_CONSTANT * np.abs(classes.grand), _WITHIN * classes.spread)
    constant = deviations <= rounding
    if constant.any():
        names = ", ".join(label for label, held in zip(labels, constant, strict=True) if held)
        raise CannotCompute(
            f"These covariates are constant {where}: {names}", remedy="Leave them out."
        )
    values, vectors = np.linalg.eigh(covariance / np.outer(deviations, deviations))
    if values[0] < _DETERMINED:
        weights = np.abs(vectors[:, 0])
        names = ", ".join(
            label
            for label, weight in zip(labels, weights, strict=True)
            if weight > 1e-3 * weights.max()
        )
        raise CannotCompute(
            f"These covariates determine each other {where}: {names}",
            remedy="Leave one of them out.",
        )
    # The symmetric one: of all roots that whiten, no rounding can turn it into another.
    root: FloatArray = np.dot(vectors / np.sqrt(values), vectors.T) / deviations[:, None]
    return root
