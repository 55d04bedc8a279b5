"""What a trained perceptron is, predicts and shows."""

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.coefficients import INTERCEPT, reference_note
from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.declaration import TrainedResult
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.palette import BLUE, QUIET, RED
from medmip.algorithms.views import Format, View, chart, facts, hidden_note, shown, table
from medmip.fold.block import Block
from medmip.fold.model import Model, TermFactor
from medmip.fold.network import Activation, chances_of, forward
from medmip.fold.statistic import FloatArray
from medmip.fold.training import Training


class Layer(BaseModel):
    """Weights (before, after) from the units before it, and intercepts (after,)."""

    model_config = ConfigDict(frozen=True)

    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]


class PerceptronModel(Model):
    """A network whose p inputs are (column - mean) / scale.

    The scores of its last layer are those of the target's classes, of two of the second alone; or
    of a number one, which is then (outcome - centre) / spread. known are the levels of each
    nominal covariate that the training held.
    """

    kind: Literal["perceptron"] = "perceptron"
    activation: Activation
    columns: tuple[TermFactor, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    layers: tuple[Layer, ...]
    centre: float
    spread: float
    known: dict[str, tuple[str, ...]]

    @property
    def variables(self) -> tuple[str, ...]:
        named = [column.variable for column in self.columns]
        return tuple(dict.fromkeys([*named, *self.known]))

    def predict(self, block: Block) -> FloatArray:
        z = np.stack(
            [
                (column.values(block) - mean) / scale
                for column, mean, scale in zip(self.columns, self.means, self.scales, strict=True)
            ]
        )
        layers = [(np.array(part.weights), np.array(part.intercepts)) for part in self.layers]
        scores = forward(z, layers, self.activation)[-1]
        for variable, levels in self.known.items():
            held = block.layout.levels_of(variable)
            unknown = np.array([*(level not in levels for level in held), True])
            scores[:, unknown[block.levels(variable)]] = np.nan
        if self.target is None:
            values: FloatArray = self.centre + self.spread * scores[0]
            return values
        return np.ascontiguousarray(chances_of(scores).T)


class PerceptronResult(TrainedResult):
    """A trained network, how its training went, and how it fits the cohort itself.

    classes are empty where the outcome is a number. losses are the penalised mean loss at the
    start and after each round, the last curvature_rounds of them Newton's; null_loss is that
    without covariates. gradient is the largest slope that is left. settled is False where training
    ended before a minimum was found. sensitivities (p, predictions) are root mean squares over
    records of a prediction's change with one standard deviation of a column. confusion (k, k)
    counts records by class and likeliest class, None where suppressed.
    """

    outcome: str
    classes: tuple[str, ...]
    n: int
    excluded: int
    hidden: tuple[int, ...]
    activation: Activation
    training: Training = Training.GRADIENT
    penalty: float
    seed: int
    parameters: int
    terms: tuple[str, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    losses: tuple[float, ...]
    null_loss: float
    gradient: float
    settled: bool
    rounds: int
    limit: int
    curvature_rounds: int
    folds: int
    sensitivities: tuple[tuple[float, ...], ...]
    confusion: tuple[tuple[int | None, ...], ...]
    accuracy: float | None
    r_squared: float | None
    rmse: float | None
    minimum: int
    model: PerceptronModel

    @property
    def warning(self) -> str:
        """What a reader must know of a training that did not settle; nothing where it did."""
        if self.training is Training.AVERAGING:
            rest = "" if self.settled else f" It was still falling after {self.rounds} rounds."
            return (
                "By federated averaging: hospitals trained by themselves between the rounds, so "
                f"this is not the network that the pooled records give.{rest}"
            )
        if self.settled:
            return ""
        if self.rounds >= self.limit:
            return (
                f"Not settled: training stopped at its limit of {self.limit} rounds, before a "
                "minimum was found. Another limit gives another network; allow more rounds, or "
                "raise the penalty."
            )
        return (
            "Not settled: near these weights no minimum was found. Raise the penalty, take fewer "
            "units, or try another seed."
        )

    def views(self, names: Names = CODES) -> list[View]:
        labels = [names.level(self.outcome, part) for part in self.classes]
        views = [self._curve(), self._influence(labels, names)]
        if labels:
            views.append(self._confusion(labels))
            views.append(confusion_chart(labels, self.confusion, self.minimum))
        return [*views, self._fit(names), *self._weights(labels, names)]

    def _curve(self) -> View:
        turn = len(self.losses) - self.curvature_rounds
        by = "L-BFGS" if self.training is Training.GRADIENT else "averaging"
        rows = [
            {"round": index, "loss": loss, "by": by if index < turn else "Newton"}
            for index, loss in enumerate(self.losses)
        ]
        base = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X("round:Q", title="Round", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("loss:Q", title="Penalised mean loss", scale=alt.Scale(zero=False)),
            tooltip=[
                alt.Tooltip("round:Q", title="round"),
                alt.Tooltip("loss:Q", title="loss", format=".6f"),
                alt.Tooltip("by:N", title="by"),
            ],
        )
        line = base.mark_line(strokeWidth=2, color=BLUE)
        newton = base.transform_filter("datum.by == 'Newton'").mark_point(
            filled=True, size=30, color=RED
        )
        null = (
            alt.Chart(alt.Data(values=[{"null": self.null_loss}]))
            .mark_rule(strokeDash=[4, 4], color=QUIET)
            .encode(y="null:Q")
        )
        drawing: Any = (null + line + newton).properties(width="container", height=240)
        note = (
            "Dashed: the loss without covariates."
            + (" Points: rounds of Newton's method." if self.curvature_rounds else "")
            + (f" {self.warning}" if self.warning else " It settled at a minimum.")
        )
        return chart(
            "Loss by round",
            drawing,
            f"The loss falls from {self.losses[0]:.4g} to {self.losses[-1]:.4g} in "
            f"{len(self.losses) - 1} rounds and {'settles' if self.settled else 'has not settled'}",
            note,
        )

    def _influence(self, labels: Sequence[str], names: Names) -> View:
        told = _predicted(labels, names.variable(self.outcome))
        rows = [
            {"term": names.term(term), "prediction": name, "change": change}
            for term, changes in zip(self.terms, self.sensitivities, strict=True)
            for name, change in zip(told, changes, strict=True)
        ]
        terms = [names.term(term) for term in self.terms]
        unit = "chance" if labels else names.axis(self.outcome)
        drawing: Any = (
            alt.Chart(alt.Data(values=rows))
            .mark_bar()
            .encode(
                x=alt.X("change:Q", title=f"Change of {unit} for one SD"),
                y=alt.Y("term:N", sort=terms, title=None, axis=alt.Axis(labelLimit=320)),
                yOffset=alt.YOffset("prediction:N", sort=told),
                color=alt.Color("prediction:N", sort=told, title="chance of")
                if len(told) > 1
                else alt.value(BLUE),
                tooltip=[
                    alt.Tooltip("prediction:N", title="prediction"),
                    alt.Tooltip("term:N", title="term"),
                    alt.Tooltip("change:Q", title="change", format=".3g"),
                ],
            )
            .properties(width="container", height=max(24, 13 * len(told)) * len(terms))
        )
        return chart(
            "Sensitivity",
            drawing,
            f"How strongly {len(told)} predictions change with each of {len(terms)} terms",
            "Root mean square over the cohort; it tells how much, not which way.",
        )

    def _confusion(self, labels: Sequence[str]) -> View:
        columns: list[tuple[str, str, Format]] = [("level", "Class", "text")]
        columns += [(f"c{i}", f"classed as {label}", "integer") for i, label in enumerate(labels)]
        rows: list[dict[str, object]] = [
            {"level": label} | {f"c{i}": shown(count) for i, count in enumerate(row)}
            for label, row in zip(labels, self.confusion, strict=True)
        ]
        hidden = hidden_note((count for row in self.confusion for count in row), self.minimum)
        note = "On the very records that the model was made from: new patients fare worse."
        return table("Classes", columns, rows, f"{note} {hidden}".strip())

    def _fit(self, names: Names) -> View:
        lines: list[tuple[str, object, Format]] = [
            ("Observations", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Hidden units", " and ".join(str(units) for units in self.hidden), "text"),
            ("Activation", self.activation.label, "text"),
            ("Weights and intercepts", self.parameters, "integer"),
            ("Penalty", self.penalty, "number"),
            ("Seed", self.seed, "integer"),
            ("Penalised mean loss", self.losses[-1], "number"),
            ("Loss without covariates", self.null_loss, "number"),
            ("Settled", "yes" if self.settled else "no", "text"),
            ("Training", self.training.label, "text"),
            (
                "Rounds of L-BFGS" if self.training is Training.GRADIENT else "Rounds",
                self.rounds,
                "integer",
            ),
            ("Rounds of Newton's method", self.curvature_rounds, "integer"),
            ("Times through the records", self.folds, "integer"),
            ("Largest slope left", self.gradient, "number"),
        ]
        if self.accuracy is not None:
            lines.append(("Accuracy", self.accuracy, "number"))
        if self.r_squared is not None:
            lines.append(("R²", self.r_squared, "number"))
            lines.append(
                (f"Root mean square error, {names.axis(self.outcome)}", self.rmse, "number")
            )
        return facts("Fit", lines, self.warning)

    def _weights(self, labels: Sequence[str], names: Names) -> list[View]:
        inputs = [names.term(term) for term in self.terms]
        ends = _predicted(labels, names.variable(self.outcome))
        found: list[View] = []
        for index, layer in enumerate(self.model.layers):
            last = index + 1 == len(self.model.layers)
            place = f"hidden layer {index + 1}"
            units = ends if last else [f"unit {unit + 1}" for unit in range(len(layer.intercepts))]
            columns: list[tuple[str, str, Format]] = [("term", "From", "text")]
            columns += [(f"u{unit}", name, "number") for unit, name in enumerate(units)]
            rows = [
                {"term": name} | {f"u{unit}": value for unit, value in enumerate(values)}
                for name, values in zip(
                    (INTERCEPT, *inputs), (layer.intercepts, *layer.weights), strict=True
                )
            ]
            note = reference_note(self.references, names) if not index else ""
            title = f"Weights to {'the prediction' if last else place}"
            found.append(table(title, columns, rows, note))
            inputs = [f"{place}, {name}" for name in units]
        return found


def _predicted(labels: Sequence[str], outcome: str) -> list[str]:
    """The names of the predictions: all classes, of two the second, or the outcome."""
    if not labels:
        return [outcome]
    return list(labels[1:] if len(labels) == 2 else labels)
