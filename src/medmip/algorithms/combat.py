"""ComBat: shifts and scales between scanners or hospitals taken out before an analysis."""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.covariates import check_columns
from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.imputation import weights_of
from medmip.catalogue.variable import DATASET, Variable
from medmip.fold.batches import Batch, BatchState, Harmonised, batch_residuals
from medmip.fold.cohort import Cohort
from medmip.fold.imputing import LinearScores
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray

_ROUNDS = 1000
"""Rounds of the empirical Bayes estimates at the most; some ten are enough."""
_STEP = 1e-12
"""Settled: no estimate moves by more than this share of itself."""


class Combat(BaseModel):
    """Numeric variables are harmonised between batches, such as hospitals or scanners."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Harmonise by ComBat")

    batch: str = Field(
        DATASET,
        max_length=200,
        title="Batch",
        description="The nominal variable that tells batches apart: dataset, or a scanner.",
        json_schema_extra={"variable_of": "model", "kinds": ["nominal"]},
    )
    preserve: tuple[str, ...] = Field(
        (),
        max_length=100,
        title="Preserve",
        description=(
            "Variables whose differences between batches are real and stay in, such as age, sex "
            "and diagnosis. Records without a value of one are dropped."
        ),
        json_schema_extra={"variables_of": "model", "kinds": ["numeric", "nominal"]},
    )
    variables: tuple[str, ...] = Field(
        (),
        max_length=1000,
        title="Variables",
        description=(
            "The numeric variables to harmonise; none named: every numeric outcome and covariate "
            "that is not preserved."
        ),
        json_schema_extra={"variables_of": ["x", "y"], "kinds": ["numeric"]},
    )
    empirical_bayes: bool = Field(
        True,
        title="Empirical Bayes",
        description=(
            "Batches' shifts and scales are drawn towards those of the other variables; needs at "
            "least two variables, else they are taken as estimated."
        ),
    )

    def chosen(self, y: Sequence[Variable], x: Sequence[Variable]) -> tuple[str, ...]:
        """The variables to harmonise, of those in the roles."""
        if self.variables:
            return self.variables
        roles = {variable.code: variable for variable in (*x, *y)}
        return tuple(
            code
            for code, variable in roles.items()
            if variable.is_numeric and code not in self.preserve
        )

    def estimated(self, cohort: Cohort, known: Mapping[str, Variable]) -> Harmonised:
        """Each batch's shift and scale of each variable, about a regression on the preserved ones.

        known gives variables by code. Raises Refused where a batch has fewer than the minimum of
        patients, and CannotCompute where batches are confounded with what is preserved or there
        are fewer than two, or where a variable does not vary.
        Source: Johnson, Li & Rabinovic, Biostatistics 8 (2007) 118-127; Fortin et al., NeuroImage
        161 (2017) 149-170.
        """
        codes = self.chosen(cohort.y, cohort.x)
        preserved = [known[code] for code in self.preserve]
        full = cohort.design((known[self.batch], *preserved, *(known[code] for code in codes)))
        everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
        of_batch = full.columns_of(0)
        present = [index for index in of_batch if everything.cells[index]]
        if len(present) < 2:
            raise CannotCompute(
                f"All records of the cohort are of one batch of {self.batch}",
                remedy="Add datasets, or leave ComBat out.",
            )
        first = len(full.columns) - len(codes)
        kept = [index for index in full.estimable(everything.cells) if index < first]
        regressors = everything.select(kept)
        try:
            scale = np.sqrt(np.diag(regressors.scatter) / regressors.records)
            check_columns(full.select(kept), regressors, scale)
        except CannotCompute as error:
            raise CannotCompute(
                f"What ComBat preserves cannot be told from the batches of {self.batch}: "
                f"{error.what}",
                remedy="Preserve fewer variables, or join batches.",
            ) from None
        features = np.arange(first, len(full.columns))
        scaled = regressors.scatter / np.outer(scale, scale)
        towards = everything.scatter[kept][:, features] / scale[:, None]
        effects = np.linalg.solve(scaled, towards) / scale[:, None]
        mean = everything.mean
        of_preserved = [place for place, index in enumerate(kept) if index not in of_batch]
        slopes = effects[of_preserved]
        columns = [full.columns[kept[place]] for place in of_preserved]
        centres = mean[[kept[place] for place in of_preserved]]
        expected = LinearScores(
            intercepts=tuple(mean[features].tolist()), terms=weights_of(columns, centres, slopes)
        )
        offsets = np.zeros((len(present), len(codes)))
        for place, index in enumerate(kept):
            if index in of_batch:
                offsets[present.index(index)] = effects[place]
        # The first batch is the regression's reference; offsets are about the mean of all records.
        shares = mean[present]
        offsets -= shares @ offsets
        places = np.full(len(of_batch) + 1, -1)
        places[present] = np.arange(len(present))
        levels = cohort.levels[self.batch]
        batches = [levels[index] for index in present]
        state = BatchState(self.batch, places, codes, expected, offsets)
        sums = cohort.fold(
            batch_residuals, state, cells=[f"{self.batch}[{level}]" for level in batches]
        )
        n = np.asarray(sums.records, dtype=float)[:, None]
        squares = sums.squares - sums.total**2 / n
        deviations = np.sqrt(squares.sum(axis=0) / n.sum())
        spread = 1e-14 * np.abs(mean[features])
        self._check_spread(deviations > spread, np.sqrt(squares / n) > spread, codes, batches)
        shift = (offsets + sums.total / n) / deviations
        variance = squares / (n - 1.0) / deviations**2
        if self.empirical_bayes and len(codes) > 1:
            shift, variance = _shrunk(shift, variance, n[:, 0])
        ratio = np.sqrt(variance)
        return Harmonised(
            batch=self.batch,
            variables=codes,
            expected=expected,
            deviations=tuple(deviations.tolist()),
            batches=tuple(
                Batch(
                    level=level,
                    records=int(n[index, 0]),
                    shifts=tuple(shift[index].tolist()),
                    ratios=tuple(ratio[index].tolist()),
                )
                for index, level in enumerate(batches)
            ),
        )

    def _check_spread(
        self,
        varies: np.ndarray,
        within: np.ndarray,
        codes: Sequence[str],
        batches: Sequence[str],
    ) -> None:
        """Raises CannotCompute naming variables that are constant, (v,), or in a batch, (b, v)."""
        flat = [code for code, good in zip(codes, varies, strict=True) if not good]
        flat += [
            f"{code} in {level}"
            for code, held in zip(codes, within.T, strict=True)
            for level, good in zip(batches, held, strict=True)
            if not good and code not in flat
        ]
        if flat:
            raise CannotCompute(
                f"These variables do not vary, so ComBat cannot scale them: {', '.join(flat)}",
                remedy="Name the variables to harmonise, without these.",
            )


def _shrunk(
    shift: FloatArray, variance: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The parametric empirical Bayes estimates of shifts and variances, (b, v); n is (b,).

    Shifts of a batch have a normal prior, variances an inverse gamma one, both by moments over
    the variables. Raises CannotCompute where they do not settle.
    Source: Johnson, Li & Rabinovic (2007), supplementary material A.
    """
    shifts, variances = shift.copy(), variance.copy()
    for batch in range(len(shift)):
        centre, spread = shift[batch].mean(), shift[batch].var(ddof=1)
        mean, around = variance[batch].mean(), variance[batch].var(ddof=1)
        squares = (n[batch] - 1.0) * variance[batch]
        for _ in range(_ROUNDS):
            g, d = shifts[batch], variances[batch]
            moved = (n[batch] * spread * shift[batch] + d * centre) / (n[batch] * spread + d)
            residual = squares + n[batch] * (shift[batch] - moved) ** 2
            # The prior's shape and rate over their own size, so that equal variances need no limit.
            above = (mean * around + mean**3) + 0.5 * residual * around
            found = above / ((2.0 * around + mean**2) + (n[batch] / 2.0 - 1.0) * around)
            change = np.abs(found - d) / d
            settled = change.max() <= _STEP and np.abs(moved - g).max() <= _STEP
            shifts[batch], variances[batch] = moved, found
            if settled:
                break
        else:
            raise CannotCompute(
                "The empirical Bayes estimates of ComBat did not settle",
                remedy="Switch empirical Bayes off, or harmonise fewer variables.",
            )
    return shifts, variances
