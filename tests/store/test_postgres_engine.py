"""Records in the hospital's database are scanned as the same ones published are."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from medmip.authoring.analysis import model_of, site_of
from medmip.store import placed_visits
from medmip.store.engine import Partition, Selection
from medmip.store.filters import parse_filter
from medmip.store.postgres import Moment
from medmip.store.postgres_engine import SourceChanged
from medmip.store.visits import How, Taken, Visits
from tests.store.in_postgres import Database

LEVELS = {"sex": ("F", "M"), "odd?": ('a"b', "it's", "c\\d", "?")}


@pytest.fixture(scope="module", params=[False, True], ids=["as it is", "through a mapping"])
def database(clinics, tmp_path_factory, request):
    address = f"{clinics('bundled').address} user=postgres"
    return Database(address, tmp_path_factory.mktemp("registers"), request.param)


def columns(records=400, visits=1):
    rng = np.random.default_rng(7)
    patient = np.arange(records) // visits
    data = {
        "age": rng.integers(40, 90, records).astype(float),
        "volume": np.where(rng.random(records) < 0.1, np.nan, rng.normal(size=records)),
        "sex": rng.choice([*LEVELS["sex"], None], records),
        "odd?": rng.choice([*LEVELS["odd?"]], records),
        "dataset": np.where(patient % 3 == 0, "one", "two"),
    }
    if visits > 1:
        data["subjectid"] = np.array([f"P{number:05}" for number in patient])
        data["visitid"] = np.array([f"V{index % visits}" for index in range(records)])
    else:
        data["subjectcode"] = np.array([f"P{number:05}" for number in patient])
    return data


RULES = {
    "none": None,
    "all kinds": {
        "condition": "OR",
        "rules": [
            {"field": "age", "operator": "between", "value": [50, 60.5]},
            {"field": "odd?", "operator": "in", "value": ['a"b', "?"]},
            {
                "condition": "AND",
                "not": True,
                "rules": [
                    {"field": "volume", "operator": "is_null"},
                    {"field": "sex", "operator": "not_equal", "value": "F"},
                ],
            },
        ],
    },
    "another dataset": {
        "condition": "AND",
        "rules": [{"field": "dataset", "operator": "equal", "value": "two"}],
    },
}


def asked(site, model, rules, *, visits, complete=True):
    patient = "subjectid" if visits > 1 else "subjectcode"
    return Selection(
        model=model.key,
        snapshots=site.snapshots,
        numeric=("age", "volume"),
        nominal=("sex", "odd?", "dataset"),
        levels=LEVELS | {"dataset": ("two", "one")},
        filter=parse_filter(rules, model),
        complete=complete,
        gaps=("sex",),
        longitudinal=visits > 1,
        partition=Partition(3, 5, patient, None if visits > 1 else "sex"),
        identity=(patient, "visitid") if visits > 1 else (patient,),
    )


def told(site, selection):
    """All that an engine tells of a selection."""
    held = {}
    for index, batch in site.engine.scan(selection):
        held.setdefault(index, []).append(batch)
    scanned = {index: pa.Table.from_batches(batches).to_pydict() for index, batches in held.items()}
    key = b"secret"
    return {
        "scan": {index: repr(table) for index, table in scanned.items()},
        "sizes": site.engine.sizes(selection),
        "rows": [
            (kept.tolist(), None if patients is None else patients.tolist())
            for kept, patients in site.engine.rows(selection)
        ],
        "groups": [group.tolist() for group in site.engine.groups(selection, key)],
        "keys": [keys.tolist() for keys in site.engine.keys(selection, key)],
    }


@pytest.mark.parametrize("visits", [1, 3], ids=["a record a patient", "visits"])
@pytest.mark.parametrize(
    "rules, complete",
    [("none", False), ("all kinds", True), ("all kinds", False), ("another dataset", True)],
)
def test_both_engines_tell_the_same(tmp_path, database, visits, rules, complete):
    data = columns(visits=visits)
    model = model_of(data, LEVELS)
    published = site_of(tmp_path, model, data)
    placed = database.site(published)
    one, other = (
        told(site, asked(site, model, RULES[rules], visits=visits, complete=complete))
        for site in (published, placed)
    )
    assert one == other
    assert sum(size.records for size in one["sizes"]) > 100


def test_columns_that_a_dataset_lacks_are_missing_there_too(tmp_path, database):
    data = columns()
    model = model_of(data | {"more": data["age"], "kind": data["sex"]}, LEVELS)
    published = site_of(tmp_path, model, data)
    results = []
    for site in (published, database.site(published)):
        selection = Selection(
            model.key, site.snapshots, ("more",), ("kind",), {"kind": ("F", "M")}, complete=False
        )
        results.append(
            told(site, Selection(**vars(selection) | {"partition": Partition(2, 1, "x")}))
        )
    assert results[0]["scan"] == results[1]["scan"]
    assert results[0]["sizes"] == results[1]["sizes"]


def test_a_table_that_has_changed_is_not_analysed(tmp_path, database):
    data = columns(60)
    model = model_of(data, LEVELS)
    site = database.site(site_of(tmp_path, model, data))
    selection = asked(site, model, None, visits=1)
    assert site.engine.sizes(selection)
    table = site.snapshots[0].there.table
    age, patient = ('"Column 0?"', '"Column 4?"') if database.mapped else ("age", "subjectcode")
    database.run(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    database.run(f"UPDATE {table} SET {age} = '7' WHERE {patient} LIKE '%P00003'")
    for ask in (
        lambda: [*site.engine.scan(selection)],
        lambda: site.engine.sizes(selection),
        lambda: site.engine.rows(selection),
        lambda: site.engine.groups(selection, b""),
        lambda: site.engine.keys(selection, b""),
    ):
        with pytest.raises(SourceChanged, match="no longer what it was"):
            ask()
    database.run(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")
    assert site.engine.sizes(selection)


def test_a_server_that_let_its_connections_go_is_asked_anew(tmp_path, database):
    data = columns(60)
    site = database.site(site_of(tmp_path, model_of(data, LEVELS), data))
    selection = asked(site, model_of(data, LEVELS), None, visits=1)
    before = site.engine.sizes(selection)
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                 "pg_backend_pid() AND usename = 'postgres' AND state = 'idle'")  # fmt: skip
    assert site.engine.sizes(selection) == before


JOINED = {
    "first by visit": Visits(column="visitid"),
    "every way": Visits(
        taken=(
            ("age", Taken(How.MEAN)),
            ("sex", Taken(How.LAST)),
            ("volume", Taken(How.CHANGE, ("V0", "V2"))),
            ("odd?", Taken(How.VISIT, ("V1",))),
        ),
        column="visitid",
    ),
    "slopes over time": Visits(taken=(("volume", Taken(How.SLOPE)),), time="age", column="visitid"),
}


@pytest.mark.parametrize(
    "rules, joined, at_once",
    [
        ("all kinds", "every way", 700),
        ("all kinds", "slopes over time", 4_000_000),
        ("another dataset", "every way", 4_000_000),
        ("none", "first by visit", 4_000_000),
    ],
)
def test_visits_are_made_one_record_as_of_published_ones(
    tmp_path, database, monkeypatch, rules, joined, at_once
):
    monkeypatch.setattr(placed_visits, "CELLS_AT_ONCE", at_once)
    monkeypatch.setattr(Moment.batches, "__defaults__", ((), 100, None))
    data = columns(visits=3)
    model = model_of(data, LEVELS)
    published = site_of(tmp_path, model, data)
    partition = Partition(3, 5, "subjectid", "sex" if joined == "every way" else None)
    one, other = (
        told(
            site,
            replace(
                asked(site, model, RULES[rules], visits=3),
                visits=JOINED[joined],
                partition=partition,
            ),
        )
        for site in (published, database.site(published))
    )
    assert one == other
    assert sum(size.records for size in one["sizes"]) > 80
