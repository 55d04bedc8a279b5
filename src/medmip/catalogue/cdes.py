"""The MIP's CDEsMetadata.json: a data model as JSON, read strictly and written back the same."""

import json
from typing import cast

from medmip.catalogue.cdes_rules import (
    Field,
    Json,
    Problems,
    RepeatingObject,
    check_bounds,
    check_code,
    check_levels,
    check_sql_type,
    fields_of,
)
from medmip.catalogue.data_model import DataModel, Group
from medmip.catalogue.errors import CatalogueError
from medmip.catalogue.variable import DATASET, Enumeration, Variable, VariableType

MAXIMUM_DEPTH = 100  # groups within groups; Python's own recursion ends at about 1,000 frames

_MODEL_FIELDS = {
    "code": Field(str, required=True),
    "version": Field(str, required=True),
    "label": Field(str, required=True),
    "description": Field(str),
    "longitudinal": Field(bool),
    "extends": Field(str),
    "variables": Field(list),
    "groups": Field(list),
}
_GROUP_FIELDS = {
    "code": Field(str, required=True),
    "label": Field(str, required=True),
    "description": Field(str),
    "variables": Field(list),
    "groups": Field(list),
}
_VARIABLE_FIELDS = {
    "code": Field(str, required=True),
    "label": Field(str, required=True),
    "type": Field(str, required=True),
    "sql_type": Field(str, required=True),
    "isCategorical": Field(bool, required=True),
    "description": Field(str),
    "enumerations": Field(list),
    "minValue": Field(float),
    "maxValue": Field(float),
    "units": Field(str),
    "methodology": Field(str),
}
_LEVEL_FIELDS = {"code": Field(str, required=True), "label": Field(str, required=True)}


def read_cdes(text: str | bytes, where: str | None = None) -> DataModel:
    """The data model in the text of a CDEsMetadata.json; where names its file in errors.

    Bytes may be UTF-8, UTF-16 or UTF-32, with or without a byte order mark. Raises CatalogueError
    with every problem found, each under its JSON path such as `$.groups[2].variables[0].code`.
    """
    problems = Problems()
    raw = _parse(text, where)
    model = _Reader(problems).model(raw) if isinstance(raw, dict) else None
    if model is None:
        problems.add(
            "$",
            "A data model is a JSON object with code, version, label and variables.",
        )
    if problems.found or model is None:
        count = len(problems.found)
        raise CatalogueError(
            f"{count} problem{'s' if count != 1 else ''} in the data model.",
            where=where,
            remedy="Correct the file and add it again.",
            fields=tuple(problems.found),
        )
    return model


def write_cdes(model: DataModel) -> str:
    """The text of a model's CDEsMetadata.json; read_cdes of it gives the same model.

    Of a model that extends another, as the store keeps it, only what it adds is written.
    """
    raw: dict[str, Json] = {
        "code": model.code,
        "version": model.version,
        "label": model.label,
    }
    if model.description:
        raw["description"] = model.description
    if model.longitudinal:
        raw["longitudinal"] = True
    if model.extends:
        raw["extends"] = model.extends
    raw["variables"] = [_raw_variable(variable) for variable in model.variables]
    raw["groups"] = [_raw_group(group) for group in model.groups]
    return json.dumps(raw, indent=2, ensure_ascii=False) + "\n"


def _parse(text: str | bytes, where: str | None) -> Json:
    remedy = "Save the file as JSON in UTF-8."
    try:
        decoded = text if isinstance(text, str) else text.decode(json.detect_encoding(text))
        parsed: Json = json.loads(
            decoded.removeprefix("\ufeff"), object_pairs_hook=RepeatingObject.of_pairs
        )
    except UnicodeDecodeError as error:
        raise CatalogueError(
            f"The file is not {error.encoding.upper()} text: byte {error.start + 1} is wrong.",
            where=where,
            remedy=remedy,
        ) from None
    except json.JSONDecodeError as error:
        raise CatalogueError(
            f"Not JSON: line {error.lineno}, column {error.colno}: {error.msg}.",
            where=where,
            remedy=remedy,
        ) from None
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        raise CatalogueError("A number is too long.", where=where, remedy=remedy) from None
    except RecursionError:
        raise CatalogueError(
            "The groups are nested too deeply to read.",
            where=where,
            remedy=f"Nest groups at most {MAXIMUM_DEPTH} deep.",
        ) from None
    return parsed


class _Reader:
    """Builds the model as far as it can, and notes every problem on the way."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.seen: dict[str, str] = {}  # a variable's code in lower case → its path

    def model(self, raw: dict[str, Json]) -> DataModel:
        values = fields_of(raw, "$", _MODEL_FIELDS, self.problems)
        check_code(values, "$", "model", self.problems)
        check_code(values, "$", "version", self.problems)
        model = DataModel(
            code=_text(values, "code"),
            version=_text(values, "version"),
            label=_text(values, "label"),
            description=_text(values, "description"),
            longitudinal=bool(values.get("longitudinal", False)),
            extends=_text(values, "extends"),
            variables=self.variables(values, "$"),
            groups=self.groups(values, "$", 1),
        )
        if not model.extends:
            self.check_columns(model)
        elif model.longitudinal:
            self.problems.add("$.longitudinal", "An extension is as the model that it extends.")
        return model

    def check_columns(self, model: DataModel) -> None:
        for code in filter(None, (DATASET, model.patient_column, model.visit_column)):
            if code.lower() not in self.seen:
                kind = "longitudinal model" if model.longitudinal else "model"
                self.problems.add("$", f"A {kind} needs the variable “{code}”.")
            elif (variable := model.all_variables.get(code)) and variable.is_numeric:
                self.problems.add(f"{self.seen[code]}.type", f"“{code}” must be nominal or text.")

    def groups(self, values: dict[str, Json], path: str, depth: int) -> tuple[Group, ...]:
        raw = cast(list[Json], values.get("groups", []))
        if raw and depth > MAXIMUM_DEPTH:
            self.problems.add(f"{path}.groups", f"Nest groups at most {MAXIMUM_DEPTH} deep.")
            return ()
        groups = []
        codes: dict[str, str] = {}
        for index, item in enumerate(raw):
            place = f"{path}.groups[{index}]"
            if not isinstance(item, dict):
                self.problems.add(place, "A group is an object with code, label and variables.")
                continue
            group = fields_of(item, place, _GROUP_FIELDS, self.problems)
            check_code(group, place, "group", self.problems)
            code = _text(group, "code")
            if code in codes:
                self.problems.add(f"{place}.code", f"“{code}” is already {codes[code]}.")
            codes.setdefault(code, place)
            groups.append(
                Group(
                    code=code,
                    label=_text(group, "label"),
                    description=_text(group, "description"),
                    variables=self.variables(group, place),
                    groups=self.groups(group, place, depth + 1),
                )
            )
        return tuple(groups)

    def variables(self, values: dict[str, Json], path: str) -> tuple[Variable, ...]:
        raw = cast(list[Json], values.get("variables", []))
        variables = []
        for index, item in enumerate(raw):
            place = f"{path}.variables[{index}]"
            if not isinstance(item, dict):
                self.problems.add(place, "A variable is an object with code, label and type.")
                continue
            variable = self.variable(item, place)
            if variable is not None:
                variables.append(variable)
        return tuple(variables)

    def variable(self, raw: dict[str, Json], path: str) -> Variable | None:
        values = fields_of(raw, path, _VARIABLE_FIELDS, self.problems)
        check_code(values, path, "variable", self.problems)
        code = _text(values, "code")
        # DuckDB compares column names without case, so codes that differ by case collide
        if code and (before := self.seen.setdefault(code.lower(), path)) != path:
            self.problems.add(f"{path}.code", f"“{code}” is already the code of {before}.")
        levels = self.levels(values, path)
        type_ = check_sql_type(values, path, self.problems)
        if type_ is None:
            return None
        check_levels(values, path, type_, self.problems)
        check_bounds(values, path, type_, self.problems)
        return Variable(
            code=code,
            label=_text(values, "label"),
            description=_text(values, "description"),
            type=type_,
            sql_type=_text(values, "sql_type"),
            enumerations=levels,
            minimum=_number(values, "minValue"),
            maximum=_number(values, "maxValue"),
            units=_text(values, "units"),
            methodology=_text(values, "methodology"),
        )

    def levels(self, values: dict[str, Json], path: str) -> tuple[Enumeration, ...]:
        raw = cast(list[Json], values.get("enumerations", []))
        levels: dict[str, Enumeration] = {}
        for index, item in enumerate(raw):
            place = f"{path}.enumerations[{index}]"
            if not isinstance(item, dict):
                self.problems.add(place, 'A level is an object {"code": …, "label": …}.')
                continue
            level = fields_of(item, place, _LEVEL_FIELDS, self.problems)
            check_code(level, place, "level", self.problems)
            code = _text(level, "code")
            if code and code in levels:
                self.problems.add(f"{place}.code", f"“{code}” is already a level.")
            levels.setdefault(code, Enumeration(code=code, label=_text(level, "label")))
        return tuple(levels.values())


def _text(values: dict[str, Json], name: str) -> str:
    return str(values.get(name, ""))


def _number(values: dict[str, Json], name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else None


def _raw_group(group: Group) -> Json:
    raw: dict[str, Json] = {"code": group.code, "label": group.label}
    if group.description:
        raw["description"] = group.description
    raw["variables"] = [_raw_variable(variable) for variable in group.variables]
    if group.groups:
        raw["groups"] = [_raw_group(inner) for inner in group.groups]
    return raw


def _raw_variable(variable: Variable) -> Json:
    raw: dict[str, Json] = {
        "code": variable.code,
        "label": variable.label,
        "description": variable.description,
        "type": variable.type.value,
        "sql_type": variable.sql_type,
        "isCategorical": variable.type is VariableType.NOMINAL and variable.is_nominal,
        "units": variable.units,
        "methodology": variable.methodology,
    }
    if variable.enumerations:
        raw["enumerations"] = [
            {"code": level.code, "label": level.label} for level in variable.enumerations
        ]
    for name, bound in (("minValue", variable.minimum), ("maxValue", variable.maximum)):
        if bound is not None:
            raw[name] = int(bound) if bound.is_integer() and abs(bound) < 2**53 else bound
    return raw
