"""How a quasi-identifier becomes coarser, step by step, within the data model.

A coarser value is always a value of the same variable: a number is told as the middle of its
interval, a level as another level of the model, and the last step leaves the cell empty. So the
data model, which decides levels and bounds, holds for what is published as for any other data.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medmip.anonymise.errors import AnonymisationError
from medmip.anonymise.settings import QuasiIdentifier
from medmip.catalogue.variable import Variable, VariableType
from medmip.store.sql_session import literal, quoted

Codes: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Hierarchy:
    """The steps of one variable: 0 as it is, then the policy's, then empty.

    oldest is the value that stands for all ages from it on, where the variable is capped.
    """

    variable: Variable
    rule: QuasiIdentifier
    oldest: float | None = None

    @property
    def height(self) -> int:
        """The number of the last step."""
        return 1 + len(self.rule.intervals or self.rule.parents)

    @cached_property
    def chains(self) -> tuple[dict[str, str], ...]:
        """For each step of a nominal variable, what each level of the model becomes."""
        chain = {level: level for level in self.variable.levels}
        chains = [chain]
        for parents in self.rule.parents:
            chain = {level: parents.get(now, now) for level, now in chain.items()}
            chains.append(chain)
        return tuple(chains)

    def codes(self, values: pa.Array) -> tuple[Codes, ...]:
        """For each step, the class that each of the distinct values falls into, from 0.

        Missing is a class of its own, until the last step joins all.
        """
        texts = values.to_pylist()
        middle = [
            _numbered([self._class(value, step) for value in texts])
            for step in range(1, self.height)
        ]
        as_it_is, empty = np.arange(len(texts), dtype=np.int64), np.zeros(len(texts), np.int64)
        return (as_it_is, *middle, empty)

    def losses(self, values: pa.Array, weights: Codes) -> FloatArray:
        """For each step, the mean over records of what is lost, 0 to 1.

        A number loses its interval's width against the range of the values, a level the share of
        the model's other levels that it can no longer be told from; an empty cell loses all.
        Source: Iyengar, Transforming data to satisfy privacy constraints, KDD 2002 (LM).
        """
        if not self.variable.is_nominal:
            numbers = np.array([math.nan if v is None else v for v in values.to_pylist()], float)
            known = numbers[~np.isnan(numbers)]
            span = float(known.max() - known.min()) if known.size else 0.0
            middle = [min(1.0, width / span) if span else 0.0 for width in self.rule.intervals]
            return np.array([0.0, *middle, 1.0])
        total = max(1, len(self.variable.levels) - 1)
        losses = [0.0]
        for chain in self.chains[1:]:
            sizes = {now: list(chain.values()).count(now) for now in chain.values()}
            lost = [
                0.0 if value is None else (sizes[chain[str(value)]] - 1) / total
                for value in values.to_pylist()
            ]
            losses.append(float(np.average(lost, weights=weights)))
        return np.array([*losses, 1.0])

    def sql(self, step: int) -> str:
        """The variable's column as it is told at a step."""
        column = quoted(self.variable.code)
        if step == 0:
            return column
        kind = _SQL_TYPES.get(self.variable.type, "VARCHAR")
        if step == self.height:
            return f"NULL::{kind}"
        if self.variable.is_nominal:
            changed = {old: new for old, new in self.chains[step].items() if old != new}
            if not changed:
                return column
            cases = " ".join(f"WHEN {literal(a)} THEN {literal(b)}" for a, b in changed.items())
            return f"CASE {column} {cases} ELSE {column} END"
        return f"CAST({self._middle(column, self.rule.intervals[step - 1])} AS {kind})"

    def told(self, step: int) -> str:
        """What the step does, for the card."""
        if step == 0:
            return "as it is"
        if step == self.height:
            return "left empty"
        if self.variable.is_nominal:
            changed = {old: new for old, new in self.chains[step].items() if old != new}
            return "joined: " + ", ".join(f"{old} told as {new}" for old, new in changed.items())
        width = self.rule.intervals[step - 1]
        return f"in intervals of {width:g}, each told as its middle"

    def _class(self, value: object, step: int) -> object:
        if value is None:
            return None
        if self.variable.is_nominal:
            return self.chains[step].get(str(value), str(value))
        width, origin = self.rule.intervals[step - 1], self.rule.origin
        assert isinstance(value, int | float)
        return math.floor((value - origin) / width)

    def _middle(self, column: str, width: float) -> str:
        half = (width - 1) // 2 if self.variable.type is VariableType.INTEGER else width / 2
        low = f"floor(({column} - {self.rule.origin!r}) / {width!r})"
        middle = f"({low} * {width!r} + {self.rule.origin + half!r})"
        caps = [cap for cap in (self.oldest, self.variable.maximum) if cap is not None]
        if caps:
            middle = f"least({middle}, {min(caps)!r})"
        if self.variable.minimum is not None:
            middle = f"greatest({middle}, {self.variable.minimum!r})"
        # greatest and least pass NULL over
        return f"CASE WHEN {column} IS NOT NULL THEN {middle} END"


_SQL_TYPES = {VariableType.INTEGER: "BIGINT", VariableType.REAL: "DOUBLE"}


def hierarchy(variable: Variable, rule: QuasiIdentifier, oldest: float | None = None) -> Hierarchy:
    """The steps of a variable; raises AnonymisationError where the rule does not fit it."""
    where = f"quasi_identifiers.{variable.code}"
    if rule.intervals and not variable.is_numeric:
        raise AnonymisationError(f"{where}: only a number has intervals.")
    if rule.parents and not variable.levels:
        raise AnonymisationError(f"{where}: only a variable with levels has parents.")
    if variable.type is VariableType.INTEGER and any(width % 1 for width in rule.intervals):
        raise AnonymisationError(f"{where}: intervals of a whole number have whole widths.")
    for parents in rule.parents:
        unknown = {*parents, *parents.values()} - {*variable.levels}
        if unknown:
            raise AnonymisationError(
                f"{where}: {variable.code} has no level {', '.join(sorted(unknown))}.",
                remedy=f"Its levels are {', '.join(variable.levels)}. A level of its own for "
                "a group belongs into a model that extends this one.",
            )
    return Hierarchy(variable, rule, oldest)


def _numbered(classes: list[object]) -> Codes:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in classes], dtype=np.int64)


Levels: TypeAlias = Mapping[str, int]
"""The step chosen for each quasi-identifier."""
