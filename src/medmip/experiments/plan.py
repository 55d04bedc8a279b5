"""Checks a request against declaration, data model and published data: what is to be run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from pydantic import ValidationError

from medmip.algorithms.declaration import Algorithm, Parameters
from medmip.algorithms.names import Names
from medmip.algorithms.role import Roles
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.model_store import ModelStore
from medmip.catalogue.variable import DATASET, Variable
from medmip.errors import FieldProblem, MipError, NotFound, RequestError
from medmip.experiments.preparation import Preparation, prepared_spec
from medmip.experiments.preparation_check import preparation_problems
from medmip.experiments.request import Analysis, InputData, Request
from medmip.experiments.shelf import Held, Shelf
from medmip.experiments.tuning import Choice, combinations
from medmip.experiments.validate import (
    ValidationRequest,
    grid_problem,
    partition_of,
    problems_of,
)
from medmip.federation.specification import CohortSpec
from medmip.store.filters import Filter, parse_filter


@dataclass(frozen=True)
class PlannedAnalysis:
    """An algorithm with its parameters, or with the choices of a grid."""

    algorithm: Algorithm[Any, Any]
    parameters: Parameters
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A request that may run: the analyses, their cohort, the snapshots.

    preparation is None where nothing is done to the records.
    """

    analyses: tuple[PlannedAnalysis, ...]
    spec: CohortSpec
    snapshots: tuple[Held, ...]
    validation: ValidationRequest | None = None
    preparation: Preparation | None = None

    @property
    def algorithm(self) -> Algorithm[Any, Any]:
        """The first analysis's, which the experiment is listed under."""
        return self.analyses[0].algorithm


@dataclass(frozen=True)
class Fitting:
    """Why variables do not fit an algorithm, no reason where they do; y and x in fitting order."""

    reasons: tuple[str, ...]
    y: tuple[str, ...]
    x: tuple[str, ...]


class Validator:
    """Turns requests into plans; every problem of a request is named at once, by field."""

    def __init__(
        self,
        models: ModelStore,
        shelf: Shelf,
        algorithms: Mapping[str, Algorithm[Any, Any]],
    ) -> None:
        self._models = models
        self._shelf = shelf
        self.algorithms = algorithms

    def over(self, shelf: Shelf) -> "Validator":
        """The same over another shelf: for who sees less, what is not on it is not there."""
        return Validator(self._models, shelf, self.algorithms)

    def plan(self, request: Request) -> Plan:
        """The plan of a request; raises RequestError naming each offending field."""
        problems: list[FieldProblem] = []
        model, snapshots = self._data(request.inputdata, problems)
        places = ["", *(f"compare[{index}]." for index in range(len(request.compare)))]
        algorithms = [
            self._algorithm(analysis, place, problems)
            for analysis, place in zip(request.analyses, places, strict=True)
        ]
        first = algorithms[0]
        if model is None or first is None or None in algorithms:
            raise RequestError("The request is not valid", fields=tuple(problems))
        data = request.inputdata
        y, x = _roles(first, data, model, snapshots, problems)
        analyses = []
        for analysis, algorithm, place in zip(request.analyses, algorithms, places, strict=True):
            if algorithm is None:
                continue
            if algorithm is not first:
                problems += _misfits(algorithm, first, place, data, model, snapshots)
            planned = _planned(analysis, algorithm, place, (y, x), request, model, problems)
            analyses += [] if planned is None else [planned]
        filter_ = _filter(data.filters, model, problems)
        if request.validation is not None:
            problems += problems_of(request.validation, data.datasets)
        preparation = request.preparation
        if preparation is not None:
            for algorithm in filter(None, algorithms):
                found = preparation_problems(
                    preparation, algorithm, y, x, model, snapshots, request.validation
                )
                problems += [problem for problem in found if problem not in problems]
        if problems:
            raise RequestError("The request is not valid", fields=tuple(problems))
        partition = None
        if request.validation is not None:
            joined = preparation is not None and preparation.longitudinal is not None
            repeated = model.longitudinal and not joined
            partition = partition_of(request.validation, model, y, repeated=repeated)
        spec = CohortSpec(model, data.datasets, y, x, filter_, first.missing, partition)
        if preparation is not None:
            spec = prepared_spec(spec, preparation)
        return Plan(tuple(analyses), spec, snapshots, request.validation, preparation)

    def _algorithm(
        self, analysis: Analysis, place: str, problems: list[FieldProblem]
    ) -> Algorithm[Any, Any] | None:
        algorithm = self.algorithms.get(analysis.algorithm)
        if algorithm is None:
            known = ", ".join(sorted(self.algorithms))
            problems.append(FieldProblem(f"{place}algorithm", f"is not known; known are {known}"))
        return algorithm

    def preview(self, data: InputData) -> tuple[CohortSpec, tuple[Held, ...]]:
        """The cohort of datasets and filter alone; raises RequestError."""
        problems: list[FieldProblem] = []
        model, snapshots = self._data(data, problems)
        filter_ = None if model is None else _filter(data.filters, model, problems)
        if model is None or problems:
            raise RequestError("The request is not valid", fields=tuple(problems))
        return CohortSpec(model, data.datasets, (), (), filter_, "keep"), snapshots

    def fitting(self, data: InputData) -> dict[str, Fitting]:
        """For each algorithm, whether the chosen variables fit it, in whatever order."""
        problems: list[FieldProblem] = []
        model, snapshots = self._data(data, problems)
        if model is None:
            raise RequestError("The request is not valid", fields=tuple(problems))
        fits: dict[str, Fitting] = {}
        for name, algorithm in self.algorithms.items():
            found: list[FieldProblem] = []
            y = _arranged(algorithm.y, data.y, model)
            x = _arranged(algorithm.x, data.x, model)
            _variables("y", algorithm.y, y, model, snapshots, found)
            _variables("x", algorithm.x, x, model, snapshots, found)
            found += _unrepeated(algorithm, model)
            fits[name] = Fitting(tuple(part.message for part in found), y, x)
        return fits

    def _data(
        self, data: InputData, problems: list[FieldProblem]
    ) -> tuple[DataModel | None, tuple[Held, ...]]:
        try:
            model = self._models.get(data.data_model)
        except NotFound as error:
            problems.append(FieldProblem("inputdata.data_model", _sentence(error)))
            return None, ()
        published = {snapshot.dataset: snapshot for snapshot in self._shelf.list(model.key)}
        if not data.datasets:
            problems.append(FieldProblem("inputdata.datasets", "needs at least one dataset"))
        for index, code in enumerate(data.datasets):
            path = f"inputdata.datasets[{index}]"
            if code not in published:
                known = ", ".join(published) or "none"
                told = f"{code} is not published under {model.key}; published: {known}"
                if silent := self._shelf.silent():
                    told += f"; it may be of a hospital that is not heard of: {', '.join(silent)}"
                problems.append(FieldProblem(path, told))
            elif code in data.datasets[:index]:
                problems.append(FieldProblem(path, f"{code} is named twice"))
        chosen = (published[code] for code in data.datasets if code in published)
        return model, tuple(chosen)


def _roles(
    algorithm: Algorithm[Any, Any],
    data: InputData,
    model: DataModel,
    snapshots: Sequence[Held],
    problems: list[FieldProblem],
) -> tuple[tuple[Variable, ...], tuple[Variable, ...]]:
    """The variables of both roles, as an algorithm takes them."""
    y = _variables("y", algorithm.y, data.y, model, snapshots, problems)
    x = _variables("x", algorithm.x, data.x, model, snapshots, problems)
    if algorithm.x.minimum:
        problems += [
            FieldProblem(
                f"inputdata.x[{x.index(variable)}]",
                f"{Names.of(model).variable(variable.code)} is the outcome",
            )
            for variable in x
            if variable in y
        ]
    problems += _unrepeated(algorithm, model)
    return y, x


def _arranged(roles: Roles, codes: Sequence[str] | None, model: DataModel) -> tuple[str, ...]:
    """The codes in an order that fits the roles, where all are known and one does."""
    known = model.all_variables
    if codes is None or any(code not in known for code in codes):
        return tuple(codes or ())
    return tuple(variable.code for variable in roles.arranged([known[code] for code in codes]))


def _misfits(
    algorithm: Algorithm[Any, Any],
    first: Algorithm[Any, Any],
    place: str,
    data: InputData,
    model: DataModel,
    snapshots: Sequence[Held],
) -> list[FieldProblem]:
    """Why a further algorithm cannot analyse the first one's cohort."""
    found: list[FieldProblem] = []
    _roles(algorithm, data, model, snapshots, found)
    reasons = [f"{problem.path.removeprefix('inputdata.')}: {problem.message}" for problem in found]
    if algorithm.missing != first.missing:
        kept, dropped = (algorithm, first) if algorithm.missing == "keep" else (first, algorithm)
        reasons.append(
            f"{kept.label} keeps records with missing values, {dropped.label} drops them"
        )
    return [FieldProblem(f"{place}algorithm", reason) for reason in reasons]


def _planned(
    analysis: Analysis,
    algorithm: Algorithm[Any, Any],
    place: str,
    roles: tuple[tuple[Variable, ...], tuple[Variable, ...]],
    request: Request,
    model: DataModel,
    problems: list[FieldProblem],
) -> PlannedAnalysis | None:
    """The analysis with parameters that are checked, each combination of its grid among them."""
    datasets = request.inputdata.datasets
    if request.validation is not None and not algorithm.predicts:
        where = f"{place}algorithm" if place else "validation"
        problems.append(FieldProblem(where, f"{algorithm.label} predicts nothing"))
    path = f"{place}parameters"

    def checked(given: Mapping[str, Any], found: list[FieldProblem]) -> Parameters | None:
        parameters = _parameters(algorithm, given, path, found)
        if parameters is not None:
            places = algorithm.places(*roles)
            _check_choices(algorithm, parameters, places, datasets, Names.of(model), path, found)
        return parameters

    parameters = None
    if not analysis.grid:
        parameters = checked(analysis.parameters, problems)
        return None if parameters is None else PlannedAnalysis(algorithm, parameters)
    whole = len(problems)
    for name, values in analysis.grid.items():
        if name in analysis.parameters:
            problems.append(FieldProblem(f"{place}grid.{name}", "has a value in parameters too"))
        if not values:
            problems.append(FieldProblem(f"{place}grid.{name}", "needs a value"))
    size = prod(len(values) for values in analysis.grid.values())
    why = grid_problem(request.validation, size, datasets)
    if why is not None:
        problems.append(FieldProblem(f"{place}grid", why))
    if len(problems) > whole:
        return None
    choices = []
    for combination in combinations(analysis.grid):
        found: list[FieldProblem] = []
        parameters = checked({**analysis.parameters, **combination}, found)
        problems += [problem for problem in found if problem not in problems]
        choices += [] if parameters is None else [Choice(parameters, combination)]
    return PlannedAnalysis(algorithm, choices[0].parameters, tuple(choices)) if choices else None


def _variables(
    name: str,
    roles: Roles,
    codes: Sequence[str] | None,
    model: DataModel,
    snapshots: Sequence[Held],
    problems: list[FieldProblem],
) -> tuple[Variable, ...]:
    codes = codes or ()
    path = f"inputdata.{name}"
    if not roles:
        if codes:
            problems.append(
                FieldProblem(path, "takes no covariates" if name == "x" else "takes no outcome")
            )
        return ()
    owners = []
    for role, share in zip(roles, roles.shares(len(codes)), strict=True):
        number = role.problem(share)
        if number is not None:
            problems.append(FieldProblem(path, f"{role.label.lower()}: {number}"))
        owners += [role] * share
    names = Names.of(model)
    found = []
    for index, (code, role) in enumerate(zip(codes, owners, strict=True)):
        place = f"{path}[{index}]"
        label = names.variable(code)
        try:
            variable = model.variable(code)
        except MipError as error:
            problems.append(FieldProblem(place, _sentence(error)))
            continue
        if code in codes[:index]:
            problems.append(FieldProblem(place, f"{label} is named twice"))
        elif not role.kinds.accepts(variable):
            kind = (
                "numeric" if variable.is_numeric else "nominal" if variable.is_nominal else "text"
            )
            wanted = " or ".join(role.kinds.names)
            problems.append(
                FieldProblem(
                    place, f"{label} is {kind}; {role.label.lower()} takes {wanted} variables"
                )
            )
        elif code != DATASET and snapshots and not any(code in s.variables for s in snapshots):
            problems.append(FieldProblem(place, f"{label} is in none of the chosen datasets"))
        else:
            found.append(variable)
    return tuple(found)


def _unrepeated(algorithm: Algorithm[Any, Any], model: DataModel) -> list[FieldProblem]:
    """That the algorithm needs several records of a patient, and the data model has one."""
    if model.longitudinal or not algorithm.repeated:
        return []
    return [FieldProblem("inputdata.data_model", f"{model.key} has one record of each patient")]


def _filter(document: object, model: DataModel, problems: list[FieldProblem]) -> Filter | None:
    try:
        return parse_filter(document, model, path="inputdata.filters")
    except RequestError as error:
        problems += error.fields
        return None


def _parameters(
    algorithm: Algorithm[Any, Any],
    given: Mapping[str, Any],
    path: str,
    problems: list[FieldProblem],
) -> Parameters | None:
    try:
        parameters: Parameters = algorithm.parameters.model_validate(dict(given))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            place = "".join(
                f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]
            )
            problems.append(FieldProblem(f"{path}{place}", detail["msg"]))
        return None
    return parameters


def _check_choices(
    algorithm: Algorithm[Any, Any],
    parameters: Parameters,
    places: Mapping[str, Sequence[Variable]],
    datasets: Sequence[str],
    names: Names,
    place: str,
    problems: list[FieldProblem],
) -> None:
    """Checks parameters that name levels or variables of the request."""
    for name, field in algorithm.parameters.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict):
            continue
        value = getattr(parameters, name)
        path = f"{place}.{name}"
        if (role := extra.get("level_of")) and value is not None:
            for variable in places[str(role)][:1]:
                levels = datasets if variable.code == DATASET else variable.levels
                if value not in levels:
                    label = names.variable(variable.code)
                    known = ", ".join(_told(names, variable, level) for level in levels)
                    problems.append(FieldProblem(path, f"is no level of {label}: {known}"))
        if (role := extra.get("variable_of")) and value is not None:
            codes = {variable.code for variable in places[str(role)]}
            if value not in codes:
                label = names.variable(str(value))
                problems.append(FieldProblem(path, f"{label} is not among the {_spoken(role)}"))
        if role := extra.get("variables_of"):
            codes = {variable.code for variable in places[str(role)]}
            for index, named in enumerate(value):
                group = (named,) if isinstance(named, str) else named
                item = f"{path}[{index}]"
                unknown = [code for code in group if code not in codes]
                problems += [
                    FieldProblem(item, f"{names.variable(code)} is not among the {_spoken(role)}")
                    for code in unknown
                ]
                if len(set(group)) < len(group):
                    problems.append(FieldProblem(item, "names a variable twice"))


def _spoken(place: object) -> str:
    """A list or role of the request as a person reads it."""
    words = str(place).replace("_", " ")
    return {"y": "variables of y", "x": "variables of x"}.get(words, words)


def _told(names: Names, variable: Variable, level: str) -> str:
    """A level as people read it, with the code that a request gives."""
    label = names.level(variable.code, level)
    return level if label == level else f"{label} ({level})"


def _sentence(error: MipError) -> str:
    return " ".join(filter(None, (error.what, error.remedy)))
