"""What psql reads of published data, who may, and that it is written down."""

import time

import pyarrow.parquet as pq
import pytest

from medmip.accounts.errors import NotAllowed
from medmip.accounts.role import Role
from medmip.ldsm.copying import copy_published
from medmip.ldsm.database import connected
from medmip.ldsm.keeper import Keeper
from medmip.ldsm.queries import without_values
from medmip.ldsm.readers import add_reader, readers, remove_reader
from medmip.store.snapshots import Datasets
from tests.ingest.files import WARD
from tests.ldsm.conftest import GAIT, VISITS


def rows(number, more="", value=""):
    lines = [f"subjectcode,age,volume,gender{more}"]
    lines += [f"p{i},{20 + i % 60},{i % 50}.5,{'FM'[i % 2]}{value}" for i in range(number)]
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def filled(house):
    """Three datasets: the ward's, one with a variable of its own, one of visits."""
    house.publish(rows(40))
    house.publish(rows(30, ",gaitspeed", ",1.25"), GAIT, "walkers")
    visits = [f"v{i},{visit},{i}.5" for i in range(20) for visit in ("BL", "M6")]
    house.publish("\n".join(["subjectid,visitid,volume", *visits]), VISITS, "twice")
    house.refresh()
    return house


@pytest.fixture
def reader(filled):
    with connected(filled.address) as connection:
        password = add_reader(filled.home, connection, filled.doorman, filled.settings, "ada")
    yield lambda statement, code=0: filled.psql(statement, "ada", password, code)
    with connected(filled.address) as connection:
        remove_reader(connection, "ada")


def test_the_flat_view_has_every_record_and_null_for_what_a_dataset_lacks(reader):
    counts = reader(
        "SELECT dataset, count(*), count(gaitspeed), count(visitid), sum(volume) "
        "FROM ldsm.mip_local_features GROUP BY dataset ORDER BY dataset"
    )
    total = sum(i % 50 + 0.5 for i in range(30))
    assert counts[0].split("|")[:4] == ["twice", "40", "0", "40"]
    assert counts[1] == f"walkers|30|30|0|{total:g}"
    assert counts[2].split("|")[:4] == ["ward", "40", "0", "0"]
    assert reader(
        "SELECT data_type FROM information_schema.columns "
        "WHERE table_name = 'mip_local_features' AND column_name IN ('age', 'gender', 'volume') "
        "ORDER BY column_name"
    ) == ["bigint", "text", "double precision"]


def test_the_view_of_facts_has_three_columns_and_common_elements_alone(reader):
    assert reader("SELECT * FROM ldsm.mip_federation_features WHERE false", 0) == []
    names = reader("SELECT DISTINCT colname FROM ldsm.mip_federation_features ORDER BY 1")
    assert names == sorted(WARD.all_variables)
    assert "gaitspeed" not in names
    (counted,) = reader(
        "SELECT count(*), count(val), count(DISTINCT rid) FROM ldsm.mip_federation_features"
    )
    elements = len(WARD.all_variables)
    present = len(("dataset", "subjectcode", "age", "volume", "gender"))
    assert counted == f"{70 * elements}|{70 * present}|70"
    (kinds,) = reader(
        "SELECT string_agg(column_name || ' ' || data_type, ',' ORDER BY ordinal_position) "
        "FROM information_schema.columns WHERE table_name = 'mip_federation_features'"
    )
    assert kinds == "rid text,colname text,val text"


def test_what_is_read_is_what_was_published_pseudonyms_and_all(filled, reader):
    table = pq.read_table(Datasets(filled.home).current(WARD.key, "ward").path)
    expected = sorted(
        f"{code}|{age}|{volume:g}|{gender}"
        for code, age, volume, gender in zip(
            *(table[name].to_pylist() for name in ("subjectcode", "age", "volume", "gender")),
            strict=True,
        )
    )
    found = reader(
        "SELECT subjectcode, age, volume, gender FROM ldsm.mip_local_features "
        "WHERE dataset = 'ward'"
    )
    assert sorted(found) == expected
    assert not any(line.startswith("p1|") for line in found)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ldsm.mip_local_features",
        "UPDATE ldsm.mip_local_features SET age = 1",
        "CREATE TABLE ldsm.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "SET default_transaction_read_only = off; CREATE TABLE ldsm.mine (a int)",
        "SELECT * FROM ldsm_data.copied",
        "SELECT * FROM ldsm_data.access",
        "INSERT INTO ldsm_data.access SELECT session_user, name FROM ldsm_data.copied",
        "SET log_statement = none",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT lo_import('/etc/passwd')",
        "CREATE FUNCTION leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_a_reader_reads_and_does_nothing_else(reader, statement):
    assert "ERROR" in reader(statement, 1)


def test_nobody_gets_in_without_a_password(filled, reader):
    assert filled.psql("SELECT 1", "ada", "wrong", 1)
    assert filled.psql("SELECT 1", "ada", "", 1)
    assert reader("SELECT 1") == ["1"]


def test_a_researcher_reads_no_rows(filled):
    with connected(filled.address) as connection, pytest.raises(NotAllowed):
        add_reader(filled.home, connection, filled.doorman, filled.settings, "eve")
    with connected(filled.address) as connection, pytest.raises(NotAllowed):
        add_reader(filled.home, connection, filled.doorman, filled.settings, "stranger")
    with connected(filled.address) as connection:
        assert readers(connection) == []


def test_who_loses_the_right_is_locked_out(filled):
    people = filled.doorman.people
    with connected(filled.address) as connection:
        password = add_reader(filled.home, connection, filled.doorman, filled.settings, "bob")
    assert filled.psql("SELECT 1", "bob", password) == ["1"]
    bob = people.named("bob")
    people.set_roles(bob.id, [Role.RESEARCHER], "test")
    filled.refresh()
    assert filled.psql("SELECT 1", "bob", password, 1)
    with connected(filled.address) as connection:
        assert [(one.name, one.open) for one in readers(connection)] == [("bob", False)]
        remove_reader(connection, "bob")
    people.set_roles(bob.id, [Role.DATA_MANAGER], "test")


def test_a_dataset_is_hidden_from_a_reader_whom_its_policy_does_not_name(filled, reader):
    path = filled.home.dataset_policy(WARD.key, "ward")
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = "SELECT dataset FROM ldsm.datasets ORDER BY 1"
    # A condition that fails on rows would tell that they are there, were it asked of them.
    probe = (
        "SELECT count(*) FROM ldsm.mip_local_features "
        "WHERE dataset = 'ward' AND 1 / (CASE WHEN age > 0 THEN 0 ELSE 1 END) = 1"
    )
    path.write_text('[access]\nroles = []\nusers = ["bob"]\n')
    filled.refresh()
    assert reader(asked) == ["twice", "walkers"]
    assert reader(probe) == ["0"]
    assert reader("SELECT count(*) FROM ldsm.mip_federation_features WHERE colname = 'age'") == [
        "30"
    ]
    path.write_text('[access]\nroles = []\nusers = ["ada"]\n')
    filled.refresh()
    assert reader(asked) == ["twice", "walkers", "ward"]
    path.unlink()


def test_every_query_is_in_the_ledger_without_its_values(filled, reader):
    filled.refresh()
    before = filled.ledger.count()
    reader("SELECT count(*) FROM ldsm.mip_local_features WHERE subjectcode = 'Zaphod' AND age > 41")
    reader("DELETE FROM ldsm.mip_local_features", 1)
    filled.refresh()
    told = [(row.user, row.verdict, row.reason) for row in filled.ledger.rows(50)]
    told = told[: filled.ledger.count() - before]
    assert all(user == "ada" for user, _, _ in told)
    assert any(
        "WHERE subjectcode = ? AND age > ?" in reason and verdict == "released"
        for _, verdict, reason in told
    )
    assert any("DELETE" in reason and verdict == "refused" for _, verdict, reason in told)
    assert not any(
        "Zaphod" in reason or "41" in reason.partition("UTC: ")[2] for *_, reason in told
    )
    filled.refresh()
    assert filled.ledger.count() == before + len(told)


@pytest.mark.parametrize(
    "text, bare",
    [
        ("SELECT 'it''s', 1.5e3, a1", "SELECT ?, ?, a1"),
        ("SELECT $$Zaphod$$, $x$Zaphod $$ $x$", "SELECT ?, ?"),
        ("SELECT 1 -- Zaphod\n, /* Zaphod */ 2", "SELECT ? , ?"),
        ('SELECT "col 1" FROM t2', 'SELECT "col 1" FROM t2'),
        ("SELECT E'it\\'s Zaphod', U&'Zaphod', 0x1F", "SELECT ?, U?, ?"),
        ("SELECT a /* /* */ Zaphod */ FROM t", "SELECT a FROM t"),
        ("SELECT 'Zaphod", "SELECT ?"),
        ('SELECT "Zaphod', "SELECT ?"),
        ("SELECT $x$Zaphod", "SELECT ?"),
        ("SELECT a /* Zaphod", "SELECT a"),
    ],
)
def test_values_are_left_out_of_a_statement(text, bare):
    assert without_values(text) == bare


def test_a_new_version_takes_the_place_of_the_former_and_a_removed_dataset_goes(house, filled):
    house.publish(rows(60))
    fresh, _ = house.refresh()
    assert [(one.dataset, one.version) for one in fresh] == [("ward", 2)]
    assert house.refresh()[0] == []
    asked = "SELECT dataset, version FROM ldsm.datasets ORDER BY 1"
    assert house.psql(asked) == ["twice|1", "walkers|1", "ward|2"]
    Datasets(house.home).rollback(WARD.key, "ward", 1)
    house.refresh()
    counted = "SELECT count(*) FROM ldsm.mip_local_features WHERE dataset = 'ward'"
    assert house.psql(counted) == ["40"]
    Datasets(house.home).remove(GAIT.key, "walkers")
    house.refresh()
    assert house.psql(asked) == ["twice|1", "ward|1"]
    assert house.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'ldsm_data'") == ["4"]


def test_a_copy_that_stops_in_the_midst_leaves_the_former_state(house, filled):
    house.publish(rows(50), WARD, "other")
    before = house.psql("SELECT * FROM ldsm.datasets ORDER BY 1, 2")
    with connected(house.address) as connection:
        assert [one.dataset for one in copy_published(house.home, connection)] == ["other"]
        connection.rollback()
    assert house.psql("SELECT * FROM ldsm.datasets ORDER BY 1, 2") == before


def test_a_running_server_keeps_the_copies_up_to_date(house, filled):
    quick = house.settings.model_copy(update={"seconds": 1})
    counted = "SELECT count(*) FROM ldsm.mip_local_features WHERE dataset = 'late'"
    with Keeper(house.home, quick, house.doorman, house.ledger):
        house.publish(rows(25), WARD, "late")
        end = time.monotonic() + 20
        while house.psql(counted) != ["25"]:
            assert time.monotonic() < end
            time.sleep(0.2)
    assert house.psql(counted) == ["25"]
