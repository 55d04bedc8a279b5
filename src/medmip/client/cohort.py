"""Whose records are analysed: datasets of one data model, and rules."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from medmip.client.connection import Connection
from medmip.client.errors import ClientError

_OPERATORS = {
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_or_equal",
    ">": "greater",
    ">=": "greater_or_equal",
    "in": "in",
    "not in": "not_in",
    "between": "between",
    "not between": "not_between",
    "missing": "is_null",
    "known": "is_not_null",
}
"""What a rule may say, and its name in a request."""
_WITHOUT_VALUE = ("missing", "known")


@dataclass(frozen=True)
class Count:
    """About how many patients there are, rounded down; None where they are fewer than minimum."""

    patients: int | None
    minimum: int

    def __str__(self) -> str:
        if self.patients is None:
            return f"fewer than {self.minimum} patients"
        return f"about {self.patients:,} patients" if self.patients else "no patients"

    def _repr_html_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Cohort:
    """A cohort; filters is a QueryBuilder document, None for all records."""

    connection: Connection = field(repr=False, compare=False)
    model: str
    datasets: tuple[str, ...]
    filters: dict[str, Any] | None = None

    def where(self, variable: str, operator: str, value: object = None) -> "Cohort":
        """The cohort's records that satisfy one more rule.

        As in where("subjectage", ">=", 65). operator is one of == != < <= > >= in, not in,
        between, not between, missing, known.
        """
        if operator not in _OPERATORS:
            raise ClientError(
                f"{operator!r} is no operator", remedy=f"There are: {', '.join(_OPERATORS)}."
            )
        rule: dict[str, Any] = {"field": variable, "operator": _OPERATORS[operator]}
        if operator not in _WITHOUT_VALUE:
            rule["value"] = list(value) if isinstance(value, tuple | set | range) else value
        before = [] if self.filters is None else [self.filters]
        if self.filters is not None and set(self.filters) == {"condition", "rules"}:
            before = self.filters["rules"] if self.filters["condition"] == "AND" else before
        return replace(self, filters={"condition": "AND", "rules": [*before, rule]})

    def count(self) -> Count:
        """About how many patients it has, rounded down by the guard."""
        told: Any = self.connection.post("/explore/count", self.document())
        return Count(None if told["suppressed"] else told["patients"], told["minimum"])

    def document(
        self, y: str | Sequence[str] | None = None, x: str | Sequence[str] | None = None
    ) -> dict[str, Any]:
        """The cohort with variables as a request's `inputdata`."""
        said = {"y": _codes(y), "x": _codes(x), "filters": self.filters}
        return {
            "data_model": self.model,
            "datasets": list(self.datasets),
            **{name: value for name, value in said.items() if value is not None},
        }


def _codes(said: str | Sequence[str] | None) -> list[str] | None:
    if said is None:
        return None
    return [said] if isinstance(said, str) else list(said)
