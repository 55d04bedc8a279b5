"""The SQL of a selection's share of one snapshot: its condition, its columns, its joined visits."""

from collections.abc import Iterator

from medmip.store.engine import PATIENT_COLUMN, Selection
from medmip.store.filters import Sql, compile_filter, quoted
from medmip.store.snapshots import Snapshot
from medmip.store.visits import How, Visits

ROW_COLUMN = "file_row_number"
CODE_COLUMN = "__code"
CELLS_AT_ONCE = 4_000_000
"""Values of visits that are sorted together: some tens of megabytes, so that nothing is spilled."""
SOURCE = f"read_parquet(?, {ROW_COLUMN} = true)"


def where(selection: Selection, snapshot: Snapshot, *, complete: bool) -> Sql:
    """Which records the filter keeps, and where complete says so only those without gaps."""
    present = set(snapshot.variables)
    clauses, parameters = ["true"], list[object]()
    if selection.filter is not None:
        compiled = compile_filter(selection.filter, present)
        clauses.append(compiled.text)
        parameters += compiled.parameters
    if complete:
        for code in selection.required:
            if code == "dataset":
                continue
            clauses.append(f"{quoted(code)} IS NOT NULL" if code in present else "false")
    return Sql(" AND ".join(clauses), tuple(parameters))


def columns(selection: Selection, snapshot: Snapshot) -> list[str]:
    """Each variable of the selection, as the engine's protocol has it."""
    found = [f"{_number(code, snapshot)} AS {quoted(code)}" for code in selection.numeric]
    return found + [
        f"{_level(code, selection.levels[code], snapshot)} AS {quoted(code)}"
        for code in selection.nominal
    ]


def visits_of(
    selection: Selection,
    snapshot: Snapshot,
    patients: range | None = None,
    source: Sql | None = None,
) -> Sql:
    """The table `visit`, which the filter keeps, and `patient`, one record each; to begin a query.

    patients are the numbers of those asked for, None for all; source is where the visits are with
    their row numbers, None for the snapshot's file.

    patient has the selection's variables as columns v0, v1, …, numeric ones first, without the
    patients that lack one where the selection is complete; `__patient`; and the patient's code.
    visit has the snapshot's row numbers.
    """
    visits = selection.visits
    if visits is None:
        raise ValueError("the selection keeps a patient's visits apart")
    source = source or Sql(SOURCE, (str(snapshot.path),))
    condition = where(selection, snapshot, complete=False)
    if patients is not None:
        among = f"{condition.text} AND {PATIENT_COLUMN} >= ? AND {PATIENT_COLUMN} < ?"
        condition = Sql(among, (*condition.parameters, patients.start, patients.stop))
    codes = (*selection.numeric, *selection.nominal)
    partition = selection.partition
    names = selection.identity[:1] if partition is None else (partition.patient,)
    person = next((quoted(name) for name in names if name in snapshot.variables), PATIENT_COLUMN)
    values = [_number(code, snapshot) for code in selection.numeric]
    values += [_level(code, selection.levels[code], snapshot) for code in selection.nominal]
    own = "".join(f", {value} AS v{index}" for index, value in enumerate(values))
    order, time = _order(visits, snapshot)
    whole = f"PARTITION BY {PATIENT_COLUMN}"
    number = f"row_number() OVER ({whole} ORDER BY {order}, {ROW_COLUMN})"
    place = number if time is None else f"CASE WHEN {time} IS NOT NULL THEN {number} END"
    code = "CAST(NULL AS VARCHAR)"
    if visits.column is not None and visits.column in snapshot.variables:
        code = f"CAST({quoted(visits.column)} AS VARCHAR)"
    taken = [_taken(visits, variable, index) for index, variable in enumerate(codes)]
    slopes = [i for i, name in enumerate(codes) if visits.of_variable(name).how is How.SLOPE]
    centred = "".join(
        f", CASE WHEN place IS NOT NULL AND v{i} IS NOT NULL THEN time - avg(time) FILTER "
        f"(WHERE v{i} IS NOT NULL) OVER ({whole}) END AS t{i}, v{i} - avg(v{i}) FILTER "
        f"(WHERE place IS NOT NULL) OVER ({whole}) AS d{i}"
        for i in slopes
    )
    required = [index for index, code in enumerate(codes) if code in selection.required]
    held = " AND ".join(f"v{index} IS NOT NULL" for index in required) or "true"
    listed = "".join(f", {text} AS v{index}" for index, text in enumerate(taken))
    text = f"""
        WITH visit AS (
            SELECT {PATIENT_COLUMN}, {ROW_COLUMN}, {code} AS code, {person} AS {CODE_COLUMN},
                {place} AS place, {time or number} AS time{own}
            FROM {source.text} WHERE {condition.text}
        ), centred AS (SELECT *{centred} FROM visit
        ), patient AS (
            SELECT * FROM (
                SELECT {PATIENT_COLUMN}, min({CODE_COLUMN}) AS {CODE_COLUMN}{listed}
                FROM centred GROUP BY {PATIENT_COLUMN}
            ) WHERE {held}
        )"""  # noqa: S608
    return Sql(text, (*source.parameters, *condition.parameters))


def shares_of(selection: Selection, snapshot: Snapshot) -> Iterator[range]:
    """The numbers of a snapshot's patients in shares whose visits are few enough to sort."""
    width = len(selection.numeric) + len(selection.nominal) + 4
    visits = max(snapshot.records / max(snapshot.patients, 1), 1.0)
    share = max(int(CELLS_AT_ONCE / width / visits), 1)
    for start in range(0, snapshot.patients, share):
        yield range(start, min(start + share, snapshot.patients))


def _order(visits: Visits, snapshot: Snapshot) -> tuple[str, str | None]:
    """What visits are ordered by, and their time, or None where that is their place in order."""
    keys, level = list[str](), None
    if visits.column is not None and visits.column in snapshot.variables:
        code = f"CAST({quoted(visits.column)} AS VARCHAR)"
        level = _natural(code)
        if visits.levels:
            members = ", ".join(_text(visit) for visit in visits.levels)
            level = f"CAST(nullif(list_position([{members}], {code}), 0) AS DOUBLE)"
        keys.append(level)
    time = level if visits.levels else None
    if visits.time is not None:
        time = _number(visits.time, snapshot)
        keys.insert(0, time)
    return ", ".join(f"{key} NULLS LAST" for key in keys) or "1", time


def _taken(visits: Visits, code: str, index: int) -> str:
    """What is taken of the variable in column v{index}, as an aggregate of a patient's visits."""
    if code == "dataset":
        return f"any_value(v{index})"
    taken, value = visits.of_variable(code), f"v{index}"
    first, last = f"arg_min({value}, place)", f"arg_max({value}, place)"
    match taken.how:
        case How.FIRST:
            return first
        case How.LAST:
            return last
        case How.MEAN:
            return f"avg({value})"
        case How.SLOPE:
            line = f"sum(t{index} * d{index}) / sum(t{index} * t{index})"
            return f"CASE WHEN min(t{index}) < max(t{index}) THEN {line} END"
        case How.VISIT:
            return _at(value, taken.visits[0])
        case How.CHANGE:
            if taken.visits:
                before, after = taken.visits
                return f"{_at(value, after)} - {_at(value, before)}"
            several = f"count({value}) FILTER (WHERE place IS NOT NULL) > 1"
            return f"CASE WHEN {several} THEN {last} - {first} END"


def _at(value: str, visit: str) -> str:
    return f"arg_min({value}, {ROW_COLUMN}) FILTER (WHERE code = {_text(visit)})"


def _natural(column: str) -> str:
    """A text's natural order, V2 before V10: every number is padded with zeros to 20 digits."""
    padded = rf"regexp_replace({column}, '(\d+)', '{'0' * 20}\1', 'g')"
    return rf"regexp_replace({padded}, '\d*(\d{{20}})', '\1', 'g')"


def _number(code: str, snapshot: Snapshot) -> str:
    return f"CAST({quoted(code) if code in snapshot.variables else 'NULL'} AS DOUBLE)"


def _level(code: str, levels: tuple[str, ...], snapshot: Snapshot) -> str:
    if code == "dataset":
        index = levels.index(snapshot.dataset) if snapshot.dataset in levels else -1
        return f"CAST({index} AS INTEGER)"
    if code not in snapshot.variables:
        return "CAST(NULL AS INTEGER)"
    members = ", ".join(_text(level) for level in levels)
    return f"CAST(enum_code(CAST({quoted(code)} AS ENUM({members}))) AS INTEGER)"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
