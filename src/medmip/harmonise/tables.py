"""The tables that a mapping makes of its sources, as parts of one query."""

from collections.abc import Mapping as Dict
from collections.abc import Sequence

from medmip.harmonise.errors import MappingError
from medmip.harmonise.expression import Expression, compiled
from medmip.harmonise.gathering import Gathered
from medmip.harmonise.mapping import Fact, Mapping, Source, Table, Take
from medmip.harmonise.relation import FILE_SHIFT, ROW, Field, Relation, quoted
from medmip.harmonise.visit_rows import visit_rows
from medmip.ingest.session import literal

SEVERAL = "several values, of which the mapping takes only one"
_OFFSET = 1 << FILE_SHIFT
ROWS = "rows"


class Tables:
    """Grows the WITH clause: each table once, in an order in which it is known before its use."""

    def __init__(self, mapping: Mapping, gathered: Gathered) -> None:
        self._mapping = mapping
        self._gathered = gathered
        self._relations: dict[str, Relation] = {}
        self._making: list[str] = []
        self.parts: list[str] = []
        self.unique: list[tuple[str, str, str]] = []
        """What must have no two equal rows: a table, its columns' SQL, the mapping's place."""

    def rows(self) -> Relation:
        """The rows that are published."""
        return self._table(ROWS, self._mapping.rows, ROWS)

    def _relation(self, name: str, where: str) -> Relation:
        if name in self._relations:
            return self._relations[name]
        if name in self._making:
            raise MappingError(f"The table “{name}” is made of itself.", where=where)
        self._making.append(name)
        if name in self._mapping.sources:
            made = self._source(name, self._mapping.sources[name])
        elif name in self._mapping.tables:
            made = self._table(name, self._mapping.tables[name], f"tables.{name}")
        else:
            known = ", ".join([*self._mapping.sources, *self._mapping.tables])
            raise MappingError(
                f"There is no source or table “{name}”.",
                where=where,
                remedy=f"There are {known}.",
            )
        self._making.pop()
        self._relations[name] = made
        return made

    def _source(self, name: str, source: Source) -> Relation:
        tables = self._gathered.tables[name]
        names = tables[0].table.names if tables else source.columns
        selects = []
        for table in tables:
            number = self._gathered.files.index(table.file)
            cells = "".join(f", c{index}" for index in range(len(names)))
            file = literal(str(table.table.file))
            selects.append(
                f"SELECT {number * _OFFSET}::BIGINT + line AS {ROW}{cells} "
                f"FROM read_parquet({file})"
            )
        if not tables:
            cells = "".join(f", NULL::VARCHAR AS c{index}" for index in range(len(names)))
            selects = [f"SELECT 0::BIGINT AS {ROW}{cells} WHERE false"]
        comma = source.decimal == "comma"
        fields = tuple(
            Field(column, name, f"c{index}", comma) for index, column in enumerate(names)
        )
        return self._part(f"s_{name}", " UNION ALL ".join(selects), fields)

    def _table(self, name: str, table: Table, where: str) -> Relation:
        made = self._relation(table.table, f"{where}.from")
        if table.visits:
            made = self._part(
                f"{name}_visits", *visit_rows(made, name, table.visits, f"{where}.visits")
            )
        for index, join in enumerate(table.join):
            made = self._joined(name, made, join.table, join.on, f"{where}.join.{index}")
        if table.where:
            chosen = compiled(table.where, made, f"{where}.where", texts_only=True)
            made = self._part(
                f"{name}_where",
                f"SELECT * FROM {made.name} WHERE {chosen.sql}",
                made.fields,
            )
        if table.one_per:
            one = table.one_per
            place = f"{where}.one_per"
            keys = ", ".join(made.find(column, "", place).sql for column in one.columns)
            order = compiled(one.order, made, f"{place}.order").sql
            way = "ASC" if one.take == "first" else "DESC"
            made = self._part(
                f"{name}_one",
                f"SELECT * FROM {made.name} QUALIFY row_number() OVER "
                f"(PARTITION BY {keys} ORDER BY {order} {way} NULLS LAST, {ROW} {way}) = 1",
                made.fields,
            )
        if table.facts:
            made = self._with_facts(name, made, table.facts, f"{where}.facts")
        return Relation(made.name, made.fields)

    def _part(self, name: str, sql: str, fields: tuple[Field, ...]) -> Relation:
        self.parts.append(f"{quoted(name)} AS ({sql})")
        return Relation(quoted(name), fields)

    def _joined(
        self, name: str, base: Relation, table: str, on: Dict[str, str], where: str
    ) -> Relation:
        other = self._relation(table, where)
        number = len(self.parts)
        pairs = [
            (base.find(here, "", f"{where}.on").sql, other.find(there, "", f"{where}.on").sql)
            for here, there in on.items()
        ]
        same = " AND ".join(f"a.{here} = b.{there}" for here, there in pairs)
        cells = "".join(f", b.{f.sql} AS j{number}_{i}" for i, f in enumerate(other.fields))
        self.unique.append((other.name, ", ".join(there for _, there in pairs), where))
        fields = tuple(
            Field(f.name, table, f"j{number}_{i}", f.comma, f"j{number}_o", f.checks)
            for i, f in enumerate(other.fields)
        )
        return self._part(
            f"{name}_join{number}",
            f"SELECT a.*{cells}, b.{ROW} AS j{number}_o "
            f"FROM {base.name} AS a LEFT JOIN {other.name} AS b ON {same}",
            (*base.fields, *fields),
        )

    def _with_facts(
        self, name: str, base: Relation, facts: Dict[str, Fact], where: str
    ) -> Relation:
        """Facts of one table by the same columns are gathered in one pass over it."""
        together: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
        for code, fact in facts.items():
            together.setdefault((fact.table, tuple(fact.on.items())), []).append(code)
        for (table, on), codes in together.items():
            base = self._facts_of(
                name, base, table, on, {code: facts[code] for code in codes}, where
            )
        return base

    def _facts_of(
        self,
        name: str,
        base: Relation,
        table: str,
        on: Sequence[tuple[str, str]],
        facts: Dict[str, Fact],
        where: str,
    ) -> Relation:
        first = next(iter(facts))
        other = self._relation(table, f"{where}.{first}.from")
        number = len(self.parts)
        here = [base.find(column, "", f"{where}.{first}.on").sql for column, _ in on]
        there = [other.find(column, "", f"{where}.{first}.on").sql for _, column in on]
        keys = ", ".join(f"{column} AS k{index}" for index, column in enumerate(there))
        gathered: list[str] = []
        fields: list[Field] = []
        own = base.fields[0].table if base.fields else name
        for index, (code, fact) in enumerate(facts.items()):
            prefix = f"f{number}_{index}"
            aggregates, checks, comma = _fact(other, fact, prefix, f"{where}.{code}")
            gathered += aggregates
            fields.append(Field(code, own, f"{prefix}_v", comma, f"{prefix}_o", checks))
        part = f"{name}_facts{number}"
        groups = ", ".join(f"k{index}" for index in range(len(there)))
        self._part(
            f"{part}_of",
            f"SELECT {keys}, {', '.join(gathered)} FROM {other.name} GROUP BY {groups}",
            (),
        )
        same = " AND ".join(f"a.{column} = b.k{index}" for index, column in enumerate(here))
        return self._part(
            part,
            f"SELECT a.*, b.* EXCLUDE ({groups}) "
            f"FROM {base.name} AS a LEFT JOIN {quoted(f'{part}_of')} AS b ON {same}",
            (*base.fields, *fields),
        )


def _fact(
    other: Relation, fact: Fact, prefix: str, where: str
) -> tuple[list[str], tuple[tuple[str, str], ...], bool]:
    """The aggregates of a fact: its value, its row, and whether something could not be read."""
    value = compiled(fact.value, other, f"{where}.value")
    chosen = [f"{value.sql} IS NOT NULL"]
    if fact.where:
        chosen.append(compiled(fact.where, other, f"{where}.where", texts_only=True).sql)
    among = f"FILTER (WHERE {' AND '.join(chosen)})"
    order = compiled(fact.order, other, f"{where}.order") if fact.order else None
    found, row = _taken(fact.take, value, order, among)
    aggregates = [f"CAST({found} AS VARCHAR) AS {prefix}_v", f"{row} AS {prefix}_o"]
    checks: list[tuple[str, str]] = []
    for place, (check, told) in enumerate((*value.checks, *(order.checks if order else ()))):
        rows = f"FILTER (WHERE {chosen[-1]})" if fact.where else ""
        aggregates.append(f"coalesce(bool_or({check}) {rows}, false) AS {prefix}_b{place}")
        checks.append((f"coalesce({prefix}_b{place}, false)", told))
    if fact.take is Take.ONLY:
        aggregates.append(f"(min({value.sql}) {among} <> max({value.sql}) {among}) AS {prefix}_d")
        checks.append((f"coalesce({prefix}_d, false)", SEVERAL))
    comma = any(field.comma for field in value.fields) and not value.checks
    return aggregates, tuple(checks), comma


def _taken(take: Take, value: Expression, order: Expression | None, among: str) -> tuple[str, str]:
    """The aggregate of the value, and that of the row it is from.

    Rows without an order come last for `first` and first for `last`; equal ones by their row.
    """
    if take in (Take.FIRST, Take.LAST) and order is not None:
        side, null = ("arg_min", "NULL") if take is Take.FIRST else ("arg_max", "NOT NULL")
        key = f"row({order.sql} IS {null}, {order.sql}, {ROW})"
        return f"{side}({value.sql}, {key}) {among}", f"{side}({ROW}, {key}) {among}"
    if take is Take.MEAN:
        return f"avg({value.sql}) {among}", f"min({ROW}) {among}"
    if take is Take.MAX:
        return f"max({value.sql}) {among}", f"arg_max({ROW}, {value.sql}) {among}"
    return f"min({value.sql}) {among}", f"arg_min({ROW}, {value.sql}) {among}"
