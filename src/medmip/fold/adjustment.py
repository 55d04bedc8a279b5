"""What changes a cohort's records before they are analysed: steps that any records can go through.

A step is estimated on one cohort by folds and may then be applied to others: to the records that a
validation holds out, or to new ones that a model predicts for.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.fold.block import Block
from medmip.fold.statistic import FloatArray


class Adjustment(Protocol):
    """One step; lasting, unless it merely chooses records and is not worth remembering."""

    lasting: ClassVar[bool]

    def applied(self, block: Block, raw: Block) -> Block:
        """The block with other values; raw is the block before any step, of the same records."""


@dataclass(frozen=True)
class Observed:
    """Chooses the records in which a variable was not missing before any step."""

    variable: str
    numeric: bool
    lasting: ClassVar[bool] = False

    def applied(self, block: Block, raw: Block) -> Block:
        if self.numeric:
            missing = np.isnan(raw.column(self.variable))
        else:
            missing = raw.levels(self.variable) < 0
        return block.only(np.flatnonzero(~missing)) if missing.any() else block


class Step(BaseModel, ABC):
    """A step that lives on with a model: JSON, with what was estimated inside."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    lasting: ClassVar[bool] = True

    @abstractmethod
    def applied(self, block: Block, raw: Block) -> Block:
        """The block with other values; raw is the block before any step, of the same records."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """The variables that a record needs to go through it, those that it changes among them."""

    @property
    def fills(self) -> tuple[str, ...]:
        """The variables that may be missing."""
        return ()

    @abstractmethod
    def only(self, variables: Iterable[str]) -> Self | None:
        """What of this step changes these variables; None where nothing does."""

    def restored(self, variable: str, values: FloatArray) -> FloatArray:  # noqa: ARG002
        """Predicted values of a variable in the unit that it had before this step."""
        return values


def narrowed(steps: Sequence[Step], variables: Iterable[str]) -> tuple[list[Step], list[str]]:
    """What of these steps is needed for these variables, and all variables that it reads."""
    needed = list(variables)
    kept: list[Step] = []
    for step in reversed(steps):
        part = step.only(needed)
        if part is not None:
            kept.insert(0, part)
            needed += [code for code in part.reads if code not in needed]
    return kept, needed


class Scale(BaseModel):
    """A variable's mean and standard deviation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    mean: float
    deviation: float


class Scaled(Step):
    """Numeric variables less their mean, over their standard deviation."""

    kind: Literal["scaled"] = "scaled"
    scales: tuple[Scale, ...]

    def applied(self, block: Block, raw: Block) -> Block:  # noqa: ARG002
        return block.changed(
            {
                part.variable: (block.column(part.variable) - part.mean) / part.deviation
                for part in self.scales
            }
        )

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(part.variable for part in self.scales)

    def only(self, variables: Iterable[str]) -> "Scaled | None":
        wanted = set(variables)
        kept = tuple(part for part in self.scales if part.variable in wanted)
        return Scaled(scales=kept) if kept else None

    def restored(self, variable: str, values: FloatArray) -> FloatArray:
        for part in self.scales:
            if part.variable == variable:
                return values * part.deviation + part.mean
        return values
