"""A variable: one common data element of a data model."""

from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.errors import UnknownLevel

DATASET = "dataset"


class VariableType(StrEnum):
    """What a variable's values are."""

    NOMINAL = "nominal"
    REAL = "real"
    INTEGER = "integer"
    TEXT = "text"


class Enumeration(BaseModel):
    """One level of a nominal variable: the code in the data and what people read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    label: str


class Variable(BaseModel):
    """One common data element; minimum and maximum are in `units` and both allowed values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    label: str
    description: str = ""
    type: VariableType
    sql_type: str
    enumerations: tuple[Enumeration, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    units: str = ""
    methodology: str = ""

    @property
    def is_numeric(self) -> bool:
        return self.type in (VariableType.REAL, VariableType.INTEGER)

    @property
    def is_nominal(self) -> bool:
        """Whether the values are levels; a nominal variable without levels is free text.

        The variable `dataset` is nominal always: without levels in the model, its levels are
        the datasets of the cohort.
        """
        if self.code == DATASET:
            return True
        return self.type is VariableType.NOMINAL and bool(self.enumerations)

    @property
    def levels(self) -> tuple[str, ...]:
        """The codes of the levels, in the data model's order."""
        return tuple(self._labels)

    def level_label(self, code: str) -> str:
        """What people read for a level; raises UnknownLevel."""
        if self.code == DATASET and not self.enumerations:
            return code
        try:
            return self._labels[code]
        except KeyError:
            raise UnknownLevel(
                f"{self.code} has no level “{code}”.",
                remedy=f"Its levels are {', '.join(self.levels)}." if self.levels else None,
            ) from None

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {level.code: level.label for level in self.enumerations}
