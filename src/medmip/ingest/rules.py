"""The rules that a data model sets for cells, as SQL conditions of the rows that break them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable, VariableType
from medmip.ingest.cells import number_of
from medmip.ingest.dialect import Decimal, Dialect
from medmip.ingest.report import Kind
from medmip.ingest.session import literal
from medmip.ingest.staging import Column

LARGEST_INTEGER = 2**53 - 1
"""Analyses compute in double precision; beyond, two whole numbers may become one."""

_DATASET_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of one column; broken is the SQL condition, never NULL, of rows that break it.

    of_text is a rule for the texts in `staged`, the others are for what `cells` holds. suspect is
    an aggregate, quicker than counting, that is true wherever any row breaks the rule.
    """

    column: Column
    kind: Kind
    text: str
    broken: str
    of_text: bool = False
    suspect: str = ""

    @property
    def any_broken(self) -> str:
        """The aggregate that tells whether rows may break it."""
        return self.suspect or f"bool_or({self.broken})"


def cell_rules(
    columns: Sequence[Column],
    model: DataModel,
    dataset: str | None,
    dialect: Dialect,
) -> list[Rule]:
    """Every rule that a single row can break."""
    return [
        rule
        for column in columns
        for rule in _column_rules(column, model, dataset, dialect, len(columns))
    ]


def typed(column: Column) -> str:
    """A cell that breaks no rule, in the type of its variable."""
    variable = column.variable
    if variable is None or not variable.is_numeric:
        return column.sql
    whole = variable.type is VariableType.INTEGER
    return f"CAST({column.number} AS BIGINT)" if whole else column.number


def _column_rules(
    column: Column,
    model: DataModel,
    dataset: str | None,
    dialect: Dialect,
    width: int,
) -> Iterator[Rule]:
    cell = column.sql
    if column.name == model.patient_column:
        yield Rule(column, Kind.EMPTY_PATIENT, "every row needs a patient", f"{cell} IS NULL")
    if column.name == model.visit_column:
        yield Rule(column, Kind.EMPTY_VISIT, "every row needs a visit", f"{cell} IS NULL")
    if column.name == DATASET:
        yield from _dataset_rules(column, dataset)
    if column.variable is None:
        return
    if column.variable.is_numeric:
        yield from _number_rules(column, column.variable, dialect.decimal)
    elif column.variable.is_nominal and column.variable.levels:
        levels = ", ".join(literal(level) for level in column.variable.levels)
        text = f"not among the {len(column.variable.levels)} levels"
        yield Rule(
            column,
            Kind.UNKNOWN_LEVEL,
            text,
            f"{cell} IS NOT NULL AND NOT list_contains([{levels}], {cell})",
        )
    elif width > 2:
        delimiters = f"len({cell}) - len(replace({cell}, {literal(dialect.delimiter)}, ''))"
        yield Rule(
            column,
            Kind.SWALLOWED_ROWS,
            "a quoted text holds what looks like whole rows; is a quote missing?",
            f"coalesce(contains({cell}, chr(10)) AND {delimiters} >= {width - 1}, false)",
        )


def _dataset_rules(column: Column, dataset: str | None) -> Iterator[Rule]:
    cell = column.sql
    yield Rule(column, Kind.EMPTY_DATASET, "every row needs a dataset", f"{cell} IS NULL")
    yield Rule(
        column,
        Kind.DATASET_NAME,
        "a dataset's code is made of letters, digits, `_`, `.` and `-`",
        f"{cell} IS NOT NULL AND NOT regexp_full_match({cell}, {literal(_DATASET_NAME)})",
    )
    if dataset is not None:
        yield Rule(
            column,
            Kind.OTHER_DATASET,
            f"the row belongs to another dataset than {dataset}",
            f"{cell} IS NOT NULL AND {cell} <> {literal(dataset)}",
        )


def _number_rules(column: Column, variable: Variable, decimal: Decimal) -> Iterator[Rule]:
    value = column.number
    finite = f"coalesce(isfinite({value}), false)"
    mark = "a decimal comma" if decimal == "," else "a decimal point"
    yield Rule(
        column,
        Kind.WRONG_TYPE,
        f"not a number (with {mark})",
        f"{column.sql} IS NOT NULL AND {number_of(column, decimal)} IS NULL",
        of_text=True,
    )
    yield Rule(
        column,
        Kind.NOT_FINITE,
        "infinite or not a number",
        f"{value} IS NOT NULL AND NOT isfinite({value})",
        suspect=f"NOT isfinite(sum({value}))",
    )
    if variable.type is VariableType.INTEGER:
        yield Rule(
            column,
            Kind.FRACTION,
            "not a whole number",
            f"{finite} AND {value} <> trunc({value})",
        )
        yield Rule(
            column,
            Kind.WRONG_TYPE,
            "a whole number beyond 2^53 - 1",
            f"{finite} AND abs({value}) > {LARGEST_INTEGER}",
            suspect=f"max({value}) > {LARGEST_INTEGER} OR min({value}) < -{LARGEST_INTEGER}",
        )
    if variable.minimum is not None:
        yield Rule(
            column,
            Kind.BELOW_MINIMUM,
            f"below the minimum {variable.minimum:g}",
            f"{finite} AND {value} < {variable.minimum!r}::DOUBLE",
            suspect=f"min({value}) < {variable.minimum!r}::DOUBLE",
        )
    if variable.maximum is not None:
        yield Rule(
            column,
            Kind.ABOVE_MAXIMUM,
            f"above the maximum {variable.maximum:g}",
            f"{finite} AND {value} > {variable.maximum!r}::DOUBLE",
            suspect=f"max({value}) > {variable.maximum!r}::DOUBLE",
        )
