"""What may be added: every kind of field adds by its own rule, and unlike parts never do."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest

from medmip.fold.group_moments import GroupMoments
from medmip.fold.moments import Moments
from medmip.fold.statistic import (
    Cells,
    Count,
    FieldKind,
    FloatArray,
    IntArray,
    Max,
    Min,
    Rank,
    SearchSum,
    Shift,
    Statistic,
    Sum,
    count_with,
    field_kinds,
    sum_over,
)


@dataclass(frozen=True)
class OfEveryKind(Statistic):
    count: Count
    table: Annotated[IntArray, count_with((0, 1))]
    cells: Cells
    rank: Rank
    search: SearchSum
    sum: Sum
    by_cell: Annotated[FloatArray, sum_over("count")]
    low: Min
    high: Max
    shift: Shift


def part(step: int = 0) -> OfEveryKind:
    return OfEveryKind(
        count=np.array([1, 2]) + step,
        table=np.array([[1, 0], [0, 1]]) + step,
        cells=np.array([5, 6]) + step,
        rank=np.array([7, 8]) + step,
        search=np.array([0.25, -0.5]) + step,
        sum=np.array([0.5, -1.5]) + step,
        by_cell=np.array([2.0, 3.0]) + step,
        low=np.array([1.0, -1.0]) + step,
        high=np.array([1.0, -1.0]) + step,
        shift=np.array([0.1, 0.2]),
    )


def test_every_kind_of_field_adds_by_its_rule() -> None:
    total = part() + part(10)
    assert total.count.tolist() == [12, 14]
    assert total.table.tolist() == [[12, 10], [10, 12]]
    assert total.cells.tolist() == [20, 22]
    assert total.search.tolist() == [10.5, 9.0]
    assert total.rank.tolist() == [24, 26]
    assert total.sum.tolist() == [11.0, 7.0]
    assert total.by_cell.tolist() == [14.0, 16.0]
    assert total.low.tolist() == [1.0, -1.0]
    assert total.high.tolist() == [11.0, 9.0]
    assert total.shift.tolist() == [0.1, 0.2]
    assert total.count.dtype == total.rank.dtype == np.int64


def test_a_sum_that_nobody_else_holds_adds_up_the_same_in_its_own_arrays() -> None:
    whole, own = part() + part(10), part() + part(10)
    arrays, more = dict(vars(own)), part(3)
    found, expected = own.added(more), whole + more
    for field, kind in field_kinds(OfEveryKind).items():
        assert np.array_equal(getattr(found, field), getattr(expected, field)), field
        assert getattr(found, field).dtype == getattr(expected, field).dtype
        if kind.combine == "add":
            assert getattr(found, field) is arrays[field]
        assert np.array_equal(getattr(more, field), getattr(part(3), field)), field


@pytest.mark.parametrize("hide", ["sum", "part"])
def test_a_masked_cell_stays_masked_in_a_sum_of_ones_own(hide: str) -> None:
    masked = np.ma.array([12, 14], mask=[True, False])
    own, more = part() + part(10), part()
    if hide == "sum":
        own = OfEveryKind(**vars(own) | {"count": masked})
    else:
        more = OfEveryKind(**vars(more) | {"count": masked})
    assert np.ma.getmaskarray(own.added(more).count).tolist() == [True, False]


def test_extremes_pass_over_what_is_no_number() -> None:
    @dataclass(frozen=True)
    class Extremes(Statistic):
        low: Min
        high: Max

    empty = Extremes(np.array([np.nan, np.inf]), np.array([np.nan, -np.inf]))
    some = Extremes(np.array([3.0, 4.0]), np.array([3.0, 4.0]))
    for total in (empty + some, some + empty):
        assert total.low.tolist() == total.high.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("field", list(field_kinds(OfEveryKind)))
def test_parts_of_different_shapes_are_never_broadcast(field: str) -> None:
    for other in (np.zeros(1), np.zeros((2, 2, 2)), np.array(0.0)):
        fields = vars(part()) | {field: other}
        with pytest.raises(ValueError, match=f"OfEveryKind.{field} differs"):
            part() + OfEveryKind(**fields)


def test_what_must_be_equal_is() -> None:
    moved = OfEveryKind(**vars(part()) | {"shift": np.array([0.1, np.nextafter(0.2, 1.0)])})
    with pytest.raises(ValueError, match=r"OfEveryKind\.shift differs"):
        part() + moved


@pytest.mark.parametrize(
    "field", [name for name, kind in field_kinds(OfEveryKind).items() if kind.combine != "same"]
)
def test_a_masked_cell_stays_masked(field: str) -> None:
    hidden = np.zeros(np.shape(getattr(part(), field)), dtype=bool)
    hidden.flat[0] = True
    masked = OfEveryKind(**vars(part()) | {field: np.ma.array(getattr(part(), field), mask=hidden)})
    for total in (masked + part(), part() + masked, masked + masked):
        assert np.ma.getmaskarray(getattr(total, field)).tolist() == hidden.tolist()


def test_kinds_say_how_a_field_is_guarded() -> None:
    kinds = field_kinds(OfEveryKind)
    assert [name for name, kind in kinds.items() if kind.counts] == [
        "count",
        "table",
        "cells",
        "rank",
    ]
    assert (kinds["cells"].small, kinds["rank"].small) == ("refuse", "keep")
    assert kinds["table"].margins == (0, 1)
    assert kinds["by_cell"].cells == "count"
    assert [name for name, kind in kinds.items() if kind.extreme] == ["low", "high"]
    assert [name for name, kind in kinds.items() if kind.steers] == ["rank", "search"]


@pytest.mark.parametrize(
    "hint",
    [IntArray, int, Annotated[IntArray, "patients"], Annotated[Sum, FieldKind("max")]],
    ids=["plain array", "plain number", "other note", "two kinds"],
)
def test_a_field_without_one_kind_may_not_leave(hint: object) -> None:
    undeclared = type("Undeclared", (Statistic,), {"__annotations__": {"secret": hint}})
    with pytest.raises(TypeError, match=r"Undeclared\.secret must be declared"):
        field_kinds(dataclass(frozen=True)(undeclared))


def moments_about(values: list[float], shift: float) -> Moments:
    centred = np.array(values)[None, :] - shift
    return Moments(
        records=np.array(float(len(values))),
        cells=np.array([len(values)]),
        shift=np.array([shift]),
        total=centred.sum(axis=1),
        cross=centred @ centred.T,
    )


def test_moments_about_different_shifts_add_by_the_parallel_axis_rule() -> None:
    total = moments_about([1.0, 2.0, 4.0], 3.0) + moments_about([7.0, 11.0], -5.0)
    assert total.shift.tolist() == [3.0]
    assert total.mean == pytest.approx([5.0], rel=1e-15)
    assert total.covariance == pytest.approx(np.array([[16.5]]), rel=1e-15)
    assert total.cells.tolist() == [5]


def groups(values: list[float], other: list[float], shift: float) -> GroupMoments:
    parts = [np.array(values), np.array(other)]
    centred = [part - shift for part in parts]
    return GroupMoments(
        patients=np.array([part.size for part in parts]),
        records=np.array([float(part.size) for part in parts]),
        shift=np.array([shift if part.size else 0.0 for part in parts]),
        total=np.array([part.sum() for part in centred]),
        square=np.array([(part**2).sum() for part in centred]),
    )


def test_a_group_that_a_part_lacks_takes_the_others_shift() -> None:
    one, other = groups([1e9 + 1, 1e9 + 3], [], 1e9), groups([1e9 + 5], [1e9 + 2, 1e9 + 6], 1e9 + 2)
    for total in (one + other, other + one):
        assert total.mean.tolist() == [1e9 + 3, 1e9 + 4]
        assert total.scatter.tolist() == [8.0, 8.0]
        assert total.patients.tolist() == [3, 2]
        assert total.supported_parameters() == 2
