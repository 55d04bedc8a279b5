"""Cox regression: how covariates multiply the hazard of an event."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.coefficients import (
    coefficients,
)
from medmip.algorithms.covariates import check_columns
from medmip.algorithms.cox_result import (
    BaselineStep,
    CoxResult,
    HazardRatio,
    ModelTest,
    ProportionTest,
)
from medmip.algorithms.curves import (
    Degree,
    Knots,
    Polynomials,
    Splines,
    curves_of,
)
from medmip.algorithms.declaration import CannotCompute, Parameters, algorithm, level_of
from medmip.algorithms.follow_up import STEPS, checked_status, leaving_steps
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.role import ANY, NOMINAL, NUMERIC, many, one
from medmip.algorithms.views import (
    unmasked,
)
from medmip.fold.cohort import Cohort
from medmip.fold.cox import (
    MAX_ROUNDS,
    Infinite,
    Likelihood,
    NotSettled,
    RiskState,
    ScoreBins,
    concordance,
    efron,
    hazard_steps,
    maximised,
    risk_sums,
    score_counts,
    spans_of,
)
from medmip.fold.design import Design
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.survival import FollowUp

SPANS = 1000
"""Different times of events, at the most."""
_BINS = 2**20
"""Cells of scores by time and status, at the most."""
_REACH = 5.0
"""Standard deviations on either side over which scores are told apart."""


class CoxParameters(Parameters):
    """Parameters of a Cox regression."""

    event: str = level_of(
        "event_status", "Event", "The level that is the event; patients at others are censored."
    )
    grid: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        title="Grid",
        description="Times are rounded up to multiples of this, in the unit of time.",
    )
    interactions: tuple[Interaction, ...] = Field(
        (),
        title="Interactions",
        description="Pairs or triples of covariates whose products enter the model.",
        json_schema_extra={"variables_of": "covariates"},
    )
    polynomials: Polynomials = ()
    degree: Degree = 2
    splines: Splines = ()
    knots: Knots = 4
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )


@algorithm(
    "cox",
    label="Cox regression",
    question="Relate variables",
    description="How covariates multiply the hazard of an event, whatever its course in time.",
    discloses=(
        "Coefficients, their errors and the quality of the fit over the whole cohort, and the "
        "baseline's survival at times between which no fewer patients than the minimum had the "
        "event; no level that fewer patients than the minimum have."
    ),
    y=one(NUMERIC, "Event time", "To the event or to the end of follow-up."),
    x=(
        one(NOMINAL, "Event status", "Tells who had the event and who was censored."),
        many(ANY, "Covariates"),
    ),
    method="Cox regression",
    citations=(
        "Cox DR. Regression models and life-tables. Journal of the Royal Statistical Society B. "
        "1972;34:187-220.",
        "Efron B. The efficiency of Cox’s likelihood function for censored data. Journal of the "
        "American Statistical Association. 1977;72:557-565.",
    ),
    parameters=CoxParameters,
)
def cox(cohort: Cohort, parameters: CoxParameters) -> CoxResult:
    """The greatest partial likelihood of proportional hazards.

    Times between which fewer patients than the minimum had the event are joined and count as
    tied, so that no sum leaves of fewer. Raises CannotCompute where fewer patients than that have
    the event at all, where times are negative or too many, where covariates are constant or
    collinear or an estimate is infinite, naming them, or where the method does not converge.
    Source: Cox, Journal of the Royal Statistical Society B 34 (1972) 187-220; Therneau &
    Grambsch, Modeling Survival Data (2000), chapter 3.
    """
    (time,), (event, *covariates) = cohort.y, cohort.x
    start = FollowUp(
        time.code,
        event.code,
        cohort.level(event, parameters.event, "parameters.event"),
        parameters.grid,
        STEPS,
    )
    status = unmasked(np.ma.asarray(checked_status(cohort, start, ()).status)[0])
    leaving = leaving_steps(cohort, start, time)[0]
    spans, ends = _spans(cohort, leaving[1], parameters.grid)
    last = int(np.flatnonzero(leaving.any(axis=0))[-1])
    follow_up = replace(start, steps=last + 1)

    curves = curves_of(cohort, covariates, parameters)
    full = cohort.design(covariates, parameters.interactions, curves=curves.columns)
    everything = cohort.fold(moments, MomentsState(full), cells=full.labels)
    kept = full.estimable(everything.cells)
    design, folded = full.select(kept), everything.select(kept)
    n, p = float(folded.records), len(kept)
    if not p:
        raise CannotCompute(
            "No covariate has two levels in this cohort", remedy="Choose other covariates."
        )
    if int(leaving[1].sum()) <= p:
        raise CannotCompute(
            f"{p} coefficients cannot be estimated from so few events",
            remedy="Choose fewer covariates.",
        )
    shift, scale = folded.mean, np.sqrt(np.diag(folded.scatter) / n)
    check_columns(design, folded, scale)
    state = RiskState(follow_up, spans[: last + 1], len(ends), design, shift, scale, np.zeros(p))
    null = efron(cohort.fold(risk_sums, state), state.beta)
    _check_at_risk(design.labels, null.information)
    try:
        state, sums, rounds = maximised(cohort, state, null)
    except Infinite as error:
        raise CannotCompute(
            "The covariates tell who has the event first without error, so no finite estimate "
            f"exists: {error}",
            remedy="Leave out the covariate that separates, or join levels.",
        ) from None
    except NotSettled:
        raise CannotCompute(
            f"The estimate did not settle within {MAX_ROUNDS} rounds",
            remedy="Leave out covariates that hardly vary or that nearly determine each other.",
        ) from None
    fit = efron(sums, state.beta)

    covariance = np.linalg.inv(fit.information) / np.outer(scale, scale)
    found = coefficients(
        design.labels,
        state.beta / scale,
        np.sqrt(np.diag(covariance)),
        stats.norm(),
        parameters.confidence,
    )
    with np.errstate(over="ignore"):
        ratios = tuple(
            HazardRatio(
                term=part.term,
                ratio=float(np.exp(part.estimate)),
                lower=float(np.exp(part.lower)),
                upper=float(np.exp(part.upper)),
            )
            for part in found
        )
    tests = {
        "Likelihood ratio": 2 * (fit.value - null.value),
        "Wald": float(state.beta @ fit.information @ state.beta),
        "Score (log-rank)": float(null.gradient @ np.linalg.solve(null.information, null.gradient)),
    }
    clock = _events_before(leaving)[np.searchsorted(spans, np.arange(len(ends)))]
    # From the covariates' means to where the levels are at their references.
    centre = float(np.where(design.indicators > 0, -shift / scale, 0.0) @ state.beta)
    hazard = np.cumsum(hazard_steps(sums)) * np.exp(centre)
    correlation = folded.scatter / (n * np.outer(scale, scale))
    spread = float(np.sqrt(state.beta @ correlation @ state.beta))
    return CoxResult(
        time=time.code,
        event_variable=event.code,
        event=parameters.event,
        grid=parameters.grid,
        n=int(n),
        events=status[1],
        excluded=cohort.size.excluded,
        coefficients=found,
        hazard_ratios=ratios,
        references=full.references(everything.cells),
        dropped=tuple(
            label
            for label, patients in zip(full.labels, everything.cells, strict=True)
            if not patients
        ),
        log_likelihood=fit.value,
        null_log_likelihood=null.value,
        aic=2 * p - 2 * fit.value,
        tests=tuple(
            ModelTest(test=name, chi_square=value, df=p, p_value=float(stats.chi2.sf(value, p)))
            for name, value in tests.items()
        ),
        proportional=_proportional(fit, design, clock),
        concordance=_concordance(cohort, state, spread),
        baseline=tuple(
            BaselineStep(
                time=follow_up.time_of(int(end)),
                cumulative_hazard=float(value),
                survival=float(np.exp(-value)),
            )
            for end, value in zip(ends, hazard, strict=True)
            # The time of the last few is a single patient's.
            if cohort.minimum == 1 or int(leaving[:, end + 1 :].sum()) >= cohort.minimum
        ),
        times=len(ends),
        iterations=rounds,
        confidence=parameters.confidence,
        curves=curves.told(design, shift, state.beta / scale, covariance, parameters.confidence),
        minimum=cohort.minimum,
    )


def _spans(cohort: Cohort, events: IntArray, grid: float) -> tuple[IntArray, IntArray]:
    """The spans of steps that the fit tells apart; events is (steps,)."""
    if int(events.sum()) < cohort.minimum:
        raise CannotCompute(
            f"Fewer than {cohort.minimum} patients of this cohort have the event",
            remedy="Choose another level as the event, or widen the filter.",
        )
    spans, ends = spans_of(events, cohort.minimum)
    coarser, found = events, ends
    while len(found) > SPANS:
        grid *= 2
        # Step k of the grid is step (k + 1) // 2 of one twice as coarse.
        padded = np.pad(coarser, (1, 0))
        coarser = np.add.reduceat(padded, np.arange(0, len(padded), 2))
        found = spans_of(coarser, cohort.minimum)[1]
    if found is not ends:
        raise CannotCompute(
            f"Events come at more than {SPANS} different times",
            remedy=f"Choose a coarser grid, such as {grid:g}.",
        )
    return spans, ends


def _check_at_risk(labels: Sequence[str], information: FloatArray) -> None:
    """Raises CannotCompute naming columns that do not vary, or go together, among those at risk."""
    constant = [
        label for label, part in zip(labels, np.diag(information), strict=True) if part < 1e-10
    ]
    if constant:
        raise CannotCompute(
            "These covariates do not vary among those at risk when events come: "
            + ", ".join(constant),
            remedy="Leave them out.",
        )
    deviations = np.sqrt(np.diag(information))
    values, vectors = np.linalg.eigh(information / np.outer(deviations, deviations))
    if values[0] < 1e-10:
        weights = np.abs(vectors[:, 0])
        named = [
            label
            for label, weight in zip(labels, weights, strict=True)
            if weight > 1e-3 * weights.max()
        ]
        raise CannotCompute(
            "These covariates determine each other among those at risk when events come: "
            + ", ".join(named),
            remedy="Leave one of them out.",
        )


def _events_before(leaving: IntArray) -> FloatArray:
    """The share of patients with the event before each step, by Kaplan & Meier, (steps,)."""
    at_risk = leaving.sum(axis=0)[::-1].cumsum()[::-1]
    left = np.cumprod(1 - leaving[1] / np.maximum(at_risk, 1))
    before: FloatArray = 1 - np.concatenate([[1.0], left[:-1]])
    return before


def _proportional(fit: Likelihood, design: Design, clock: FloatArray) -> tuple[ProportionTest, ...]:
    if len(clock) <= len(design.columns) + 1:
        return ()
    terms = {":".join(term): design.columns_of(place) for place, term in enumerate(design.terms)}
    tested = {name: columns for name, columns in terms.items() if columns}
    if len(tested) > 1:
        tested["All"] = list(range(len(design.columns)))
    found = []
    for name, columns in tested.items():
        try:
            chi_square = fit.drift(clock, columns)
        except np.linalg.LinAlgError:
            return ()
        if not chi_square >= 0:
            return ()
        df = len(columns)
        p_value = float(stats.chi2.sf(chi_square, df))
        found.append(ProportionTest(term=name, chi_square=chi_square, df=df, p_value=p_value))
    return tuple(found)


def _concordance(cohort: Cohort, state: RiskState, spread: float) -> float | None:
    if not spread > 0:
        return None
    size = int(np.clip(_BINS // (2 * state.follow_up.steps), 64, 2048))
    bins = ScoreBins(state, _REACH * spread, size)
    found = concordance(cohort.fold(score_counts, bins).leaving)
    return found if np.isfinite(found) else None
