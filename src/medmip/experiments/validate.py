"""Validation: models are trained without a part of the patients, and judged on that part."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.declaration import Algorithm, CannotCompute, Parameters, TrainedResult
from medmip.algorithms.metrics import class_validation, number_validation
from medmip.algorithms.validation import Validation
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.errors import FieldProblem
from medmip.fold.adjustment import Step
from medmip.fold.cohort import Cohort
from medmip.fold.model import Model
from medmip.fold.moments import MomentsState, moments
from medmip.fold.scores import ClassScores, NumberScores, ScoreState, class_scores, number_scores
from medmip.store.engine import Partition


class Folds(BaseModel):
    """Patients are dealt into folds by a keyed hash of their code; each is held out in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folds"] = "folds"
    folds: int = Field(5, ge=2, le=20)
    seed: int = Field(1, ge=0, le=999)


class LeaveOneDatasetOut(BaseModel):
    """Each dataset is held out in turn, so that a model is judged where it was not trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["leave_one_dataset_out"]


class HoldOut(BaseModel):
    """One dataset is held out; the model is trained on the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["hold_out"]
    dataset: str = Field(max_length=200)


ValidationRequest = Annotated[Folds | LeaveOneDatasetOut | HoldOut, Field(discriminator="kind")]


def partition_of(asked: ValidationRequest, model: DataModel, y: Sequence[Variable]) -> Partition:
    """How the cohort is divided: a nominal outcome's levels are dealt evenly into folds."""
    if not isinstance(asked, Folds):
        return Partition(0, 0, model.patient_column)
    stratum = y[0].code if y and y[0].is_nominal and not model.longitudinal else None
    return Partition(asked.folds, asked.seed, model.patient_column, stratum)


def problems_of(
    asked: ValidationRequest,
    algorithm: Algorithm[Parameters, TrainedResult],
    datasets: Sequence[str],
) -> list[FieldProblem]:
    """Why this validation is not possible."""
    problems = []
    if not algorithm.predicts:
        problems.append(FieldProblem("validation", f"{algorithm.label} predicts nothing"))
    if not isinstance(asked, Folds) and len(datasets) < 2:
        problems.append(FieldProblem("validation.kind", "needs at least two datasets"))
    if isinstance(asked, HoldOut) and asked.dataset not in datasets:
        problems.append(FieldProblem("validation.dataset", "is not among the request's datasets"))
    return problems


def validated(
    cohort: Cohort,
    algorithm: Algorithm[Parameters, TrainedResult],
    parameters: Parameters,
    asked: ValidationRequest,
    prepare: Callable[[Cohort], Sequence[Step]] | None = None,
) -> Validation:
    """Trains without each held-out part in turn, and judges by it; raises Refused, CannotCompute.

    prepare, where given, estimates on the training's records alone the steps that these and the
    held-out ones go through; figures of a numeric outcome are of its values after these.
    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., 7.10.
    """
    names, held_out = _held_out(cohort, asked)
    outcome = cohort.y[0]
    shift: float | None = 0.0 if outcome.is_nominal else None
    classes: list[ClassScores] = []
    numbers: list[NumberScores] = []
    model: Model | None = None
    for name, group in zip(names, held_out, strict=True):
        others = [part for part in range(cohort.groups) if part != group]
        training, held = cohort.share(others), cohort.share([group])
        try:
            if prepare is not None:
                steps = prepare(training)
                training, held = training.adjusted(*steps), held.adjusted(*steps)
            model = algorithm.run(training, parameters).model
        except CannotCompute as error:
            raise CannotCompute(
                f"Trained without {name}: {error.what}", remedy=error.remedy
            ) from None
        if shift is None:
            shift = float(training.fold(moments, MomentsState(cohort.design(cohort.y))).mean[0])
        state = ScoreState(model, shift)
        if model.target is None:
            numbers.append(held.fold(number_scores, state))
        else:
            classes.append(held.fold(class_scores, state))
    method = _method(asked)
    if model is None or model.target is None:
        return number_validation(outcome.code, method, names, numbers, cohort.minimum)
    return class_validation(outcome.code, model.target, method, names, classes, cohort.minimum)


def _held_out(cohort: Cohort, asked: ValidationRequest) -> tuple[list[str], list[int]]:
    if isinstance(asked, Folds):
        groups = list(range(asked.folds))
        return [f"fold {group + 1}" for group in groups], groups
    groups = list(range(len(cohort.datasets)))
    if isinstance(asked, HoldOut):
        groups = [cohort.datasets.index(asked.dataset)]
    return [cohort.datasets[group] for group in groups], groups


def _method(asked: ValidationRequest) -> str:
    match asked:
        case Folds():
            return f"{asked.folds}-fold cross-validation"
        case LeaveOneDatasetOut():
            return "Leave one dataset out"
        case HoldOut():
            return f"Held out: {asked.dataset}"
