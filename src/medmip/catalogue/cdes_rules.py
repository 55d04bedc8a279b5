"""The rules of CDEsMetadata.json, each noting its problems under a JSON path."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from medmip.catalogue.variable import DATASET, VariableType
from medmip.errors import FieldProblem

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_SQL_TYPES = {
    VariableType.NOMINAL: ("text", "int"),
    VariableType.TEXT: ("text",),
    VariableType.REAL: ("real",),
    VariableType.INTEGER: ("int",),
}
_TYPE_NAMES: dict[type, str] = {
    str: "text in quotes",
    bool: "true or false",
    list: "a list",
    float: "a finite number",
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a code may look like, and how to say it."""

    pattern: re.Pattern[str]
    rule: str


# A variable's code is a column of SQL views too: PostgreSQL keeps 63 bytes of a name. Two
# leading underscores are kept for the platform's own columns.
_SHAPES = {
    "variable": _Shape(
        re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,62}"),
        "A variable's code is at most 63 letters, digits and underscores, does not start"
        " with a digit nor with two underscores",
    ),
    "model": _Shape(
        re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}"),
        "A model's code is at most 63 letters, digits, underscores and hyphens, and starts"
        " with a letter",
    ),
    "version": _Shape(
        re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}"),
        "A version is at most 32 letters, digits, dots and hyphens, such as 1.0",
    ),
    "group": _Shape(re.compile(r"\S(.*\S)?"), "A group's code has no spaces around it"),
    "level": _Shape(re.compile(r"\S(.*\S)?"), "A level's code has no spaces around it"),
}


@dataclass
class Problems:
    """The problems found so far, in the order of the file."""

    found: list[FieldProblem] = field(default_factory=list)

    def add(self, path: str, message: str) -> None:
        self.found.append(FieldProblem(path, message))


class RepeatingObject(dict[str, Json]):
    """A JSON object that remembers which of its names came twice."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def of_pairs(cls, pairs: list[tuple[str, Json]]) -> "RepeatingObject":
        made = cls(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            made.repeated = tuple(name for name in made if names.count(name) > 1)
        return made


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object: its Python type (float is any number), and whether it must be."""

    type: type
    required: bool = False


def fields_of(
    raw: dict[str, Json], path: str, declared: Mapping[str, Field], problems: Problems
) -> dict[str, Json]:
    """The fields that are as declared; missing, unknown, repeated and mistyped ones are noted."""
    for name in raw.repeated if isinstance(raw, RepeatingObject) else ():
        problems.add(path, f"The field “{name}” is there twice.")
    for name in raw:
        if name not in declared:
            near = get_close_matches(name, declared, n=1)
            hint = f" Did you mean “{near[0]}”?" if near else ""
            problems.add(path, f"Unknown field “{name}”.{hint}")
    values: dict[str, Json] = {}
    for name, rule in declared.items():
        if name not in raw:
            if rule.required:
                problems.add(path, f"The field “{name}” is missing.")
        elif not _is_a(raw[name], rule.type):
            problems.add(f"{path}.{name}", f"Must be {_TYPE_NAMES[rule.type]}.")
        elif rule.required and raw[name] == "":
            problems.add(f"{path}.{name}", "Must not be empty.")
        else:
            values[name] = raw[name]
    return values


def _is_a(value: Json, type_: type) -> bool:
    if type_ is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if isinstance(value, str):
        return type_ is str and _is_text(value)
    return isinstance(value, type_)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def check_code(values: dict[str, Json], path: str, kind: str, problems: Problems) -> None:
    """The code (or version) of a model, group, variable or level has its shape."""
    name = "version" if kind == "version" else "code"
    code = values.get(name)
    if isinstance(code, str) and not _SHAPES[kind].pattern.fullmatch(code):
        problems.add(f"{path}.{name}", f"“{code}”: {_SHAPES[kind].rule}.")


def check_sql_type(values: dict[str, Json], path: str, problems: Problems) -> VariableType | None:
    """The variable's type, known and kept in a column that fits; None where it is not."""
    given = values.get("type")
    if not isinstance(given, str):
        return None
    if given not in list(VariableType):
        known = ", ".join(VariableType)
        problems.add(f"{path}.type", f"Unknown type “{given}”; the types are {known}.")
        return None
    type_ = VariableType(given)
    sql_type = values.get("sql_type")
    if sql_type is not None and sql_type not in _SQL_TYPES[type_]:
        allowed = " or ".join(_SQL_TYPES[type_])
        problems.add(f"{path}.sql_type", f"A {type_} variable has sql_type {allowed}.")
    return type_


def check_levels(
    values: dict[str, Json], path: str, type_: VariableType, problems: Problems
) -> None:
    """Levels belong to nominal variables, and a categorical variable has levels."""
    categorical = values.get("isCategorical")
    has_levels = bool(values.get("enumerations"))
    if has_levels and type_ is not VariableType.NOMINAL:
        problems.add(f"{path}.enumerations", f"A {type_} variable has no levels.")
    elif has_levels and categorical is False:
        problems.add(f"{path}.isCategorical", "Must be true: the variable has levels.")
    elif categorical is True and type_ is not VariableType.NOMINAL:
        problems.add(f"{path}.isCategorical", f"Must be false: the variable is {type_}.")
    elif categorical is True and not has_levels and values.get("code") != DATASET:
        problems.add(path, "A categorical variable needs its levels in “enumerations”.")


def check_bounds(
    values: dict[str, Json], path: str, type_: VariableType, problems: Problems
) -> None:
    """Bounds belong to numbers, and the lower one is not above the upper one."""
    low, high = values.get("minValue"), values.get("maxValue")
    if type_ in (VariableType.NOMINAL, VariableType.TEXT):
        for name in ("minValue", "maxValue"):
            if name in values:
                problems.add(f"{path}.{name}", f"A {type_} variable has no bounds.")
    elif isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        problems.add(f"{path}.minValue", f"{low} is above maxValue {high}.")
