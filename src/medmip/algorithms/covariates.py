"""A regression's covariates: their columns, and whether these can tell anything apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.weights import Weighing
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.model import known_levels
from medmip.fold.moments import Moments, MomentsState, moments
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.transform import Transform


@dataclass(frozen=True)
class Covariates:
    """The p columns that a model with intercept can estimate, of n records.

    full is the design before references and empty levels dropped out, and cells (columns,) the
    patients behind each of its columns; mean and scale (p,) have the denominator n, or are
    weighted.
    """

    full: Design
    cells: IntArray
    design: Design
    n: int
    mean: FloatArray
    scale: FloatArray

    @property
    def references(self) -> dict[str, str]:
        """The level of each nominal covariate that the others are compared with."""
        return self.full.references(self.cells)

    @property
    def dropped(self) -> tuple[str, ...]:
        """The levels and combinations that nobody has."""
        return tuple(
            label
            for label, patients in zip(self.full.labels, self.cells, strict=True)
            if not patients
        )

    @property
    def known(self) -> dict[str, tuple[str, ...]]:
        """The levels of each nominal covariate that somebody has."""
        return known_levels(self.full, self.cells)

    @property
    def back(self) -> FloatArray:
        """(p + 1, p + 1): from intercept and slopes of standardised columns to the columns' own."""
        back = np.diag(np.concatenate([[1.0], 1.0 / self.scale]))
        back[0, 1:] = -self.mean / self.scale
        return back


def covariates_of(
    cohort: Cohort,
    interactions: Sequence[Sequence[str]],
    *,
    each: int = 1,
    besides: int = 1,
    curves: Mapping[str, Sequence[Transform]] | None = None,
    weighing: Weighing | None = None,
) -> Covariates:
    """The covariates of a cohort, each of whose columns has `each` parameters, and some besides.

    Raises CannotCompute where records are fewer than parameters, or by check_columns.
    """
    full = cohort.design(cohort.x, interactions, curves=curves)
    weights = weighing.variable if weighing else None
    everything = cohort.fold(moments, MomentsState(full, weights=weights), cells=full.labels)
    kept = full.estimable(everything.cells)
    design, folded = full.select(kept), everything.select(kept)
    n = weighing.n if weighing else int(folded.records)
    parameters = each * len(kept) + besides
    if n <= parameters:
        raise CannotCompute(
            f"{parameters} coefficients cannot be estimated from {n} records",
            remedy="Choose fewer covariates.",
        )
    scale = np.sqrt(np.diag(folded.scatter) / folded.records)
    check_columns(design, folded, scale)
    return Covariates(full, everything.cells, design, n, folded.mean, scale)


def penalised_covariates(cohort: Cohort) -> Covariates:
    """The covariates of a model whose penalty determines it: they may be many, or collinear.

    Raises CannotCompute where one is constant.
    """
    full = cohort.design(cohort.x)
    everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
    kept = full.estimable(everything.cells)
    design, folded = full.select(kept), everything.select(kept)
    n = int(folded.records)
    scale = np.sqrt(np.diag(folded.scatter) / n)
    if not kept:
        raise CannotCompute("No covariate varies", remedy="Choose others.")
    check_variation(design, folded, scale)
    return Covariates(full, everything.cells, design, n, folded.mean, scale)


def check_columns(design: Design, folded: Moments, scale: FloatArray) -> None:
    """Raises CannotCompute naming columns that are constant or that determine each other.

    scale is the columns' standard deviations, (p,).
    """
    check_variation(design, folded, scale)
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


def check_variation(design: Design, folded: Moments, scale: FloatArray) -> None:
    """Raises CannotCompute naming columns that are constant; scale as check_columns."""
    constant = np.flatnonzero(scale <= 1e-14 * np.abs(folded.mean))
    if constant.size or not np.all(scale > 0):
        names = ", ".join(
            label
            for label, spread, mean in zip(design.labels, scale, folded.mean, strict=True)
            if spread <= 1e-14 * abs(mean)
        )
        raise CannotCompute(f"These covariates are constant: {names}", remedy="Leave them out.")
