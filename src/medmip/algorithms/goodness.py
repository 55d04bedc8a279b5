"""Whether a logistic model's chances are right: Hosmer & Lemeshow's test and a calibration belt."""

from dataclasses import replace
from functools import partial

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import optimize, stats
from scipy.special import expit, logit

from medmip.algorithms.palette import BLUE, QUIET, RED
from medmip.algorithms.views import Format, View, chart, table
from medmip.fold.cohort import Cohort
from medmip.fold.goodness import (
    Recalibration,
    RecalibrationState,
    RiskGroups,
    RiskSums,
    recalibrated,
    recalibration_step,
    risk_ranks,
    risk_sums,
)
from medmip.fold.logit import LogOdds, NewtonState
from medmip.fold.quantiles import quantiles
from medmip.fold.statistic import FloatArray, IntArray

GROUPS = 10
"""Groups of risk, as Hosmer & Lemeshow chose them."""
_EDGE = 0.01
_POINTS = 50
_LARGEST_DEGREE = 4
_FORWARD = 0.95
"""A further power enters where its likelihood ratio is beyond this quantile."""
_LEVELS = (0.8, 0.95)
_NODES, _HEIGHTS = np.polynomial.legendre.leggauss(64)


class RiskGroup(BaseModel):
    """Records with chances between two cuts: how many, how many positive, how many expected.

    Each counts as often as its weight says.
    """

    model_config = ConfigDict(frozen=True)

    records: float
    observed: float
    expected: float


class BeltPoint(BaseModel):
    """At a predicted chance, the limits of the chance that recalibration allows."""

    model_config = ConfigDict(frozen=True)

    chance: float
    lower_80: float
    upper_80: float
    lower_95: float
    upper_95: float


class Belt(BaseModel):
    """A calibration belt; p_value tests that the predicted chances are right."""

    model_config = ConfigDict(frozen=True)

    degree: int
    chi_square: float
    p_value: float
    points: tuple[BeltPoint, ...]


class Calibration(BaseModel):
    """How chances agree with what happened, in the records that the model was fitted to.

    groups are tenths by chance, joined where at some site fewer patients than the minimum have, or
    have not, the positive class. chi_square, df and p_value are Hosmer & Lemeshow's, None where
    fewer than three groups are left; belt is None where no recalibration can be estimated, or
    where belt_left_out says why it would mean nothing. All of them, as the fit's other tests, take
    a weight as a number of like records.
    """

    model_config = ConfigDict(frozen=True)

    groups: tuple[RiskGroup, ...]
    chi_square: float | None
    df: int | None
    p_value: float | None
    belt: Belt | None
    belt_left_out: str | None = None

    def views(self, positive: str) -> list[View]:
        """The groups' table and the picture; positive is the positive class's label."""
        rows = [
            {
                "group": index + 1,
                **group.model_dump(),
                "share": 100 * group.observed / group.records,
                "chance": 100 * group.expected / group.records,
            }
            for index, group in enumerate(self.groups)
        ]
        notes = []
        if self.chi_square is not None and self.p_value is not None:
            notes.append(
                f"Hosmer-Lemeshow χ² {self.chi_square:.4g}, df {self.df}, p {self.p_value:.3g}"
            )
        if len(self.groups) < GROUPS:
            notes.append("neighbouring tenths are joined where one would show few patients")
        whole = all(float(group.records).is_integer() for group in self.groups)
        counted: Format = "integer" if whole else "number"
        views: list[View] = [
            table(
                "Calibration by group of risk",
                [
                    ("group", "Group", "integer"),
                    ("records", "Records", counted),
                    ("observed", f"{positive}, observed", counted),
                    ("expected", f"{positive}, expected", "number"),
                    ("share", "Observed, %", "number"),
                    ("chance", "Expected, %", "number"),
                ],
                rows,
                "; ".join(notes),
            )
        ]
        return [*views, self._picture(rows, positive)]

    def _picture(self, rows: list[dict[str, float]], positive: str) -> View:
        axes = alt.Scale(domain=[0, 1])
        across, up = f"Predicted chance of {positive}", "Observed"
        drawing = (
            alt.Chart(alt.Data(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}]))
            .mark_line(strokeDash=[4, 4], color=QUIET)
            .encode(x=alt.X("a:Q", title=across, scale=axes), y=alt.Y("b:Q", title=up, scale=axes))
        )
        notes = ["Points: groups of risk; dashed: perfect agreement."]
        if self.belt_left_out is not None:
            notes.append(f"No belt: {self.belt_left_out}.")
        if self.belt is not None:
            belt = alt.Chart(alt.Data(values=[part.model_dump() for part in self.belt.points]))
            for level, shade in ((95, 0.25), (80, 0.4)):
                drawing = drawing + belt.mark_area(opacity=shade, color=BLUE).encode(
                    x=alt.X("chance:Q", title=across, scale=axes),
                    y=alt.Y(f"lower_{level}:Q", title=up, scale=axes),
                    y2=f"upper_{level}:Q",
                )
            notes.append(
                f"Belt: 80 % and 95 % confidence of a polynomial of degree {self.belt.degree}; "
                f"test of agreement: p {self.belt.p_value:.3g}."
            )
        points = [
            {"chance": row["chance"] / 100, "share": row["share"] / 100, "records": row["records"]}
            for row in rows
        ]
        drawing = drawing + alt.Chart(alt.Data(values=points)).mark_point(
            filled=True, size=60, color=RED, opacity=1
        ).encode(
            x=alt.X("chance:Q", title=across, scale=axes),
            y=alt.Y("share:Q", title=up, scale=axes),
            tooltip=[
                alt.Tooltip("chance:Q", title="predicted", format=".3f"),
                alt.Tooltip("share:Q", title="observed", format=".3f"),
                alt.Tooltip("records:Q", title="records"),
            ],
        )
        told = ", ".join(f"{row['share']:.3g} % at {row['chance']:.3g} %" for row in rows)
        return chart(
            "Calibration belt" if self.belt is not None else "Calibration",
            drawing.properties(width="container", height=320),
            f"Observed by predicted chance: {told}",
            " ".join(notes),
        )


def calibration_of(
    cohort: Cohort, state: NewtonState, belt_left_out: str | None
) -> Calibration | None:
    """How a fitted model's chances agree with the records it was fitted to.

    belt_left_out says why the belt would mean nothing, None where it is made. None where no two
    groups of risk may be told. Sources: Hosmer & Lemeshow, Communications in
    Statistics A 9 (1980) 1043-1069; Nattino, Finazzi & Bertolini, Statistics in Medicine 33 (2014)
    2390-2407.
    """
    odds, n = LogOdds.at(state), cohort.size.patients
    edge = max(_EDGE, cohort.minimum / n)
    spread = float(np.linalg.norm(state.beta[1:]))
    tenths = [index / GROUPS for index in range(1, GROUPS)]
    ends = (edge, 1 - edge) if edge < 0.5 else (0.5, 0.5)
    found = quantiles(
        cohort,
        odds,
        (*tenths, *ends),
        center=state.beta[:1],
        spread=np.array([max(spread, 1e-6)]),
    )[0, 0]
    cuts = np.unique(found[: GROUPS - 1])
    # Records at the highest value lie beyond no cut.
    patients = cohort.fold(risk_ranks, RiskGroups(odds, tuple(cuts.tolist()))).patients
    sums = _told(cohort, odds, cuts, patients)
    if sums is None:
        return None
    records, expected = sums.records.sum(axis=1), sums.expected.sum(axis=1)
    groups = tuple(
        RiskGroup(records=float(total), observed=float(observed), expected=float(chance))
        for total, observed, chance in zip(records, sums.records[:, 1], expected, strict=True)
        if total
    )
    test: tuple[float | None, int | None, float | None] = (None, None, None)
    if len(groups) > 2:
        positive = sum((g.observed - g.expected) ** 2 / g.expected for g in groups)
        negative = sum((g.observed - g.expected) ** 2 / (g.records - g.expected) for g in groups)
        value, df = positive + negative, len(groups) - 2
        test = (value, df, float(stats.chi2.sf(value, df)))
    low, high = float(found[-2]), float(found[-1])
    return Calibration(
        groups=groups,
        chi_square=test[0],
        df=test[1],
        p_value=test[2],
        belt=_belt(cohort, odds, low, high) if belt_left_out is None and low < high else None,
        belt_left_out=belt_left_out,
    )


def _told(cohort: Cohort, odds: LogOdds, cuts: FloatArray, patients: IntArray) -> RiskSums | None:
    """The sums of the finest groups of which no site masks any; None where there are no two."""
    for times in (1, 2, 4, 8, 16):
        kept = joined(patients, cuts, times * cohort.minimum)
        if not kept:
            return None
        sums = cohort.fold(risk_sums, RiskGroups(odds, tuple(kept)))
        if not np.ma.getmaskarray(sums.patients).any():
            return sums
    return None


def joined(patients: IntArray, cuts: FloatArray, minimum: int) -> list[float]:
    """The cuts between neighbouring groups of which each shows no class of few patients.

    patients is (groups, classes), cuts are those between the groups.
    """
    kept: list[float] = []
    held = np.zeros(patients.shape[1], dtype=np.int64)
    left = patients[::-1].cumsum(axis=0)[::-1]
    for index, cut in enumerate(cuts.tolist()):
        held = held + patients[index]
        if _is_large(held, minimum) and left[index + 1].sum():
            kept.append(cut)
            held = np.zeros_like(held)
    held = held + patients[-1]
    while kept and not _is_large(held, minimum):
        start = int(np.searchsorted(cuts, kept.pop())) + 1
        before = int(np.searchsorted(cuts, kept[-1])) + 1 if kept else 0
        held = held + patients[before:start].sum(axis=0)
    return kept


def _is_large(held: IntArray, minimum: int) -> bool:
    return bool(held.sum() > 0 and np.all((held == 0) | (held >= minimum)))


def _belt(cohort: Cohort, odds: LogOdds, low: float, high: float) -> Belt | None:
    """The belt over log odds from low to high, of a model fitted to these very records.

    Powers enter from the square on as long as each raises the likelihood enough; a straight line
    fits by construction. The belt is the region where Wald's quadratic, the likelihood ratio's near
    its maximum, stays below the quantile of the test's law at the chosen degree.
    """
    center, scale = (low + high) / 2, (high - low) / 2
    line = RecalibrationState(odds, center, scale, np.array([center, scale]))
    straight = float(cohort.fold(recalibration_step, line).log_likelihood)
    best = recalibrated(cohort, replace(line, gamma=np.append(line.gamma, 0.0)))
    if best is None:
        return None
    step = float(stats.chi2.ppf(_FORWARD, 1))
    while len(best.gamma) <= _LARGEST_DEGREE:
        more = recalibrated(cohort, replace(line, gamma=np.append(best.gamma, 0.0)))
        if more is None or 2 * (more.log_likelihood - best.log_likelihood) <= step:
            break
        best = more
    degree = len(best.gamma) - 1
    value = max(2 * (best.log_likelihood - straight), 0.0)
    return Belt(
        degree=degree,
        chi_square=value,
        p_value=1 - below(value, degree),
        points=_points(best, low, high, center, scale),
    )


def _points(
    best: Recalibration, low: float, high: float, center: float, scale: float
) -> tuple[BeltPoint, ...]:
    degree = len(best.gamma) - 1
    # Even steps of chance, which are rounded: no patient's own chance is told.
    chances = np.unique(np.round(np.linspace(expit(low), expit(high), _POINTS), 4))
    chances = chances[(chances > 0) & (chances < 1)]
    rows = np.vander((logit(chances) - center) / scale, degree + 1, increasing=True)
    middle = rows @ best.gamma
    errors = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", rows, best.covariance, rows), 0.0))
    limits = []
    for level in _LEVELS:
        by = np.sqrt(_quantile(level, degree)) * errors
        limits += [expit(middle - by), expit(middle + by)]
    return tuple(
        BeltPoint(chance=chance, lower_80=a, upper_80=b, lower_95=c, upper_95=d)
        for chance, a, b, c, d in zip(
            chances.tolist(), *(limit.tolist() for limit in limits), strict=True
        )
    )


def below(value: float, degree: int) -> float:
    """The chance that a right model's ratio stays below a value, where this degree was chosen.

    The ratio is a sum of independent χ² of one degree of freedom, one for each power beyond the
    line; those of powers beyond the square are known to be larger than the forward threshold.
    """
    large = degree - 2
    return float(_convolved(np.array(value), large)) / (1 - _FORWARD) ** large


def _convolved(value: FloatArray, large: int) -> FloatArray:
    """The chance that one χ², and so many more that are each beyond the threshold, add to less."""
    if not large:
        return np.asarray(stats.chi2.cdf(value, 1), dtype=np.float64)
    step = float(stats.chi2.ppf(_FORWARD, 1))
    end = np.maximum(value - (large - 1) * step, step)[..., None]
    # By the root of the largest and its angle, in which no end of the integral is sharp.
    first = np.arcsin(np.sqrt(step / end))
    angle = first + (np.pi / 2 - first) * (_NODES + 1) / 2
    root = np.sqrt(end) * np.sin(angle)
    inner = _convolved(value[..., None] - root**2, large - 1)
    heights = 2 * stats.norm.pdf(root) * np.sqrt(end) * np.cos(angle) * inner
    found: FloatArray = ((np.pi / 2 - first) / 2 * _HEIGHTS * heights).sum(axis=-1)
    return found


def _quantile(level: float, degree: int) -> float:
    return float(
        optimize.brentq(partial(_apart, degree=degree, level=level), 1e-9, 200.0, xtol=1e-8)
    )


def _apart(value: float, degree: int, level: float) -> float:
    return below(value, degree) - level
