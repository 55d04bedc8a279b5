"""Records scanned in the hospital's own database, as the same ones published would be scanned."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medmip.errors import Conflict
from medmip.store import placed_visits
from medmip.store.duckdb_engine import GROUPS, KEYS, batch_size
from medmip.store.engine import PATIENT_COLUMN, BoolArray, IntArray, KeyArray, Selection, Size
from medmip.store.filters import Sql
from medmip.store.placed import Place, Placed
from medmip.store.postgres import Address, Idle, Moment, moment
from medmip.store.selection_sql import ROW_COLUMN, where
from medmip.store.snapshots import Snapshot
from medmip.store.sql_session import literal, quoted

_PERSON, _VISIT = "__person", "__visit"
_NOBODY = pa.table({
    "place": pa.array([], pa.int64()), "stratum": pa.array([], pa.int64()),
    "patient": pa.array([], pa.string()), "held": pa.array([], pa.bool_()),
})  # fmt: skip
_PARTS = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|\?')


class SourceChanged(Conflict):
    """A dataset that is analysed in place is not what it was when it was placed."""

    title: ClassVar[str] = "The dataset has changed in its database"


class PostgresEngine:
    """Scans placed datasets; address_of tells how the database of a source is reached.

    Every call reads one moment, and first whether the dataset's columns are still those of its
    version; raises SourceChanged, SourceFailure. Filters and the dropping of records with gaps are
    done there, values as parameters; a patient's visits are made one record here.
    """

    def __init__(self, address_of: Callable[[str], Address]) -> None:
        self._address_of = address_of
        self._idle = Idle()

    def scan(self, selection: Selection) -> Iterator[tuple[int, pa.RecordBatch]]:
        for index, snapshot in enumerate(selection.snapshots):
            if selection.visits is not None:
                for share in self._visits(selection, snapshot):
                    made = placed_visits.records(selection, snapshot, share)
                    for batch in made.to_batches(batch_size(selection)):
                        yield index, batch
                continue
            query = _records(selection, snapshot)
            with self.unchanged(_placed(snapshot)) as found:
                for batch in found.batches(query.text, query.parameters, batch_size(selection)):
                    yield index, batch

    def sizes(self, selection: Selection) -> tuple[Size, ...]:
        sizes = []
        for snapshot in selection.snapshots:
            kept = _numbered(where(selection, snapshot, complete=False))
            query = (
                f"SELECT count(*) AS records, count(DISTINCT {_PERSON}) AS patients "  # noqa: S608
                f"FROM ({cells(_placed(snapshot).there, snapshot.dataset)}) AS cell "
                f"WHERE {kept.text}"
            )
            with self.unchanged(_placed(snapshot)) as found:
                (row,) = found.table(query, kept.parameters).to_pylist()
            records = row["records"] if selection.visits is None else row["patients"]
            sizes.append(Size(records, row["patients"]))
        return tuple(sizes)

    def rows(self, selection: Selection) -> tuple[tuple[BoolArray, IntArray | None], ...]:
        rows = []
        for snapshot in selection.snapshots:
            patients = None
            if selection.longitudinal:
                patients = _register(snapshot, PATIENT_COLUMN).to_numpy().astype(np.int64)
            if selection.visits is None:
                column = self._held(selection, snapshot, {}).column("held")
                held = np.asarray(column.to_numpy(), dtype=np.bool_)
            else:
                held = np.zeros(snapshot.records, dtype=np.bool_)
                for share in self._visits(selection, snapshot):
                    made = placed_visits.rows(selection, snapshot, share)
                    held[made.column(0).to_numpy()] = True
            rows.append((held, patients))
        return tuple(rows)

    def groups(self, selection: Selection, key: bytes) -> tuple[IntArray, ...]:
        partition = selection.partition
        if partition is None:
            raise ValueError("the selection is not divided into groups")
        salt = hmac.new(key, f"fold {partition.seed}".encode(), hashlib.sha256).hexdigest()
        groups = []
        for snapshot in selection.snapshots:
            if selection.visits is not None:
                people = self._people(selection, snapshot, str(partition.stratum))
                column = _asked(GROUPS, "record", people, (partition.folds, salt))
                groups.append(np.asarray(column.to_numpy(), dtype=np.int64))
                continue
            known = partition.stratum is not None and partition.stratum in snapshot.variables
            stratum = quoted(str(partition.stratum)) if known else "0"
            held = self._held(selection, snapshot, {"stratum": stratum})
            dealt = held.append_column("patient", _register(snapshot, _patient(snapshot)))
            column = _asked(GROUPS, "record", dealt, (partition.folds, salt))
            groups.append(np.asarray(column.to_numpy(), dtype=np.int64))
        return tuple(groups)

    def keys(self, selection: Selection, key: bytes) -> tuple[KeyArray, ...]:
        keys = []
        for snapshot in selection.snapshots:
            salt = hmac.new(key, f"record of {snapshot.dataset}".encode(), hashlib.sha256)
            if selection.visits is not None:
                people = self._people(selection, snapshot, "")
                named = "(SELECT place, patient AS name, held FROM record)"
                column = _asked(KEYS, named, people, (salt.hexdigest(),))
                keys.append(np.asarray(column.to_numpy(), dtype=np.uint64))
                continue
            known = [code for code in selection.identity if code in snapshot.variables]
            visits = [code for code in known if code != _patient(snapshot)]
            held = self._held(selection, snapshot, {code: quoted(code) for code in visits})
            held = held.append_column("patient", _register(snapshot, _patient(snapshot)))
            told = ["patient" if code == _patient(snapshot) else quoted(code) for code in known]
            name = " || '|' || ".join(f"coalesce({code}, '')" for code in told)
            named = f"(SELECT place, {name or 'place::VARCHAR'} AS name, held FROM record)"  # noqa: S608
            column = _asked(KEYS, named, held, (salt.hexdigest(),))
            keys.append(np.asarray(column.to_numpy(), dtype=np.uint64))
        return tuple(keys)

    def _held(self, selection: Selection, snapshot: Snapshot, more: Mapping[str, str]) -> pa.Table:
        """Of all records in order: their place, whether they are kept, and further cells."""
        placed = _placed(snapshot)
        kept = _numbered(where(selection, snapshot, complete=selection.complete))
        told = "".join(f", {sql} AS {quoted(name)}" for name, sql in more.items())
        query = (
            f"SELECT coalesce({kept.text}, false) AS held{told} "  # noqa: S608
            f"FROM ({cells(placed.there, snapshot.dataset)}) AS cell "
            f"ORDER BY {_order(placed.there)}"
        )
        with self.unchanged(placed) as found:
            batches = [*found.batches(query, kept.parameters)]
        table = pa.Table.from_batches(batches)
        return table.append_column("place", pa.array(np.arange(table.num_rows)))

    def _visits(self, selection: Selection, snapshot: Snapshot) -> Iterator[pa.Table]:
        """The visits that the filter keeps, whole patients at a time; see placed_visits."""
        query = _visits(selection, snapshot)
        patient = _patient(snapshot)
        register = _register(snapshot, patient)
        with self.unchanged(_placed(snapshot)) as found:
            for share in placed_visits.shares(found.batches(query.text, query.parameters)):
                yield placed_visits.named_by(share, patient, register)

    def _people(self, selection: Selection, snapshot: Snapshot, stratum: str) -> pa.Table:
        """The patients whose visits are made one record."""
        parts = [
            placed_visits.people(selection, snapshot, share, stratum)
            for share in self._visits(selection, snapshot)
        ]
        return pa.concat_tables(parts) if parts else _NOBODY

    @contextmanager
    def unchanged(self, placed: Placed) -> Iterator[Moment]:
        """A moment at which a dataset is what it was; raises SourceChanged, SourceFailure."""
        there = placed.there
        with moment(self._address_of(there.source), self._idle) as found:
            if fingerprint(found, there) != (there.records, there.fingerprint):
                raise SourceChanged(
                    f"{placed.dataset} is no longer what it was at its version {placed.version}.",
                    remedy=f"A data manager makes a new one: mip source publish {there.source}",
                )
            yield found


def fingerprint(found: Moment, place: Place) -> tuple[int, str]:
    """How many rows a place has, and of each table a sum of hashes of its rows, in any order."""
    sums, records = [], 0
    for table in place.read:
        (row,) = found.table(
            "SELECT count(*) AS records, "  # noqa: S608
            "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS contents "
            f"FROM ({table.sql}) AS t"
        ).to_pylist()
        records = row["records"]
        sums.append(row["contents"])
    if place.query:
        (row,) = found.table(f"SELECT count(*) AS records FROM {place.sql}").to_pylist()  # noqa: S608
        records = row["records"]
    return records, " ".join(sums)


def cells(place: Place, dataset: str) -> str:
    """The query of all records: every variable's cell as it is published, and their order's."""
    told = [f"{column.sql} AS {quoted(code)}" for code, column in place.columns.items()]
    told.append(f"{literal(dataset)}::text AS dataset")
    told.append(f"{place.columns[place.patient].sql} AS {_PERSON}")
    if place.visit is not None:
        visit = place.columns[place.visit].sql
        members = ", ".join(literal(level) for level in place.visits)
        place_of = f"array_position(ARRAY[{members}]::text[], {visit})" if members else visit
        told.append(f"{place_of} AS {_VISIT}")
    return f"SELECT {', '.join(told)} FROM {place.sql}"  # noqa: S608


def ordered(place: Place, dataset: str, names: Sequence[str]) -> str:
    """The query of some variables' cells of all records, in the register's order."""
    named = ", ".join(quoted(name) for name in names)
    return f"SELECT {named} FROM ({cells(place, dataset)}) AS cell ORDER BY {_order(place)}"  # noqa: S608


def _order(place: Place) -> str:
    keys = [f'{_PERSON} COLLATE "C"']
    if place.visit is not None:
        keys.append(_VISIT if place.visits else f'{_VISIT} COLLATE "C"')
    return ", ".join(keys)


def _records(selection: Selection, snapshot: Snapshot) -> Sql:
    """The query of the records that the selection keeps, as the protocol's `scan` tells them."""
    place = _placed(snapshot).there
    told = [f"{_number(code, snapshot)} AS {quoted(code)}" for code in selection.numeric]
    told += [
        f"{_level(code, selection.levels[code], snapshot)} AS {quoted(code)}"
        for code in selection.nominal
    ]
    source = cells(place, snapshot.dataset)
    if selection.longitudinal:
        told.append(PATIENT_COLUMN)
        number = f'(dense_rank() OVER (ORDER BY {_PERSON} COLLATE "C") - 1)::int4'
        source = f"SELECT *, {number} AS {PATIENT_COLUMN} FROM ({source}) AS every"  # noqa: S608
    kept = _numbered(where(selection, snapshot, complete=selection.complete))
    return Sql(
        f"SELECT {', '.join(told) or '1 AS one'} FROM ({source}) AS cell "  # noqa: S608
        f"WHERE {kept.text} ORDER BY {_order(place)}",
        kept.parameters,
    )


def _visits(selection: Selection, snapshot: Snapshot) -> Sql:
    """The query of the visits that the filter keeps, with what joining them takes, in order."""
    place = _placed(snapshot).there
    order = _order(place)
    told = [*map(quoted, placed_visits.needed(selection, snapshot)), ROW_COLUMN, PATIENT_COLUMN]
    kept = _numbered(where(selection, snapshot, complete=False))
    return Sql(
        f"SELECT {', '.join(told)} FROM (SELECT *, "  # noqa: S608
        f"row_number() OVER (ORDER BY {order}) - 1 AS {ROW_COLUMN}, "
        f'(dense_rank() OVER (ORDER BY {_PERSON} COLLATE "C") - 1)::int4 AS {PATIENT_COLUMN} '
        f"FROM ({cells(place, snapshot.dataset)}) AS every) AS cell "
        f"WHERE {kept.text} ORDER BY {order}",
        kept.parameters,
    )


def _number(code: str, snapshot: Snapshot) -> str:
    return quoted(code) if code in snapshot.variables else "NULL::float8"


def _level(code: str, levels: tuple[str, ...], snapshot: Snapshot) -> str:
    if code == "dataset":
        return f"{levels.index(snapshot.dataset) if snapshot.dataset in levels else -1}::int4"
    if code not in snapshot.variables:
        return "NULL::int4"
    members = ", ".join(literal(level) for level in levels)
    return f"(array_position(ARRAY[{members}]::text[], {quoted(code)}) - 1)::int4"


def _numbered(condition: Sql) -> Sql:
    """A condition as PostgreSQL has it: `?` outside names and texts are `$1`, `$2`, …"""
    number = 0

    def named(part: re.Match[str]) -> str:
        nonlocal number
        if part[0] != "?":
            return part[0]
        number += 1
        return f"${number}"

    return Sql(_PARTS.sub(named, condition.text), condition.parameters)


def _asked(query: str, source: str, record: pa.Table, parameters: Sequence[object]) -> pa.Array:
    """The one column of a query of DuckDB over those of the records that are held."""
    text = query.format(source=f"(FROM {source} WHERE held)")
    return placed_visits.asked(text, parameters, record=record).column(0)


def _placed(snapshot: Snapshot) -> Placed:
    if not isinstance(snapshot, Placed):
        raise TypeError(f"{snapshot.dataset} is published, not placed")
    return snapshot


def _register(snapshot: Snapshot, column: str) -> pa.ChunkedArray:
    return pq.read_table(snapshot.path, columns=[column]).column(0)


def _patient(snapshot: Snapshot) -> str:
    return _placed(snapshot).there.patient
