"""Learning of parameters: a grid's choices are judged on patients that they have not seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import altair as alt
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.declaration import Algorithm, CannotCompute, Parameters, TrainedResult
from medmip.algorithms.views import Format, View, chart, table
from medmip.fold.adjustment import Step
from medmip.fold.cohort import Cohort
from medmip.fold.model import Model
from medmip.fold.moments import MomentsState, moments
from medmip.fold.scores import (
    ClassScores,
    NumberScores,
    ScoreState,
    class_scores,
    number_scores,
)

MOST_TRAININGS = 3000
"""Trainings that one search may take: each costs its rounds over the data."""
Scores = ClassScores | NumberScores
Prepare = Callable[[Cohort], tuple[Step, ...]]
"""Estimates what is done to records before an analysis."""


class Trial(BaseModel):
    """One choice of the grid: its loss for each held-out record, None where it has no answer."""

    model_config = ConfigDict(frozen=True)

    values: dict[str, Any]
    loss: float | None
    folds: tuple[float | None, ...]
    problem: str = ""


class Tuning(BaseModel):
    """What a search over a grid found.

    measure names the loss; chosen is the place of the least one among trials; outer is the choice
    of each part of the validation, made without that part's records.
    """

    model_config = ConfigDict(frozen=True)

    measure: str
    groups: tuple[str, ...]
    trials: tuple[Trial, ...]
    chosen: int
    outer: tuple[int, ...]

    def views(self, titles: Mapping[str, str]) -> list[View]:
        """A table of the choices and a picture of their losses; titles is by parameter."""
        names = list(self.trials[0].values)
        columns: list[tuple[str, str, Format]] = [
            (f"p{index}", titles.get(name, name), "text") for index, name in enumerate(names)
        ]
        columns += [
            ("loss", self.measure, "number"),
            ("outer", "Chosen in parts", "integer"),
            ("note", "", "text"),
        ]
        rows: list[dict[str, object]] = [
            {f"p{index}": told(trial.values[name]) for index, name in enumerate(names)}
            | {
                "loss": trial.loss,
                "outer": self.outer.count(place),
                "note": "chosen" if place == self.chosen else trial.problem,
            }
            for place, trial in enumerate(self.trials)
        ]
        note = (
            "Each choice is judged on held-out records. The validation chooses anew for each part "
            "from the other parts alone, so that its measures are not flattered by the choice."
        )
        return [table("Choice of parameters", columns, rows, note), self._picture(titles)]

    def _picture(self, titles: Mapping[str, str]) -> View:
        rows = [
            {
                "choice": told_all(trial.values, titles),
                "loss": loss,
                "part": name,
                "chosen": place == self.chosen,
            }
            for place, trial in enumerate(self.trials)
            for name, loss in zip(self.groups, trial.folds, strict=True)
            if loss is not None
        ]
        means = [
            {
                "choice": told_all(trial.values, titles),
                "loss": trial.loss,
                "chosen": "chosen" if place == self.chosen else "other",
            }
            for place, trial in enumerate(self.trials)
            if trial.loss is not None
        ]
        order = [told_all(trial.values, titles) for trial in self.trials]
        axis = alt.Y("choice:N", title=None, sort=order, axis=alt.Axis(labelLimit=260))
        loss = alt.X("loss:Q", title=self.measure, scale=alt.Scale(zero=False))
        parts = (
            alt.Chart(alt.Data(values=rows))
            .mark_tick(thickness=1.5, color="#9aa5b1", opacity=1)
            .encode(x=loss, y=axis, tooltip=["choice:N", "part:N", alt.Tooltip("loss:Q")])
        )
        points = (
            alt.Chart(alt.Data(values=means))
            .mark_point(filled=True, size=80, opacity=1)
            .encode(
                x=loss,
                y=axis,
                color=alt.Color(
                    "chosen:N",
                    title=None,
                    scale=alt.Scale(domain=["chosen", "other"], range=["#c2571a", "#3b6ea5"]),
                ),
                tooltip=["choice:N", alt.Tooltip("loss:Q")],
            )
        )
        best = self.trials[self.chosen]
        return chart(
            "Loss by choice",
            (parts + points).properties(width=420),
            f"{self.measure} of {len(order)} choices; least for {told_all(best.values, titles)}",
            "Points: over all held-out records. Ticks: each part.",
        )


@dataclass(frozen=True)
class Choice:
    """Parameters with one value of each of the grid's, which values names."""

    parameters: Parameters
    values: dict[str, Any]


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the grid's values, the last parameter changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def trainings(choices: int, groups: int) -> int:
    """How often a search trains: without each group, and without each pair of groups."""
    return choices * groups * (groups + 1) // 2


@dataclass
class Search:
    """Judges each choice on every held-out group, and chooses; no group judges itself.

    Trained without a pair of groups, one model tells of each of the two for the other's choice.
    prepare, where given, estimates on the training's records alone the steps that these and the
    held-out ones go through; figures of a numeric outcome are of its values after these.
    Source: Varma & Simon, BMC Bioinformatics 7 (2006) 91.
    """

    cohort: Cohort
    algorithm: Algorithm[Parameters, TrainedResult]
    choices: Sequence[Choice]
    groups: Sequence[str]
    prepare: Prepare | None = None
    _shift: float | None = field(default=None, init=False)
    _steps: dict[frozenset[int], tuple[Step, ...]] = field(default_factory=dict, init=False)
    _alone: dict[tuple[int, int], Scores | None] = field(default_factory=dict, init=False)
    _models: dict[tuple[int, int], Model] = field(default_factory=dict, init=False)
    _pairs: dict[tuple[int, int, int], Scores | None] = field(default_factory=dict, init=False)
    _problems: dict[int, CannotCompute] = field(default_factory=dict, init=False)

    def best(self) -> int:
        """The place of the choice with the least loss over all groups; raises CannotCompute."""
        everywhere = range(len(self.groups))
        return self._least([[self._held(c, g) for g in everywhere] for c in self._places])

    def without(self, group: int) -> int:
        """The choice with the least loss, made without a group; raises CannotCompute."""
        others = [other for other in range(len(self.groups)) if other != group]
        return self._least(
            [[self._inner(place, group, other) for other in others] for place in self._places]
        )

    def model(self, place: int, group: int) -> Model:
        """What a choice trains without a group; raises CannotCompute."""
        self._held(place, group)
        if (place, group) not in self._models:
            raise self._problems[place]
        return self._models[place, group]

    def scores(self, place: int, group: int) -> Scores:
        """How a choice predicts a group that it was trained without; raises CannotCompute."""
        scores = self._held(place, group)
        if scores is None:
            raise self._problems[place]
        return scores

    def found(self, outer: Sequence[int]) -> Tuning:
        """The whole search; outer is the choice of each part of the validation."""
        numeric = next((s for s in self._alone.values() if isinstance(s, NumberScores)), None)
        trials = []
        for place in self._places:
            parts = [self._held(place, group) for group in range(len(self.groups))]
            problem = self._problems.get(place)
            trials.append(
                Trial(
                    values=self.choices[place].values,
                    loss=None if problem else loss_of(parts),
                    folds=tuple(None if part is None else loss_of([part]) for part in parts),
                    problem=problem.what if problem else "",
                )
            )
        return Tuning(
            measure="Log loss" if numeric is None else "Mean squared error",
            groups=tuple(self.groups),
            trials=tuple(trials),
            chosen=self.best(),
            outer=tuple(outer),
        )

    @property
    def _places(self) -> range:
        return range(len(self.choices))

    def _least(self, parts: Sequence[Sequence[Scores | None]]) -> int:
        losses = [loss_of(part) for part in parts]
        known = [loss for loss in losses if loss is not None]
        if not known:
            first = self._problems[0]
            raise CannotCompute(
                f"No choice of parameters has an answer: {first.what}", remedy=first.remedy
            )
        return losses.index(min(known))

    def _held(self, place: int, group: int) -> Scores | None:
        if (place, group) not in self._alone:
            out = frozenset({group})
            model = self._trained(place, out)
            self._alone[place, group] = None if model is None else self._judged(model, group, out)
            if model is not None:
                self._models[place, group] = model
        return self._alone[place, group]

    def _inner(self, place: int, outer: int, inner: int) -> Scores | None:
        if (place, outer, inner) not in self._pairs:
            out = frozenset({outer, inner})
            model = self._trained(place, out)
            for one, other in ((outer, inner), (inner, outer)):
                scores = None if model is None else self._judged(model, other, out)
                self._pairs[place, one, other] = scores
        return self._pairs[place, outer, inner]

    def _trained(self, place: int, out: frozenset[int]) -> Model | None:
        kept = [group for group in range(len(self.groups)) if group not in out]
        try:
            share = self.cohort.share(kept)
            if self.prepare is not None:
                if out not in self._steps:
                    self._steps[out] = self.prepare(share)
                share = share.adjusted(*self._steps[out])
            if self._shift is None:
                self._shift = self._mean(share)
            return self.algorithm.run(share, self.choices[place].parameters).model
        except CannotCompute as error:
            self._problems.setdefault(place, error)
            return None

    def _mean(self, share: Cohort) -> float:
        """About where a numeric outcome lies, which sums are taken about."""
        if self.cohort.y[0].is_nominal:
            return 0.0
        return float(share.fold(moments, MomentsState(share.design(share.y))).mean[0])

    def _judged(self, model: Model, group: int, out: frozenset[int]) -> Scores:
        """How a model, trained without these groups, predicts the records of one of them."""
        held = self.cohort.share([group]).adjusted(*self._steps.get(out, ()))
        state = ScoreState(model, self._shift or 0.0)
        if model.target is None:
            return held.fold(number_scores, state)
        return held.fold(class_scores, state)


def loss_of(parts: Sequence[Scores | None]) -> float | None:
    """The loss of a record, over these parts: squared error, or log loss; None where unknown."""
    total = records = 0.0
    for part in parts:
        if part is None:
            return None
        if isinstance(part, NumberScores):
            total, records = total + float(part.sums[2]), records + float(part.sums[0])
        else:
            total, records = total + float(part.log_loss), records + float(part.bins[0].sum())
    return total / records if records else None


def told(value: object) -> str:
    """A parameter's value as people read it."""
    if isinstance(value, list | tuple):
        return ", ".join(told(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def told_all(values: Mapping[str, object], titles: Mapping[str, str]) -> str:
    """A choice in words."""
    return ", ".join(f"{titles.get(name, name)} {told(value)}" for name, value in values.items())
