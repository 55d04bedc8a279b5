"""Whether predicted means, or chances of several classes, agree with what happened."""

from collections.abc import Callable
from typing import Any, TypeVar

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from medmip.algorithms.goodness import GROUPS, joined
from medmip.algorithms.names import Names
from medmip.algorithms.palette import BLUE, QUIET, RED
from medmip.algorithms.views import Format, View, chart, table
from medmip.fold.block import Block
from medmip.fold.calibration import (
    ClassSums,
    Groups,
    MeanSums,
    Predictions,
    Scatter,
    class_sums,
    group_ranks,
    mean_sums,
)
from medmip.fold.cohort import Cohort
from medmip.fold.model import Model
from medmip.fold.quantiles import quantiles

CALIBRATION = (
    "Whether predictions agree with what happened, in groups of records with like predictions; "
    "without it a very large cohort is quicker."
)
_LIMIT = float(stats.norm.ppf(0.975))
_JOINED = "neighbouring groups are joined where one would show few patients"
S = TypeVar("S", MeanSums, ClassSums)


class MeanGroup(BaseModel):
    """Records with like predictions: how many, and the means of prediction and outcome.

    lower and upper are the limits between which the outcome's mean lies in 95 of 100 such groups,
    if the model is right.
    """

    model_config = ConfigDict(frozen=True)

    patients: int
    expected: float
    observed: float
    lower: float
    upper: float


class MeanCalibration(BaseModel):
    """Tenths of the records by prediction, joined where at some site one has few patients."""

    model_config = ConfigDict(frozen=True)

    groups: tuple[MeanGroup, ...]

    def views(self, outcome: str) -> list[View]:
        """The table and the picture; outcome is its label with its unit."""
        rows = [{"group": index + 1, **row.model_dump()} for index, row in enumerate(self.groups)]
        outside = sum(not row.lower <= row.observed <= row.upper for row in self.groups)
        note = (
            f"{outside} of {len(rows)} groups lie beyond the limits of 95 %, as one in twenty is "
            "expected to"
        )
        if len(rows) < GROUPS:
            note += f"; {_JOINED}"
        columns: list[tuple[str, str, Format]] = [
            ("group", "Group", "integer"),
            ("patients", "Patients", "integer"),
            ("expected", "Expected mean", "number"),
            ("observed", "Observed mean", "number"),
            ("lower", "Lower limit", "number"),
            ("upper", "Upper limit", "number"),
        ]
        return [
            table("Calibration by group of predictions", columns, rows, note),
            self._picture(rows, outcome, note),
        ]

    def _picture(self, rows: list[dict[str, float]], outcome: str, note: str) -> View:
        base = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X("expected:Q", title=f"Predicted {outcome}", scale=alt.Scale(zero=False))
        )
        scale = alt.Scale(zero=False)
        band = base.mark_area(opacity=0.25, color=BLUE).encode(
            y=alt.Y("lower:Q", title=f"Observed {outcome}", scale=scale), y2="upper:Q"
        )
        right = base.mark_line(strokeDash=[4, 4], color=QUIET).encode(y="expected:Q")
        points = base.mark_point(filled=True, size=60, color=RED, opacity=1).encode(
            y="observed:Q",
            tooltip=[
                alt.Tooltip("expected:Q", title="predicted", format=".4g"),
                alt.Tooltip("observed:Q", title="observed", format=".4g"),
                alt.Tooltip("patients:Q", title="patients"),
            ],
        )
        told = ", ".join(f"{row['observed']:.3g} at {row['expected']:.3g}" for row in rows)
        return chart(
            "Calibration",
            (band + right + points).properties(width="container", height=320),
            f"Observed by predicted mean: {told}",
            f"Dashed: perfect agreement; band: 95 % limits if the model is right. {note}.",
        )


class ClassGroup(BaseModel):
    """Records with like chances: of each class, how many have it and how many are expected to."""

    model_config = ConfigDict(frozen=True)

    records: int
    observed: tuple[int, ...]
    expected: tuple[float, ...]


class ClassCalibration(BaseModel):
    """Tenths of the records by the chance of any class but the first, joined as MeanCalibration's.

    chi_square, df and p_value test that all chances are right, None where fewer than three groups
    are left.
    """

    model_config = ConfigDict(frozen=True)

    outcome: str
    classes: tuple[str, ...]
    groups: tuple[ClassGroup, ...]
    chi_square: float | None
    df: int | None
    p_value: float | None

    def views(self, names: Names) -> list[View]:
        """The table and the picture."""
        labels = [names.level(self.outcome, part) for part in self.classes]
        columns: list[tuple[str, str, Format]] = [
            ("group", "Group", "integer"),
            ("records", "Records", "integer"),
        ]
        for index, label in enumerate(labels):
            columns += [
                (f"o{index}", f"{label}, observed", "integer"),
                (f"e{index}", "expected", "number"),
            ]
        rows: list[dict[str, object]] = []
        for number, group in enumerate(self.groups, 1):
            row: dict[str, object] = {"group": number, "records": group.records}
            for index, pair in enumerate(zip(group.observed, group.expected, strict=True)):
                row |= {f"o{index}": pair[0], f"e{index}": pair[1]}
            rows.append(row)
        notes = [f"by the chance of not being {labels[0]}"]
        if self.chi_square is not None:
            notes.append(f"χ² {self.chi_square:.4g}, df {self.df}, p {self.p_value:.3g}")
        if len(self.groups) < GROUPS:
            notes.append(_JOINED)
        return [
            table("Calibration by group of chances", columns, rows, "; ".join(notes)),
            self._picture(labels),
        ]

    def _picture(self, labels: list[str]) -> View:
        points = [
            {"class": label, "expected": expected / group.records, "observed": n / group.records}
            for group in self.groups
            for label, n, expected in zip(labels, group.observed, group.expected, strict=True)
        ]
        scale = alt.Scale(domain=[0, 1])
        ends = alt.Data(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}])
        x = alt.X("a:Q", title="Predicted chance", scale=scale)
        y = alt.Y("b:Q", title="Observed share", scale=scale)
        right = alt.Chart(ends).mark_line(strokeDash=[4, 4], color=QUIET).encode(x=x, y=y)
        drawing: Any = right + alt.Chart(alt.Data(values=points)).mark_point(
            filled=True, size=60, opacity=0.9
        ).encode(
            x=alt.X("expected:Q", title="Predicted chance", scale=scale),
            y=alt.Y("observed:Q", title="Observed share", scale=scale),
            color=alt.Color("class:N", sort=labels, title=None, legend=alt.Legend(labelLimit=200)),
            tooltip=[
                alt.Tooltip("class:N", title="class"),
                alt.Tooltip("expected:Q", title="predicted", format=".3f"),
                alt.Tooltip("observed:Q", title="observed", format=".3f"),
            ],
        )
        return chart(
            "Calibration",
            drawing.properties(width="container", height=320),
            f"Observed shares of {len(labels)} classes by predicted chance, in "
            f"{len(self.groups)} groups",
            "Points: groups of records; dashed: perfect agreement.",
        )


def mean_calibration(
    cohort: Cohort,
    model: Model,
    scatter: Scatter,
    *,
    center: float,
    spread: float,
    theta: float = np.inf,
    dispersion: float = 1.0,
    weights: str | None = None,
) -> MeanCalibration | None:
    """How a fitted model's means agree with the outcome; None where no two groups may be told.

    center and spread are about the mean and standard deviation of the predictions.
    """
    asked = Groups(Predictions(model, weights), (), scatter, theta)
    found = _told(cohort, asked, mean_sums, center, spread)
    if found is None:
        return None
    expected = found.expected / found.weights
    reach = _LIMIT * np.sqrt(dispersion * found.variance) / found.weights
    return MeanCalibration(
        groups=tuple(
            MeanGroup(patients=n, expected=mean, observed=seen, lower=lower, upper=upper)
            for n, mean, seen, lower, upper in zip(
                found.patients.tolist(),
                expected.tolist(),
                (found.observed / found.weights).tolist(),
                (expected - reach).tolist(),
                (expected + reach).tolist(),
                strict=True,
            )
        )
    )


def class_calibration(cohort: Cohort, model: Model) -> ClassCalibration | None:
    """How chances of several classes agree with what happened; None where none may be told.

    Source: Fagerland, Hosmer & Bofin, Statistics in Medicine 27 (2008) 4238-4253.
    """
    if model.target is None:
        raise ValueError("the model's outcome is a number")
    found = _told(cohort, Groups(Predictions(model), ()), class_sums, 0.5, 0.25)
    if found is None:
        return None
    expected = found.expected.sum(axis=1)
    groups, k = found.records.shape
    test: tuple[float | None, int | None, float | None] = (None, None, None)
    if groups > 2:
        value = float(((found.records - expected) ** 2 / expected).sum())
        df = (groups - 2) * (k - 1)
        test = (value, df, float(stats.chi2.sf(value, df)))
    return ClassCalibration(
        outcome=model.outcome,
        classes=model.target.classes,
        groups=tuple(
            ClassGroup(
                records=int(seen.sum()),
                observed=tuple(int(count) for count in seen),
                expected=tuple(mean.tolist()),
            )
            for seen, mean in zip(found.records, expected, strict=True)
        ),
        chi_square=test[0],
        df=test[1],
        p_value=test[2],
    )


def _told(
    cohort: Cohort,
    state: Groups,
    kernel: Callable[[Block, Groups], S],
    center: float,
    spread: float,
) -> S | None:
    """The sums of the finest groups of which no site masks any; None where there are no two."""
    shares = [index / GROUPS for index in range(1, GROUPS)]
    found = quantiles(
        cohort, state.predictions, shares, center=np.array([center]), spread=np.array([spread])
    )[0, 0]
    cuts = np.unique(found)

    def cut(places: list[float]) -> Groups:
        return Groups(state.predictions, tuple(places), state.scatter, state.theta)

    patients = cohort.fold(group_ranks, cut(cuts.tolist())).patients
    for times in (1, 2, 4, 8, 16):
        kept = joined(patients, cuts, times * cohort.minimum)
        if not kept:
            return None
        sums = cohort.fold(kernel, cut(kept))
        if not np.ma.getmaskarray(sums.patients).any():
            return sums
    return None
