"""A filter in words, for a person who has to judge it."""

from collections.abc import Mapping

from medmip.catalogue.variable import Variable
from medmip.store.filters import Filter, Operator, Rule

_WORDS: Mapping[Operator, str] = {
    Operator.EQUAL: "is {}",
    Operator.NOT_EQUAL: "is not {}",
    Operator.LESS: "is less than {}",
    Operator.LESS_OR_EQUAL: "is at most {}",
    Operator.GREATER: "is greater than {}",
    Operator.GREATER_OR_EQUAL: "is at least {}",
    Operator.BETWEEN: "is from {} to {}",
    Operator.NOT_BETWEEN: "is not from {} to {}",
    Operator.IN: "is one of {}",
    Operator.NOT_IN: "is none of {}",
    Operator.IS_NULL: "is missing",
    Operator.IS_NOT_NULL: "is known",
}


def in_words(filter_: Filter, variables: Mapping[str, Variable]) -> str:
    """The filter as a sentence's part, in the labels of those variables that are known."""
    joined = f" {filter_.condition.lower()} ".join(_part(rule, variables) for rule in filter_.rules)
    return f"not ({joined})" if filter_.negated else joined


def _part(rule: Rule | Filter, variables: Mapping[str, Variable]) -> str:
    if isinstance(rule, Filter):
        inside = in_words(rule, variables)
        return inside if rule.negated or len(rule.rules) == 1 else f"({inside})"
    variable = variables.get(rule.field)
    values = [_value(value, variable) for value in rule.values]
    if rule.operator in (Operator.IN, Operator.NOT_IN):
        values = [", ".join(values)]
    name = rule.field if variable is None else variable.label
    return f"{name} {_WORDS[rule.operator].format(*values)}"


def _value(value: float | str, variable: Variable | None) -> str:
    if variable is not None and variable.is_nominal and str(value) in variable.levels:
        return variable.level_label(str(value))
    return str(value)
