"""An expression is a small part of SQL; none reads a file, a setting or another row."""

import duckdb
import pytest

from medmip.harmonise.errors import MappingError
from medmip.harmonise.expression import MAXIMUM_LENGTH, compiled
from medmip.harmonise.relation import Field, Relation
from medmip.harmonise.units import conversion

TABLE = Relation(
    "t",
    (
        Field("a", "s", "v0"),
        Field("b", "s", "v1", comma=True),
        Field("Age (years)", "s", "v2"),
        Field("c", "s", "v3"),
        Field("c", "j", "v4"),
        Field("lonely", "j", "v5"),
    ),
)
CELLS = {"v0": "2020-02-29", "v1": "1,5", "v2": "63", "v3": "own", "v4": "joined", "v5": "x"}


def fetched(sql):
    (row,) = duckdb.execute(sql).fetchall()
    return row[0]


def value(text):
    cells = ", ".join(f"'{cell}' AS {name}" for name, cell in CELLS.items())
    expression = compiled(text, TABLE, "x").sql
    return fetched(f"SELECT {expression} FROM (SELECT {cells})")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("number(b) * 2", 3.0),
        ('number("Age (years)") + 1', 64.0),
        ("c", "own"),
        ("j.c", "joined"),
        ("LONELY", "x"),
        ("full_years(date_of('1950-03-01'), date_of(a))", 69),
        ("full_years(date_of('28.02.1950', '%d.%m.%Y'), date_of(a))", 70),
        ("days_between(date_of('2020-02-28'), date_of(a))", 1.0),
        ("round(years_between(date_of('2010-02-28'), date_of(a)), 1)", 10.0),
        ("round(months_between(date_of('2020-01-29'), date_of(a)), 0)", 1.0),
        ("date_of('2020-13-01')", None),
        ("number('1_000')", None),
        ("number('12abc')", None),
        ("case when a like '2020%' then 'this' else 'that' end", "this"),
        ("coalesce(nullif(a, a), upper(c))", "OWN"),
        ("a in ('2020-02-29', 'x') and not a = 'y'", True),
        ("number(b) between 1 and 2", True),
        ("regexp_extract(a, '^[0-9]+')", "2020"),
        ("length(a) // 2", 5),
        ("trim('  x ') || 'y''z'", "xy'z"),
        ("greatest(number(b), 1.0)", 1.5),
        ("split_part(a, '-', 2)", "02"),
    ],
)
def test_what_an_expression_says(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "(select 1)", "a in (select 1)", "exists(select 1)", "select a", "getenv('HOME')",
        "read_text('/etc/passwd')", "(from read_csv('x'))", "count(*)", "sum(a)",
        "row_number() over ()", "lag(a) over (order by a)", "*", "a.*", "columns('a')", "$1", "?",
        "current_user", "now()", "random()", "a -> '$.x'", "list_transform([1], x -> x)", "a[1]",
        "struct_pack(a := 1)", "a::double", "cast(a as double)", "date '2020-01-01'",
        "interval 1 day", "a; b", "drop table x", "copy t to 'x'", "pragma version", "attach 'x'",
        "set x = 1", "install httpfs", "x.y.z", "nowhere", "j.nowhere", "", "a b c", "'open",
        "current_setting('threads')", "try(a)", "a collate nocase", "{'a': 1}", "query('select 1')",
        "a /* x */ ; -- y", "set_config('a', 'b')", "struct_extract(a, 'x')", "eval('1')",
        "years_between(a)", "number()", "date_of(a, b)", "case when (select true) then 1 end",
    ],
)  # fmt: skip
def test_what_an_expression_may_not_hold(text):
    with pytest.raises(MappingError):
        compiled(text, TABLE, "columns.x")


def test_a_long_or_deep_expression_is_refused():
    with pytest.raises(MappingError, match="longer than"):
        compiled("a" * (MAXIMUM_LENGTH + 1), TABLE, "x")
    with pytest.raises(MappingError):
        compiled("(" * 1900 + "a" + ")" * 1900, TABLE, "x")


def test_rows_are_not_chosen_by_what_may_be_unreadable():
    assert compiled("a = 'x'", TABLE, "x", texts_only=True).sql
    with pytest.raises(MappingError, match="cannot choose rows"):
        compiled("number(a) > 1", TABLE, "x", texts_only=True)


def test_what_cannot_be_read_is_a_check():
    checks = compiled("number(a) + number(b)", TABLE, "x").checks
    assert [told for _, told in checks] == ["not a number"] * 2
    assert fetched(f"SELECT {checks[0][0]} FROM (SELECT 'old' AS v0)") is True


@pytest.mark.parametrize(
    "source, target, molar_mass, value, expected",
    [
        ("mm3", "cm3", None, 3500, 3.5),
        ("mL", "cm3", None, 1500.5, 1500.5),
        ("cm^3", "cm3", None, 2, 2),
        ("months", "years", None, 18, 1.5),
        ("ng/mL", "pg/mL", None, 0.64, 640),
        ("ng/L", "pg/mL", None, 410, 410),
        ("Cel", "[degF]", None, 37, 98.6),
        ("mmol/L", "mg/dL", 180.156, 5.5, 99.0858),
        ("µmol/L", "mg/dL", 113.12, 88.4, 0.99998),
        ("kg", "g", None, 1.2, 1200),
    ],
)
def test_units_are_converted(source, target, molar_mass, value, expected):
    found = conversion(source, target, molar_mass, "x")
    computed = fetched(f"SELECT {found.sql(str(float(value)))}")
    assert computed == pytest.approx(expected, rel=1e-5)


def test_the_same_unit_changes_no_digit():
    assert conversion("SUVR", "SUVR", None, "x").sql("v") == "v"


@pytest.mark.parametrize("source, target", [("mm3", "mm2"), ("mmol/L", "mg/dL"), ("", "cm3")])
def test_incompatible_units_are_an_error(source, target):
    with pytest.raises(MappingError):
        conversion(source, target, None, "columns.x.unit")
