"""Why a preparation does not fit its request: every problem, by field."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medmip.algorithms.combat import Combat
from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.imputation import Imputation
from medmip.algorithms.names import Names
from medmip.algorithms.pooled import poolable
from medmip.algorithms.standardise import Standardise
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable
from medmip.errors import FieldProblem, MipError
from medmip.experiments.preparation import Preparation
from medmip.experiments.shelf import Held
from medmip.experiments.validate import Folds, ValidationRequest


def preparation_problems(
    preparation: Preparation,
    algorithm: Algorithm[Any, Any],
    y: Sequence[Variable],
    x: Sequence[Variable],
    model: DataModel,
    snapshots: Sequence[Held],
    validation: ValidationRequest | None,
) -> list[FieldProblem]:
    """Why this preparation is not possible for these variables in their roles."""
    names = Names.of(model)
    roles = {variable.code: variable for variable in (*x, *y)}
    outcomes = {variable.code for variable in y} if x else set()
    problems: list[FieldProblem] = []
    if preparation.longitudinal is not None:
        problems += preparation.longitudinal.problems(model, (*y, *x), preparation.beside)
        if algorithm.repeated:
            text = f"{algorithm.label} needs a patient's records apart"
            problems.append(FieldProblem("preparation.longitudinal", text))
    if preparation.imputation is not None:
        problems += _imputation(
            preparation.imputation, preparation.is_multiple, algorithm, roles, names
        )
        if y and not problems and not preparation.imputation.chosen(y, x):
            text = "there is no covariate that could be imputed"
            problems.append(FieldProblem("preparation.imputation.variables", text))
        problems += _unseen_outcome(preparation.imputation, outcomes, names, validation)
        if preparation.is_multiple and validation is not None:
            text = (
                "is not possible with multiple imputation, whose pooled estimates predict nothing"
            )
            problems.append(FieldProblem("validation", text))
    if preparation.combat is not None:
        combat = preparation.combat
        problems += _batch(combat, model, snapshots, names, validation)
        problems += _preserve(combat, model, snapshots, names)
        problems += _named("combat", combat.variables, roles, names, numeric=True)
        if roles and not combat.chosen(y, x):
            text = "there is no numeric variable to harmonise"
            problems.append(FieldProblem("preparation.combat.variables", text))
        if validation is not None:
            problems += [
                FieldProblem(
                    f"preparation.combat.preserve[{index}]",
                    f"{names.variable(code)} is the outcome, which validation holds back",
                )
                for index, code in enumerate(combat.preserve)
                if code in outcomes
            ]
    if preparation.standardise is not None:
        problems += _standardise(preparation.standardise, y, x, roles, names)
    return problems


def _imputation(
    imputation: Imputation,
    multiple: bool,
    algorithm: Algorithm[Any, Any],
    roles: Mapping[str, Variable],
    names: Names,
) -> Iterator[FieldProblem]:
    yield from _named("imputation", imputation.variables, roles, names, numeric=False)
    if multiple and not poolable(algorithm):
        yield FieldProblem(
            "preparation.imputation.method",
            f"{algorithm.label} has no table of coefficients that could be pooled over imputations",
        )


def _unseen_outcome(
    imputation: Imputation,
    outcomes: set[str],
    names: Names,
    validation: ValidationRequest | None,
) -> Iterator[FieldProblem]:
    for index, code in enumerate(imputation.variables):
        if validation is not None and code in outcomes:
            yield FieldProblem(
                f"preparation.imputation.variables[{index}]",
                f"{names.variable(code)} is the outcome: predictions are judged by known values",
            )


def _standardise(
    standardise: Standardise,
    y: Sequence[Variable],
    x: Sequence[Variable],
    roles: Mapping[str, Variable],
    names: Names,
) -> Iterator[FieldProblem]:
    yield from _named("standardise", standardise.variables, roles, names, numeric=True)
    if roles and not standardise.chosen(y, x):
        yield FieldProblem(
            "preparation.standardise.variables", "there is no numeric covariate to standardise"
        )


def _batch(
    combat: Combat,
    model: DataModel,
    snapshots: Sequence[Held],
    names: Names,
    validation: ValidationRequest | None,
) -> Iterator[FieldProblem]:
    place = "preparation.combat.batch"
    yield from _of_model(place, combat.batch, model, snapshots, names, kinds=("nominal",))
    if combat.batch != DATASET:
        return
    if len(snapshots) == 1:
        yield FieldProblem(place, "needs at least two datasets, or another variable")
    if validation is not None and not isinstance(validation, Folds):
        yield FieldProblem(
            place,
            "a dataset that is held out has no batch in the training, so its shift cannot be "
            "known: validate by folds",
        )


def _preserve(
    combat: Combat, model: DataModel, snapshots: Sequence[Held], names: Names
) -> Iterator[FieldProblem]:
    for index, code in enumerate(combat.preserve):
        place = f"preparation.combat.preserve[{index}]"
        label = names.variable(code)
        if code in combat.preserve[:index]:
            yield FieldProblem(place, f"{label} is named twice")
        elif code == combat.batch:
            yield FieldProblem(place, f"{label} tells the batches apart")
        elif code in combat.variables:
            yield FieldProblem(place, f"{label} is to be harmonised itself")
        else:
            yield from _of_model(place, code, model, snapshots, names, ("numeric", "nominal"))


def _of_model(
    place: str,
    code: str,
    model: DataModel,
    snapshots: Sequence[Held],
    names: Names,
    kinds: tuple[str, ...],
) -> Iterator[FieldProblem]:
    """That a variable of the data model is of one of these kinds, and in some dataset."""
    try:
        variable = model.variable(code)
    except MipError as error:
        yield FieldProblem(place, " ".join(filter(None, (error.what, error.remedy))))
        return
    kind = "numeric" if variable.is_numeric else "nominal" if variable.is_nominal else "text"
    if kind not in kinds:
        yield FieldProblem(
            place, f"{names.variable(code)} is {kind}; choose a {' or '.join(kinds)} variable"
        )
    elif code != DATASET and snapshots and not any(code in part.variables for part in snapshots):
        yield FieldProblem(place, f"{names.variable(code)} is in none of the chosen datasets")


def _named(
    part: str,
    codes: Sequence[str],
    roles: Mapping[str, Variable],
    names: Names,
    *,
    numeric: bool,
) -> Iterator[FieldProblem]:
    """That variables are among the request's, once each, and numeric where they must be."""
    for index, code in enumerate(codes):
        place = f"preparation.{part}.variables[{index}]"
        label = names.variable(code)
        if code not in roles:
            yield FieldProblem(place, f"{label} is neither outcome nor covariate")
        elif code in codes[:index]:
            yield FieldProblem(place, f"{label} is named twice")
        elif numeric and not roles[code].is_numeric:
            yield FieldProblem(place, f"{label} is not numeric")
