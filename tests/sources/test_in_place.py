"""A dataset that stays in the hospital's database: analysed there as if it were published."""

import json

import duckdb
import pytest
from fastapi.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.anonymise.errors import AnonymisationError
from medmip.cli.main import main
from medmip.errors import Conflict
from medmip.experiments.experiment import State
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.harmonise.errors import MappingError
from medmip.ingest.errors import NotClean, SmallChange
from medmip.ingest.publish import bring_in
from medmip.sources.publishing import publish_source
from medmip.store.placed import Holdings, registers
from medmip.store.residence import residence
from medmip.store.snapshots import Datasets
from medmip.store.sources import SourceError
from medmip.web.application import create_app
from tests.federation.test_pooled import apart
from tests.ingest.files import SECRET, WARD
from tests.ldsm.conftest import VISITS

IN_PLACE = "[publication]\nin_place = true\n"
AS_THEY_ARE = '[anonymisation]\npatient_codes = "pseudonymise"\nidentifiers = "ignore"\n'


@pytest.fixture
def stays(ward, clinic):
    """A source whose policy says in place: patients of up to 99 years, some cells missing."""
    clinic.run(
        "DROP TABLE IF EXISTS research.stays CASCADE",
        "CREATE TABLE research.stays AS SELECT 'p' || i AS code, (25 + i % 75)::smallint AS age, "
        "(i % 40 + 0.1)::real AS volume, (ARRAY[' F', 'M ', 'NA', NULL])[1 + i % 4] AS gender, "
        "(i % 3)::numeric AS apoe4, CASE WHEN i % 5 = 0 THEN 'NA' ELSE 'seen' END AS remark "
        "FROM generate_series(1, 300) AS i",
        "GRANT SELECT ON research.stays TO mip_reader",
    )
    say(ward, IN_PLACE)
    return clinic.read(ward, 'table = "stays"\npatient = "code"')


def say(home, more):
    (home.policies / "default.toml").write_text(AS_THEY_ARE + more)


def ran(home, algorithm, y, x, **parameters):
    rule = {"field": "age", "operator": "greater", "value": 30}
    request = {
        "inputdata": {
            "data_model": WARD.key,
            "datasets": ["north"],
            "y": y,
            "x": x,
            "filters": {"condition": "AND", "rules": [rule]},
        },
        "algorithm": algorithm,
        "parameters": parameters,
    }
    service = ExperimentService(home)
    try:
        return service.run(Request.model_validate(request))
    finally:
        service.close()


def figures(experiment):
    assert experiment.state is State.DONE, experiment
    return experiment.result.data


def test_it_is_analysed_as_if_it_were_published(ward, stays, capsys):
    say(ward, "")
    (published,) = publish_source(ward, stays).snapshots
    expected = figures(ran(ward, "linear_regression", ["volume"], ["age", "gender"]))
    Datasets(ward).remove(WARD.key, "north")
    say(ward, IN_PLACE)
    (placed,) = publish_source(ward, stays).snapshots
    assert not Datasets(ward).list()
    assert not [*ward.datasets.rglob("*.parquet")]
    (listed,) = Holdings(ward).list(WARD.key)
    assert listed == placed
    assert (placed.records, placed.patients) == (published.records, published.patients)
    assert {*placed.variables} == {*published.variables}
    assert "clinic (research.stays)" in placed.source
    done = ran(ward, "linear_regression", ["volume"], ["age", "gender"])
    assert not [*apart(expected, figures(done))]
    assert [used.engine for used in done.provenance.snapshots] == ["postgres"]
    for words, told in (
        (["data", "list"], "north (in place)"),
        (["data", "card", WARD.key, "north"], "where it is analysed in place"),
        (["doctor"], "ok    dataset ward:1.0 north: version 1 in clinic, as it was"),
    ):
        with pytest.raises(SystemExit):
            main([*words, "--home", str(ward.path)])
        assert told in capsys.readouterr().out


def test_its_data_manager_sees_where_it_lives(ward, stays):
    publish_source(ward, stays)
    app = create_app(ExperimentService(ward), doorman_of(ward, Login(kind="open")))
    place = f"/api/v1/published/{WARD.key}/north"
    with TestClient(app, base_url="http://localhost") as client:
        (listed,) = client.get("/api/v1/published").json()
        assert listed["lives"] == {"kind": "database", "where": "clinic: research.stays"}
        assert client.get(f"{place}/versions").json() == [listed]
        assert client.get(f"{place}/card").json()["card"]["patients"] == listed["patients"]
        # What only a published file allows is refused in words.
        assert client.post(f"{place}/rollback", json={"version": 1}).status_code == 404
        assert client.delete(place).status_code == 404


def test_the_register_tells_no_value(ward, clinic, stays):
    (placed,) = publish_source(ward, stays).snapshots
    told = duckdb.sql(f"SELECT * FROM '{placed.path}'").to_df()
    assert [*told.columns] == ["subjectcode", "__contents", "__patient"]
    assert told.subjectcode.str.fullmatch("[0-9a-f]{32}").all()
    assert b"seen" not in placed.path.read_bytes()


def test_what_changes_in_the_database_is_a_new_version_or_no_analysis(ward, clinic, stays):
    (first,) = publish_source(ward, stays).snapshots
    assert publish_source(ward, stays).snapshots == (first,)
    clinic.run("UPDATE research.stays SET volume = 7 WHERE code = 'p9'")
    failed = ran(ward, "describe", ["volume"], [])
    assert failed.state is State.FAILED
    assert "no longer what it was at its version 1" in failed.model_dump_json()
    with pytest.raises(SmallChange):
        publish_source(ward, stays)
    clinic.run("UPDATE research.stays SET volume = volume + 1 WHERE age < 60")
    (second,) = publish_source(ward, stays).snapshots
    assert (second.version, second.patients) == (2, first.patients)
    figures(ran(ward, "describe", ["volume"], []))


def test_a_dataset_is_either_published_or_in_place(ward, stays, capsys):
    publish_source(ward, stays)
    file = ward.path / "north.csv"
    file.write_text("subjectcode,age\n" + "".join(f"p{i},50\n" for i in range(40)))
    with pytest.raises(Conflict, match="is analysed in the hospital's database"):
        bring_in(ward, file, WARD, "north")
    with pytest.raises(SystemExit) as ended:
        main(["data", "remove", WARD.key, "north", "--home", str(ward.path)])
    assert ended.value.code == 1
    assert "mip source withdraw ward:1.0 north" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["source", "withdraw", WARD.key, "north", "--home", str(ward.path)])
    assert ended.value.code == 0
    assert not registers(ward).list()
    bring_in(ward, file, WARD, "north")
    with pytest.raises(Conflict, match="mip data remove"):
        publish_source(ward, stays)


K_ANONYMITY = """
[anonymisation.k_anonymity]
k = 3
[anonymisation.k_anonymity.quasi_identifiers.age]
intervals = [5]
"""


@pytest.mark.parametrize(
    "policy, told",
    [
        (K_ANONYMITY.replace("3", "5", 1), "changes records so that 5 patients look alike"),
        ("[anonymisation.dates.remark]\nshift = 30\n", "changes the column remark"),
    ],
    ids=["k-anonymity", "dates"],
)
def test_a_policy_that_changes_records_needs_a_publication(ward, clinic, stays, policy, told):
    clinic.run("UPDATE research.stays SET remark = '2020-01-02'")
    say(ward, IN_PLACE + policy)
    with pytest.raises(AnonymisationError, match=told):
        publish_source(ward, stays)


def test_records_that_are_k_anonymous_as_they_stand_may_stay(ward, clinic, stays):
    say(ward, IN_PLACE + K_ANONYMITY)
    (placed,) = publish_source(ward, stays).snapshots
    assert placed.records == 300
    told = json.loads(placed.applied)["generalised"]
    assert (told["k"], told["levels"], told["suppressed"]) == (3, {"age": 0}, 0)
    figures(ran(ward, "describe", ["volume", "age"], []))
    clinic.run("DELETE FROM research.stays WHERE age = 40 AND code < 'p2'")
    with pytest.raises(AnonymisationError, match="so that 3 patients look alike"):
        publish_source(ward, stays, allow_small_change=True)


def test_what_would_be_read_otherwise_or_is_wrong_is_not_placed(ward, clinic, stays):
    clinic.run(
        "CREATE VIEW research.told AS SELECT code, age::text AS age FROM research.stays",
        "CREATE VIEW research.wrong AS SELECT code, "
        f"CASE code WHEN 'p1' THEN '{SECRET}' ELSE gender END AS gender FROM research.stays",
        "CREATE VIEW research.unsteady AS SELECT code, random() AS volume FROM research.stays",
        "GRANT SELECT ON research.told, research.wrong, research.unsteady TO mip_reader",
    )
    for table, error, message in (
        ("told", SourceError, "age of research.told is text, and age is a number"),
        ("unsteady", SourceError, "column volume of research.unsteady would be read otherwise"),
        ("wrong", NotClean, "gender"),
    ):
        with pytest.raises(error, match=message) as refused:
            publish_source(ward, clinic.read(ward, f'table = "{table}"\npatient = "code"'))
        assert SECRET not in str(refused.value)
    with pytest.raises(SourceError, match="No row can be set aside"):
        publish_source(ward, stays, quarantine=True)
    assert not registers(ward).list()


MAPPING = """
mapping: "1"
name: The stays, in other words
sources:
  people: {file: people.csv}
  scans: {file: scans.csv, missing: ["-9", "unknown"], decimal: comma}
  gone: {file: gone.csv, optional: true, columns: [pid]}
rows:
  from: scans
  join:
    - {table: people, on: {pid: code}}
  where: "state in ('done', 'late') and not contains(state, 'x')"
columns:
  subjectcode: pid
  age: {expression: "full_years(date_of(people.born, '%d.%m.%Y'), date_of(day))"}
  volume: {column: size, unit: {from: mm3, to: cm3}}
  gender: {column: people.sex, codes: {w: F, m: M}, others: ""}
  apoe4: {expression: "case when number(people.alleles) >= 2 then 2 else number(alleles) end"}
  remark: {expression: "upper(trim(note)) || '/' || substring(pid, 1, 1)", default: none}
"""


@pytest.fixture
def mapped(ward, clinic):
    """Two tables that a mapping makes the ward's rows of: codes, units, dates, words for missing"""
    clinic.run(
        "DROP TABLE IF EXISTS research.people, research.scans CASCADE",
        "CREATE TABLE research.people AS SELECT 'p' || i AS code, "
        "to_char(date '1940-02-29' + i * 91, 'DD.MM.YYYY') AS born, "
        "(ARRAY['w', 'm', '?', ' w '])[1 + i % 4] AS sex, i % 4 AS alleles "
        "FROM generate_series(1, 300) AS i",
        "CREATE TABLE research.scans AS SELECT 'p' || i AS pid, date '2020-01-01' + i AS day, "
        "CASE WHEN i % 7 = 0 THEN '-9' ELSE i || ',' || i % 9 END AS size, "
        "(ARRAY['done', 'late', 'failed'])[1 + i % 3] AS state, "
        "(ARRAY[' seen ', 'unknown', 'it''s ?', NULL])[1 + i % 4] AS note "
        "FROM generate_series(1, 300) AS i",
        "GRANT SELECT ON research.people, research.scans TO mip_reader",
    )
    (ward.path / "stays.yaml").write_text(MAPPING)
    say(ward, IN_PLACE)
    return clinic.read(ward, 'mapping = "stays.yaml"')


def test_a_mapping_is_analysed_as_if_it_were_published(ward, clinic, mapped):
    say(ward, "")
    (published,) = publish_source(ward, mapped).snapshots
    expected = [figures(ran(ward, *asked)) for asked in ASKED]
    Datasets(ward).remove(WARD.key, "north")
    say(ward, IN_PLACE)
    (placed,) = publish_source(ward, mapped).snapshots
    assert not [*ward.datasets.rglob("*.parquet")]
    assert (
        (placed.records, placed.patients) == (published.records, published.patients) == (200, 200)
    )
    assert placed.mapping == published.mapping
    assert placed.mapping_path.read_text() == MAPPING
    for asked, former in zip(ASKED, expected, strict=True):
        done = ran(ward, *asked)
        assert not [*apart(former, figures(done))]
        assert [used.engine for used in done.provenance.snapshots] == ["postgres"]
    assert residence(ward, placed).where == "clinic: research.people, research.scans"
    clinic.run("UPDATE research.people SET sex = 'm' WHERE code = 'p8'")
    assert "no longer what it was" in ran(ward, *ASKED[0]).model_dump_json()


ASKED = [
    ("linear_regression", ["volume"], ["age", "gender"]),
    ("describe", ["volume", "age", "gender", "apoe4"], []),
]


WIDE = """
mapping: "1"
name: Visits side by side
sources: {people: {file: people.csv}}
tables:
  seen: {from: people, where: "sex <> '?'"}
rows:
  from: seen
  visits: {BL: {size: a0}, M6: {size: a6}, M12: {size: a12}}
columns: {subjectid: code, visitid: visit, volume: size}
"""


def test_visits_side_by_side_are_records_in_place(ward, clinic):
    clinic.run(
        "DROP TABLE IF EXISTS research.people CASCADE",
        "CREATE TABLE research.people AS SELECT 'p' || i AS code, i / 4.0 AS a0, i / 3.0 AS a12, "
        "(ARRAY['w', 'm', '?'])[1 + i % 3] AS sex, nullif(i, i / 2 * 2) AS a6 "
        "FROM generate_series(1, 90) AS i",
        "GRANT SELECT ON research.people TO mip_reader",
    )
    (ward.path / "wide.yaml").write_text(WIDE)
    say(ward, IN_PLACE)
    source = clinic.read(ward, 'mapping = "wide.yaml"')
    longitudinal = source.settings.model_copy(update={"model": VISITS.key})
    (placed,) = publish_source(ward, type(source)(source.name, longitudinal)).snapshots
    assert (placed.records, placed.patients) == (150, 60)


@pytest.mark.parametrize(
    "change, told",
    [
        (("from: scans", "from: scans\n  facts: {x: {table: people, on: {pid: code}, value: sex}}"),
         "rows.facts: facts gathers several rows into one"),
        (("from: scans", "from: scans\n  one_per: {columns: [pid], order: day}"),
         "rows.one_per: one_per gathers several rows into one"),
        (("upper(trim(note))", "regexp_replace(note, 'e', 'i')"),
         "columns.remark.expression: RegexpReplace does not mean the same"),
    ],
    ids=["facts", "one_per", "regular expression"],
)  # fmt: skip
def test_what_a_mapping_cannot_do_in_place_is_told_by_its_place(ward, clinic, mapped, change, told):
    (ward.path / "stays.yaml").write_text(MAPPING.replace(*change))
    with pytest.raises(MappingError, match=told):
        publish_source(ward, mapped)
    assert not registers(ward).list()
