"""`mip data` of cards, catalogues, versions and pseudonyms; `mip model migrate`."""

import json

import pyarrow.parquet as pq
import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.ingest.publish import bring_in
from medmip.store.snapshots import Datasets
from tests.anonymise.cohort import COHORT
from tests.stewardship.conftest import POLICY, content


@pytest.fixture
def mip(home, capsys):
    def run(*arguments):
        code = 0
        try:
            main([*map(str, arguments), "--home", str(home.path)])
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_card_tells_what_was_done(mip, publish):
    publish(content(60))
    code, out, _ = mip("data", "card", COHORT.key, "ward")
    assert code == 0
    assert "Memory clinic" in out
    assert "data@example.org" in out
    assert "subjectageyears: 90 stands for 90 years and more" in out
    assert "keyed pseudonyms" in out
    card = json.loads(mip("data", "card", COHORT.key, "ward", "--json")[1])
    assert card["applied"]["policy"]["retention"]["versions"] == 2
    assert card["patients"] == 60


@pytest.mark.parametrize("vocabulary", ["dcat", "schema.org"])
def test_the_catalogue_describes_every_dataset_and_holds_no_patient(mip, publish, vocabulary):
    snapshot = publish(content(60))
    code, out, _ = mip("data", "catalogue", "--format", vocabulary)
    assert code == 0
    made = json.loads(out)
    (entry,) = made["dcat:dataset"] if vocabulary == "dcat" else made["dataset"]
    assert entry["@id"] == f"urn:mip:dataset:{COHORT.key}:ward"
    assert "Memory clinic" in out
    assert "University Hospital" in out
    pseudonyms = pq.read_table(snapshot.path)["subjectcode"].to_pylist()
    assert not any(code in out for code in pseudonyms)
    if vocabulary == "dcat":
        assert entry["dcat:contactPoint"]["vcard:hasEmail"] == {"@id": "mailto:data@example.org"}
        prefixes = {key.partition(":")[0] for key in entry if ":" in key}
        assert prefixes <= {*made["@context"]}
    else:
        assert {part["propertyID"] for part in entry["variableMeasured"]} >= {"volume", "gender"}


def test_reidentification_is_written_down_before_it_is_told(mip, publish, home):
    snapshot = publish(content(60))
    pseudonym = pq.read_table(snapshot.path)["subjectcode"][7].as_py()
    asked = ("data", "reidentify", COHORT.key, "ward", pseudonym, "--reason", "finding")
    code, out, _ = mip(*asked)
    assert (code, "H00007" in out) == (0, True)
    (row,) = json.loads(mip("audit", "list", "--json")[1])
    assert (row["statistic"], row["verdict"]) == ("reidentify", "released")
    assert "finding" in row["reason"]
    assert "H00007" not in json.dumps(row)
    home.dataset_policy(COHORT.key, "ward").write_text("")
    code, out, err = mip(*asked)
    assert (code, "H00007" in out + err) == (1, False)
    rows = json.loads(mip("audit", "list", "--json")[1])
    assert [row["verdict"] for row in rows] == ["refused", "released"]


def test_versions_are_compared_and_outdated_ones_removed(mip, publish):
    for number in range(3):
        publish(content(60, volume=str(number)))
    code, out, _ = mip("data", "diff", COHORT.key, "ward", 1, 3)
    assert (code, "Records changed: 60" in out) == (0, True)
    assert mip("data", "diff", COHORT.key, "ward", 1, 9)[0] == 1
    dry = json.loads(mip("data", "retain", "--dry-run", "--json")[1])
    assert dry == [{"model": COHORT.key, "dataset": "ward", "versions": [1]}]
    assert "versions [1] removed" in mip("data", "retain")[1]
    assert "Nothing is older" in mip("data", "retain")[1]


def test_the_policy_in_force_is_shown_with_its_file(mip, publish, home):
    publish(content(60))
    assert (
        str(home.dataset_policy(COHORT.key, "ward")) in mip("data", "policy", COHORT.key, "ward")[1]
    )
    shown = json.loads(mip("data", "policy", COHORT.key, "other", "--json")[1])
    assert shown["anonymisation"]["patient_codes"] == "pseudonymise"


def test_an_extension_shows_at_once_and_a_dataset_moves_to_it(mip, publish, home, tmp_path):
    publish(content(60))
    extension = tmp_path / "own.json"
    variable = {
        "code": "ourscore", "label": "Our score", "type": "real", "sql_type": "real",
        "isCategorical": False, "minValue": 0,
    }  # fmt: skip
    renamed = variable | {"code": "liter", "label": "Volume in litres"}
    extension.write_text(
        json.dumps(
            {"code": "ours", "version": "0.1", "label": "Ours", "extends": COHORT.key,
             "variables": [variable, renamed]}
        )
    )  # fmt: skip
    store = ModelStore(home)
    assert mip("model", "add", extension)[0] == 0
    assert {*store.get("ours:0.1").all_variables} == {*COHORT.all_variables, "ourscore", "liter"}
    migration = tmp_path / "move.yaml"
    migration.write_text(f'from: "{COHORT.key}"\nto: "ours:0.1"\nrename:\n  volume: liter\n')
    code, _, err = mip("model", "migrate", migration)
    assert code == 0, err
    moved = Datasets(home).current("ours:0.1", "ward")
    assert "liter" in moved.variables
    assert "volume" not in moved.variables
    assert Datasets(home).current(COHORT.key, "ward").version == 1
    assert mip("model", "remove", COHORT.key)[0] == 1
    told = mip("data", "card", "ours:0.1", "ward")[1]
    assert f"moved from {COHORT.key} version 1" in told
    assert f"liter: named volume in {COHORT.key}" in told


def test_patients_keep_their_pseudonyms_when_their_dataset_moves(mip, publish, home, tmp_path):
    publish(content(60))
    ours = COHORT.model_copy(update={"code": "ours"})
    ModelStore(home).add(ours)
    home.dataset_policy(ours.key, "ward").parent.mkdir()
    home.dataset_policy(ours.key, "ward").write_text(POLICY)
    migration = tmp_path / "move.yaml"
    migration.write_text(f'from: "{COHORT.key}"\nto: "{ours.key}"\n')
    assert mip("model", "migrate", migration)[0] == 0
    moved = pq.read_table(Datasets(home).current(ours.key, "ward").path)["subjectcode"].to_pylist()
    file = tmp_path / "later.csv"
    file.write_text(content(60, volume="2"))
    for _ in range(2):
        later = bring_in(home, file, ours, "ward", allow_small_change=True).snapshots[0]
        assert sorted(pq.read_table(later.path)["subjectcode"].to_pylist()) == sorted(moved)
        file.write_text(content(60, volume="3"))
    assert "Records changed: 60" in mip("data", "diff", ours.key, "ward", 1, 2)[1]
    code, out, _ = mip("data", "reidentify", ours.key, "ward", moved[7], "--reason", "finding")
    assert (code, "H00007" in out) == (0, True)


def test_a_migration_that_does_not_fit_publishes_nothing(mip, publish, home, tmp_path):
    publish(content(60))
    target = COHORT.model_copy(
        update={
            "version": "2.0",
            "variables": tuple(
                one.model_copy(update={"maximum": 20.0}) if one.code == "volume" else one
                for one in COHORT.variables
            ),
        }
    )
    ModelStore(home).add(target)
    migration = tmp_path / "move.yaml"
    migration.write_text(f'from: "{COHORT.key}"\nto: "{target.key}"\n')
    code, _, err = mip("model", "migrate", migration)
    assert (code, "volume: 40 records" in err) == (1, True)
    migration.write_text(f'from: "{COHORT.key}"\nto: "{target.key}"\nrename: {{nothing: volume}}\n')
    assert "has no variable nothing" in mip("model", "migrate", migration)[2]
    assert home.published(target.key) == []
