"""The axes that part classes best, and what whitens the covariance within classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from medmip.algorithms.axes import signs
from medmip.algorithms.declaration import CannotCompute
from medmip.fold.class_scatter import Classes
from medmip.fold.statistic import FloatArray

_CONSTANT = 1e-14
"""A standard deviation below this share of the mean is rounding."""
_DETERMINED = 1e-12
"""An eigenvalue of the correlations below this is rounding."""


class Axis(BaseModel):
    """A discriminant axis: its coefficients (p,), plain and by within-class standard deviation.

    share is of the variance between classes; wilks, chi_squared, df and p_value are Bartlett's
    test that neither this axis nor a later one parts the classes.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    coefficients: tuple[float, ...]
    standardised: tuple[float, ...]
    eigenvalue: float
    share: float
    canonical_correlation: float
    wilks: float
    chi_squared: float
    df: int
    p_value: float


def pooled_root(classes: Classes, labels: Sequence[str]) -> FloatArray:
    """What whitens the covariance within classes, (p, p)."""
    if classes.n - len(classes.records) < len(labels):
        raise CannotCompute(
            f"{int(classes.n)} records are too few for {len(labels)} columns in "
            f"{len(classes.records)} classes",
            remedy="Choose fewer covariates.",
        )
    return _root(classes.pooled, classes.grand, labels, "within the classes")


def own_root(classes: Classes, index: int, level: str, labels: Sequence[str]) -> FloatArray:
    """What whitens the covariance of one class, (p, p)."""
    if classes.records[index] <= len(labels):
        raise CannotCompute(
            f"Class {level} has {int(classes.records[index])} records, too few for a covariance "
            f"of {len(labels)} columns",
            remedy="Choose the linear kind, or fewer covariates.",
        )
    return _root(classes.covariance(index), classes.means[index], labels, f"within class {level}")


def _root(
    covariance: FloatArray, mean: FloatArray, labels: Sequence[str], where: str
) -> FloatArray:
    """The root (p, p) for which root' covariance root = 1; where names whose covariance it is."""
    if not np.isfinite(covariance).all():
        endless = ", ".join(
            label
            for label, variance in zip(labels, np.diag(covariance), strict=True)
            if not np.isfinite(variance)
        )
        raise CannotCompute(
            f"These covariates are not finite for every patient: {endless}",
            remedy="Leave them out.",
        )
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    constant = deviations <= _CONSTANT * np.abs(mean)
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
    root: FloatArray = vectors / np.sqrt(values) / deviations[:, None]
    return root


def axes_of(
    classes: Classes, root: FloatArray, scale: FloatArray
) -> tuple[tuple[Axis, ...], FloatArray]:
    """The discriminant axes by falling eigenvalue, and their coefficients, (p, axes)."""
    k, p = classes.means.shape
    between = np.sqrt(classes.records)[:, None] * (classes.means - classes.grand) @ root
    _, sizes, turns = np.linalg.svd(between, full_matrices=False)
    number = min(k - 1, p)
    scalings = (root @ turns.T)[:, :number]
    weights = scale[:, None] * scalings
    scalings = scalings * signs(weights.T)
    values = sizes[:number] ** 2 / (classes.n - k)
    if not values.sum() > 0:
        raise CannotCompute("The classes have the same means", remedy="Choose other covariates.")
    axes = []
    for index, value in enumerate(values.tolist()):
        rest = float(np.log1p(values[index:]).sum())
        df = (p - index) * (k - 1 - index)
        chi_squared = max(classes.n - 1 - (p + k) / 2, 0.0) * rest
        axes.append(
            Axis(
                coefficients=tuple(scalings[:, index].tolist()),
                standardised=tuple((scale * scalings[:, index]).tolist()),
                eigenvalue=value,
                share=value / float(values.sum()),
                canonical_correlation=float(np.sqrt(value / (1.0 + value))),
                wilks=float(np.exp(-rest)),
                chi_squared=chi_squared,
                df=df,
                p_value=float(stats.chi2.sf(chi_squared, df)),
            )
        )
    return tuple(axes), scalings


def wilks_of(classes: Classes, wilks: float) -> Mapping[str, Any]:
    """Rao's F approximation to Wilks' lambda."""
    k, p = classes.means.shape
    q = k - 1
    order = p * p + q * q - 5
    power = np.sqrt((p * p * q * q - 4) / order) if order > 0 else 1.0
    between = float(p * q)
    within = float(power * (classes.n - 1 - (p + q + 1) / 2) - p * q / 2 + 1)
    left = wilks ** (1.0 / power)
    f = float((1.0 - left) / left * within / between)
    return {
        "wilks": wilks,
        "f": f,
        "df_between": between,
        "df_within": within,
        "p_value": float(stats.f.sf(f, between, within)),
    }
