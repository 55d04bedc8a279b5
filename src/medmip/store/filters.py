"""Filters: the jQuery-QueryBuilder JSON that MIP clients send, checked, then parametrised SQL."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.errors import FieldProblem, MipError, RequestError

MAX_DEPTH = 32
MAX_RULES = 1_000
MAX_VALUES = 10_000
"""More than a person builds; few enough that neither we nor the engine run out of stack."""

_INT64 = range(-(2**63), 2**63)


class Operator(StrEnum):
    """What a rule may ask of a variable."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    LESS = "less"
    LESS_OR_EQUAL = "less_or_equal"
    GREATER = "greater"
    GREATER_OR_EQUAL = "greater_or_equal"
    BETWEEN = "between"
    NOT_BETWEEN = "not_between"
    IN = "in"
    NOT_IN = "not_in"
    IS_NULL = "is_null"
    IS_NOT_NULL = "is_not_null"


_COMPARISONS = {
    Operator.EQUAL: "= ?",
    Operator.NOT_EQUAL: "<> ?",
    Operator.LESS: "< ?",
    Operator.LESS_OR_EQUAL: "<= ?",
    Operator.GREATER: "> ?",
    Operator.GREATER_OR_EQUAL: ">= ?",
    Operator.BETWEEN: "BETWEEN ? AND ?",
    Operator.NOT_BETWEEN: "NOT BETWEEN ? AND ?",
}
_ORDERED = frozenset(_COMPARISONS) - {Operator.EQUAL, Operator.NOT_EQUAL}
_PAIRS = frozenset({Operator.BETWEEN, Operator.NOT_BETWEEN})
_LISTS = frozenset({Operator.IN, Operator.NOT_IN})
_NULLS = {Operator.IS_NULL: "IS NULL", Operator.IS_NOT_NULL: "IS NOT NULL"}


class Rule(BaseModel):
    """One variable compared with one value, two (between) or several (in)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["rule"] = "rule"
    field: str
    operator: Operator
    values: tuple[int | float | str, ...] = ()


class Filter(BaseModel):
    """Rules and groups of rules joined by AND or OR, or the opposite of that where negated.

    Missing values follow SQL: a comparison with one is unknown, the opposite of unknown is
    unknown, and a record is kept only where the whole filter is true.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["group"] = "group"
    condition: Literal["AND", "OR"]
    rules: "tuple[Annotated[Rule | Filter, Field(discriminator='kind')], ...]"
    negated: bool = False

    @property
    def fields(self) -> frozenset[str]:
        """The codes of all variables that the filter asks for."""
        return frozenset(
            code
            for rule in self.rules
            for code in (rule.fields if isinstance(rule, Filter) else (rule.field,))
        )


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition with a `?` for each of its parameters."""

    text: str
    parameters: tuple[object, ...] = ()


def parse_filter(document: object, model: DataModel, *, path: str = "filters") -> Filter | None:
    """The filter of a QueryBuilder document, its fields and values checked against the model.

    Returns None for null, and for a root without rules. Raises RequestError that names every
    offending rule by its JSON path below `path`.
    """
    if document is None:
        return None
    reader = _Reader(model)
    parsed = reader.root(document, path)
    if reader.problems:
        raise RequestError("The filter is not valid", fields=tuple(reader.problems))
    return parsed


def compile_filter(filter_: Filter, present: Collection[str]) -> Sql:
    """The SQL condition of a filter over a table that has the columns `present`.

    A variable that the table lacks is missing in every record. Values are parameters, never text.
    """
    parts = [
        compile_filter(rule, present) if isinstance(rule, Filter) else _comparison(rule, present)
        for rule in filter_.rules
    ]
    text = f" {filter_.condition} ".join(part.text for part in parts) or "true"
    parameters = tuple(parameter for part in parts for parameter in part.parameters)
    return Sql(f"NOT ({text})" if filter_.negated else f"({text})", parameters)


def _comparison(rule: Rule, present: Collection[str]) -> Sql:
    if rule.field not in present:
        null = {Operator.IS_NULL: "true", Operator.IS_NOT_NULL: "false"}
        return Sql(null.get(rule.operator, "CAST(NULL AS BOOLEAN)"))
    column = quoted(rule.field)
    if rule.operator in _NULLS:
        return Sql(f"({column} {_NULLS[rule.operator]})")
    if rule.operator in _LISTS:
        negation = "NOT " if rule.operator is Operator.NOT_IN else ""
        places = ", ".join("?" * len(rule.values))
        return Sql(f"({column} {negation}IN ({places}))", rule.values)
    return Sql(f"({column} {_COMPARISONS[rule.operator]})", rule.values)


def quoted(identifier: str) -> str:
    """An SQL identifier, whatever characters it has."""
    return '"' + identifier.replace('"', '""') + '"'


class _Offence(Exception):
    """One place of a document that breaks a rule."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.problem = FieldProblem(path, message)


class _Reader:
    """Reads a document and collects every problem, so that a person mends all in one go."""

    def __init__(self, model: DataModel) -> None:
        self._model = model
        self._rules = 0
        self.problems: list[FieldProblem] = []

    def root(self, document: object, path: str) -> Filter | None:
        """The filter, or None where there is none or problems has grown."""
        try:
            root = self.group(document, path, depth=1)
        except _Offence as offence:
            self.problems.append(offence.problem)
            return None
        return root if root.rules else None

    def group(self, document: object, path: str, depth: int) -> Filter:
        if not isinstance(document, dict):
            raise _Offence(path, "must be a group with a condition and rules")
        if depth > MAX_DEPTH:
            raise _Offence(path, f"groups are nested deeper than {MAX_DEPTH}")
        condition = str(document.get("condition", "AND")).upper()
        if condition not in ("AND", "OR"):
            raise _Offence(f"{path}.condition", "must be AND or OR")
        negated = document.get("not", False)
        if not isinstance(negated, bool):
            raise _Offence(f"{path}.not", "must be true or false")
        if document.get("valid", True) is not True:
            raise _Offence(f"{path}.valid", "the query builder marked this group as not valid")
        members = document.get("rules")
        if not isinstance(members, list):
            raise _Offence(f"{path}.rules", "must be a list of rules and groups")
        if not members and depth > 1:
            raise _Offence(f"{path}.rules", "a group inside a filter needs at least one rule")
        self._rules += len(members)
        if self._rules > MAX_RULES:
            raise _Offence(f"{path}.rules", f"a filter may have at most {MAX_RULES} rules")
        rules = tuple(self._members(members, path, depth))
        return Filter(condition="OR" if condition == "OR" else "AND", rules=rules, negated=negated)

    def _members(self, members: list[object], path: str, depth: int) -> Iterable[Rule | Filter]:
        for index, member in enumerate(members):
            place = f"{path}.rules[{index}]"
            is_group = isinstance(member, dict) and ("rules" in member or "condition" in member)
            try:
                yield self.group(member, place, depth + 1) if is_group else self.rule(member, place)
            except _Offence as offence:
                self.problems.append(offence.problem)

    def rule(self, document: object, path: str) -> Rule:
        if not isinstance(document, dict):
            raise _Offence(path, "must be a rule with field, operator and value")
        variable = self._variable(document.get("field", document.get("id")), f"{path}.field")
        name = document.get("operator")
        if not isinstance(name, str) or name not in tuple(Operator):
            known = ", ".join(Operator)
            raise _Offence(f"{path}.operator", f"is not known; known are {known}")
        operator = Operator(name)
        if operator in _ORDERED and not variable.is_numeric:
            raise _Offence(
                f"{path}.operator", f"{variable.code} has no order; use equal, in or is_null"
            )
        values = self._values(operator, document.get("value"), variable, f"{path}.value")
        return Rule(field=variable.code, operator=operator, values=values)

    def _variable(self, field: object, path: str) -> Variable:
        if not isinstance(field, str):
            raise _Offence(path, "must be the code of a variable")
        try:
            return self._model.variable(field)
        except MipError as error:
            raise _Offence(path, " ".join(filter(None, (error.what, error.remedy)))) from None

    def _values(
        self, operator: Operator, value: object, variable: Variable, path: str
    ) -> tuple[int | float | str, ...]:
        if operator in _NULLS:
            return ()
        if operator not in _PAIRS | _LISTS:
            return (self._value(value, variable, path),)
        if not isinstance(value, list) or not value or len(value) > MAX_VALUES:
            raise _Offence(path, f"must be a list of 1 to {MAX_VALUES} values")
        if operator in _PAIRS and len(value) != 2:
            raise _Offence(path, "must be a list of two values, the lower first")
        values = tuple(
            self._value(member, variable, f"{path}[{index}]") for index, member in enumerate(value)
        )
        if operator in _PAIRS and float(values[0]) > float(values[1]):
            raise _Offence(path, "the lower value comes first")
        return values

    def _value(self, value: object, variable: Variable, path: str) -> int | float | str:
        if variable.is_numeric:
            number = _number(value)
            if number is None:
                raise _Offence(path, f"{variable.code} is compared with a finite number")
            return number
        if isinstance(value, int) and not isinstance(value, bool) and variable.is_nominal:
            value = str(value)
        if not isinstance(value, str) or not _is_unicode(value):
            raise _Offence(path, f"{variable.code} is compared with a text")
        if variable.is_nominal and variable.levels and value not in variable.levels:
            levels = ", ".join(variable.levels[:20])
            raise _Offence(path, f"is no level of {variable.code}; its levels are {levels}")
        return value


def _number(value: object) -> int | float | None:
    """A finite number, also one written as text, as query builders send what is typed in."""
    if isinstance(value, str) and "_" not in value:
        try:
            value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    if not math.isfinite(real):
        return None
    return value if isinstance(value, int) and value in _INT64 else real


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
