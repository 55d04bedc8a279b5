"""A data model: the variables that a pathology's datasets may hold, in groups."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.errors import UnknownVariable
from medmip.catalogue.variable import Variable


class Group(BaseModel):
    """Variables that belong together, and groups within."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    label: str
    description: str = ""
    variables: tuple[Variable, ...] = ()
    groups: tuple["Group", ...] = ()


class DataModel(BaseModel):
    """Variables and groups of one version; a longitudinal model has a record for each visit.

    extends is the key of the model that this one adds to, if any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    version: str
    label: str
    description: str = ""
    longitudinal: bool = False
    extends: str = ""
    variables: tuple[Variable, ...] = ()
    groups: tuple[Group, ...] = ()

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """A changed copy, which looks its variables up in what is its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_placed", None)
        return copied

    @property
    def key(self) -> str:
        """What requests call the model: `dementia:1.0`."""
        return f"{self.code}:{self.version}"

    @property
    def patient_column(self) -> str:
        return "subjectid" if self.longitudinal else "subjectcode"

    @property
    def visit_column(self) -> str | None:
        return "visitid" if self.longitudinal else None

    @property
    def all_variables(self) -> dict[str, Variable]:
        """Every variable by code, in the order of the model: its own first, then its groups'."""
        return {code: variable for code, (variable, _) in self._placed.items()}

    def variable(self, code: str) -> Variable:
        """The variable of this code; raises UnknownVariable, with the nearest codes."""
        return self._find(code)[0]

    def path_of(self, code: str) -> tuple[str, ...]:
        """The labels of the groups around a variable, outermost first; raises UnknownVariable."""
        return self._find(code)[1]

    def _find(self, code: str) -> tuple[Variable, tuple[str, ...]]:
        try:
            return self._placed[code]
        except KeyError:
            near = get_close_matches(code, self._placed, n=3)
            raise UnknownVariable(
                f"{self.key} has no variable “{code}”.",
                remedy=f"Did you mean {' or '.join(near)}?"
                if near
                else f"See its variables with: mip model show {self.key}",
            ) from None

    @cached_property
    def _placed(self) -> dict[str, tuple[Variable, tuple[str, ...]]]:
        own = {variable.code: (variable, ()) for variable in self.variables}
        return own | dict(placed for group in self.groups for placed in _placed(group, ()))


def _placed(
    group: Group, above: tuple[str, ...]
) -> Iterator[tuple[str, tuple[Variable, tuple[str, ...]]]]:
    path = (*above, group.label)
    for variable in group.variables:
        yield variable.code, (variable, path)
    for inner in group.groups:
        yield from _placed(inner, path)
