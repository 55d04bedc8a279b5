"""Multilayer perceptron: a small neural network, trained over all records of all hospitals."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from medmip.algorithms.covariates import Covariates, penalised_covariates
from medmip.algorithms.declaration import CannotCompute, Parameters, algorithm
from medmip.algorithms.perceptron_result import Layer, PerceptronModel, PerceptronResult
from medmip.algorithms.role import ANY, many, one
from medmip.algorithms.views import unmasked
from medmip.fold.averaging import AveragingState, Diverged, averaged
from medmip.fold.classes import LevelState, level_counts
from medmip.fold.cohort import Cohort
from medmip.fold.model import Target, TermFactor
from medmip.fold.moments import MomentsState, moments
from medmip.fold.network import Activation, NetworkState, Shape, sensitivities
from medmip.fold.scores import ScoreState, class_scores, number_scores
from medmip.fold.statistic import FloatArray
from medmip.fold.training import Trained, Training, starting_weights, trained


class PerceptronParameters(Parameters):
    """Parameters of a multilayer perceptron."""

    units: int = Field(
        4, ge=1, le=64, title="Hidden units", description="Units of the first hidden layer."
    )
    second: int = Field(
        0,
        ge=0,
        le=64,
        title="Units of a second layer",
        description="Of a second hidden layer; 0 for none.",
    )
    activation: Activation = Field(
        Activation.TANH,
        title="Activation",
        description="What a hidden unit makes of its input.",
        json_schema_extra={"labels": {one.value: one.label for one in Activation}},
    )
    penalty: float = Field(
        1.0,
        gt=0,
        le=1e6,
        title="Penalty",
        description="Of the weights' squares; the larger, the smoother. scikit-learn's alpha.",
    )
    training: Training = Field(
        Training.GRADIENT,
        title="Training",
        description="Whether every round adds up the gradient, or networks trained apart.",
        json_schema_extra={"labels": {one.value: one.label for one in Training}},
    )
    epochs: int = Field(
        1,
        ge=1,
        le=50,
        title="Passes in between",
        description="Of federated averaging: how often a hospital goes through its own records.",
    )
    batch: int = Field(
        32,
        ge=1,
        le=131_072,
        title="Batch",
        description="Of federated averaging: records that make one step of the weights.",
    )
    rate: float = Field(
        0.05,
        gt=0,
        le=10,
        title="Learning rate",
        description="Of federated averaging: how far a step goes.",
    )
    rounds: int = Field(
        1000,
        ge=1,
        le=10_000,
        title="Most rounds",
        description="Training that has not settled by then stops, and says so.",
    )
    seed: int = Field(
        1,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Of the weights that training starts from: another may end elsewhere.",
    )


_EXACT = 2.0**-20
"""Means and standard deviations are taken to about this share of the latter: the last digits, which
hang on how records are split, would grow in training."""


@dataclass(frozen=True)
class _Outcome:
    """What is predicted; classes are indices of levels, None for a number.

    null_loss is the mean loss without covariates; variance, of a number, has the denominator n.
    """

    classes: tuple[int, ...] | None
    levels: tuple[str, ...]
    centre: float
    spread: float
    null_loss: float
    variance: float = 0.0


@algorithm(
    "perceptron",
    label="Multilayer perceptron",
    question="Predict an outcome",
    description="A small neural network: a class or a number by curved and joint effects.",
    discloses=(
        "The network's weights, fewer by far than there are patients (by federated averaging, to "
        "the coordinator, those that each hospital trained by itself), losses over the whole "
        "cohort, and numbers of records by class and given class; no class and no level that fewer "
        "patients than the minimum have."
    ),
    y=one(ANY, "Outcome"),
    x=many(ANY, "Covariates"),
    method="a multilayer perceptron",
    citations=("Goodfellow I, Bengio Y, Courville A. Deep Learning. MIT Press; 2016.",),
    parameters=PerceptronParameters,
)
def perceptron(cohort: Cohort, parameters: PerceptronParameters) -> PerceptronResult:
    """The network of least (Σ loss + penalty |weights|² / 2) / n, from a start by the seed.

    Columns, and an outcome that is a number, are standardised to a millionth; the loss is the
    cross-entropy of the classes, or half the squared error. Every round adds up the gradient over
    all records of all sites, so the network is the one that the pooled records give. By federated
    averaging, which may be asked for, each dataset's records, in blocks of at least 16384, train
    the network by themselves, and the next round starts from the mean by records: that network
    hangs on how records are split, and is near the pooled one, not equal. The guard counts every
    weight as a parameter of each site, so that no network is large enough to remember single
    patients. Weights of a training that did not settle are returned, and the result says so.

    Raises CannotCompute where a covariate or the outcome is constant.
    Sources: Goodfellow, Bengio & Courville, Deep Learning (2016), chapter 6; McMahan et al.,
    AISTATS 2017.
    """
    (variable,) = cohort.y
    if variable.code in {part.code for part in cohort.x}:
        raise CannotCompute("The outcome is among its own covariates", remedy="Leave it out.")
    outcome = _classes(cohort) if variable.is_nominal else _number(cohort)
    covariates = penalised_covariates(cohort)
    shift, scale = _standards(covariates.mean, covariates.scale)
    hidden = tuple(units for units in (parameters.units, parameters.second) if units)
    last = len(outcome.classes) if outcome.classes and len(outcome.classes) > 2 else 1
    shape = Shape((len(covariates.scale), *hidden, last))
    start = NetworkState(
        covariates.design,
        shift,
        scale,
        variable.code,
        outcome.classes,
        outcome.centre,
        outcome.spread,
        shape,
        parameters.activation,
        starting_weights(shape, parameters.activation, parameters.seed),
    )
    n = float(covariates.n)
    found = _trained(cohort, start, parameters, n)
    model = _model(covariates, outcome, found.state)
    squares = np.asarray(cohort.fold(sensitivities, found.state).squares)
    given = np.ma.zeros((0, 0))
    accuracy = r_squared = rmse = None
    if outcome.classes is not None:
        given = np.ma.asarray(cohort.fold(class_scores, ScoreState(model)).records)
        if not np.ma.is_masked(given):
            accuracy = float(np.trace(np.asarray(given))) / n
    else:
        sums = cohort.fold(number_scores, ScoreState(model, outcome.centre)).sums
        mean_square = float(sums[2]) / n
        r_squared, rmse = 1.0 - mean_square / outcome.variance, mean_square**0.5
    return PerceptronResult(
        outcome=variable.code,
        classes=outcome.levels,
        n=covariates.n,
        excluded=cohort.size.excluded,
        hidden=hidden,
        activation=parameters.activation,
        training=parameters.training,
        penalty=parameters.penalty,
        seed=parameters.seed,
        parameters=shape.parameters,
        terms=covariates.design.labels,
        references=covariates.references,
        dropped=covariates.dropped,
        losses=found.curve,
        null_loss=outcome.null_loss,
        gradient=found.gradient,
        settled=found.settled,
        rounds=found.rounds,
        limit=parameters.rounds,
        curvature_rounds=found.curvature_rounds,
        folds=found.folds,
        sensitivities=tuple(tuple(row) for row in np.sqrt(squares.T / n).tolist()),
        confusion=tuple(tuple(unmasked(row)) for row in given),
        accuracy=accuracy,
        r_squared=r_squared,
        rmse=rmse,
        minimum=cohort.minimum,
        model=model,
    )


def _trained(
    cohort: Cohort, start: NetworkState, parameters: PerceptronParameters, n: float
) -> Trained:
    if parameters.training is Training.GRADIENT:
        return trained(cohort, start, parameters.penalty, n, parameters.rounds)
    apart = AveragingState(
        start, parameters.epochs, parameters.batch, parameters.rate, parameters.penalty, n
    )
    try:
        return averaged(cohort, apart, parameters.rounds)
    except Diverged:
        raise CannotCompute(
            "The networks that hospitals trained apart went beyond all bounds",
            remedy="Lower the learning rate, or train on the gradient of all records.",
        ) from None


def _classes(cohort: Cohort) -> _Outcome:
    (outcome,) = cohort.y
    levels = cohort.levels[outcome.code]
    held = cohort.fold(level_counts, LevelState(outcome.code, len(levels)), cells=levels).records
    present = np.flatnonzero(held)
    if len(present) < 2:
        raise CannotCompute(
            f"{outcome.code} has a single level in this cohort",
            remedy="Choose another outcome, or widen the filter.",
        )
    share = held[present] / held.sum()
    return _Outcome(
        tuple(present.tolist()),
        tuple(levels[index] for index in present),
        0.0,
        1.0,
        float(-(share * np.log(share)).sum()),
    )


def _number(cohort: Cohort) -> _Outcome:
    (outcome,) = cohort.y
    folded = cohort.fold(moments, MomentsState(cohort.design(cohort.y)))
    mean, spread = float(folded.mean[0]), float(folded.scatter[0, 0] / folded.records) ** 0.5
    if not spread > 1e-14 * abs(mean):
        raise CannotCompute(
            f"{outcome.code} is constant in this cohort", remedy="Choose another outcome."
        )
    centre, unit = (float(part[0]) for part in _standards(np.array([mean]), np.array([spread])))
    return _Outcome(None, (), centre, unit, 0.5 * (spread / unit) ** 2, spread**2)


def _standards(mean: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations, (p,), without the digits that rounding decides."""
    grain = _EXACT * 2.0 ** np.floor(np.log2(scale))
    return np.round(mean / grain) * grain, np.round(scale / grain) * grain


def _model(covariates: Covariates, outcome: _Outcome, state: NetworkState) -> PerceptronModel:
    factors = [column.factors[0] for column in covariates.design.columns]
    return PerceptronModel(
        outcome=state.outcome,
        target=Target.each(outcome.levels) if outcome.levels else None,
        activation=state.activation,
        columns=tuple(
            TermFactor(variable=factor.variable, level=factor.level_code) for factor in factors
        ),
        means=tuple(state.shift.tolist()),
        scales=tuple(state.scale.tolist()),
        layers=tuple(
            Layer(
                weights=tuple(tuple(row) for row in weights.tolist()),
                intercepts=tuple(intercepts.tolist()),
            )
            for weights, intercepts in state.shape.layers(state.flat)
        ),
        centre=outcome.centre,
        spread=outcome.spread,
        known=covariates.known,
    )
