"""What is published from a hospital's own database: what a file of the same rows would be."""

import json

import psycopg
import pyarrow.parquet as pq
import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.harmonise import harmonise, read_mapping
from medmip.ingest.errors import NotClean, SmallChange
from medmip.ingest.publish import bring_in
from medmip.sources.publishing import check_source, publish_source, readable
from medmip.stewardship.card import card
from medmip.store.postgres import SourceFailure, moment
from medmip.store.snapshots import Datasets
from medmip.store.sources import SourceError
from tests.ingest.files import SECRET, WARD
from tests.ldsm.conftest import VISITS
from tests.sources.clinic import PASSWORD

MAPPING = """
mapping: "1"
name: The clinic's visits
sources:
  patients: {file: patients.csv}
  visits: {file: visits.csv}
  gone: {file: gone.csv, optional: true, columns: [nothing]}
rows:
  from: visits
  join:
    - {table: patients, on: {pid: subjectcode}}
columns:
  subjectid: pid
  visitid: {column: kind, codes: {first: BL, half: M6}}
  volume: {expression: "number(patients.volume) + number(millilitres)"}
"""


def exported(clinic, home, table, where="true"):
    """The rows of a table as the database's own export writes them."""
    file = home.path / f"{table}.csv"
    statement = (
        f"COPY (SELECT * FROM research.{table} WHERE {where}) TO STDOUT (FORMAT csv, HEADER)"
    )
    with (
        psycopg.connect(f"{clinic.address} user=postgres") as connection,
        connection.cursor().copy(statement) as copied,
    ):
        file.write_bytes(b"".join(copied))
    return file


def rows(snapshot):
    """The published records, in an order of their own."""
    table = pq.read_table(snapshot.path)
    kept = table.select(sorted({*table.column_names} - {"__patient"}))
    return sorted(kept.to_pylist(), key=lambda row: [row.get("visitid"), *map(str, row.values())])


def state(home):
    """Everything that is published, and whether anything is left of an import."""
    datasets = Datasets(home)
    versions = [v.hash for s in datasets.list() for v in datasets.versions(s.model, s.dataset)]
    return versions, list((home.path / "work").glob("import-*"))


def test_a_table_becomes_what_an_export_of_it_would(ward, either):
    file = exported(either, ward, "patients", "volume <> 'NaN'")
    (expected,) = bring_in(ward, file, WARD, "north").snapshots
    (found,) = publish_source(ward, either.read(ward), allow_small_change=True).snapshots
    (bare,) = (row for row in rows(found) if row["subjectcode"] == "p61")
    assert {bare[name] for name in ("age", "volume", "gender", "apoe4", "remark")} == {None}
    assert [row for row in rows(found) if row != bare] == rows(expected)
    assert found.version == expected.version + 1
    told = next(card(ward, WARD, found).sentences())
    assert told.startswith("It was read from clinic (research.patients) at 20")
    assert told.endswith(" UTC.")


def test_tables_through_a_mapping_are_what_files_through_it_are(ward, clinic):
    clinic.run(
        "DROP TABLE IF EXISTS research.stayed",
        """
        CREATE TABLE research.stayed AS
        SELECT 'p' || i % 20 + 1 AS pid, (ARRAY['first', 'half'])[1 + i / 20] AS kind,
            i / 8.0 AS millilitres, ARRAY[i] AS bundle
        FROM generate_series(0, 39) AS i
        """,
        "GRANT SELECT ON research.stayed TO mip_reader",
    )
    (ward.path / "clinic.yaml").write_text(MAPPING)
    mapping = read_mapping(ward.path / "clinic.yaml")
    files = [exported(clinic, ward, "patients"), exported(clinic, ward, "stayed")]
    files[1] = files[1].rename(ward.path / "visits.csv")
    (expected,) = harmonise(ward, files, mapping, VISITS, "files").snapshots
    source = clinic.read(ward, 'mapping = "clinic.yaml"\ntables = { visits = "stayed" }')
    visits = source.settings.model_copy(update={"model": VISITS.key})
    source = type(source)(source.name, visits)
    (found,) = publish_source(ward, source).snapshots
    assert len(rows(found)) == 40
    assert rows(found) == [row | {"dataset": "north"} for row in rows(expected)]
    assert found.mapping == expected.mapping == mapping.hash
    assert found.source.startswith("clinic (research.patients, research.stayed) at ")


def test_the_same_rows_are_the_same_version_however_they_lie(ward, clinic):
    source = clinic.read(ward)
    (first,) = publish_source(ward, source).snapshots
    clinic.run("UPDATE research.patients SET age = age WHERE subjectcode < 'p3'")
    (second,) = publish_source(ward, source).snapshots
    assert second == first
    clinic.run("UPDATE research.patients SET age = age + 1 WHERE subjectcode = 'p1'")
    try:
        with pytest.raises(SmallChange):
            publish_source(ward, source)
    finally:
        clinic.run("UPDATE research.patients SET age = age - 1 WHERE subjectcode = 'p1'")


def test_rows_that_others_write_meanwhile_are_not_read(ward, clinic):
    clinic.run(
        "DROP TABLE IF EXISTS research.many",
        "CREATE TABLE research.many AS SELECT 'p' || i AS patient, 40 AS age "
        "FROM generate_series(1, 40000) AS i",
        "GRANT SELECT ON research.many TO mip_reader",
    )
    asked = []

    def meddle(step, _done):
        if step.startswith("Reading research.many") and not asked:
            asked.append(step)
            clinic.run("UPDATE research.many SET age = 50; DELETE FROM research.many "
                       "WHERE patient < 'p3'")  # fmt: skip

    source = clinic.read(ward, 'table = "many"\npatient = "patient"')
    (found,) = publish_source(ward, source, progress=meddle).snapshots
    assert asked
    assert set(pq.read_table(found.path).column("age").to_pylist()) == {40}
    assert (found.records, found.patients) == (40_000, 40_000)


def test_a_cut_connection_leaves_everything_as_it_was(ward, clinic):
    source = clinic.read(ward)
    publish_source(ward, source)
    before = state(ward)
    clinic.run(
        "DROP TABLE IF EXISTS research.many",
        "CREATE TABLE research.many AS SELECT 'p' || i AS subjectcode, 40 AS age "
        "FROM generate_series(1, 40000) AS i",
        "GRANT SELECT ON research.many TO mip_reader",
    )

    def cut(step, _done):
        if step.startswith("Reading research.many"):
            clinic.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                       "WHERE usename = 'mip_reader'")  # fmt: skip

    with pytest.raises(SourceFailure, match="was cut") as cut_short:
        publish_source(ward, clinic.read(ward, 'table = "many"'), progress=cut)
    assert "Nothing was changed" in str(cut_short.value)
    assert state(ward) == before


@pytest.mark.parametrize(
    "query, seconds, message",
    [
        ("SELECT subjectcode, age FROM research.patients, pg_sleep(5)", 1, "longer than 1 seconds"),
        (
            f"SELECT subjectcode, ('{SECRET}' || age)::integer AS age FROM research.patients",
            60,
            "SQLSTATE 22P02",
        ),
    ],
    ids=["too slow", "fails at a value"],
)
def test_a_view_that_does_not_answer_publishes_nothing(ward, clinic, query, seconds, message):
    clinic.run(
        "DROP VIEW IF EXISTS research.bad",
        f"CREATE VIEW research.bad AS {query}",
        "GRANT SELECT ON research.bad TO mip_reader",
    )
    source = clinic.read(ward, f'table = "bad"\nseconds = {seconds}')
    before = state(ward)
    with pytest.raises(SourceFailure, match=message) as failed:
        publish_source(ward, source)
    assert SECRET not in str(failed.value)
    assert failed.value.__suppress_context__
    assert state(ward) == before


def test_nothing_can_be_written_or_made_there(ward, either):
    with moment(either.read(ward).address()) as found:
        for statement in ("CREATE TEMP TABLE mine (i int)", "DELETE FROM research.patients"):
            with pytest.raises(SourceFailure):
                found.run(statement)
            found.run("ROLLBACK")
            found.run("BEGIN READ ONLY")


def test_few_wide_rows_are_in_memory_at_once(ward, clinic):
    query = "SELECT i, repeat('x', 100000) FROM generate_series(1, 500) AS i"
    with moment(clinic.read(ward).address()) as found:
        batches = [*found.batches(query, most_bytes=1_000_000)]
    assert sum(batch.num_rows for batch in batches) == 500
    assert max(batch.nbytes for batch in batches[1:]) <= 1_000_000
    assert [i for batch in batches for i in batch.column(0).to_pylist()] == [*range(1, 501)]


@pytest.mark.parametrize(
    "grant, revoke, told",
    [
        (
            "GRANT INSERT ON research.patients TO mip_reader",
            "REVOKE INSERT ON research.patients FROM mip_reader",
            "it may change research.patients",
        ),
        (
            "GRANT UPDATE (age) ON research.patients TO mip_reader",
            "REVOKE UPDATE (age) ON research.patients FROM mip_reader",
            "it may change research.patients",
        ),
        (
            "GRANT CREATE ON SCHEMA research TO mip_reader",
            "REVOKE CREATE ON SCHEMA research FROM mip_reader",
            "it may make tables in research",
        ),
        (
            "CREATE ROLE writer; GRANT DELETE ON research.patients TO writer; "
            "ALTER ROLE mip_reader NOINHERIT; GRANT writer TO mip_reader",
            "ALTER ROLE mip_reader INHERIT; DROP OWNED BY writer; DROP ROLE writer",
            "it may change research.patients",
        ),
        (
            "ALTER ROLE mip_reader SUPERUSER",
            "ALTER ROLE mip_reader NOSUPERUSER",
            "it is a superuser",
        ),
    ],
    ids=["insert", "one column", "new tables", "by another role", "superuser"],
)
def test_an_account_that_may_write_is_refused_unless_that_is_said(
    ward, clinic, grant, revoke, told
):
    clinic.run(grant)
    try:
        with pytest.raises(SourceError, match=told):
            readable(ward, clinic.read(ward))
        assert readable(ward, clinic.read(ward, more="may_write = true")) == ["research.patients"]
    finally:
        clinic.run(revoke)
    assert readable(ward, clinic.read(ward))


def test_what_cannot_be_read_is_told_by_its_name(ward, clinic):
    clinic.run("CREATE TABLE IF NOT EXISTS research.closed (subjectcode text, pictures bytea)")
    for table, told in (
        ("nothere", "no table or view"),
        ("closed", "may not read research.closed"),
    ):
        with pytest.raises(SourceError, match=told):
            check_source(ward, clinic.read(ward, f'table = "{table}"'))
    clinic.run("GRANT SELECT ON research.closed TO mip_reader")
    with pytest.raises(SourceError, match=r"pictures of research\.closed holds lists"):
        check_source(ward, clinic.read(ward, 'table = "closed"'))
    clinic.run(
        "REVOKE SELECT ON research.closed FROM mip_reader",
        "GRANT SELECT (subjectcode) ON research.closed TO mip_reader",
    )
    with pytest.raises(NotClean, match="no record"):
        publish_source(ward, clinic.read(ward, 'table = "closed"'))


def test_rows_are_checked_as_a_file_s_are(ward, clinic, capsys):
    clinic.run(
        "DROP VIEW IF EXISTS research.bad",
        "CREATE VIEW research.bad AS SELECT subjectcode AS pid, "
        f"CASE subjectcode WHEN 'p7' THEN '{SECRET}' ELSE gender END AS gender "
        "FROM research.patients",
        "GRANT SELECT ON research.bad TO mip_reader",
    )
    clinic.read(ward, 'table = "bad"\npatient = "pid"')
    place = ["--home", str(ward.path), "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["source", "check", "clinic", *place])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    (problem,) = json.loads(printed.out)["problems"]
    assert (problem["kind"], problem["column"]) == ("unknown level", "gender")
    assert SECRET not in printed.out + printed.err
    with pytest.raises(SystemExit) as ended:
        main(["source", "publish", "clinic", *place])
    assert ended.value.code == 1
    assert not Datasets(ward).list()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["source", "publish", "clinic", "--quarantine", *place])
    assert ended.value.code == 0
    (published,) = json.loads(capsys.readouterr().out)["published"]
    assert (published["dataset"], published["records"]) == ("north", 60)
    with pytest.raises(SystemExit) as ended:
        main(["source", "list", *place])
    listed = capsys.readouterr().out
    assert json.loads(listed)[0]["reads"] == "research.bad"
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *place[:2]])
    assert "ok    source clinic: research.bad may be read" in capsys.readouterr().out
    assert PASSWORD not in listed


def test_models_named_wrongly_are_told(ward, clinic):
    source = clinic.read(ward)
    ModelStore(ward).remove(WARD.key)
    with pytest.raises(Exception, match=r"ward:1\.0"):
        publish_source(ward, source)
