"""A cohort over blocks in memory, for proofs that need many small ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.fold.adjustment import Adjustment
from medmip.fold.block import Block, Layout
from medmip.fold.cohort import Cohort, CohortSize
from medmip.fold.local import fold_blocks
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


@dataclass(frozen=True)
class Blocks:
    """A transport that folds over these blocks and lets everything out."""

    blocks: tuple[Block, ...]
    adjustments: tuple[Adjustment, ...] = ()

    def fold(self, kernel: Callable[[Block, State], S], state: State, cells: Sequence[str]) -> S:
        del cells  # Only the message of a refusal would need them.
        changed = [block.adjusted(self.adjustments) for block in self.blocks]
        total = fold_blocks([block for block in changed if block.records], kernel, state)
        assert total is not None
        return total

    def share(self, groups: tuple[int, ...]) -> tuple["Blocks", CohortSize]:
        blocks = tuple(block.share(groups) for block in self.blocks)
        records = sum(block.records for block in blocks)
        return Blocks(blocks, self.adjustments), CohortSize(records, records, 0, ())

    def adjusted(self, adjustments: tuple[Adjustment, ...]) -> "Blocks":
        return Blocks(self.blocks, (*self.adjustments, *adjustments))


def numeric(code: str) -> Variable:
    return Variable(code=code, label=code, type=VariableType.REAL, sql_type="real")


def nominal(code: str, levels: Sequence[str]) -> Variable:
    return Variable(
        code=code,
        label=code,
        type=VariableType.NOMINAL,
        sql_type="text",
        enumerations=tuple(Enumeration(code=level, label=level) for level in levels),
    )


def cohort_over(
    columns: Mapping[str, Any],
    *,
    y: Sequence[str],
    x: Sequence[str] = (),
    cuts: Sequence[int] = (),
    codes: Mapping[str, tuple[Any, Sequence[str]]] | None = None,
    dataset: Any = None,
    datasets: int = 1,
    patient: Any = None,
) -> Cohort:
    """A cohort of numeric columns, and nominal ones given as level indices and levels.

    cuts are the row numbers at which the records are cut into blocks; patient, ascending, is each
    record's patient, None where every record is a patient of its own.
    """
    codes = codes or {}
    layout = Layout(
        tuple(columns), tuple(codes), tuple(tuple(levels) for _, levels in codes.values())
    )
    values = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    indices = [np.asarray(column, dtype=np.int32) for column, _ in codes.values()]
    chosen = np.column_stack(indices) if indices else np.empty((len(values), 0), dtype=np.int32)
    names = np.zeros(len(values), dtype=np.int32) if dataset is None else np.asarray(dataset)
    bounds = sorted({0, *cuts, len(values)})
    blocks = tuple(
        Block(
            layout,
            np.asfortranarray(values[start:end]),
            np.asfortranarray(chosen[start:end]),
            names[start:end].astype(np.int32),
            None if patient is None else np.asarray(patient[start:end], dtype=np.int64),
        )
        for start, end in pairwise(bounds)
    )
    variables = {code: numeric(code) for code in columns}
    variables |= {code: nominal(code, levels) for code, (_, levels) in codes.items()}
    return Cohort(
        y=tuple(variables[code] for code in y),
        x=tuple(variables[code] for code in x),
        levels={code: tuple(levels) for code, (_, levels) in codes.items()},
        datasets=tuple(f"d{index}" for index in range(datasets)),
        size=CohortSize(len(values), len(values), 0, ()),
        minimum=1,
        releases_extremes=True,
        transport=Blocks(blocks),
    )
