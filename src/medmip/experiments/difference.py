"""What is different between two experiments: their data's versions, and every table's numbers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel, ConfigDict, JsonValue

from medmip.algorithms.views import Chart, Table, TableColumn
from medmip.errors import Conflict
from medmip.experiments.experiment import Answer, Experiment, Outcome, SnapshotUsed, Summary

_Row = Mapping[str, JsonValue]


class DatasetPair(BaseModel):
    """A dataset's version in one experiment and in the other; null where it had none of it."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    site: str
    before: SnapshotUsed | None
    after: SnapshotUsed | None
    moved: bool


class RowPair(BaseModel):
    """A row of a table in one result and in the other; null where it is in one alone."""

    model_config = ConfigDict(frozen=True)

    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None
    changed: bool


class TablePair(BaseModel):
    """A table of both results, row by row; changed is how many rows differ.

    analysis is the label of the one among several that it belongs to, else empty.
    """

    model_config = ConfigDict(frozen=True)

    analysis: str
    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[RowPair, ...]
    changed: int


class Difference(BaseModel):
    """Two experiments side by side; same_request tells whether both asked the same."""

    model_config = ConfigDict(frozen=True)

    before: Summary
    after: Summary
    same_request: bool
    datasets: tuple[DatasetPair, ...]
    tables: tuple[TablePair, ...]


def difference(before: Experiment, after: Experiment) -> Difference:
    """The difference of two experiments that are done; raises Conflict where one is not."""
    first, second = _result(before), _result(after)
    return Difference(
        before=_light(before),
        after=_light(after),
        same_request=before.request == after.request,
        datasets=tuple(_datasets(before, after)),
        tables=tuple(_tables(first, second)),
    )


def _result(experiment: Experiment) -> Outcome:
    if experiment.result is None:
        raise Conflict(
            f"“{experiment.name}” is {experiment.state}, and has no result to compare",
            remedy="Compare experiments that are done.",
        )
    return experiment.result


def _light(experiment: Experiment) -> Summary:
    return Summary(**{name: getattr(experiment, name) for name in Summary.model_fields})


def _datasets(before: Experiment, after: Experiment) -> Iterator[DatasetPair]:
    sides = [
        {(part.dataset, part.site): part for part in found.provenance.snapshots}
        if found.provenance
        else {}
        for found in (before, after)
    ]
    for dataset, site in dict.fromkeys([*sides[0], *sides[1]]):
        one, other = (side.get((dataset, site)) for side in sides)
        moved = one is None or other is None or one.hash != other.hash
        yield DatasetPair(dataset=dataset, site=site, before=one, after=other, moved=moved)


def _tables(first: Outcome, second: Outcome) -> Iterator[TablePair]:
    yield from _paired("", first.comparison, second.comparison)
    several = len(first.answers) > 1 or len(second.answers) > 1
    others = dict(_named(second))
    answers = dict(_named(first))
    for (label, place), answer in answers.items():
        other = others.get((label, place))
        shown = label if several else ""
        yield from _paired(shown, answer.views, () if other is None else other.views)
    for (label, place), other in others.items():
        if (label, place) not in answers:
            yield from _paired(label if several else "", (), other.views)


def _named(outcome: Outcome) -> Iterator[tuple[tuple[str, int], Answer]]:
    """Each answer by its label, and its place among those of the same label."""
    seen: Counter[str] = Counter()
    for answer in outcome.answers:
        yield (answer.label, seen[answer.label]), answer
        seen[answer.label] += 1


def _paired(
    analysis: str, before: Iterable[Table | Chart], after: Iterable[Table | Chart]
) -> Iterator[TablePair]:
    one, other = _by_title(before), _by_title(after)
    for key in dict.fromkeys([*one, *other]):
        former, latter = one.get(key), other.get(key)
        shape = latter or former
        if shape is None:
            continue
        names = [column.key for column in shape.columns if column.format == "text"]
        rows = tuple(_rows(former.rows if former else (), latter.rows if latter else (), names))
        yield TablePair(
            analysis=analysis,
            title=shape.title,
            columns=_columns(former, latter),
            rows=rows,
            changed=sum(row.changed for row in rows),
        )


def _by_title(views: Iterable[Table | Chart]) -> dict[tuple[str, int], Table]:
    found: dict[tuple[str, int], Table] = {}
    seen: Counter[str] = Counter()
    for view in views:
        if isinstance(view, Table):
            found[view.title, seen[view.title]] = view
            seen[view.title] += 1
    return found


def _columns(before: Table | None, after: Table | None) -> tuple[TableColumn, ...]:
    """The columns of both: a new version may have brought a level, and with it a column."""
    found = {column.key: column for table in (after, before) if table for column in table.columns}
    return tuple(found.values())


def _rows(before: Iterable[_Row], after: Iterable[_Row], names: list[str]) -> Iterator[RowPair]:
    one, other = _by_name(before, names), _by_name(after, names)
    for key in dict.fromkeys([*one, *other]):
        former, latter = one.get(key), other.get(key)
        yield RowPair(
            before=None if former is None else dict(former),
            after=None if latter is None else dict(latter),
            changed=former != latter,
        )


def _by_name(rows: Iterable[_Row], names: list[str]) -> dict[tuple[str, int], _Row]:
    """Each row by its texts, and its place among those of the same texts."""
    found: dict[tuple[str, int], _Row] = {}
    seen: Counter[str] = Counter()
    for row in rows:
        name = "\n".join(str(row.get(part)) for part in names)
        found[name, seen[name]] = row
        seen[name] += 1
    return found
