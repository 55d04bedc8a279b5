"""Gradient boosting: many small trees, each of which mends what those before it left."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt
import numpy as np
from pydantic import Field

from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.declaration import CannotCompute, Parameters, TrainedResult, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import ANY, many, one
from medmip.algorithms.tree_cohort import TreeCohort, bins_field, tree_cohort
from medmip.algorithms.tree_views import Weight, importance_chart, importance_table, shares
from medmip.algorithms.views import Format, View, chart, facts, unmasked
from medmip.errors import RequestError
from medmip.fold.boosting import (
    AddedTree,
    BoostRule,
    BoostState,
    Loss,
    boost_classes,
    boost_leaves,
    boost_loss,
    boost_sums,
    digits_for,
    steps_for,
)
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import FloatArray
from medmip.fold.tree_growth import TooFew, added, gains_of, grown, importance, joined
from medmip.fold.tree_model import MOST_LEAVES, FittedTree, Joining, TreesModel
from medmip.fold.trees import NumberOutcome, Tree


class GradientBoostingParameters(Parameters):
    """Parameters of gradient boosting."""

    rounds: int = Field(
        100, ge=1, le=500, title="Rounds", description="Trees one after another, for each score."
    )
    learning_rate: float = Field(
        0.1,
        gt=0,
        le=1,
        title="Learning rate",
        description="The share of a tree's correction that is taken: less needs more rounds.",
    )
    depth: int = Field(
        3, ge=1, le=8, title="Depth", description="Questions one after another in each tree."
    )
    least: int = Field(
        20,
        ge=1,
        le=100_000,
        title="Least in a leaf",
        description="Patients that a leaf must hold; never fewer than the hospital's minimum.",
    )
    l2: float = Field(
        0.0,
        ge=0,
        le=1e6,
        title="L2 penalty",
        description="How strongly the values of leaves are drawn towards zero.",
    )
    bins: int = bins_field()


class GradientBoostingResult(TrainedResult):
    """Fitted trees; losses (rounds + 1,) are means over these records, before and after each round.

    The loss is half the squared error, or minus the log-likelihood. confusion (k, k) is by class
    and likeliest class, of these records; None where suppressed.
    """

    outcome: str
    loss: Loss
    classes: tuple[str, ...]
    n: int
    excluded: int
    rounds: int
    trees: int
    leaves: int
    losses: tuple[float, ...]
    importance: tuple[Weight, ...]
    confusion: tuple[tuple[int | None, ...], ...]
    accuracy: float | None
    r_squared: float | None
    minimum: int
    model: TreesModel

    def views(self, names: Names = CODES) -> list[View]:
        fit: list[tuple[str, object, Format]] = [
            ("Records", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Rounds", self.rounds, "integer"),
            ("Trees", self.trees, "integer"),
            ("Leaves", self.leaves, "integer"),
            ("Loss before the first round", self.losses[0], "number"),
            ("Loss after the last round", self.losses[-1], "number"),
        ]
        if self.accuracy is not None:
            fit.append(("Accuracy", self.accuracy, "number"))
        if self.r_squared is not None:
            fit.append(("R²", self.r_squared, "number"))
        views = [
            importance_chart(self.importance, names),
            importance_table(self.importance, names),
            self._curve(),
            facts(
                "Fit",
                fit,
                f"Mean {self.loss} loss. On the very records that the trees grew from: new "
                "patients fare worse.",
            ),
        ]
        if self.confusion:
            labels = [names.level(self.outcome, code) for code in self.classes]
            views.append(confusion_chart(labels, self.confusion, self.minimum))
        return views

    def _curve(self) -> View:
        rows = [{"round": index, "loss": loss} for index, loss in enumerate(self.losses)]
        drawing = (
            alt.Chart(alt.Data(values=rows))
            .mark_line(strokeWidth=2)
            .encode(
                x=alt.X("round:Q", title="Round"),
                y=alt.Y("loss:Q", title=f"Mean {self.loss} loss", scale=alt.Scale(zero=False)),
                tooltip=["round:Q", alt.Tooltip("loss:Q", format=".5g")],
            )
            .properties(width="container", height=240)
        )
        return chart(
            "Loss by round",
            drawing,
            f"The loss falls from {self.losses[0]:.4g} to {self.losses[-1]:.4g} in "
            f"{self.rounds} rounds",
            "Of the records that the trees grew from; a validation tells when rounds stop helping.",
        )


@algorithm(
    "gradient_boosting",
    label="Gradient boosting",
    question="Predict an outcome",
    description="Many small trees in a row, each mending what those before it left: of a class or "
    "a number.",
    discloses=(
        "Questions at rounded values and, for each leaf of every tree, a mean; no leaf, and no "
        "class in a leaf, of fewer patients than the minimum; the loss of each round; numbers of "
        "records by class and likeliest class."
    ),
    y=one(ANY, "Outcome"),
    x=many(ANY, "Covariates"),
    citations=(
        "Friedman JH. Greedy function approximation: a gradient boosting machine. The Annals of "
        "Statistics. 2001;29:1189-1232.",
        "Chen T, Guestrin C. XGBoost: a scalable tree boosting system. In: Knowledge Discovery "
        "and Data Mining (KDD 2016). p. 785-794.",
    ),
    parameters=GradientBoostingParameters,
)
def gradient_boosting(
    cohort: Cohort, parameters: GradientBoostingParameters
) -> GradientBoostingResult:
    """Trees grown on sums of derivatives by bin, each leaf a Newton step.

    The loss is the squared error of a number, the binomial deviance of two classes (half of it),
    the multinomial of more. Levels of nominal covariates stand in the order of their Newton
    steps. Raises CannotCompute where the outcome or every covariate is constant, and
    RequestError where the model would grow too large.
    Sources: Friedman, The Annals of Statistics 29 (2001) 1189-1232; Chen & Guestrin, KDD 2016,
    785-794; Ke et al., NIPS 30 (2017) 3146-3154.
    """
    ready = tree_cohort(cohort, parameters.bins)
    if isinstance(ready.outcome, NumberOutcome):
        ready = replace(ready, outcome=steps_for(ready.outcome, ready.spread, ready.n))
    scores = ready.outcome.channels if ready.outcome.channels > 2 else 1
    if parameters.rounds * scores * 2**parameters.depth > MOST_LEAVES:
        raise RequestError(
            f"parameters.rounds: {parameters.rounds} rounds of {scores} trees as deep as "
            f"{parameters.depth} may have more than {MOST_LEAVES} leaves",
            remedy="Ask for fewer rounds or a lesser depth.",
        )
    state = BoostState(
        ready.bins,
        ready.outcome,
        (0.0,) * scores,
        (),
        digits_for(ready.n),
        (Tree(),) * scores,
        counted=cohort.minimum > 1,
    )
    rule = BoostRule(
        max(parameters.least, cohort.minimum), cohort.minimum, parameters.l2, state.second
    )
    state = replace(state, base=_base(cohort, ready, state))
    losses: list[float] = []
    gains = np.zeros(len(ready.covariates))
    fitted: list[FittedTree] = []
    for _ in range(parameters.rounds):
        leaves, loss = _round(cohort, state, rule, parameters.depth)
        losses.append(loss)
        if all(len(tree.feature) == 1 for tree, _ in leaves):
            break
        made = []
        for tree, sums in leaves:
            values = rule.values(sums, parameters.learning_rate)
            gains += importance(tree, gains_of(tree, sums, rule), len(gains))
            made.append(AddedTree(tree, tuple(values.tolist())))
            fitted.append(FittedTree.of(tree, ready.bins, _unit(ready) * values[:, None]))
        state = replace(state, rounds=(*state.rounds, tuple(made)), trees=(Tree(),) * scores)
    else:
        losses.append(float(cohort.fold(boost_loss, state).loss))
    return _result(cohort, ready, state, losses, gains, fitted)


def _unit(ready: TreeCohort) -> float:
    return ready.outcome.step if isinstance(ready.outcome, NumberOutcome) else 1.0


def _base(cohort: Cohort, ready: TreeCohort, state: BoostState) -> tuple[float, ...]:
    """The scores that fit best without any tree."""
    if isinstance(ready.outcome, NumberOutcome):
        sums: Any = cohort.fold(boost_leaves, state).sums
        return (float(-sums[0, 0, 0, 1] / sums[0, 0, 0, 0]),)
    logs = np.log(ready.counts / ready.counts.sum())
    if len(logs) == 2:
        return (float(np.log(ready.counts[1] / ready.counts[0])),)
    return tuple((logs - logs.mean()).tolist())


def _round(
    cohort: Cohort, state: BoostState, rule: BoostRule, depth: int
) -> tuple[list[tuple[Tree, FloatArray]], float]:
    """The trees of one round, each with the guarded sums of its nodes, and the loss before them."""
    units = np.ones(state.channels)
    units[1:3] = 2.0**-state.digits if state.second else 1.0
    loss = 0.0

    def search(
        trees: tuple[Tree, ...], nodes: tuple[tuple[int, ...], ...], _: object
    ) -> FloatArray:
        nonlocal loss
        found = cohort.fold(boost_sums, replace(state, trees=trees, nodes=nodes))
        loss = float(found.loss)
        return np.asarray(units[:, None, None] * found.sums)

    growing = grown(search, rule, state.bins, depth, trees=len(state.trees), channels=len(units))
    trees = [part.tree for part in growing]
    while True:
        found = cohort.fold(boost_leaves, replace(state, trees=tuple(trees)))
        masks = np.asarray(np.ma.getmaskarray(found.patients).any(axis=2))
        if not masks.any():
            sums = np.asarray(found.sums).sum(axis=2)
            sums = sums * units[: sums.shape[2]]
            return [
                (tree, added(tree, part[: len(tree.feature)]))
                for tree, part in zip(trees, sums, strict=True)
            ], loss
        try:
            trees = [joined(tree, mask) for tree, mask in zip(trees, masks, strict=True)]
        except TooFew:
            raise CannotCompute(
                f"{state.outcome.variable} has a class of fewer patients than the minimum in a "
                "hospital",
                remedy="Filter that level out.",
            ) from None


def _result(
    cohort: Cohort,
    ready: TreeCohort,
    state: BoostState,
    summed: Sequence[float],
    gains: FloatArray,
    fitted: Sequence[FittedTree],
) -> GradientBoostingResult:
    number = isinstance(ready.outcome, NumberOutcome)
    unit = _unit(ready)
    half = 0.5 * unit**2 if number else 1.0
    losses = [half * loss / ready.n for loss in summed]
    counts = np.ma.asarray(() if number else cohort.fold(boost_classes, state).records)
    told = not number and not np.ma.is_masked(counts)
    origin = ready.outcome.origin if isinstance(ready.outcome, NumberOutcome) else 0.0
    joining: dict[Loss, Joining] = {
        "squared error": "sum",
        "binomial": "logit",
        "multinomial": "softmax",
    }
    return GradientBoostingResult(
        outcome=ready.variable.code,
        loss=state.loss,
        classes=ready.target.classes if ready.target else (),
        n=ready.n,
        excluded=cohort.size.excluded,
        rounds=len(state.rounds),
        trees=len(fitted),
        leaves=sum(tree.variable.count(-1) for tree in fitted),
        losses=tuple(losses),
        importance=shares(ready.covariates, gains),
        confusion=() if number else tuple(tuple(unmasked(row)) for row in counts),
        accuracy=float(np.trace(np.asarray(counts))) / ready.n if told else None,
        r_squared=1.0 - losses[-1] / losses[0] if number else None,
        minimum=cohort.minimum,
        model=TreesModel.of(
            ready.variable.code,
            ready.target,
            joining[state.loss],
            ready.bins,
            ready.known,
            fitted,
            [origin + unit * score for score in state.base],
        ),
    )
