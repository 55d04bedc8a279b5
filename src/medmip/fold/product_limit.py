"""Product-limit estimates of one group, what of them may be told, and the log-rank test."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medmip.fold.statistic import FloatArray, IntArray

Limits = Literal["log", "log-log", "plain"]
"""The scale on which confidence limits lie evenly about a curve."""


class ProductLimit:
    """The estimates of one group at every step at which somebody leaves, (k,) each.

    leaving is (2, steps), censored first; z is the normal quantile of the limits. Those of the
    hazard lie evenly about it on the scale of logarithms.
    Source: Klein & Moeschberger, Survival Analysis, 2nd ed., 4.3.
    """

    def __init__(self, leaving: IntArray, z: float, limits: Limits) -> None:
        self.place = np.flatnonzero(leaving.sum(axis=0))
        self.censored, self.events = leaving[:, self.place]
        gone = self.censored + self.events
        self.after = gone.sum() - np.cumsum(gone)
        self.at_risk = self.after + gone
        n, d = self.at_risk.astype(np.float64), self.events.astype(np.float64)
        self.survival = np.cumprod(1 - d / n)
        self.hazard = np.cumsum(d / n)
        self.hazard_error = np.sqrt(np.cumsum(d / n**2))
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.exp(z * self.hazard_error / self.hazard)
            self.hazard_lower, self.hazard_upper = self.hazard / factor, self.hazard * factor
            self.share = d / (n * (n - d))
            relative = np.where(self.survival > 0, np.sqrt(np.cumsum(self.share)), np.nan)
            self.error = self.survival * relative
            self.lower, self.upper = _limits(self.survival, relative, z, limits)

    def told(self, minimum: int, with_rest: bool) -> list[int]:
        """The indices up to which all may be told, so that no difference is a small number.

        with_rest: the group's numbers of events and censored are told too, and with them the rest.
        """
        done = np.cumsum([self.censored, self.events], axis=1)
        last = np.zeros(2, dtype=np.int64)
        ends = []
        for index in range(len(self.place)):
            rest = done[:, -1] - done[:, index] if with_rest else last[:0]
            known = np.concatenate([done[:, index] - last, rest])
            # The step at which the last few leave is a single patient's time.
            few = 1 < minimum > self.after[index]
            if not few and not ((known > 0) & (known < minimum)).any():
                ends.append(index)
                last = done[:, index]
        return ends

    def median(self, minimum: int) -> tuple[float | None, float | None, float | None]:
        """The steps at which the curve and its limits reach one half, where enough are at risk.

        Where the curve rests at one half, the middle of that time.
        Source: Brookmeyer & Crowley, Biometrics 38 (1982) 29-41.
        """
        held = self.at_risk >= minimum
        place = self.place[held]
        found = [_half(place, curve[held]) for curve in (self.survival, self.lower, self.upper)]
        return found[0], found[1], found[2]

    def restricted_mean(self, horizon: int) -> tuple[float, float]:
        """The area under the curve up to a step, and its standard error, in steps.

        Source: Klein & Moeschberger, Survival Analysis, 2nd ed., 4.5.
        """
        held = self.place < horizon
        width = np.diff(np.append(self.place[held], horizon))
        areas = self.survival[held] * width
        first = float(self.place[0]) if held.any() else float(horizon)
        after = np.cumsum(areas[::-1])[::-1]
        share = np.where(after > 0, self.share[held], 0.0)
        return first + float(areas.sum()), float(np.sqrt(np.sum(after**2 * share)))


def _limits(
    survival: FloatArray, relative: FloatArray, z: float, limits: Limits
) -> tuple[FloatArray, FloatArray]:
    """Confidence limits; relative is Greenwood's error as a share of the curve, (k,) each."""
    if limits == "plain":
        margin = z * survival * relative
        return np.maximum(survival - margin, 0.0), np.minimum(survival + margin, 1.0)
    if limits == "log":
        factor = np.exp(z * relative)
        return survival / factor, np.minimum(survival * factor, 1.0)
    power = np.exp(z * relative / np.abs(np.log(survival)))
    return survival**power, survival ** (1 / power)


def _half(place: IntArray, curve: FloatArray) -> float | None:
    """Where a falling curve reaches one half."""
    near = 1e-8
    low = np.flatnonzero(curve < 0.5 + near)
    if not low.size:
        return None
    first = int(low[0])
    lower = np.flatnonzero(curve < 0.5 - near)
    if curve[first] > 0.5 - near and lower.size:
        return float(place[first] + place[int(lower[0])]) / 2
    return float(place[first])


@dataclass(frozen=True)
class LogRankSums:
    """Events expected by group (g,), and the test's χ² and degrees of freedom."""

    expected: FloatArray
    chi_square: float
    df: int


def log_rank(leaving: IntArray) -> LogRankSums | None:
    """The log-rank test of groups; None where fewer than two are ever at risk of an event.

    leaving (g, 2, steps): who leaves by group, status (censored first) and step.
    Source: Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data, 2nd ed., 1.5.
    """
    events = leaving[:, 1].astype(np.float64)
    at_risk = leaving.sum(axis=1)[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float64)
    held = events.sum(axis=0) > 0
    events, at_risk = events[:, held], at_risk[:, held]
    n, d = at_risk.sum(axis=0), events.sum(axis=0)
    share = at_risk / n
    expected = (share * d).sum(axis=1)
    weight = d * (n - d) / np.maximum(n - 1, 1)
    variance = np.diag((share * weight).sum(axis=1)) - (share * weight) @ share.T
    tested = np.flatnonzero(expected > 0)[1:]
    if not tested.size or np.linalg.matrix_rank(variance) < tested.size:
        return None
    apart = (events.sum(axis=1) - expected)[tested]
    chi_square = float(apart @ np.linalg.solve(variance[np.ix_(tested, tested)], apart))
    return LogRankSums(expected, chi_square, len(tested))
