"""Cox models: the sums over risk sets, the partial likelihood and its maximum, concordance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray

from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.statistic import (
    Cells,
    FloatArray,
    IntArray,
    Rank,
    Statistic,
    Sum,
    sum_over,
)
from medmip.fold.survival import FollowUp

LARGEST = 300.0
"""Log hazard ratios beyond which sums of hazards would overflow."""
MAX_ROUNDS = 50
_RECORDS_A_SPAN = 16
"""Records of each span in a block from which on a product for each span is faster."""
_GAIN = 1e-9
"""Settled needs that the gain still to be had is below this share of the log-likelihood."""
_STEP = 1e-6
"""Settled needs that no coefficient of a standardised column moves by more than this share."""


class Infinite(Exception):
    """The covariates in columns tell who has the event first, so no finite maximum exists."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        super().__init__(", ".join(columns))


class NotSettled(Exception):
    """No maximum was found within MAX_ROUNDS rounds."""


@dataclass(frozen=True)
class RiskState:
    """A Cox model at one point: columns z = (x - shift) / scale and beta, (p,).

    spans is (steps,): which span of steps each step belongs to, -1 for those before any event;
    number is that of spans.
    """

    follow_up: FollowUp
    spans: IntArray
    number: int
    design: Design
    shift: FloatArray
    scale: FloatArray
    beta: FloatArray

    def columns_of(self, block: Block) -> FloatArray:
        """The standardised columns, (p, n)."""
        columns: FloatArray = (block.matrix(self.design).T - self.shift[:, None]) / self.scale[
            :, None
        ]
        return columns

    def score_of(self, columns: FloatArray) -> FloatArray:
        """Log hazard ratios, (n,), of standardised columns (p, n)."""
        score: FloatArray = np.clip(np.dot(self.beta, columns), -LARGEST, LARGEST)
        return score


@dataclass(frozen=True)
class RiskSums(Statistic):
    """Sums of hazards w = exp(z'beta) of all who leave, and of those with the event, by span.

    patients (spans, 2): all, with the event; weight (spans, 2): sum of w; first (spans, 2, p): of
    w z; second (spans, 2, p, p): of w z z'; plain (spans, 2, p): of z; beyond (): records whose
    hazard is too large or too small to be told.
    """

    patients: Cells
    weight: Annotated[FloatArray, sum_over("patients")]
    first: Annotated[FloatArray, sum_over("patients")]
    second: Annotated[FloatArray, sum_over("patients")]
    plain: Annotated[FloatArray, sum_over("patients")]
    beyond: Sum

    def supported_parameters(self) -> int:
        return int(self.plain.shape[-1])

    @property
    def at_risk(self) -> Self:
        """The same sums with, in the place of all who leave, all who are at risk."""

        def gathered(sums: FloatArray) -> FloatArray:
            whole = np.array(sums)
            whole[:, 0] = whole[::-1, 0].cumsum(axis=0)[::-1]
            return whole

        return type(self)(
            self.patients,
            gathered(self.weight),
            gathered(self.first),
            gathered(self.second),
            self.plain,
            self.beyond,
        )


def risk_sums(block: Block, state: RiskState) -> RiskSums:
    """The sums of one block by span."""
    z = state.columns_of(block)
    size = state.number
    span = np.append(state.spans, -1)[state.follow_up.step_of(block)]
    came = (state.follow_up.came(block) == 1) & (span >= 0)
    score = state.score_of(z)
    weights, beyond = np.exp(score), np.count_nonzero(np.abs(score) >= LARGEST)
    patients = np.stack(
        [block.cells(np.where(chosen, span, -1), size) for chosen in (span >= 0, came)], axis=1
    )
    by_span = _by_span if size * _RECORDS_A_SPAN <= block.records else _by_pair
    weight, first, plain, second = by_span(z, weights, span, came, size)
    return RiskSums(patients, weight, first, second, plain, np.array(float(beyond)))


def _by_span(
    z: FloatArray, weights: FloatArray, span: IntArray, came: NDArray[np.bool_], size: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Weight, first, plain and second of RiskSums, by one product for each span and status."""
    p = len(z)
    order = np.lexsort((came, span))
    sorted_spans = span[order]
    starts = np.searchsorted(sorted_spans, np.arange(size + 1))
    events = np.bincount(span[came], minlength=size)
    one = np.empty((p + 1, len(order)))
    one[0], one[1:] = 1.0, z[:, order]
    heavy = one * weights[order]
    products, plain = np.zeros((size, 2, p + 1, p + 1)), np.zeros((size, 2, p))
    for index, (start, stop) in enumerate(pairwise(starts.tolist())):
        middle = stop - int(events[index])
        for part, (low, high) in enumerate(((start, middle), (middle, stop))):
            if low < high:
                products[index, part] = np.dot(heavy[:, low:high], one[:, low:high].T)
                plain[index, part] = one[1:, low:high].sum(axis=1)
    # Those with the event are among all who leave.
    products[:, 0] += products[:, 1]
    plain[:, 0] += plain[:, 1]
    second = products[:, :, 1:, 1:]
    return (
        products[:, :, 0, 0],
        products[:, :, 1:, 0],
        plain,
        (second + second.transpose(0, 1, 3, 2)) / 2,
    )


def _by_pair(
    z: FloatArray, weights: FloatArray, span: IntArray, came: NDArray[np.bool_], size: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The same by one count for each pair of columns, for many spans of few records."""
    p = len(z)
    weight, first = np.zeros((size, 2)), np.zeros((size, 2, p))
    plain, second = np.zeros((size, 2, p)), np.zeros((size, 2, p, p))
    for part, chosen in enumerate((span >= 0, came)):
        held, columns, heavy = span[chosen], z[:, chosen], weights[chosen]
        weight[:, part] = np.bincount(held, heavy, minlength=size)
        for i in range(p):
            plain[:, part, i] = np.bincount(held, columns[i], minlength=size)
            once = heavy * columns[i]
            first[:, part, i] = np.bincount(held, once, minlength=size)
            for j in range(i + 1):
                twice = np.bincount(held, once * columns[j], minlength=size)
                second[:, part, i, j] = second[:, part, j, i] = twice
    return weight, first, plain, second


@dataclass(frozen=True)
class Likelihood:
    """A Cox model's log partial likelihood; by span its slopes (spans, p) and bends, (spans, p, p).

    Bends are minus the second derivatives.
    """

    value: float
    slopes: FloatArray
    bends: FloatArray

    @property
    def gradient(self) -> FloatArray:
        """(p,)"""
        return np.asarray(self.slopes.sum(axis=0), dtype=np.float64)

    @property
    def information(self) -> FloatArray:
        """(p, p)"""
        return np.asarray(self.bends.sum(axis=0), dtype=np.float64)

    def drift(self, clock: FloatArray, columns: Sequence[int]) -> float:
        """The score test, χ², that these columns' coefficients do not change with a clock (spans,).

        Source: Grambsch & Therneau, Biometrika 81 (1994) 515-526.
        """
        p, chosen = self.slopes.shape[1], list(columns)
        ticked = clock - clock.mean()
        slope = (ticked @ self.slopes)[chosen]
        once, twice = (np.einsum("k,kij->ij", ticked**power, self.bends) for power in (1, 2))
        whole = np.block(
            [
                [self.information, once[:, chosen]],
                [once[chosen], twice[np.ix_(chosen, chosen)]],
            ]
        )
        every = np.concatenate([np.zeros(p), slope])
        return float(every @ np.linalg.solve(whole, every))


def efron(sums: RiskSums, beta: FloatArray) -> Likelihood:
    """The partial likelihood where events of one span are tied, by Efron's rule.

    Source: Efron, Journal of the American Statistical Association 72 (1977) 557-565.
    """
    held = sums.at_risk
    events, came = held.patients[:, 1], held.plain[:, 1]
    whole = held.weight[:, 0]
    mean, tied = (held.first[:, part] / whole[:, None] for part in (0, 1))
    square, tied_square = (held.second[:, part] / whole[:, None, None] for part in (0, 1))
    span, before = _ties(events)
    rest = 1.0 - before * (held.weight[:, 1] / whole)[span]

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(span, values, minlength=len(events))[:, None].astype(np.float64)

    once, shared = total(1 / rest), total(before / rest)
    both, mixed, late = (total(before**power / rest**2) for power in range(3))
    cross = (mixed * mean)[:, :, None] * tied[:, None, :]
    bends = once[:, :, None] * square - shared[:, :, None] * tied_square
    bends -= (both * mean)[:, :, None] * mean[:, None, :]
    bends -= (late * tied)[:, :, None] * tied[:, None, :]
    bends += cross + cross.transpose(0, 2, 1)
    value = float((came @ beta).sum() - np.log(rest).sum() - events @ np.log(whole))
    return Likelihood(value, came - once * mean + shared * tied, bends)


def hazard_steps(sums: RiskSums) -> FloatArray:
    """What each span adds to the baseline's cumulative hazard, (spans,), by Efron's rule."""
    held = sums.at_risk
    span, part = _ties(held.patients[:, 1])
    risk = held.weight[span, 0] - part * held.weight[span, 1]
    return np.bincount(span, 1 / risk, minlength=len(held.weight)).astype(np.float64)


def _ties(events: IntArray) -> tuple[IntArray, FloatArray]:
    """For each event its span, and which part of the tied events went before it."""
    span = np.repeat(np.arange(len(events)), events)
    before = np.arange(len(span)) - np.repeat(np.cumsum(events) - events, events)
    return span, before / events[span]


def maximised(
    cohort: Cohort, state: RiskState, here: Likelihood
) -> tuple[RiskState, RiskSums, int]:
    """The state of greatest likelihood, the sums there, and the number of Newton steps.

    Where an estimate is infinite the likelihood goes on rising, ever less, while each round's
    step stays as long as the last. Raises Infinite or NotSettled.
    """
    before, stuck = np.inf, 0
    for rounds in range(1, MAX_ROUNDS + 1):
        try:
            change: FloatArray = np.asarray(
                np.linalg.solve(here.information, here.gradient), dtype=np.float64
            )
        except np.linalg.LinAlgError:
            raise _infinite(state, state.beta) from None
        size = float(np.abs(change).max())
        gain = 0.5 * float(change @ here.gradient)
        little = gain <= _GAIN * (abs(here.value) + 0.1)
        settled = little and size <= _STEP * (1.0 + float(np.abs(state.beta).max()))
        stuck = stuck + 1 if size > 0.5 * before and gain < 1e-2 else 0
        if stuck > 3 and not settled:
            raise _infinite(state, change)
        before = size
        length = 1.0
        while True:
            tried = replace(state, beta=state.beta + length * change)
            sums = cohort.fold(risk_sums, tried)
            there = efron(sums, tried.beta)
            if settled or there.value >= here.value - 1e-12 * abs(here.value):
                break
            length /= 2
            if length < 1e-6:
                raise NotSettled
        state, here = tried, there
        if float(sums.beyond):
            raise _infinite(state, state.beta)
        if settled:
            return state, sums, rounds
    raise NotSettled


def _infinite(state: RiskState, direction: FloatArray) -> Infinite:
    weights = np.abs(direction)
    return Infinite(
        tuple(
            label
            for label, weight in zip(state.design.labels, weights, strict=True)
            if weight >= 0.3 * weights.max(initial=0.0)
        )
    )


@dataclass(frozen=True)
class ScoreBins:
    """A Cox model's scores in `size` equal bins over ± reach, told by step and status."""

    risk: RiskState
    reach: float
    size: int


@dataclass(frozen=True)
class ScoreCounts(Statistic):
    """Who leaves by status (censored first), step and bin of the score, (2, steps, size)."""

    leaving: Rank


def score_counts(block: Block, state: ScoreBins) -> ScoreCounts:
    """How many of one block leave at each step with each score."""
    risk, steps = state.risk, state.risk.follow_up.steps
    score = risk.score_of(risk.columns_of(block))
    place = np.floor((score / state.reach + 1) / 2 * state.size)
    bins = np.clip(place, 0, state.size - 1).astype(np.int64)
    cell = risk.follow_up.came(block) * steps + np.minimum(risk.follow_up.step_of(block), steps - 1)
    counts = np.bincount(cell * state.size + bins, minlength=2 * steps * state.size)
    return ScoreCounts(counts.astype(np.int64).reshape(2, steps, state.size))


def concordance(leaving: IntArray) -> float:
    """The share of pairs in which who had the event first had the greater score, ties by halves.

    leaving is (2, steps, size). A pair counts where one had the event and the other was at risk
    after it. NaN where there is no such pair.
    Source: Harrell, Lee & Mark, Statistics in Medicine 15 (1996) 361-387.
    """
    censored, events = leaving[0].astype(np.float64), leaving[1].astype(np.float64)
    after = np.zeros(leaving.shape[2])
    right = pairs = 0.0
    for step in range(leaving.shape[1])[::-1]:
        after += censored[step]
        lower = np.cumsum(after) - after / 2
        right += float(events[step] @ lower)
        pairs += float(events[step].sum() * after.sum())
        after += events[step]
    return right / pairs if pairs else float("nan")


def spans_of(events: IntArray, minimum: int) -> tuple[IntArray, IntArray]:
    """Which span each step belongs to, (steps,), and the step of each span's last event, (spans,).

    events is (steps,). A span begins with an event and ends before the next event once it holds
    the minimum of them, so that a minimum of 1 makes a span of every time with an event. Steps
    before any event are -1. At least the minimum of events must be there.
    """
    times = np.flatnonzero(events)
    starts, held = [], minimum
    for time in times.tolist():
        if held >= minimum:
            starts.append(time)
            held = 0
        held += int(events[time])
    if held < minimum:
        starts.pop()
    spans: IntArray = np.searchsorted(starts, np.arange(len(events)), side="right") - 1
    ends = np.append(times[np.searchsorted(times, starts[1:]) - 1], times[-1])
    return spans, ends
