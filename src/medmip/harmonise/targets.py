"""What fills each variable, as SQL: a value as text, the row it is from, and what may be wrong."""

from dataclasses import dataclass, replace

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable
from medmip.harmonise.errors import MappingError
from medmip.harmonise.expression import NOT_A_NUMBER, Expression, compiled, number_of, unread
from medmip.harmonise.mapping import Mapping, Target, Unit
from medmip.harmonise.relation import ROW, Field, Relation
from medmip.harmonise.units import conversion
from medmip.ingest.header import key_names
from medmip.ingest.report import Kind
from medmip.ingest.session import Session, literal

UNMAPPED = "not among the codes of the mapping"
UNKNOWN_UNIT = "a unit that the mapping does not know"
_NUMBERS = ("DOUBLE", "FLOAT", "BIGINT", "INTEGER", "HUGEINT", "DECIMAL", "SMALLINT", "TINYINT")


@dataclass(frozen=True, slots=True)
class Check:
    """A condition, never NULL, of rows that break a rule of the mapping."""

    sql: str
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A variable's value: value is SQL of any type, raw that of the code before it was mapped.

    origin is the SQL of the row that it comes from, empty for the row's own; place is where the
    mapping says so.
    """

    code: str
    variable: Variable | None
    value: str
    checks: tuple[Check, ...]
    place: str
    origin: str = ""
    raw: str = ""


def filled(mapping: Mapping, rows: Relation, model: DataModel, dataset: str | None) -> list[Filled]:
    """Every variable that a mapping fills, in its order; raises MappingError."""
    keys = key_names(model)
    known = {*model.all_variables, *keys}
    for code in mapping.columns:
        if code not in known:
            near = [name for name in known if name.casefold() == code.casefold()]
            raise MappingError(
                f"{model.key} has no variable “{code}”.",
                where=f"columns.{code}",
                remedy=f"Did you mean {near[0]}?" if near else f"See: mip model show {model.key}",
            )
    for key in keys:
        if key not in mapping.columns and (key != DATASET or dataset is None):
            raise MappingError(
                f"Nothing fills {key}, which {model.key} needs.",
                where="columns",
                remedy="Name the dataset with --dataset." if key == DATASET else None,
            )
    return [
        _filled(code, target, model.all_variables.get(code), rows, key=code in keys)
        for code, target in mapping.columns.items()
    ]


def _filled(
    code: str, target: Target, variable: Variable | None, rows: Relation, *, key: bool
) -> Filled:
    place = f"columns.{code}"
    if target.constant:
        return Filled(code, variable, literal(target.constant), (), place)
    expression = _source(target, rows, place)
    numeric = variable is not None and variable.is_numeric
    found = Filled(
        code,
        variable,
        expression.sql,
        tuple(Check(sql, _kind(text), text) for sql, text in expression.checks),
        place,
        _origin(expression.fields),
    )
    trimmed = f"nullif(trim(CAST({expression.sql} AS VARCHAR)), '')"
    if target.codes:
        found = _coded(found, target, trimmed)
    elif target.unit is not None:
        found = _converted(found, target.unit, expression, variable, rows)
    elif target.column and numeric:
        found = replace(found, value=_pointed(expression))
    elif target.column and (key or (variable is not None and variable.levels)):
        found = replace(found, value=trimmed)
    if target.default is not None:
        text = f"CAST({found.value} AS VARCHAR)"
        checks = [check.sql for check in found.checks]
        absent = " AND ".join([f"{found.value} IS NULL", *(f"NOT {check}" for check in checks)])
        found = replace(
            found,
            value=f"(CASE WHEN {absent} THEN {literal(target.default)} ELSE {text} END)",
        )
    return found


def _source(target: Target, rows: Relation, place: str) -> Expression:
    if target.expression:
        return compiled(target.expression, rows, f"{place}.expression")
    table, _, name = target.column.rpartition(".")
    try:
        field = rows.find(target.column, "", f"{place}.column")
    except MappingError:
        if not table:
            raise
        field = rows.find(name, table, f"{place}.column")
    return Expression(field.sql, field.checks, (field,))


def _coded(found: Filled, target: Target, trimmed: str) -> Filled:
    cases = " ".join(
        f"WHEN {literal(source.strip())} THEN {literal(code)}"
        for source, code in target.codes.items()
    )
    others = f" ELSE {literal(target.others)}" if target.others else ""
    null = f"WHEN {trimmed} IS NULL THEN NULL "
    value = f"(CASE {null}{cases.replace('WHEN ', f'WHEN {trimmed} = ')}{others} END)"
    checks = found.checks
    if target.others is None:
        listed = ", ".join(literal(source.strip()) for source in target.codes)
        unlisted = f"({trimmed} IS NOT NULL AND {trimmed} NOT IN ({listed}))"
        checks = (*checks, Check(unlisted, Kind.UNMAPPED_VALUE, UNMAPPED))
    return replace(found, value=f"nullif({value}, '')", checks=checks, raw=trimmed)


def _converted(
    found: Filled, unit: Unit, expression: Expression, variable: Variable | None, rows: Relation
) -> Filled:
    place = f"{found.place}.unit"
    if variable is None or not variable.is_numeric:
        raise MappingError("Only a number has a unit.", where=place)
    if unit.to and variable.units:
        conversion(unit.to, variable.units, None, place)
    target = variable.units or unit.to
    if not target:
        raise MappingError(
            f"The data model names no unit for {variable.code}.",
            where=place,
            remedy="Say which unit the result has, with `to`.",
        )
    checks, number = list(found.checks), expression.sql
    if not expression.checks and all(not field.checks for field in expression.fields):
        comma = any(field.comma for field in expression.fields)
        number = number_of(f"CAST({expression.sql} AS VARCHAR)", comma=comma)
        text = f"CAST({expression.sql} AS VARCHAR)"
        checks.append(Check(unread(text, number), Kind.WRONG_TYPE, NOT_A_NUMBER))
    elif expression.fields and expression.sql == expression.fields[0].sql:
        number = number_of(f"CAST({expression.sql} AS VARCHAR)", comma=False)
    if unit.source:
        value = conversion(unit.source, target, unit.molar_mass, place).sql(number)
    else:
        named = rows.find(unit.column, "", place).sql
        cases = " ".join(
            f"WHEN trim({named}) = {literal(name)} "
            f"THEN {conversion(name, target, unit.molar_mass, place).sql(number)}"
            for name in unit.known
        )
        value = f"(CASE {cases} END)"
        listed = ", ".join(literal(name) for name in unit.known)
        unlisted = f"({number} IS NOT NULL AND coalesce(trim({named}), '') NOT IN ({listed}))"
        checks.append(Check(unlisted, Kind.UNKNOWN_UNIT, UNKNOWN_UNIT))
    return replace(found, value=value, checks=tuple(checks))


def _pointed(expression: Expression) -> str:
    """A cell as the strict reading takes numbers: with a decimal point.

    A cell with a point where commas are the mark is left with something that is no number.
    """
    (field,) = expression.fields
    if not field.comma:
        return field.sql
    return (
        f"CASE WHEN contains({field.sql}, '.') THEN {field.sql} || '_' "
        f"ELSE replace({field.sql}, ',', '.') END"
    )


def _origin(fields: tuple[Field, ...]) -> str:
    origins = [field.origin for field in fields if field.origin]
    return origins[0] if origins and len(origins) == len(fields) else ""


def _kind(text: str) -> Kind:
    return Kind.SEVERAL_VALUES if text.startswith("several") else Kind.WRONG_TYPE


def selected(session: Session, with_: str, rows: Relation, columns: list[Filled]) -> str:
    """The SELECT of the whole: o, and for the i-th variable c, o, r (its raw code) and checks x.

    Numbers are written so that a whole one has no point, as codes have none. Raises MappingError
    where an expression does not fit its texts, or gives a date to be published.
    """
    types = _types(session, with_, rows, columns)
    parts = [ROW]
    for index, (column, kind) in enumerate(zip(columns, types, strict=True)):
        parts.append(f"{_text(column, kind)} AS c{index}")
        if column.origin:
            parts.append(f"{column.origin} AS o{index}")
        if column.raw:
            parts.append(f"{column.raw} AS r{index}")
        parts += [f"{check.sql} AS x{index}_{i}" for i, check in enumerate(column.checks)]
    return f"{with_} SELECT {', '.join(parts)} FROM {rows.name}"


def _types(session: Session, with_: str, rows: Relation, columns: list[Filled]) -> list[str]:
    for column in columns:
        every = ", ".join([column.value, *(check.sql for check in column.checks)])
        message = session.unbound(f"{with_} SELECT {every} FROM {rows.name}")
        if message is not None:
            raise MappingError(
                "The expression does not fit its columns, which are texts.",
                where=column.place,
                remedy=f"Make numbers with number() and dates with date_of(). {message}",
            )
    values = ", ".join(f"{column.value} AS c{i}" for i, column in enumerate(columns))
    described = session.rows(f"DESCRIBE {with_} SELECT {values} FROM {rows.name}")
    return [str(row[1]).partition("(")[0] for row in described]


def _text(column: Filled, kind: str) -> str:
    if kind == "VARCHAR":
        return column.value
    if kind in ("DATE", "TIMESTAMP"):
        raise MappingError(
            "Dates are not published.",
            where=column.place,
            remedy="Turn them into ages or times between: years_between, days_between.",
        )
    if kind not in _NUMBERS:
        raise MappingError(
            "The expression is neither a text nor a number.",
            where=column.place,
            remedy="Turn yes and no into codes: case when … then '1' else '0' end.",
        )
    number = f"CAST({column.value} AS DOUBLE)"
    whole = f"({number} = trunc({number}) AND abs({number}) < 9007199254740992)"
    return (
        f"CASE WHEN {whole} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) "
        f"ELSE CAST({number} AS VARCHAR) END"
    )
