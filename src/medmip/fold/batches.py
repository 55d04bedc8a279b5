"""Batches of measurements, such as scanners: how far each lies from all, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.fold.adjustment import Step
from medmip.fold.block import Block
from medmip.fold.imputing import LinearScores
from medmip.fold.statistic import Cells, FloatArray, IntArray, Statistic, sum_over


@dataclass(frozen=True)
class BatchState:
    """Of b batches and v variables: what is expected of a record, and each batch's offset (b, v).

    places (levels,) gives the batch of each level of the variable that tells batches apart, -1
    where a level is none.
    """

    batch: str
    places: IntArray
    variables: tuple[str, ...]
    expected: LinearScores
    offsets: FloatArray


@dataclass(frozen=True)
class BatchResiduals(Statistic):
    """Patients and records by batch, (b,); sums of residuals and of their squares, (b, v)."""

    patients: Cells
    records: Annotated[FloatArray, sum_over("patients")]
    total: Annotated[FloatArray, sum_over("patients")]
    squares: Annotated[FloatArray, sum_over("patients")]

    def supported_parameters(self) -> int:
        return len(self.records)


def batch_residuals(block: Block, state: BatchState) -> BatchResiduals:
    """What is left of one block's variables once expectation and the batch's offset are off."""
    batch = state.places[block.levels(state.batch)]
    size = len(state.offsets)
    residuals = values_of(block, state.variables) - state.expected.scores(block)
    residuals -= state.offsets[batch]
    held = (batch == np.arange(size)[:, None]).astype(np.float64)
    return BatchResiduals(
        patients=block.cells(batch, size),
        records=held.sum(axis=1),
        total=np.dot(held, residuals),
        squares=np.dot(held, residuals**2),
    )


def values_of(block: Block, variables: tuple[str, ...]) -> FloatArray:
    """The values of numeric variables, (n, v)."""
    indices = [block.layout.numeric.index(code) for code in variables]
    values: FloatArray = block.numeric[:, indices]
    return values


class Batch(BaseModel):
    """One batch: its records, and each variable's shift and ratio of standard deviations.

    Shifts are in the variable's pooled standard deviations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    level: str
    records: int
    shifts: tuple[float, ...]
    ratios: tuple[float, ...]


class Harmonised(Step):
    """Variables without their batch's shift and scale, about what is expected of each record.

    deviations (v,) are pooled over batches. Not a number in a batch that is not among them.
    Source: Johnson, Li & Rabinovic, Biostatistics 8 (2007) 118-127.
    """

    kind: Literal["harmonised"] = "harmonised"
    batch: str
    variables: tuple[str, ...]
    expected: LinearScores
    deviations: tuple[float, ...]
    batches: tuple[Batch, ...]

    def applied(self, block: Block, raw: Block) -> Block:  # noqa: ARG002
        known = [batch.level for batch in self.batches]
        levels = block.layout.levels_of(self.batch)
        places = np.array([*(known.index(x) if x in known else -1 for x in levels), -1])
        unknown = np.full((1, len(self.variables)), np.nan)
        shifts = np.vstack([*(batch.shifts for batch in self.batches), unknown])
        ratios = np.vstack([*(batch.ratios for batch in self.batches), unknown])
        batch = places[block.levels(self.batch)]
        expected = self.expected.scores(block)
        deviations = np.array(self.deviations)
        residuals = (values_of(block, self.variables) - expected) / deviations
        residuals = (residuals - shifts[batch]) / ratios[batch]
        values = residuals * deviations + expected
        return block.changed({code: values[:, index] for index, code in enumerate(self.variables)})

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.variables, self.batch, *self.expected.others)))

    def only(self, variables: Iterable[str]) -> "Harmonised | None":
        wanted = set(variables)
        kept = [index for index, code in enumerate(self.variables) if code in wanted]
        if not kept:
            return None

        def chosen(values: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(values[index] for index in kept)

        expected = self.expected
        return Harmonised(
            batch=self.batch,
            variables=tuple(self.variables[index] for index in kept),
            expected=LinearScores(
                intercepts=chosen(expected.intercepts),
                terms=tuple(
                    term.model_copy(update={"weights": chosen(term.weights)})
                    for term in expected.terms
                ),
            ),
            deviations=chosen(self.deviations),
            batches=tuple(
                batch.model_copy(
                    update={"shifts": chosen(batch.shifts), "ratios": chosen(batch.ratios)}
                )
                for batch in self.batches
            ),
        )
