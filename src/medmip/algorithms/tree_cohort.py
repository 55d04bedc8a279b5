"""What every algorithm of trees needs of a cohort: bins of its covariates, and its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from medmip.algorithms import describe
from medmip.algorithms.declaration import CannotCompute
from medmip.catalogue.variable import Variable
from medmip.fold import classes
from medmip.fold.bins import MOST, Bins, bins_of
from medmip.fold.cohort import Cohort
from medmip.fold.model import Target
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray
from medmip.fold.trees import ClassOutcome, NumberOutcome, Outcome


@dataclass(frozen=True)
class TreeCohort:
    """A cohort made ready for trees.

    known gives the levels of each nominal covariate that somebody has; counts (k,) are the
    records of each class, empty where the outcome is a number; mean and spread (a standard
    deviation) are those of a number.
    """

    bins: Bins
    outcome: Outcome
    variable: Variable
    known: Mapping[str, tuple[str, ...]]
    n: int
    target: Target | None
    counts: FloatArray
    mean: float
    spread: float

    @property
    def covariates(self) -> tuple[str, ...]:
        return tuple(feature.variable for feature in self.bins.features)

    @property
    def units(self) -> FloatArray:
        """From sums in whole steps to sums of deviations in the outcome's unit."""
        if isinstance(self.outcome, NumberOutcome):
            return np.array([1.0, self.outcome.step, self.outcome.step**2])
        return np.ones(self.outcome.channels)


def bins_field() -> int:
    """The parameter that bounds the bins of a numeric covariate."""
    bins: int = Field(
        64,
        ge=2,
        le=MOST,
        title="Bins",
        description="Groups that a numeric covariate is cut into, of about as many patients each.",
    )
    return bins


def tree_cohort(cohort: Cohort, most: int) -> TreeCohort:
    """The bins, at most `most` of a numeric covariate, and the outcome of a cohort.

    Raises CannotCompute where the outcome, or every covariate, is constant, or where the outcome
    is among the covariates.
    """
    (outcome,) = cohort.y
    if outcome.code in {variable.code for variable in cohort.x}:
        raise CannotCompute("The outcome is among its own covariates", remedy="Leave it out.")
    numeric = [variable for variable in (*cohort.x, outcome) if variable.is_numeric]
    n, mean, spread = _moments(cohort, numeric)
    told, target, counts = _outcome(cohort, outcome, n, mean, spread)
    nominal = [variable for variable in cohort.x if not variable.is_numeric]
    known = _known(cohort, nominal)
    covariates = len([variable for variable in cohort.x if variable.is_numeric])
    bins = bins_of(cohort, cohort.x, most, mean[:covariates], spread[:covariates])
    if all(
        len(known[part.variable]) < 2 if part.is_nominal else not part.edges
        for part in bins.features
    ):
        names = ", ".join(part.variable for part in bins.features)
        raise CannotCompute(
            f"These covariates do not tell patients apart: {names}",
            remedy="Choose others, or widen the filter.",
        )
    return TreeCohort(
        bins=bins,
        outcome=told,
        variable=outcome,
        known=known,
        n=n,
        target=target,
        counts=counts,
        mean=float(mean[-1]) if outcome.is_numeric else 0.0,
        spread=float(spread[-1]) if outcome.is_numeric else 0.0,
    )


def _moments(cohort: Cohort, numeric: list[Variable]) -> tuple[int, FloatArray, FloatArray]:
    """Records, means and standard deviations of numeric variables."""
    if not numeric:
        return cohort.size.records, np.zeros(0), np.zeros(0)
    design = cohort.design(numeric)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    spread = np.sqrt(np.maximum(np.diag(folded.scatter), 0.0) / folded.records)
    return int(folded.records), folded.mean, spread


def _outcome(
    cohort: Cohort, outcome: Variable, n: int, mean: FloatArray, spread: FloatArray
) -> tuple[Outcome, Target | None, FloatArray]:
    if outcome.is_numeric:
        if spread[-1] <= 1e-14 * abs(mean[-1]):
            raise CannotCompute(
                f"{outcome.code} is constant in this cohort", remedy="Choose another outcome."
            )
        number = NumberOutcome.about(outcome.code, float(mean[-1]), float(spread[-1]), n)
        return number, None, np.zeros(0)
    levels = cohort.levels[outcome.code]
    state = classes.LevelState(outcome.code, len(levels))
    counts = cohort.fold(classes.level_counts, state, cells=levels).records
    present = np.flatnonzero(counts > 0)
    if len(present) < 2:
        raise CannotCompute(
            f"{outcome.code} has a single level in this cohort",
            remedy="Choose another outcome, or widen the filter.",
        )
    places = np.zeros(len(levels), dtype=np.int64)
    places[present] = np.arange(len(present))
    told = ClassOutcome(outcome.code, tuple(places.tolist()), len(present))
    return told, Target.each([levels[index] for index in present]), counts[present]


def _known(cohort: Cohort, nominal: list[Variable]) -> dict[str, tuple[str, ...]]:
    """The levels of each nominal variable that somebody has, however few: never how many."""
    if not nominal:
        return {}
    codes = tuple(variable.code for variable in nominal)
    most = max(len(cohort.levels[code]) for code in codes)
    if most > 255:
        raise CannotCompute("A covariate has more than 255 levels", remedy="Leave it out.")
    counted = cohort.fold(describe.level_counts, describe.LevelState(codes, 0, most)).records
    there = np.ma.filled(np.ma.asarray(counted), 1.0)[:, 0] > 0
    return {
        code: tuple(level for level, held in zip(cohort.levels[code], row, strict=False) if held)
        for code, row in zip(codes, there, strict=True)
    }


def node_values(ready: TreeCohort, sums: FloatArray) -> FloatArray:
    """What each node predicts, (m, classes) or (m, 1), from its sums in the outcome's unit."""
    if isinstance(ready.outcome, NumberOutcome):
        return np.asarray(ready.outcome.origin + sums[:, 1:2] / sums[:, :1])
    return np.asarray(sums / sums.sum(axis=1, keepdims=True))
