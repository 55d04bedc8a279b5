"""Whether covariates can tell anything apart: none constant, none determined by others."""

import numpy as np

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.design import Design
from medmip.fold.moments import Moments
from medmip.fold.statistic import FloatArray


def check_columns(design: Design, folded: Moments, scale: FloatArray) -> None:
    """Raises CannotCompute naming columns that are constant or that determine each other.

    scale is the columns' standard deviations, (p,).
    """
    constant = np.flatnonzero(scale <= 1e-14 * np.abs(folded.mean))
    if constant.size or not np.all(scale > 0):
        names = ", ".join(
            label
            for label, spread, mean in zip(design.labels, scale, folded.mean, strict=True)
            if spread <= 1e-14 * abs(mean)
        )
        raise CannotCompute(f"These covariates are constant: {names}", remedy="Leave them out.")
    deviations = np.sqrt(np.diag(folded.scatter))
    values, vectors = np.linalg.eigh(folded.scatter / np.outer(deviations, deviations))
    if len(values) and values[0] < 1e-12:
        weights = np.abs(vectors[:, 0])
        names = ", ".join(
            label
            for label, weight in zip(design.labels, weights, strict=True)
            if weight > 1e-3 * weights.max()
        )
        raise CannotCompute(
            f"These covariates determine each other: {names}", remedy="Leave one of them out."
        )
