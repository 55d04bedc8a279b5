"""Files asked by SQL before any import: read-only, bounded, silent about patients in its errors."""

import json
import zipfile

import pytest

from medmip.cli.main import main
from medmip.ingest.errors import IngestError, QueryError
from medmip.ingest.query import query, table_name
from tests.ingest.files import SECRET
from tests.ingest.test_formats import excel


@pytest.fixture
def inbox(home):
    (home.inbox / "Ward-2024.csv").write_text(
        "pid;age;since;dose\np1;40;2020-01-02;1\np2;50;2021-01-02;2.5\n"
    )
    (home.inbox / "labs.csv").write_text(f"pid,code,note\np1,007,{SECRET}\np2,008,\np2,9,\n")
    excel(home.inbox / "Book.xlsx", ("One", [["a"], [1]]), ("Two", [["b"], ["x"]]))
    (home.inbox / "readme.md").write_text("no table")
    return home.inbox


@pytest.fixture
def ask(home, inbox):
    return lambda sql, **bounds: query([inbox], sql, home=home, **bounds)


def test_files_are_joined(ask):
    result = ask(
        "select w.pid, age + 1 as next, count(*) as n from ward_2024 w join labs using (pid) "
        "group by all order by 1"
    )
    assert result.columns == ("pid", "next", "n")
    assert result.rows == (("p1", 41, 1), ("p2", 51, 2))
    assert all(isinstance(row[1], int) for row in result.rows)
    assert not result.more


def test_types_are_those_that_every_cell_has(ask):
    sql = "select typeof(age), typeof(since), typeof(dose) from ward_2024 limit 1"
    assert ask(sql).rows == (("BIGINT", "DATE", "DOUBLE"),)
    assert ask("select distinct typeof(code) from labs").rows == (("VARCHAR",),)


def test_each_sheet_is_a_table(ask):
    assert ask("select a from book_one").rows == ((1.0,),)
    assert ask("select b from BOOK_TWO").rows == (("x",),)


def test_a_zip_is_its_files(home, tmp_path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("ward.csv", "a\n1\n")
    assert query([tmp_path / "export.zip"], "from ward", home=home).rows == ((1.0,),)


def test_rows_are_limited(ask):
    result = ask("select * from labs", limit=2)
    assert (len(result.rows), result.more) == (2, True)


@pytest.mark.parametrize(
    "sql",
    [
        "create table x as select 1", "insert into labs values (1)", "drop view labs",
        "copy labs to 'x.csv'", "copy (select 1) to 'x'", "attach 'x.db'", "install httpfs",
        "load httpfs", "set threads = 1", "pragma database_list", "select 1; select 2",
        "export database 'x'", "delete from labs", "update labs set pid = 1", "call pragma_version()",  # noqa: E501
        "explain select 1", "vacuum", "begin", "use x", "checkpoint", "", "detach x",
    ],
)  # fmt: skip
def test_nothing_but_one_select_is_run(ask, sql):
    with pytest.raises(IngestError):
        ask(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "from read_text('/etc/passwd')", "select * from read_csv('/etc/passwd')",
        "from glob('/etc/*')", "from '/etc/passwd'", "from read_blob('../../state.db')",
        "select * from parquet_scan('/tmp/x.parquet')", "from nowhere", "from sniff_csv('/etc/passwd')",  # noqa: E501
    ],
)  # fmt: skip
def test_no_other_file_is_reached(ask, sql):
    with pytest.raises(IngestError):
        ask(sql)


def test_an_error_holds_no_patients_value(ask):
    for sql in (
        "select note::int from labs",
        "select error(note) from labs",
        "select strptime(note, '%Y') from labs",
    ):
        with pytest.raises(IngestError) as caught:
            ask(sql)
        assert SECRET not in str(caught.value)
    with pytest.raises(QueryError, match=r"cannot take .ConversionException.") as caught:
        ask("select note::int from labs")
    assert "try_cast" in str(caught.value.remedy)
    with pytest.raises(QueryError, match="by its path") as caught:
        ask("from read_csv('/etc/passwd')")
    assert "labs" in str(caught.value.remedy)


def test_a_near_name_is_told(ask):
    with pytest.raises(IngestError, match="Did you mean labs"):
        ask("from lab")
    with pytest.raises(IngestError, match="agee"):
        ask("select agee from ward_2024")


def test_a_query_that_takes_too_long_is_stopped(ask):
    with pytest.raises(IngestError, match="took longer than"):
        ask("select count(*) from range(100000) a, range(100000) b, labs", seconds=0.3)


def test_a_file_that_cannot_be_split_is_not_asked(ask, inbox):
    (inbox / "labs.csv").write_text("pid,code\np1\n")
    with pytest.raises(IngestError, match="cannot be split"):
        ask("from labs")


def test_two_files_of_one_table_are_told(ask, inbox):
    (inbox / "ward 2024.csv").write_text("a\n1\n")
    with pytest.raises(IngestError, match="both be the table ward_2024"):
        ask("from labs")


@pytest.mark.parametrize(
    "name, table", [("B%dEx-mp|e", "bdex_mpe"), ("2024 Ward", "t2024_ward"), ("élan", "lan")]
)
def test_a_table_is_named_after_its_file(name, table):
    assert table_name(name) == table


def test_the_command(home, inbox, capsys):
    sql = "select pid, age from ward_2024 order by pid"
    main_of = lambda *more: _run(["data", "query", sql, "--home", str(home.path), *more])  # noqa: E731
    assert main_of() == 0
    assert "p1" in capsys.readouterr().out
    assert main_of("--json", "--limit", "1") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"columns": ["pid", "age"], "rows": [["p1", 40.0]], "more": True}


def _run(words):
    try:
        main(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0
