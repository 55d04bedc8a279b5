"""Which variables one patient dominates, so that sums of them would tell that patient's value.

Made at a site for its own guard: nothing of it leaves the hospital.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

import numpy as np

from medmip.fold.block import Block
from medmip.fold.statistic import FieldKind, FloatArray, Statistic, Sum

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


class SiteFold(Protocol):
    """The sum of a kernel over a site's own records, which passes no guard; None of no record."""

    def __call__(self, kernel: Callable[[Block, State], S], state: State) -> S | None: ...


@dataclass(frozen=True)
class ColumnTotals(Statistic):
    """Values and their sums about a shift, (k,) each."""

    values: Sum
    total: Sum


@dataclass(frozen=True)
class Shares(Statistic):
    """Sums of squares about the means, (k,): over all patients, and the largest of one patient."""

    whole: Sum
    largest: Annotated[FloatArray, FieldKind("max", extreme=True)]


def column_totals(block: Block, shift: FloatArray) -> ColumnTotals:
    """The sums of one block's numeric columns."""
    held = ~np.isnan(block.numeric)
    return ColumnTotals(
        values=held.sum(axis=0).astype(np.float64),
        total=np.where(held, block.numeric - shift, 0.0).sum(axis=0),
    )


def shares(block: Block, means: FloatArray) -> Shares:
    """Of one block, in which a patient's records stand together and whole."""
    squares = np.nan_to_num((block.numeric - means) ** 2, nan=0.0)
    if block.patient is not None:
        starts = np.flatnonzero(np.diff(block.patient, prepend=block.patient[:1] - 1))
        squares = np.add.reduceat(squares, starts, axis=0)
    return Shares(whole=squares.sum(axis=0), largest=squares.max(axis=0))


def dominated(fold: SiteFold, numeric: Sequence[str], share: float) -> tuple[str, ...]:
    """The variables of whose spread one patient has more than this share.

    The spread is the sum of squares about the mean: where one value is so far from all others, that
    sum, the sum of the values and every sum of products of them tell it nearly.
    """
    if not numeric or share >= 1.0:
        return ()
    means: FloatArray = np.zeros(len(numeric))
    for _ in range(2):
        # The second time about the first means, so that no digits cancel.
        totals = fold(column_totals, means)
        if totals is None:
            return ()
        means = means + totals.total / np.maximum(totals.values, 1.0)
    found = fold(shares, means)
    if found is None:
        return ()
    over = found.largest > share * found.whole
    return tuple(code for code, large in zip(numeric, over.tolist(), strict=True) if large)
