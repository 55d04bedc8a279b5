"""A mapping as one query of the hospital's own database, for a dataset that is analysed there.

Rows may be chosen, joined, and made of visits that stand side by side; columns are filled, their
codes and units turned. What gathers several rows into one stays with a publication.
"""

from collections.abc import Mapping as Dict
from dataclasses import dataclass

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable
from medmip.harmonise.errors import MappingError
from medmip.harmonise.mapping import Join, Mapping, Source, Table, Target, Unit
from medmip.harmonise.postgres_expression import (
    Cell,
    Kind,
    field_cell,
    in_postgres,
    number_of,
    text_of,
)
from medmip.harmonise.relation import Field, Relation, quoted
from medmip.harmonise.units import conversion
from medmip.harmonise.visit_rows import visit_rows
from medmip.ingest.header import key_names
from medmip.ingest.staging import BLANKS
from medmip.store import postgres_table
from medmip.store.sql_session import literal


@dataclass(frozen=True)
class PlacedRows:
    """The query of a mapping's rows, a column for each variable, and which of these are numbers.

    All others are texts.
    """

    query: str
    numeric: Dict[str, bool]


def placed_rows(
    mapping: Mapping, tables: Dict[str, postgres_table.Relation], model: DataModel
) -> PlacedRows:
    """The query over a mapping's sources, tables of the database; an optional one may lack.

    The mapping has made rows of the same tables before, so it is sound. Raises MappingError,
    naming what cannot be done there.
    """
    made = _Tables(mapping, tables)
    rows = made.table("rows", mapping.rows, "rows")
    keys, cells = key_names(model), dict[str, Cell]()
    if DATASET in mapping.columns:
        raise MappingError(
            "In place all rows belong to one dataset, which mip.toml says.",
            where=f"columns.{DATASET}",
        )
    for code, target in mapping.columns.items():
        variable = model.all_variables.get(code)
        cells[code] = _filled(target, variable, rows, f"columns.{code}", key=code in keys)
    listed = ", ".join(f"{cell.sql} AS {quoted(code)}" for code, cell in cells.items())
    query = f"WITH {', '.join(made.parts)} SELECT {listed} FROM {rows.name}"
    return PlacedRows(query, {code: cell.kind is Kind.NUMBER for code, cell in cells.items()})


class _Tables:
    """Grows the WITH clause, each table before its use."""

    def __init__(self, mapping: Mapping, tables: Dict[str, postgres_table.Relation]) -> None:
        self._mapping = mapping
        self._tables = tables
        self._made: dict[str, Relation] = {}
        self.parts: list[str] = []

    def table(self, name: str, table: Table, where: str) -> Relation:
        """What a table of the mapping holds."""
        for asked, told in ((table.one_per, "one_per"), (table.facts, "facts")):
            if asked:
                raise MappingError(
                    f"{told} gathers several rows into one, which is not done in place.",
                    where=f"{where}.{told}",
                    remedy="Let a view in the database do it, or publish the dataset.",
                )
        made = self._relation(table.table)
        if table.visits:
            made = self._part(
                f"{name}_visits", *visit_rows(made, name, table.visits, f"{where}.visits")
            )
        for join in table.join:
            made = self._joined(name, made, join, where)
        if table.where:
            chosen = in_postgres(table.where, made, f"{where}.where")
            sql = f"SELECT * FROM {made.name} WHERE {chosen.sql}"
            made = self._part(f"{name}_where", sql, made.fields)
        return made

    def _relation(self, name: str) -> Relation:
        if name not in self._made:
            if name in self._mapping.sources:
                self._made[name] = self._source(name, self._mapping.sources[name])
            else:
                self._made[name] = self.table(name, self._mapping.tables[name], f"tables.{name}")
        return self._made[name]

    def _source(self, name: str, source: Source) -> Relation:
        there = self._tables.get(name)
        comma = source.decimal == "comma"
        if there is None:
            cells = ", ".join(f"NULL::text AS c{i}" for i in range(len(source.columns)))
            names, sql = source.columns, f"SELECT {cells} WHERE false"
        else:
            names = tuple(column.name for column in there.columns)
            missing = ", ".join(literal(code) for code in dict.fromkeys((*source.missing, *BLANKS)))
            cells = ", ".join(
                f"CASE WHEN {column.text} IN ({missing}) THEN NULL ELSE {column.text} END AS c{i}"
                for i, column in enumerate(there.columns)
            )
            some = " OR ".join(f"c{i} IS NOT NULL" for i in range(len(names)))
            sql = f"SELECT * FROM (SELECT {cells} FROM {there.sql}) AS cell WHERE {some}"
        fields = tuple(Field(column, name, f"c{i}", comma) for i, column in enumerate(names))
        return self._part(f"s_{name}", sql, fields)

    def _part(self, name: str, sql: str, fields: tuple[Field, ...]) -> Relation:
        self.parts.append(f"{quoted(name)} AS ({sql})")
        return Relation(quoted(name), fields)

    def _joined(self, name: str, base: Relation, join: Join, where: str) -> Relation:
        other, number = self._relation(join.table), len(self.parts)
        same = " AND ".join(
            f"a.{base.find(here, '', where).sql} = b.{other.find(there, '', where).sql}"
            for here, there in join.on.items()
        )
        cells = "".join(f", b.{f.sql} AS j{number}_{i}" for i, f in enumerate(other.fields))
        fields = tuple(
            Field(field.name, join.table, f"j{number}_{i}", field.comma)
            for i, field in enumerate(other.fields)
        )
        return self._part(
            f"{name}_join{number}",
            f"SELECT a.*{cells} FROM {base.name} AS a LEFT JOIN {other.name} AS b ON {same}",
            (*base.fields, *fields),
        )


def _filled(
    target: Target, variable: Variable | None, rows: Relation, place: str, *, key: bool
) -> Cell:
    """What fills a variable: a number where the variable is one, else a text."""
    numeric = variable is not None and variable.is_numeric
    if target.constant:
        found, comma = Cell(f"{literal(target.constant)}::text", Kind.TEXT), False
    else:
        found, comma = _source_of(target, rows, place)
    trimmed = f"nullif(btrim({text_of(found)}), '')"
    if target.codes:
        found = Cell(_coded(target, trimmed), Kind.TEXT)
    elif target.unit is not None and variable is not None:
        found = Cell(_converted(target.unit, found, variable, rows, place, comma), Kind.NUMBER)
    elif target.column and not numeric and (key or (variable is not None and variable.levels)):
        found = Cell(trimmed, Kind.TEXT)
    if numeric and found.kind is not Kind.NUMBER:
        # Where commas are the mark, only a column of its own is read by it.
        marked = comma and bool(target.column) and not target.codes
        found = Cell(number_of(text_of(found), comma=marked), Kind.NUMBER)
    elif not numeric:
        found = Cell(text_of(found), Kind.TEXT)
    if target.default is None:
        return found
    default = literal(target.default)
    if numeric:
        return Cell(f"coalesce({found.sql}, {number_of(default, comma=False)})", Kind.NUMBER)
    return Cell(f"coalesce({found.sql}, {default})", Kind.TEXT)


def _source_of(target: Target, rows: Relation, place: str) -> tuple[Cell, bool]:
    """The cell before codes and units, and whether its text has decimal commas."""
    if target.expression:
        return in_postgres(target.expression, rows, f"{place}.expression"), False
    table, _, name = target.column.rpartition(".")
    try:
        field = rows.find(target.column, "", f"{place}.column")
    except MappingError:
        if not table:
            raise
        field = rows.find(name, table, f"{place}.column")
    return field_cell(field), field.comma


def _coded(target: Target, trimmed: str) -> str:
    cases = " ".join(
        f"WHEN {trimmed} = {literal(source.strip())} THEN {literal(code)}"
        for source, code in target.codes.items()
    )
    others = f"ELSE {literal(target.others)} " if target.others else ""
    return f"nullif(CASE WHEN {trimmed} IS NULL THEN NULL {cases} {others}END, '')"


def _converted(
    unit: Unit, found: Cell, variable: Variable, rows: Relation, place: str, comma: bool
) -> str:
    number = found.sql
    if found.kind is not Kind.NUMBER:
        number = number_of(text_of(found), comma=comma)
    target = variable.units or unit.to
    if unit.source:
        return conversion(unit.source, target, unit.molar_mass, place).sql(number, "float8")
    named = rows.find(unit.column, "", place).sql
    cases = " ".join(
        f"WHEN btrim({named}) = {literal(name)} "
        f"THEN {conversion(name, target, unit.molar_mass, place).sql(number, 'float8')}"
        for name in unit.known
    )
    return f"(CASE {cases} END)"
