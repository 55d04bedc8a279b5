"""Expressions of a mapping as SQL of PostgreSQL, for rows that stay in the hospital's database.

What was given has been held against the list of `expression` before; here each part is written
anew for the other database, and what would not mean the same there is refused by name. Texts
are compared by their bytes, numbers are of double precision, and every text stands as a literal.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from medmip.harmonise.errors import MappingError
from medmip.harmonise.relation import Field, Relation
from medmip.store.sql_session import literal

_NUMBER = r"^ *[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)? *$"
_ISO = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"
_DIRECTIVES = {
    "d": (r"\d{1,2}", "DD"),
    "m": (r"\d{1,2}", "MM"),
    "Y": (r"\d{4}", "YYYY"),
    "H": (r"\d{1,2}", "HH24"),
    "M": (r"\d{1,2}", "MI"),
    "S": (r"\d{1,2}", "SS"),
}
_DAYS_OF_YEAR = 365.2425


class Kind(Enum):
    """What a part of an expression is."""

    TEXT = "a text"
    NUMBER = "a number"
    DATE = "a date"
    TRUTH = "a condition"
    NOTHING = "null"


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of an expression as SQL, and what it is."""

    sql: str
    kind: Kind


_Words = dict[type[exp.Expression], str]
_COMPARED: _Words = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
}  # fmt: skip
_COUNTED: _Words = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_OF_NUMBERS: _Words = {
    exp.Abs: "abs", exp.Sqrt: "sqrt", exp.Ln: "ln", exp.Exp: "exp",
    exp.Floor: "floor", exp.Ceil: "ceil",
}  # fmt: skip
_OF_TEXTS: _Words = {exp.Lower: "lower", exp.Upper: "upper"}
_CHOSEN: _Words = {exp.Coalesce: "coalesce", exp.Greatest: "greatest", exp.Least: "least"}
_BETWEEN = {
    "days_between": "({second} - {first})::float8",
    "years_between": f"(({{second}} - {{first}})::float8 / {_DAYS_OF_YEAR})",
    "months_between": f"(({{second}} - {{first}})::float8 / {_DAYS_OF_YEAR / 12})",
    "full_years": "extract(year FROM age({second}, {first}))::float8",
}


def in_postgres(text: str, relation: Relation, where: str) -> Cell:
    """An expression over a relation's columns, which are all text; raises MappingError."""
    try:
        (tree,) = sqlglot.parse(text, read="duckdb")
        if not isinstance(tree, exp.Expression):
            raise MappingError("The expression is empty.", where=where)
        return _Writer(relation, where).cell(tree)
    except (SqlglotError, RecursionError):
        raise MappingError("The expression cannot be read.", where=where) from None


def number_of(text: str, *, comma: bool) -> str:
    """A text as double precision, NULL where it is no number."""
    sound, pointed = f"{text} ~ {literal(_NUMBER)}", text
    if comma:
        pointed = f"replace({text}, ',', '.')"
        sound = f"strpos({text}, '.') = 0 AND {pointed} ~ {literal(_NUMBER)}"
    return f"(CASE WHEN {sound} THEN btrim({pointed})::float8 END)"


def text_of(cell: Cell) -> str:
    """A cell as the text that is published: a whole number has no point."""
    if cell.kind is not Kind.NUMBER:
        return f"({cell.sql})::text"
    whole = f"({cell.sql}) = trunc({cell.sql}) AND abs({cell.sql}) < 9007199254740992"
    return f"(CASE WHEN {whole} THEN ({cell.sql})::bigint::text ELSE ({cell.sql})::text END)"


class _Writer:
    def __init__(self, relation: Relation, where: str) -> None:
        self._relation = relation
        self._where = where
        self._comma = False

    def cell(self, node: exp.Expression) -> Cell:
        for kinds, write in self._writers():
            if isinstance(node, kinds):
                return write(node)
        raise self._refused(type(node).__name__)

    def _writers(
        self,
    ) -> tuple[tuple[tuple[type[exp.Expression], ...], Callable[..., Cell]], ...]:
        return (
            ((exp.Paren,), lambda node: self.cell(node.this)),
            ((exp.Column,), self._column),
            ((exp.Literal, exp.Boolean, exp.Null), self._constant),
            ((exp.Anonymous, exp.MonthsBetween), self._own),
            (tuple(_COMPARED), self._compared),
            ((exp.And, exp.Or, exp.Not, exp.Is), self._condition),
            ((exp.In, exp.Between), self._among),
            ((exp.Like, exp.ILike), self._like),
            ((exp.Case, exp.If), self._case),
            ((*_COUNTED, exp.Neg), self._counted),
            (tuple(_OF_NUMBERS), self._of_number),
            (tuple(_CHOSEN), self._chosen),
            ((exp.Nullif,), self._nullif),
            ((exp.Round, exp.Pow), self._rounded),
            (
                (*_OF_TEXTS, exp.Trim, exp.Length, exp.Left, exp.Right, exp.Substring, exp.Replace,
                 exp.SplitPart, exp.Contains, exp.StartsWith, exp.DPipe, exp.Concat),
                self._of_text,
            ),
        )  # fmt: skip

    def _refused(self, what: str) -> MappingError:
        return MappingError(
            f"{what} does not mean the same in the hospital's database.",
            where=self._where,
            remedy="Say it in other words, publish the dataset, or let a view do it.",
        )

    def _of(self, node: exp.Expression, *kinds: Kind) -> str:
        found = self.cell(node)
        if found.kind not in (*kinds, Kind.NOTHING):
            raise self._refused(f"{found.kind.value} where {kinds[0].value} is needed")
        return found.sql

    def _number(self, node: exp.Expression) -> str:
        return self._of(node, Kind.NUMBER)

    def _text(self, node: exp.Expression) -> str:
        return self._of(node, Kind.TEXT)

    def _alike(self, nodes: list[exp.Expression]) -> tuple[list[str], Kind]:
        """Parts that are all of one kind."""
        cells = [self.cell(node) for node in nodes]
        kinds = {cell.kind for cell in cells} - {Kind.NOTHING}
        if len(kinds) > 1:
            told = " beside ".join(sorted(kind.value for kind in kinds))
            raise self._refused(told)
        kind = next(iter(kinds), Kind.NOTHING)
        bytewise = ' COLLATE "C"' if kind is Kind.TEXT else ""
        return [f"(({cell.sql}){bytewise})" for cell in cells], kind

    def _column(self, node: exp.Column) -> Cell:
        field = self._relation.find(node.name, node.table, self._where)
        self._comma = self._comma or field.comma
        return Cell(field.sql, Kind.TEXT)

    def _constant(self, node: exp.Expression) -> Cell:
        if isinstance(node, exp.Null):
            return Cell("NULL", Kind.NOTHING)
        if isinstance(node, exp.Boolean):
            return Cell("true" if node.this else "false", Kind.TRUTH)
        if node.args.get("is_string"):
            return Cell(f"{literal(str(node.this))}::text", Kind.TEXT)
        return Cell(f"{float(node.this)!r}::float8", Kind.NUMBER)

    def _compared(self, node: exp.Expression) -> Cell:
        (left, right), _ = self._alike([node.this, node.expression])
        return Cell(f"({left} {_COMPARED[type(node)]} {right})", Kind.TRUTH)

    def _condition(self, node: exp.Expression) -> Cell:
        if isinstance(node, exp.Not):
            return Cell(f"(NOT {self._of(node.this, Kind.TRUTH)})", Kind.TRUTH)
        if isinstance(node, exp.Is):
            right = self.cell(node.expression)
            return Cell(f"(({self.cell(node.this).sql}) IS {right.sql})", Kind.TRUTH)
        word = "AND" if isinstance(node, exp.And) else "OR"
        parts = (self._of(part, Kind.TRUTH) for part in (node.this, node.expression))
        return Cell(f"({f' {word} '.join(parts)})", Kind.TRUTH)

    def _among(self, node: exp.Expression) -> Cell:
        if isinstance(node, exp.Between):
            bounds = [node.args["low"], node.args["high"]]
            (value, low, high), _ = self._alike([node.this, *bounds])
            return Cell(f"({value} BETWEEN {low} AND {high})", Kind.TRUTH)
        (value, *others), _ = self._alike([node.this, *node.expressions])
        return Cell(f"({value} IN ({', '.join(others)}))", Kind.TRUTH)

    def _like(self, node: exp.Expression) -> Cell:
        word = "ILIKE" if isinstance(node, exp.ILike) else "LIKE"
        value, pattern = self._text(node.this), self._text(node.expression)
        return Cell(f"({value} {word} {pattern} ESCAPE '')", Kind.TRUTH)

    def _case(self, node: exp.Expression) -> Cell:
        branches = [node] if isinstance(node, exp.If) else node.args["ifs"]
        default = node.args.get("false" if isinstance(node, exp.If) else "default") or exp.Null()
        results, kind = self._alike([*(branch.args["true"] for branch in branches), default])
        subject = node.this if isinstance(node, exp.Case) else None
        parts = []
        for branch, result in zip(branches, results, strict=False):
            when = branch.this if subject is None else exp.EQ(this=subject, expression=branch.this)
            parts.append(f"WHEN {self._of(when, Kind.TRUTH)} THEN {result}")
        return Cell(f"(CASE {' '.join(parts)} ELSE {results[-1]} END)", kind)

    def _counted(self, node: exp.Expression) -> Cell:
        if isinstance(node, exp.Neg):
            return Cell(f"(- {self._number(node.this)})", Kind.NUMBER)
        left, right = self._number(node.this), self._number(node.expression)
        if isinstance(node, exp.Div):
            right = f"nullif({right}, 0)"
        return Cell(f"({left} {_COUNTED[type(node)]} {right})", Kind.NUMBER)

    def _of_number(self, node: exp.Expression) -> Cell:
        return Cell(f"{_OF_NUMBERS[type(node)]}({self._number(node.this)})", Kind.NUMBER)

    def _chosen(self, node: exp.Expression) -> Cell:
        parts, kind = self._alike([node.this, *node.expressions])
        return Cell(f"{_CHOSEN[type(node)]}({', '.join(parts)})", kind)

    def _nullif(self, node: exp.Expression) -> Cell:
        (value, other), kind = self._alike([node.this, node.expression])
        return Cell(f"nullif({value}, {other})", kind)

    def _rounded(self, node: exp.Expression) -> Cell:
        value = self._number(node.this)
        if isinstance(node, exp.Pow):
            return Cell(f"power({value}, {self._number(node.expression)})", Kind.NUMBER)
        places = node.args.get("decimals")
        to = f", {self._number(places)}::integer" if places is not None else ""
        # As numeric, halves go away from zero, as in mappings of files.
        return Cell(f"round(({value})::numeric{to})::float8", Kind.NUMBER)

    def _of_text(self, node: exp.Expression) -> Cell:
        def whole(name: str) -> str:
            return f"({self._number(node.args[name])})::integer"

        match node:
            case exp.Concat():
                parts = ", ".join(self._text(part) for part in node.expressions)
                return Cell(f"concat({parts})", Kind.TEXT)
            case exp.DPipe():
                left, right = self._text(node.this), self._text(node.expression)
                return Cell(f"({left} || {right})", Kind.TEXT)
        text = self._text(node.this)
        match node:
            case exp.Trim() if node.expression is None and not node.args.get("position"):
                return Cell(f"btrim({text})", Kind.TEXT)
            case exp.Length():
                return Cell(f"length({text})::float8", Kind.NUMBER)
            case exp.Left() | exp.Right():
                name = "left" if isinstance(node, exp.Left) else "right"
                return Cell(f"{name}({text}, {whole('expression')})", Kind.TEXT)
            case exp.Substring():
                more = f", {whole('length')}" if node.args.get("length") else ""
                return Cell(f"substr({text}, {whole('start')}{more})", Kind.TEXT)
            case exp.Replace():
                new = node.args.get("replacement")
                by = self._text(new) if new is not None else "''"
                return Cell(f"replace({text}, {self._text(node.expression)}, {by})", Kind.TEXT)
            case exp.SplitPart():
                mark = self._text(node.args["delimiter"])
                return Cell(f"split_part({text}, {mark}, {whole('part_index')})", Kind.TEXT)
            case exp.Contains():
                return Cell(f"(strpos({text}, {self._text(node.expression)}) > 0)", Kind.TRUTH)
            case exp.StartsWith():
                return Cell(f"starts_with({text}, {self._text(node.expression)})", Kind.TRUTH)
        if type(node) in _OF_TEXTS:
            return Cell(f"{_OF_TEXTS[type(node)]}({text})", Kind.TEXT)
        raise self._refused(type(node).__name__)

    def _own(self, node: exp.Expression) -> Cell:
        if isinstance(node, exp.MonthsBetween):
            name, given = "months_between", [node.this, node.expression]
        else:
            name, given = node.name.casefold(), list(node.expressions)
        if name == "number":
            before, self._comma = self._comma, False
            text = self._text(given[0])
            number = number_of(text, comma=self._comma)
            self._comma = self._comma or before
            return Cell(number, Kind.NUMBER)
        if name == "date_of":
            return self._date(self._text(given[0]), [part.name for part in given[1:]])
        first, second = (f"({self._of(part, Kind.DATE)})" for part in given)
        return Cell(_BETWEEN[name].format(first=first, second=second), Kind.NUMBER)

    def _date(self, text: str, formats: list[str]) -> Cell:
        if not formats:
            iso = f"{text} ~ {literal(_ISO)}"
            return Cell(f"(CASE WHEN {iso} THEN substr({text}, 1, 10)::date END)", Kind.DATE)
        cases = ""
        for form in formats:
            pattern, told = self._format(form)
            cases += (
                f"WHEN {text} ~ {literal(pattern)} THEN to_date(btrim({text}), {literal(told)}) "
            )
        return Cell(f"(CASE {cases}END)", Kind.DATE)

    def _format(self, form: str) -> tuple[str, str]:
        """A format of dates as a pattern of texts, and as PostgreSQL has it."""
        pattern = told = ""
        for part in re.findall(r"%.|[^%]+|%$", form):
            if not part.startswith("%"):
                pattern += re.escape(part)
                told += '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
                continue
            if part[1:] not in _DIRECTIVES:
                raise self._refused(f"The date format {part}")
            shape, name = _DIRECTIVES[part[1:]]
            pattern, told = pattern + shape, told + name
        return f"^ *{pattern} *$", told


def field_cell(field: Field) -> Cell:
    """A column as it stands."""
    return Cell(field.sql, Kind.TEXT)
