"""What is known of records beforehand: how much they weigh, and what is added to their score."""

from dataclasses import dataclass

import numpy as np

from medmip.fold.block import Block
from medmip.fold.statistic import Cells, FloatArray, Shift, Statistic, Sum
from medmip.fold.transform import Transform


@dataclass(frozen=True)
class Offset:
    """A variable, perhaps transformed, that is added to the linear predictor as it is."""

    variable: str
    transform: Transform | None = None

    def of(self, block: Block) -> FloatArray:
        """What is added for each record, (n,)."""
        values = block.column(self.variable)
        return self.transform.of(values) if self.transform else values


@dataclass(frozen=True)
class Prior:
    """The variable that weighs records, and the offset, where there are such."""

    weights: str | None = None
    offset: Offset | None = None

    def of(self, block: Block) -> tuple[Block, FloatArray | None, FloatArray | None]:
        """The records that count, their weights (n,) and offsets (n,), None where all are alike."""
        held, weights = weighed(block, self.weights)
        return held, weights, None if self.offset is None else self.offset.of(held)


PLAIN = Prior()


@dataclass(frozen=True)
class OffsetSums(Statistic):
    """How many records have an offset that is no finite number, ()."""

    unusable: Sum


def offset_sums(block: Block, state: Offset) -> OffsetSums:
    """The sum of one block."""
    return OffsetSums(np.array(float(np.count_nonzero(~np.isfinite(state.of(block))))))


@dataclass(frozen=True)
class WeightState:
    """The variable that weighs records, and how many parameters shall be estimated with it."""

    variable: str
    parameters: int


@dataclass(frozen=True)
class WeightSums(Statistic):
    """Patients with a record without weight, and with a weighed one, (2,); sums over the latter.

    records, total, squares and logs () are the sums of 1, w, w² and log w; negative () counts
    weights below zero; wanted () is the number of parameters to estimate.
    """

    patients: Cells
    records: Sum
    total: Sum
    squares: Sum
    logs: Sum
    negative: Sum
    wanted: Shift

    def supported_parameters(self) -> int:
        # A site where nobody has a weight adds nothing, and so gives nobody away.
        return int(self.wanted) if self.patients[1] else 0

    def resting_patients(self) -> int | None:
        return int(self.patients[1])


def weight_sums(block: Block, state: WeightState) -> WeightSums:
    """The sums of one block's weights."""
    weights = block.column(state.variable)
    held = weights > 0
    positive = weights[held]
    return WeightSums(
        patients=block.cells(held.astype(np.int64), 2),
        records=np.array(float(positive.size)),
        total=np.array(positive.sum()),
        squares=np.array((positive**2).sum()),
        logs=np.array(np.log(positive).sum()),
        negative=np.array(float(np.count_nonzero(weights < 0))),
        wanted=np.array(float(state.parameters)),
    )


def weighed(block: Block, weights: str | None) -> tuple[Block, FloatArray | None]:
    """The records that count, and what each weighs, (n,); all of them and None without weights."""
    if weights is None:
        return block, None
    held = block.column(weights)
    if not (held > 0).all():
        block = block.only(np.flatnonzero(held > 0))
        held = block.column(weights)
    return block, held
