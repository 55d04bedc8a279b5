"""What may be added: a statistic declares for each field how it combines and is guarded."""

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Literal, Self, get_type_hints

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
CodeArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class FieldKind:
    """How a field combines, and how the guard treats it.

    combine: `add`, `min`, `max`, or `same` (equal on both sides, else the sum is refused).
    counts: the field holds numbers of patients, checked cell by cell.
    small: what happens to a cell with fewer patients than the policy's minimum: `suppress`
    masks it, `refuse` refuses the statistic, `keep` lets it through (search counts only, which
    no result may show).
    cells: the name of a Count field; where one of its cells is masked, this field is masked
    along its leading axes too.
    extreme: the field holds single patients' values (minima, maxima).
    margins: the axes of a Count field along which totals are released too, so that a masked cell
    could be worked out from them.
    pooled: the axis, one of margins, along which the last cell is the total of the others.
    symmetric: the field is the same about the diagonal of its last two axes, so that half of it may
    travel for the whole.
    tail: the name of a Sum field whose lost digits this field holds: together they are one number.
    steers: the field only steers a search, and a single cell of it may rest on one patient. It
    passes the guard, may appear in no result, and may cross from one hospital to another only
    within a total that secure aggregation has made: no site is ever shown another's.
    """

    combine: Literal["add", "min", "max", "same"]
    counts: bool = False
    small: Literal["suppress", "refuse", "keep"] = "suppress"
    cells: str | None = None
    extreme: bool = False
    margins: tuple[int, ...] = (-1,)
    pooled: int | None = None
    tail: str | None = None
    steers: bool = False
    symmetric: bool = False


Count = Annotated[IntArray, FieldKind("add", counts=True)]
"""Numbers of patients; cells below the minimum are masked before they leave the site."""
Cells = Annotated[IntArray, FieldKind("add", counts=True, small="refuse")]
"""Numbers of patients that an estimate rests on; one small cell refuses the whole statistic."""
Rank = Annotated[IntArray, FieldKind("add", counts=True, small="keep", steers=True)]
"""Numbers of patients that steer the search for a quantile and appear in no result."""
SearchSum = Annotated[FloatArray, FieldKind("add", steers=True)]
"""Sums by cells however small, which steer the search for a split and appear in no result."""
Sum = Annotated[FloatArray, FieldKind("add")]
"""A sum over all patients of the cohort."""
Symmetric = Annotated[FloatArray, FieldKind("add", symmetric=True)]
"""A sum of matrices that are the same about their diagonals."""
Min = Annotated[FloatArray, FieldKind("min", extreme=True)]
Max = Annotated[FloatArray, FieldKind("max", extreme=True)]
Shift = Annotated[FloatArray, FieldKind("same")]
"""The agreed origin that sums are taken about."""


@dataclass(frozen=True)
class Statistic:
    """Base of every statistic: a frozen dataclass of arrays whose fields are declared by kind.

    Addition is associative and commutative; masked cells stay masked. It raises ValueError where
    parts differ in a field's shape, or in what must be equal: they are of different states.
    """

    parameters: ClassVar[int] = 0

    def __add__(self, other: Self) -> Self:
        return self._sum(other, own=False)

    def added(self, other: Self) -> Self:
        """The same as self + other; where nobody else holds this one's arrays: they may change."""
        if type(self).__add__ is not Statistic.__add__:
            return self + other
        return self._sum(other, own=True)

    def _sum(self, other: Self, *, own: bool) -> Self:
        combined = {}
        for field, kind in field_kinds(type(self)).items():
            mine, theirs = getattr(self, field), getattr(other, field)
            if np.shape(mine) != np.shape(theirs):
                raise ValueError(f"{type(self).__name__}.{field} differs in shape between parts")
            match kind.combine:
                case "add":
                    plain = own and type(mine) is type(theirs) is np.ndarray
                    if plain and mine.ndim and mine.dtype == theirs.dtype:
                        combined[field] = np.add(mine, theirs, out=mine)
                    else:
                        combined[field] = mine + theirs
                case "min":
                    combined[field] = np.fmin(mine, theirs)
                case "max":
                    combined[field] = np.fmax(mine, theirs)
                case "same":
                    if not np.array_equal(mine, theirs):
                        raise ValueError(f"{type(self).__name__}.{field} differs between parts")
                    combined[field] = mine
        return type(self)(**combined)

    def supported_parameters(self) -> int:
        """The number of model parameters that may be estimated from this statistic."""
        return self.parameters

    def resting_patients(self) -> int | None:
        """The patients that it rests on where they may be fewer than the cohort's; None: all."""
        return None


def count_with(margins: tuple[int, ...], pooled: int | None = None) -> FieldKind:
    """The kind of a table of patients whose totals along these axes are released too.

    pooled names the one of them along which the last cell is the total of the others.
    """
    return FieldKind("add", counts=True, margins=margins, pooled=pooled)


def sum_over(cells: str) -> FieldKind:
    """The kind of a sum whose leading axes are the cells of the named Count field."""
    return FieldKind("add", cells=cells)


def tail_of(sum_field: str) -> FieldKind:
    """The kind of a field that holds the digits which the named Sum field has no room for."""
    return FieldKind("add", tail=sum_field)


_known: dict[type[Statistic], dict[str, FieldKind]] = {}


def field_kinds(statistic: type[Statistic]) -> dict[str, FieldKind]:
    """The declared kind of every field of a statistic, in order.

    Raises TypeError where a field is not declared by kind: nothing undeclared may leave a site.
    """
    if statistic in _known:
        return _known[statistic]
    hints = get_type_hints(statistic, include_extras=True)
    kinds: dict[str, FieldKind] = {}
    for field in fields(statistic):
        notes = getattr(hints[field.name], "__metadata__", ())
        declared = [note for note in notes if isinstance(note, FieldKind)]
        if len(declared) != 1:
            raise TypeError(
                f"{statistic.__name__}.{field.name} must be declared as Count, Cells, Rank, "
                "SearchSum, Sum, Min, Max or Shift"
            )
        kinds[field.name] = declared[0]
    _known[statistic] = kinds
    return kinds
