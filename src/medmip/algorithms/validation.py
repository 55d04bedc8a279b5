"""How well predictions hold: what a validation found, and the pictures of it."""

from collections.abc import Sequence
from typing import Any

import altair as alt
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import BLUE, QUIET
from medmip.algorithms.views import Format, View, chart, hidden_note, shown, table


class Measure(BaseModel):
    """One measure over all held-out records, with its interval, and in each group of them.

    value is None where the counts behind it are hidden; folds holds None likewise.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    folds: tuple[float | None, ...] = ()


class Curve(BaseModel):
    """One class against all others, at thresholds that leave no small group between them.

    Each threshold's chance, with the shares of the class, and of the others, at or above it;
    precision is the class's share among all of those.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    auc: float
    thresholds: tuple[float, ...]
    sensitivity: tuple[float, ...]
    fall_out: tuple[float, ...]
    precision: tuple[float, ...]
    expected: tuple[float, ...]
    observed: tuple[float, ...]
    share: float


class Validation(BaseModel):
    """How well predictions hold for records that the model had not seen.

    groups names the parts that were held out in turn; confusion (k, k) is by class and likeliest
    class, None where suppressed.
    """

    model_config = ConfigDict(frozen=True)

    outcome: str
    method: str
    groups: tuple[str, ...]
    n: int
    unknown: int
    classes: tuple[str, ...]
    measures: tuple[Measure, ...]
    confusion: tuple[tuple[int | None, ...], ...]
    curves: tuple[Curve, ...]
    minimum: int

    def measure(self, name: str) -> Measure:
        """The measure of this name; raises KeyError."""
        return {measure.name: measure for measure in self.measures}[name]

    def views(self, names: Names = CODES) -> list[View]:
        """Tables and pictures of a validation."""
        views = [self._measures()]
        labels = [names.level(self.outcome, name) for name in self.classes]
        if self.classes:
            views.append(self._confusion(labels))
            views.append(confusion_chart(labels, self.confusion, self.minimum))
        if self.curves:
            told = [names.level(self.outcome, curve.name) for curve in self.curves]
            views += [self._roc(told), self._precision(told), self._calibration(told)]
        if len(self.groups) > 1:
            views.append(self._folds())
        return views

    def _measures(self) -> View:
        note = f"{self.method}; {self.n} predictions of held-out records."
        if self.unknown:
            note += f" {self.unknown} records have a level that no training held."
        if any(measure.value is None for measure in self.measures):
            note += " What rests on hidden counts is left out."
        return table(
            "Validation",
            [
                ("name", "Measure", "text"),
                ("value", "Value", "number"),
                ("lower", "95 % lower", "number"),
                ("upper", "95 % upper", "number"),
            ],
            [measure.model_dump() for measure in self.measures if measure.value is not None],
            note,
        )

    def _confusion(self, labels: Sequence[str]) -> View:
        columns: list[tuple[str, str, Format]] = [("level", "Class", "text")]
        columns += [(f"c{i}", f"classed as {label}", "integer") for i, label in enumerate(labels)]
        rows: list[dict[str, object]] = [
            {"level": label} | {f"c{i}": shown(count) for i, count in enumerate(row)}
            for label, row in zip(labels, self.confusion, strict=True)
        ]
        flat = (count for row in self.confusion for count in row)
        return table("Held-out records by class", columns, rows, hidden_note(flat, self.minimum))

    def _roc(self, labels: Sequence[str]) -> View:
        rows = [
            {"class": label, "x": x, "y": y, "step": step}
            for label, curve in zip(labels, self.curves, strict=True)
            for step, (x, y) in enumerate(
                zip((0.0, *curve.fall_out), (0.0, *curve.sensitivity), strict=True)
            )
        ]
        words = "; ".join(
            f"{label}: {curve.auc:.3f}" for label, curve in zip(labels, self.curves, strict=True)
        )
        diagonal = _diagonal()
        lines = _lines(rows, "1 − specificity", "Sensitivity", several=len(labels) > 1)
        return chart(
            "ROC curve", (diagonal + lines).properties(width=360, height=360), f"AUC of {words}",
            f"Area under the curve: {words}.",
        )  # fmt: skip

    def _precision(self, labels: Sequence[str]) -> View:
        rows = [
            {"class": label, "x": x, "y": y, "step": step}
            for label, curve in zip(labels, self.curves, strict=True)
            for step, (x, y) in enumerate(zip(curve.sensitivity, curve.precision, strict=True))
        ]
        lines = _lines(rows, "Recall", "Precision", several=len(labels) > 1)
        shares = "; ".join(
            f"{label} {100 * curve.share:.0f} %"
            for label, curve in zip(labels, self.curves, strict=True)
        )
        return chart(
            "Precision and recall",
            lines.properties(width=360, height=360),
            f"Precision by recall of {len(labels)} curves",
            f"Without any model precision would be the class's share: {shares}.",
        )

    def _calibration(self, labels: Sequence[str]) -> View:
        rows = [
            {"class": label, "x": x, "y": y, "step": step}
            for label, curve in zip(labels, self.curves, strict=True)
            for step, (x, y) in enumerate(zip(curve.expected, curve.observed, strict=True))
        ]
        lines = _lines(rows, "Predicted chance", "Observed share", several=len(labels) > 1)
        points = (
            alt.Chart(alt.Data(values=rows))
            .mark_point(filled=True, size=45, opacity=1)
            .encode(x="x:Q", y="y:Q", color=_colour(several=len(labels) > 1))
        )
        return chart(
            "Calibration",
            (_diagonal() + lines + points).properties(width=360, height=360),
            f"Observed shares by predicted chance of {len(labels)} classes",
            "On the dashed line, as many have the class as predicted.",
        )

    def _folds(self) -> View:
        measured = [
            measure for measure in self.measures if any(v is not None for v in measure.folds)
        ]
        columns: list[tuple[str, str, Format]] = [("group", "Held out", "text")]
        columns += [(f"m{i}", measure.name, "number") for i, measure in enumerate(measured)]
        rows: list[dict[str, object]] = [
            {"group": group} | {f"m{i}": part.folds[j] for i, part in enumerate(measured)}
            for j, group in enumerate(self.groups)
        ]
        return table("Validation by part", columns, rows)


def _diagonal() -> Any:  # noqa: ANN401
    ends = [{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}]
    return (
        alt.Chart(alt.Data(values=ends))
        .mark_line(strokeDash=[4, 4], color=QUIET, strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )


def _lines(rows: Sequence[dict[str, object]], x: str, y: str, *, several: bool) -> Any:  # noqa: ANN401
    scale = alt.Scale(domain=[0, 1], nice=False)
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("x:Q", title=x, scale=scale),
            y=alt.Y("y:Q", title=y, scale=scale),
            order="step:Q",
            color=_colour(several=several),
            tooltip=[
                alt.Tooltip("class:N", title="class"),
                alt.Tooltip("x:Q", title=x.lower(), format=".3f"),
                alt.Tooltip("y:Q", title=y.lower(), format=".3f"),
            ],
        )
    )


def _colour(*, several: bool) -> Any:  # noqa: ANN401
    if not several:
        return alt.value(BLUE)
    return alt.Color("class:N", title=None, legend=alt.Legend(labelLimit=200))
