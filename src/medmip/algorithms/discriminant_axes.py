"""Discriminant axes: the directions that part classes, their coefficients and tests."""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from medmip.algorithms.axes import signs
from medmip.algorithms.declaration import CannotCompute
from medmip.fold.class_scatter import Classes
from medmip.fold.statistic import FloatArray


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


def discriminant_axes(
    classes: Classes, root: FloatArray, scale: FloatArray
) -> tuple[tuple[Axis, ...], FloatArray]:
    """The discriminant axes by falling eigenvalue, and their coefficients, (p, axes).

    root (p, p) whitens the covariance within classes, scale (p,) holds its standard deviations.
    Each axis's largest standardised coefficient is positive. Raises CannotCompute where the
    classes have the same means. Source: Rencher & Christensen, Methods of Multivariate Analysis,
    3rd ed., 8.4 to 8.6.
    """
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


def rao_test(classes: Classes, wilks: float) -> Mapping[str, float]:
    """Wilks' lambda of all axes, with Rao's F approximation, as a result's fields.

    Source: Rencher & Christensen, Methods of Multivariate Analysis, 3rd ed., 6.1.
    """
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
