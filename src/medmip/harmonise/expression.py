"""Expressions of a mapping: a small part of SQL, parsed, held against an allow-list, written anew.

What runs is never the text that was given but what is written from the tree, whose every node is
of a kind named here: no subquery, no aggregate, no window, no function that is not listed, so
nothing that could read a file or a setting.
"""

from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from medmip.harmonise.errors import MappingError
from medmip.harmonise.relation import Field, Relation
from medmip.ingest.session import literal

MAXIMUM_LENGTH = 4_000
_NODES: tuple[type[exp.Expression], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.And, exp.Or, exp.Not,
    exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Case, exp.If, exp.DPipe,
    exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least,
    exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Length, exp.Concat,
    exp.Replace, exp.Contains, exp.StartsWith, exp.EndsWith, exp.SplitPart, exp.Pad,
    exp.RegexpLike, exp.RegexpExtract, exp.RegexpReplace,
    exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Sqrt, exp.Ln, exp.Log, exp.Exp, exp.Pow,
)  # fmt: skip
"""The kinds of nodes, functions of SQL among them."""

OWN = {
    "number": "a text as a number",
    "date_of": "a text as a date: ISO 8601, or by the formats that follow (%d.%m.%Y)",
    "years_between": "years from one date to another, with their fraction",
    "full_years": "completed years from one date to another",
    "months_between": "months from one date to another, with their fraction",
    "days_between": "days from one date to another",
}
"""The functions that expressions have beside SQL's."""

_DAYS_OF_YEAR = 365.2425
_ISO = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as SQL over a relation.

    checks are conditions of rows in which a text could not be read as number or date, each with
    its rule; fields are the columns that it names.
    """

    sql: str
    checks: tuple[tuple[str, str], ...]
    fields: tuple[Field, ...]


def compiled(text: str, relation: Relation, where: str, *, texts_only: bool = False) -> Expression:
    """An expression over a relation's columns, which are all text; raises MappingError.

    texts_only refuses `number` and `date_of`: a row chosen by a text that cannot be read would
    vanish without a word.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise MappingError(
            f"The expression is longer than {MAXIMUM_LENGTH:,} characters.", where=where
        )
    try:
        trees = [tree for tree in sqlglot.parse(text, read="duckdb") if tree is not None]
    except (SqlglotError, RecursionError):
        raise MappingError("The expression cannot be read.", where=where) from None
    if len(trees) != 1:
        raise MappingError("An expression is one, without semicolons.", where=where)
    writer = _Writer(relation, where, texts_only)
    try:
        tree = trees[0].transform(writer.rewritten)
        sql = tree.sql(dialect="duckdb", comments=False)
    except RecursionError:
        raise MappingError("The expression is nested too deeply.", where=where) from None
    checks = tuple(dict.fromkeys(writer.checks))
    return Expression(f"({sql})", checks, tuple(dict.fromkeys(writer.fields)))


class _Writer:
    """Rewrites a tree from its leaves' parents down, each node once."""

    def __init__(self, relation: Relation, where: str, texts_only: bool) -> None:
        self._relation = relation
        self._where = where
        self._texts_only = texts_only
        self.checks: list[tuple[str, str]] = []
        self.fields: list[Field] = []

    def rewritten(self, node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Anonymous | exp.MonthsBetween):
            return self._own(node)
        if not isinstance(node, _NODES):
            raise MappingError(
                f"An expression may not hold {_called(node)}.",
                where=self._where,
                remedy="The documents list what it may hold, under Mappings.",
            )
        return self._column(node) if isinstance(node, exp.Column) else node

    def _column(self, node: exp.Column) -> exp.Expression:
        if node.args.get("db") or node.args.get("catalog"):
            raise MappingError("A column is named as name or table.name.", where=self._where)
        field = self._relation.find(node.name, node.table, self._where)
        self.fields.append(field)
        self.checks += field.checks
        return _ready(field.sql)

    def _own(self, node: exp.Expression) -> exp.Expression:
        name = "months_between" if isinstance(node, exp.MonthsBetween) else node.name.casefold()
        if name not in OWN:
            raise MappingError(
                f"“{name}” is no function that an expression may use.",
                where=self._where,
                remedy=f"Beside SQL's there are {', '.join(OWN)}.",
            )
        if isinstance(node, exp.MonthsBetween):
            given = [node.this, node.expression]
        else:
            given = list(node.expressions)
        if name == "number":
            return self._number(given)
        if name == "date_of":
            return self._date(given)
        if len(given) != 2:
            raise MappingError(f"{name} takes two dates.", where=self._where)
        first, second = (self._inner(part) for part in given)
        return _ready(_BETWEEN[name].format(first=first, second=second))

    def _number(self, given: list[exp.Expression]) -> exp.Expression:
        if len(given) != 1:
            raise MappingError("number takes one text.", where=self._where)
        before = len(self.fields)
        text = self._inner(given[0])
        comma = any(field.comma for field in self.fields[before:])
        self._check_not_texts_only("number")
        number = number_of(text, comma=comma)
        self.checks.append((unread(text, number), NOT_A_NUMBER))
        return _ready(number)

    def _date(self, given: list[exp.Expression]) -> exp.Expression:
        formats = [part.name for part in given[1:] if isinstance(part, exp.Literal)]
        if not given or len(formats) != len(given) - 1:
            raise MappingError(
                "date_of takes a text, then formats such as '%d.%m.%Y'.", where=self._where
            )
        text = self._inner(given[0])
        self._check_not_texts_only("date_of")
        if formats:
            listed = ", ".join(literal(form) for form in formats)
            date = f"CAST(try_strptime({text}, [{listed}]) AS DATE)"
        else:
            date = (
                f"CASE WHEN regexp_matches({text}, {literal(_ISO)}) "
                f"THEN TRY_CAST(substr({text}, 1, 10) AS DATE) END"
            )
        told = f"not a date ({' or '.join(formats) or 'as 2024-12-31'})"
        self.checks.append((unread(text, date), told))
        return _ready(f"({date})")

    def _inner(self, node: exp.Expression) -> str:
        return f"({node.transform(self.rewritten).sql(dialect='duckdb', comments=False)})"

    def _check_not_texts_only(self, name: str) -> None:
        if self._texts_only:
            raise MappingError(
                f"{name} cannot choose rows: a text that it cannot read would drop its row "
                "without a word.",
                where=self._where,
                remedy="Compare texts, as in VISCODE = 'bl'.",
            )


def _ready(sql: str) -> exp.Expression:
    """A part that is SQL already."""
    return exp.Var(this=sql)


NOT_A_NUMBER = "not a number"
_BETWEEN = {
    "days_between": "CAST(({second} - {first}) AS DOUBLE)",
    "years_between": f"(CAST(({{second}} - {{first}}) AS DOUBLE) / {_DAYS_OF_YEAR})",
    "months_between": f"(CAST(({{second}} - {{first}}) AS DOUBLE) / {_DAYS_OF_YEAR / 12})",
    "full_years": "date_sub('year', {first}, {second})",
}


def number_of(text: str, *, comma: bool) -> str:
    """A text as DOUBLE, NULL where it is no number, as SQL."""
    pointed = f"replace({text}, ',', '.')" if comma else text
    guard = f"contains({text}, '_')" + (f" OR contains({text}, '.')" if comma else "")
    return f"(CASE WHEN {guard} THEN NULL ELSE TRY_CAST({pointed} AS DOUBLE) END)"


def unread(text: str, value: str) -> str:
    """The condition, never NULL, of rows whose text could not be read as a value."""
    return f"({text} IS NOT NULL AND {value} IS NULL)"


def _called(node: exp.Expression) -> str:
    named = {
        "Subquery": "a query", "Select": "a query", "Star": "*", "Window": "a window",
        "Cast": "a cast; use number or date_of",
    }  # fmt: skip
    if type(node).__name__ in named:
        return named[type(node).__name__]
    if isinstance(node, exp.Func):
        return f"the function {node.sql_name().casefold()}"
    return type(node).__name__
