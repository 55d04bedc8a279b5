"""Checks a request against declaration, data model and published data: what is to be run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from medmip.algorithms.declaration import Algorithm, Parameters
from medmip.algorithms.names import Names
from medmip.algorithms.role import Role
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.model_store import ModelStore
from medmip.catalogue.variable import DATASET, Variable
from medmip.errors import FieldProblem, MipError, NotFound, RequestError
from medmip.experiments.preparation import Preparation, prepared_spec
from medmip.experiments.preparation_check import preparation_problems
from medmip.experiments.request import InputData, Request
from medmip.experiments.validate import ValidationRequest, partition_of, problems_of
from medmip.federation.in_process import CohortSpec
from medmip.store.filters import Filter, parse_filter
from medmip.store.snapshots import Datasets, Snapshot


@dataclass(frozen=True)
class Plan:
    """A request that may run: the algorithm, its parameters, the cohort, the snapshots.

    preparation is None where nothing is done to the records.
    """

    algorithm: Algorithm[Any, Any]
    parameters: Parameters
    spec: CohortSpec
    snapshots: tuple[Snapshot, ...]
    validation: ValidationRequest | None = None
    preparation: Preparation | None = None


class Validator:
    """Turns requests into plans; every problem of a request is named at once, by field."""

    def __init__(
        self,
        models: ModelStore,
        datasets: Datasets,
        algorithms: Mapping[str, Algorithm[Any, Any]],
    ) -> None:
        self._models = models
        self._datasets = datasets
        self.algorithms = algorithms

    def plan(self, request: Request) -> Plan:
        """The plan of a request; raises RequestError naming each offending field."""
        problems: list[FieldProblem] = []
        algorithm = self.algorithms.get(request.algorithm)
        if algorithm is None:
            known = ", ".join(sorted(self.algorithms))
            problems.append(FieldProblem("algorithm", f"is not known; known are {known}"))
        model, snapshots = self._data(request.inputdata, problems)
        if algorithm is None or model is None:
            raise RequestError("The request is not valid", fields=tuple(problems))
        data = request.inputdata
        y = _variables("y", algorithm.y, data.y, model, snapshots, problems)
        x = _variables("x", algorithm.x, data.x, model, snapshots, problems)
        if algorithm.x is not None and algorithm.x.minimum:
            problems += [
                FieldProblem(
                    f"inputdata.x[{x.index(variable)}]",
                    f"{Names.of(model).variable(variable.code)} is the outcome",
                )
                for variable in x
                if variable in y
            ]
        problems += _unrepeated(algorithm, model)
        filter_ = _filter(data.filters, model, problems)
        parameters = _parameters(algorithm, request.parameters, problems)
        if parameters is not None:
            roles = {"y": y, "x": x}
            _check_choices(algorithm, parameters, roles, data.datasets, Names.of(model), problems)
        if request.validation is not None:
            problems += problems_of(request.validation, algorithm, data.datasets)
        preparation = request.preparation
        if preparation is not None:
            problems += preparation_problems(
                preparation, algorithm, y, x, model, snapshots, request.validation
            )
        if problems or parameters is None:
            raise RequestError("The request is not valid", fields=tuple(problems))
        partition = None
        if request.validation is not None:
            partition = partition_of(request.validation, model, y)
        spec = CohortSpec(model, data.datasets, y, x, filter_, algorithm.missing, partition)
        if preparation is not None:
            spec = prepared_spec(spec, preparation)
        return Plan(algorithm, parameters, spec, snapshots, request.validation, preparation)

    def preview(self, data: InputData) -> tuple[CohortSpec, tuple[Snapshot, ...]]:
        """The cohort of datasets and filter alone; raises RequestError."""
        problems: list[FieldProblem] = []
        model, snapshots = self._data(data, problems)
        filter_ = None if model is None else _filter(data.filters, model, problems)
        if model is None or problems:
            raise RequestError("The request is not valid", fields=tuple(problems))
        return CohortSpec(model, data.datasets, (), (), filter_, "keep"), snapshots

    def fitting(self, data: InputData) -> dict[str, list[str]]:
        """For each algorithm, why the chosen variables do not fit; no reason where they do."""
        problems: list[FieldProblem] = []
        model, snapshots = self._data(data, problems)
        if model is None:
            raise RequestError("The request is not valid", fields=tuple(problems))
        reasons: dict[str, list[str]] = {}
        for name, algorithm in self.algorithms.items():
            found: list[FieldProblem] = []
            _variables("y", algorithm.y, data.y, model, snapshots, found)
            _variables("x", algorithm.x, data.x, model, snapshots, found)
            found += _unrepeated(algorithm, model)
            reasons[name] = [part.message for part in found]
        return reasons

    def _data(
        self, data: InputData, problems: list[FieldProblem]
    ) -> tuple[DataModel | None, tuple[Snapshot, ...]]:
        try:
            model = self._models.get(data.data_model)
        except NotFound as error:
            problems.append(FieldProblem("inputdata.data_model", _sentence(error)))
            return None, ()
        published = {snapshot.dataset: snapshot for snapshot in self._datasets.list(model.key)}
        if not data.datasets:
            problems.append(FieldProblem("inputdata.datasets", "needs at least one dataset"))
        for index, code in enumerate(data.datasets):
            path = f"inputdata.datasets[{index}]"
            if code not in published:
                known = ", ".join(published) or "none"
                problems.append(
                    FieldProblem(
                        path, f"{code} is not published under {model.key}; published: {known}"
                    )
                )
            elif code in data.datasets[:index]:
                problems.append(FieldProblem(path, f"{code} is named twice"))
        chosen = (published[code] for code in data.datasets if code in published)
        return model, tuple(chosen)


def _variables(
    name: str,
    role: Role | None,
    codes: Sequence[str] | None,
    model: DataModel,
    snapshots: Sequence[Snapshot],
    problems: list[FieldProblem],
) -> tuple[Variable, ...]:
    codes = codes or ()
    path = f"inputdata.{name}"
    if role is None:
        if codes:
            problems.append(
                FieldProblem(path, "takes no covariates" if name == "x" else "takes no outcome")
            )
        return ()
    number = role.problem(len(codes))
    if number is not None:
        problems.append(FieldProblem(path, f"{role.label.lower()}: {number}"))
    names = Names.of(model)
    found = []
    for index, code in enumerate(codes):
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
    algorithm: Algorithm[Any, Any], given: Mapping[str, Any], problems: list[FieldProblem]
) -> Parameters | None:
    try:
        parameters: Parameters = algorithm.parameters.model_validate(dict(given))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            place = "".join(
                f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]
            )
            problems.append(FieldProblem(f"parameters{place}", detail["msg"]))
        return None
    return parameters


def _check_choices(
    algorithm: Algorithm[Any, Any],
    parameters: Parameters,
    roles: Mapping[str, Sequence[Variable]],
    datasets: Sequence[str],
    names: Names,
    problems: list[FieldProblem],
) -> None:
    """Checks parameters that name levels or variables of the request."""
    for name, field in algorithm.parameters.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict):
            continue
        value = getattr(parameters, name)
        path = f"parameters.{name}"
        if (role := extra.get("level_of")) and value is not None:
            for variable in roles[str(role)][:1]:
                levels = datasets if variable.code == DATASET else variable.levels
                if value not in levels:
                    label = names.variable(variable.code)
                    known = ", ".join(_told(names, variable, level) for level in levels)
                    problems.append(FieldProblem(path, f"is no level of {label}: {known}"))
        if (role := extra.get("variable_of")) and value is not None:
            codes = {variable.code for variable in roles[str(role)]}
            if value not in codes:
                problems.append(
                    FieldProblem(path, f"{names.variable(str(value))} is not among {role}")
                )
        if role := extra.get("variables_of"):
            codes = {variable.code for variable in roles[str(role)]}
            for index, named in enumerate(value):
                group = (named,) if isinstance(named, str) else named
                place = f"{path}[{index}]"
                unknown = [code for code in group if code not in codes]
                problems += [
                    FieldProblem(place, f"{names.variable(code)} is not among {role}")
                    for code in unknown
                ]
                if len(set(group)) < len(group):
                    problems.append(FieldProblem(place, "names a variable twice"))


def _told(names: Names, variable: Variable, level: str) -> str:
    """A level as people read it, with the code that a request gives."""
    label = names.level(variable.code, level)
    return level if label == level else f"{label} ({level})"


def _sentence(error: MipError) -> str:
    return " ".join(filter(None, (error.what, error.remedy)))
