"""Validation: models are trained without a part of the patients, and judged on that part."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.declaration import Algorithm, CannotCompute, Parameters, TrainedResult
from medmip.algorithms.metrics import class_validation, number_validation
from medmip.algorithms.validation import Validation
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.errors import FieldProblem
from medmip.experiments.tuning import (
    MOST_TRAININGS,
    Choice,
    Prepare,
    Search,
    Tuning,
    trainings,
)
from medmip.fold.cohort import Cohort
from medmip.fold.model import Target
from medmip.fold.scores import ClassScores, NumberScores
from medmip.store.engine import Partition

_LEAST_GROUPS = 3


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


def partition_of(
    asked: ValidationRequest, model: DataModel, y: Sequence[Variable], *, repeated: bool
) -> Partition:
    """How the cohort is divided: a nominal outcome's levels are dealt evenly into folds.

    Where patients have repeated records, which may differ in level, they are dealt as they come.
    """
    if not isinstance(asked, Folds):
        return Partition(0, 0, model.patient_column)
    stratum = y[0].code if y and y[0].is_nominal and not repeated else None
    return Partition(asked.folds, asked.seed, model.patient_column, stratum)


def problems_of(asked: ValidationRequest, datasets: Sequence[str]) -> list[FieldProblem]:
    """Why this validation is not possible."""
    problems = []
    if not isinstance(asked, Folds) and len(datasets) < 2:
        problems.append(FieldProblem("validation.kind", "needs at least two datasets"))
    if isinstance(asked, HoldOut) and asked.dataset not in datasets:
        problems.append(FieldProblem("validation.dataset", "is not among the request's datasets"))
    return problems


def grid_problem(
    asked: ValidationRequest | None, choices: int, datasets: Sequence[str]
) -> str | None:
    """Why so many choices of parameters cannot be told apart by this validation."""
    if asked is None:
        return "needs a validation, whose held-out parts judge the choices"
    groups = asked.folds if isinstance(asked, Folds) else len(datasets)
    if groups < _LEAST_GROUPS:
        return (
            f"needs {_LEAST_GROUPS} folds or datasets: one that judges, one that chooses, "
            "one that trains"
        )
    needed = trainings(choices, groups)
    if needed > MOST_TRAININGS:
        return (
            f"{choices} choices in {groups} parts take {needed} trainings; "
            f"{MOST_TRAININGS} are the most"
        )
    return None


def validated(
    cohort: Cohort,
    algorithm: Algorithm[Parameters, TrainedResult],
    parameters: Parameters,
    asked: ValidationRequest,
    prepare: Prepare | None = None,
) -> Validation:
    """Trains without each held-out part in turn, and judges by it; raises Refused, CannotCompute.

    prepare, where given, estimates on the training's records alone the steps that these and the
    held-out ones go through; figures of a numeric outcome are of its values after these.
    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., 7.10.
    """
    alone = [Choice(parameters, {})]
    search = Search(cohort, algorithm, alone, _names(cohort, asked), prepare)
    return _judged_by(cohort, search, asked)[0]


def tuned(
    cohort: Cohort,
    algorithm: Algorithm[Parameters, TrainedResult],
    choices: Sequence[Choice],
    asked: ValidationRequest,
    prepare: Prepare | None = None,
) -> tuple[Parameters, Tuning, Validation]:
    """The choice of least held-out loss, the search, and how well it all predicts.

    The validation chooses anew without each held-out part (nested), so that it judges the search
    as a whole; prepare is as in `validated`. Raises Refused, CannotCompute.
    """
    search = Search(cohort, algorithm, choices, _names(cohort, asked), prepare)
    validation, outer = _judged_by(cohort, search, asked)
    found = search.found(outer)
    return choices[found.chosen].parameters, found, validation


def _judged_by(
    cohort: Cohort, search: Search, asked: ValidationRequest
) -> tuple[Validation, list[int]]:
    outcome = cohort.y[0]
    held_out = _held_out(cohort, asked)
    names = [search.groups[group] for group in held_out]
    classes: list[ClassScores] = []
    numbers: list[NumberScores] = []
    target: Target | None = None
    outer = []
    for name, group in zip(names, held_out, strict=True):
        try:
            place = search.without(group) if len(search.choices) > 1 else 0
            target = search.model(place, group).target
        except CannotCompute as error:
            raise CannotCompute(
                f"Trained without {name}: {error.what}", remedy=error.remedy
            ) from None
        outer.append(place)
        scores = search.scores(place, group)
        if isinstance(scores, NumberScores):
            numbers.append(scores)
        else:
            classes.append(scores)
    method = _method(asked)
    if target is None:
        told = number_validation(outcome.code, method, names, numbers, cohort.minimum)
    else:
        told = class_validation(outcome.code, target, method, names, classes, cohort.minimum)
    return told, outer


def _names(cohort: Cohort, asked: ValidationRequest) -> list[str]:
    """What each of the cohort's groups is called."""
    if isinstance(asked, Folds):
        return [f"fold {group + 1}" for group in range(asked.folds)]
    return list(cohort.datasets)


def _held_out(cohort: Cohort, asked: ValidationRequest) -> list[int]:
    if isinstance(asked, HoldOut):
        return [cohort.datasets.index(asked.dataset)]
    return list(range(cohort.groups))


def _method(asked: ValidationRequest) -> str:
    match asked:
        case Folds():
            return f"{asked.folds}-fold cross-validation"
        case LeaveOneDatasetOut():
            return "Leave one dataset out"
        case HoldOut():
            return f"Held out: {asked.dataset}"
