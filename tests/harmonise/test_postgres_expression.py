"""Expressions mean in the hospital's database what they mean of files, or are refused there."""

import duckdb
import psycopg
import pytest

from medmip.harmonise.errors import MappingError
from medmip.harmonise.expression import compiled
from medmip.harmonise.postgres_expression import Kind, in_postgres
from medmip.harmonise.relation import Field, Relation

CELLS = [
    # text, number with a point, number with a comma, a date, a date in another form
    (" Anna ", "1.5", "2,25", "1950-02-28", "28.02.1950"),
    ("it's ?", "-0.1e2", "-7", "2000-02-29 08:30:00", "29.02.2000"),
    ("ÄÖ%_\\x", "x1", "1.000,5", "2024-13-01", "1.1.1999"),
    ("", " 3 ", "0", "2023-12-31T00:00", "31.12.2023"),
    ("zz", "0", None, "yesterday", "31/12/2023"),
    (None, None, "1e3", None, None),
    ("007", "7.", ".5", "1999-01-01", "01.01.1999"),
]
NAMES = ("t", "n", "comma", "d", "e")
RELATION = Relation(
    "cells",
    tuple(Field(name, "cells", f"c{i}", name == "comma") for i, name in enumerate(NAMES)),
)
EXPRESSIONS = [
    "t", "t = 'zz'", "t <> 'zz' and not t = '007'", "t in ('zz', '007', 'it''s ?')",
    "t not in ('zz')", "t between '0' and 'b'", "t < 'a'", "t >= n", "t is null or t is not null",
    "t like '%?'", "t like '%\\x'", "t ilike '%ANNA%'", "t || '/' || n", "concat(t, n, '!')",
    "lower(t)", "trim(t)", "upper(trim(coalesce(t, 'none')))", "length(t)", "left(t, 2)",
    "right(t, 2)", "substring(t, 2, 2)", "substring(t, 2)", "replace(t, 'z', 'y''')",
    "split_part(e, '.', 2)", "contains(t, '?')", "starts_with(t, ' ')", "nullif(t, 'zz')",
    "greatest(t, 'b')", "least(t, n)", "coalesce(t, n, 'x')",
    "number(n)", "number(comma)", "number(n) + number(comma) * 2 - 1", "- number(n)",
    "number(n) / 3", "abs(number(n))", "round(number(n) * 1.05, 1)", "round(number(n))",
    "floor(number(n))", "ceil(number(n))", "sqrt(abs(number(n)))", "exp(number(n))",
    "pow(number(n), 2)", "ln(abs(number(n)) + 1)", "greatest(number(n), 1)",
    "number(n) between 0 and 2", "case when number(n) > 1 then 'more' else 'less' end",
    "case t when 'zz' then '1' when '007' then '2' end", "case when t = 'zz' then number(n) end",
    "days_between(date_of(d), date_of('2020-02-29'))",
    "years_between(date_of(e, '%d.%m.%Y', '%d/%m/%Y'), date_of('2024-06-01'))",
    "months_between(date_of(d), date_of(e, '%d.%m.%Y'))",
    "full_years(date_of(e, '%d.%m.%Y', '%d/%m/%Y'), date_of('2024-02-28'))",
    "date_of(d) < date_of('2000-01-01')", "date_of(d) is null",
    "(t = 'zz') is true", "case when null then 'a' else 'b' end",
]  # fmt: skip
READABLE = "d IS NULL OR d NOT LIKE '2024-13%'"
"""A text that looks like a date and is none stops a publication, so it is never read in place."""


@pytest.fixture(scope="module")
def there(clinics):
    address = f"{clinics('bundled').address} user=postgres"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE cells (c0 text, c1 text, c2 text, c3 text, c4 text)")
        for row in CELLS:
            connection.execute("INSERT INTO cells VALUES (%s, %s, %s, %s, %s)", row)
        yield connection


@pytest.fixture(scope="module")
def here():
    connection = duckdb.connect()
    connection.execute("CREATE TABLE cells (c0 text, c1 text, c2 text, c3 text, c4 text)")
    connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?, ?)", CELLS)
    return connection


def number(value):
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_it_means_the_same_there(here, there, text):
    among = f"FROM cells WHERE {READABLE.replace('d ', 'c3 ')} ORDER BY c4, c0"
    cell = in_postgres(text, RELATION, "x")
    expected = here.execute(f"SELECT {compiled(text, RELATION, 'x').sql} {among}").fetchall()
    ordered = among.replace("c4, c0", 'c4 COLLATE "C", c0 COLLATE "C"')
    found = there.execute(f"SELECT {cell.sql} {ordered}").fetchall()
    pairs = [(number(a), number(b)) for (a,), (b,) in zip(expected, found, strict=True)]
    assert all(b == (pytest.approx(a, rel=1e-15) if isinstance(a, float) else a) for a, b in pairs)
    assert (cell.kind is Kind.NUMBER) == any(isinstance(b, float) for _, b in pairs)


@pytest.mark.parametrize(
    "text, told",
    [
        ("regexp_replace(t, 'a', 'b')", "RegexpReplace does not mean the same"),
        ("number(n) % 2", "Mod does not mean the same"),
        ("t = 5", "a number beside a text"),
        ("number(n) || 'x'", "a number where a text is needed"),
        ("date_of(e, '%b %Y')", "The date format %b"),
        ("coalesce(t, number(n))", "a number beside a text"),
        ("trim(both 'x' from t)", "Trim"),
    ],
)
def test_what_does_not_is_refused_by_name(text, told):
    with pytest.raises(MappingError, match=told) as refused:
        in_postgres(text, RELATION, "columns.x")
    assert "columns.x" in str(refused.value)
    assert "publish the dataset" in str(refused.value)
