"""Every problem of the staged rows, found in SQL: which row, which column, which rule."""

from collections.abc import Sequence

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET
from medmip.ingest.cells import numeric
from medmip.ingest.dialect import Decimal, Dialect, Options
from medmip.ingest.header import shown
from medmip.ingest.numbering import Numbering
from medmip.ingest.report import FIRST, Kind, Problem
from medmip.ingest.rules import Rule, cell_rules
from medmip.ingest.session import Session
from medmip.ingest.staging import Column

_REJECTIONS = (
    ("MISSING COLUMNS", Kind.RAGGED_ROW, "fewer cells than the header"),
    ("TOO MANY COLUMNS", Kind.RAGGED_ROW, "more cells than the header"),
    ("UNQUOTED VALUE", Kind.BAD_QUOTE, "a quote within a cell, or text after a closing quote"),
    ("LINE SIZE OVER MAXIMUM", Kind.BAD_ROW, "a row of more than 2,000,000 bytes"),
)
_AT_ONCE = 200
"""Conditions of one pass: each holds vectors in memory."""
_THOUSANDS = "[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+"


def detect_decimal(
    session: Session, columns: Sequence[Column], delimiter: str, options: Options
) -> tuple[Decimal, Problem | None]:
    """The decimal mark of all numbers of the file, and the problem where it cannot be known.

    A comma is one only where it does not delimit the cells. A file whose only commas may as well
    group thousands is ambiguous.
    """
    numbers = numeric(columns)
    if options.decimal is not None:
        return options.decimal, None
    if delimiter == "," or not numbers:
        return ".", None
    commas = _count(session, [f"contains({column.sql}, ',')" for column in numbers])
    if not sum(commas):
        return ".", None
    points = _count(session, [f"contains({column.sql}, '.')" for column in numbers])
    if sum(points):
        return ("," if sum(commas) > sum(points) else "."), None
    grouped = _count(
        session, [f"regexp_full_match({column.sql}, '{_THOUSANDS}')" for column in numbers]
    )
    if sum(grouped) < sum(commas):
        return ",", None
    column = numbers[next(index for index, count in enumerate(commas) if count)]
    return ".", Problem(
        kind=Kind.AMBIGUOUS_DECIMAL,
        column=column.name,
        rule="its commas may mark decimals or thousands; say which with --decimal",
        count=sum(commas),
    )


def audit(
    session: Session,
    columns: Sequence[Column],
    model: DataModel,
    dataset: str | None,
    dialect: Dialect,
    numbering: Numbering,
    more: Sequence[Rule] = (),
    *,
    unread: bool,
) -> tuple[Problem, ...]:
    """Fill the table `problem` (k, line, file, place, kind, rule) and sum it up.

    line is the row as the file numbers it, k the row of `cells`, NULL for one that could not be
    split into cells; file is NULL where there is but one. more are rules beside the model's;
    unread says that some text of a numeric variable is no number.
    """
    session.run(
        "CREATE TABLE problem "
        "(k BIGINT, line BIGINT, file VARCHAR, place INTEGER, kind VARCHAR, rule VARCHAR)"
    )
    for error, kind, text in _REJECTIONS:
        session.run(
            "INSERT INTO problem SELECT NULL, line, file, NULL, ?, ? FROM rejected WHERE error = ?",
            [kind.value, text, error],
        )
    session.run(
        "INSERT INTO problem SELECT NULL, line, file, NULL, ?, ? FROM rejected "
        "WHERE NOT list_contains(?, error)",
        [Kind.BAD_ROW.value, "cannot be read", [error for error, _, _ in _REJECTIONS]],
    )
    numbering.prepare(session)
    rules = [*more, *cell_rules(columns, model, dataset, dialect)]
    of_cells = [rule for rule in rules if not rule.of_text]
    suspects = _values(session, [rule.any_broken for rule in of_cells], "cells")
    for rule, suspect in zip(of_cells, suspects, strict=True):
        if suspect:
            _list_rows(session, rule, f"FROM cells WHERE {rule.broken}", numbering)
    for rule in rules:
        if rule.of_text and unread:
            rows = f"FROM staged WHERE NOT blank AND {rule.broken}"
            _list_rows(session, rule, rows, numbering)
    _list_duplicates(session, columns, model, numbering)
    return _summary(session, columns)


def _count(session: Session, conditions: Sequence[str]) -> list[int]:
    """How many staged rows there are of each condition."""
    counts = [f"count(*) FILTER ({condition})" for condition in conditions]
    return [int(str(value)) for value in _values(session, counts, "staged")]


def _values(session: Session, aggregates: Sequence[str], source: str) -> list[object]:
    """Each aggregate over a table, in few passes."""
    found: list[object] = []
    for batch in (aggregates[i : i + _AT_ONCE] for i in range(0, len(aggregates), _AT_ONCE)):
        found += session.rows(f"SELECT {', '.join(batch)} FROM {source}")[0]  # noqa: S608
    return found


def _list_rows(session: Session, rule: Rule, rows: str, numbering: Numbering) -> None:
    session.run(
        f"""
        INSERT INTO problem
        SELECT k, line, file, ?, ?, ? FROM ({numbering.located(rule.column, rows)})
        """,  # noqa: S608
        [rule.column.index, rule.kind.value, rule.text],
    )


def _list_duplicates(
    session: Session, columns: Sequence[Column], model: DataModel, numbering: Numbering
) -> None:
    """All rows of every patient (of every visit, in each dataset) that has several."""
    by_name = {column.name: column for column in columns}
    patient = by_name.get(model.patient_column)
    visit = by_name.get(model.visit_column or "")
    if patient is None or (model.longitudinal and visit is None):
        return
    owners = [column for column in (patient, visit) if column is not None]
    keys = owners + [column for column in (by_name.get(DATASET),) if column is not None]
    key = ", ".join(column.sql for column in keys)
    known = " AND ".join(f"{column.sql} IS NOT NULL" for column in owners)
    session.run(
        f"""
        CREATE TABLE twice AS
        SELECT {key} FROM cells WHERE {known} GROUP BY {key} HAVING count(*) > 1
        """  # noqa: S608
    )
    if session.number("SELECT count(*) FROM twice"):
        text = "the patient has several rows" + (" for this visit" if visit else "")
        same = " AND ".join(f"cells.{c.sql} IS NOT DISTINCT FROM twice.{c.sql}" for c in keys)
        rule = Rule(patient, Kind.DUPLICATE_PATIENT, text, "")
        _list_rows(session, rule, f"FROM cells SEMI JOIN twice ON {same}", numbering)


def _summary(session: Session, columns: Sequence[Column]) -> tuple[Problem, ...]:
    rows = session.rows(
        f"""
        SELECT place, kind, rule, file, count(*), min(line, {FIRST})
        FROM problem GROUP BY ALL ORDER BY file, min(line), place, kind, rule
        """  # noqa: S608
    )
    problems = [
        Problem(
            kind=Kind(str(kind)),
            column=None if place is None else shown(columns[int(str(place))].name),
            rule=str(rule),
            count=int(str(count)),
            rows=tuple(int(str(line)) for line in lines) if isinstance(lines, list) else (),
            file=None if file is None else str(file),
        )
        for place, kind, rule, file, count, lines in rows
    ]
    order = list(Kind)
    return tuple(sorted(problems, key=lambda problem: order.index(problem.kind)))
